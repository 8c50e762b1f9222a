"""Simulate neural networks on integer hardware, bit for bit, and see where bits are lost.

>>> import hwsim
>>> result = hwsim.run("model.keras", "generic-int8")  # doctest: +SKIP
>>> print(result.report)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwsim.divergence import Diff, diff
    from hwsim.engine import Execution, Ledger, execute
    from hwsim.errors import (
        DataError,
        DatapathOverflow,
        HwsimError,
        ModelError,
        PlanError,
        ProgramError,
        SettingError,
        TargetError,
        UnsupportedError,
        WidthError,
    )
    from hwsim.formats import IntFormat, Overflow, Rounding
    from hwsim.improve import TECHNIQUES
    from hwsim.lite import Implementations, compare_implementations
    from hwsim.loaders import load
    from hwsim.location import Location, Locations, locate
    from hwsim.network import Network
    from hwsim.pipeline import Result, run
    from hwsim.process import (
        Attribution,
        Characteristics,
        Criterion,
        Explanation,
        Negligible,
        Proposal,
        Tolerance,
        TruncationPoints,
        attribute,
        characteristics,
        explain,
        negligible,
        propose,
        truncation_points,
    )
    from hwsim.program import Program, lower
    from hwsim.quantize import Analysis, Plan, Profile, WeightProfile, analyse, decide, profile, profile_weights
    from hwsim.report import Checked, Report, ReportDiff, check, compare_reports
    from hwsim.target import Target, load_target, shipped_targets
    from hwsim.techniques import Techniques, compare_techniques
    from hwsim.train import Agreement, StoreReport, agree, fake_quantize, store_weights

__version__ = "0.1.0"

_HOME = {
    "Agreement": "train",
    "Analysis": "quantize",
    "Attribution": "process",
    "Characteristics": "process",
    "Checked": "report",
    "Criterion": "process",
    "DataError": "errors",
    "DatapathOverflow": "errors",
    "Diff": "divergence",
    "Execution": "engine",
    "Explanation": "process",
    "HwsimError": "errors",
    "Implementations": "lite",
    "IntFormat": "formats",
    "Ledger": "engine",
    "Location": "location",
    "Locations": "location",
    "ModelError": "errors",
    "Negligible": "process",
    "Network": "network",
    "Overflow": "formats",
    "Plan": "quantize",
    "PlanError": "errors",
    "Profile": "quantize",
    "Program": "program",
    "ProgramError": "errors",
    "Proposal": "process",
    "Report": "report",
    "ReportDiff": "report",
    "Result": "pipeline",
    "Rounding": "formats",
    "SettingError": "errors",
    "StoreReport": "train",
    "TECHNIQUES": "improve",
    "Target": "target",
    "TargetError": "errors",
    "Techniques": "techniques",
    "Tolerance": "process",
    "TruncationPoints": "process",
    "UnsupportedError": "errors",
    "WeightProfile": "quantize",
    "WidthError": "errors",
    "agree": "train",
    "analyse": "quantize",
    "attribute": "process",
    "characteristics": "process",
    "check": "report",
    "compare_implementations": "lite",
    "compare_reports": "report",
    "compare_techniques": "techniques",
    "decide": "quantize",
    "diff": "divergence",
    "execute": "engine",
    "explain": "process",
    "fake_quantize": "train",
    "load": "loaders",
    "load_target": "target",
    "locate": "location",
    "lower": "program",
    "negligible": "process",
    "profile": "quantize",
    "profile_weights": "quantize",
    "propose": "process",
    "run": "pipeline",
    "shipped_targets": "target",
    "store_weights": "train",
    "truncation_points": "process",
}
"""The room each public name comes from, when it is first used: `import hwsim` is quick."""

__all__ = [
    "Agreement",
    "Analysis",
    "Attribution",
    "Characteristics",
    "Checked",
    "Criterion",
    "DataError",
    "DatapathOverflow",
    "Diff",
    "Execution",
    "Explanation",
    "HwsimError",
    "Implementations",
    "IntFormat",
    "Ledger",
    "Location",
    "Locations",
    "ModelError",
    "Negligible",
    "Network",
    "Overflow",
    "Plan",
    "PlanError",
    "Profile",
    "Program",
    "ProgramError",
    "Proposal",
    "Report",
    "ReportDiff",
    "Result",
    "Rounding",
    "SettingError",
    "StoreReport",
    "TECHNIQUES",
    "Target",
    "TargetError",
    "Techniques",
    "Tolerance",
    "TruncationPoints",
    "UnsupportedError",
    "WeightProfile",
    "WidthError",
    "__version__",
    "agree",
    "analyse",
    "attribute",
    "characteristics",
    "check",
    "compare_implementations",
    "compare_reports",
    "compare_techniques",
    "decide",
    "diff",
    "execute",
    "explain",
    "fake_quantize",
    "load",
    "load_target",
    "locate",
    "lower",
    "negligible",
    "profile",
    "profile_weights",
    "propose",
    "run",
    "shipped_targets",
    "store_weights",
    "truncation_points",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"hwsim.{_HOME[name]}"), name)
    if name == "train":  # a room with Keras in it: `hwsim.train.through` needs no import of its own
        return importlib.import_module("hwsim.train")
    raise AttributeError(f"module 'hwsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
