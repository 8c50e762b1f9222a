"""Simulate neural networks on integer hardware, bit for bit, and see where bits are lost.

>>> import hwsim
>>> result = hwsim.run("model.keras", "generic-int8")  # doctest: +SKIP
>>> print(result.report)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwsim.engine import Execution, Ledger, execute
    from hwsim.errors import (
        DataError,
        DatapathOverflow,
        HwsimError,
        ModelError,
        PlanError,
        ProgramError,
        TargetError,
        UnsupportedError,
        WidthError,
    )
    from hwsim.formats import IntFormat, Overflow, Rounding
    from hwsim.loaders import load
    from hwsim.network import Network
    from hwsim.pipeline import Result, run
    from hwsim.program import Program, lower
    from hwsim.quantize import Plan, Profile, decide, profile
    from hwsim.report import Report
    from hwsim.target import Target, load_target, shipped_targets
    from hwsim.train import Agreement, StoreReport, agree, fake_quantize, store_weights

__version__ = "0.1.0"

_HOME = {
    "Agreement": "train",
    "DataError": "errors",
    "DatapathOverflow": "errors",
    "Execution": "engine",
    "HwsimError": "errors",
    "IntFormat": "formats",
    "Ledger": "engine",
    "ModelError": "errors",
    "Network": "network",
    "Overflow": "formats",
    "Plan": "quantize",
    "PlanError": "errors",
    "Profile": "quantize",
    "Program": "program",
    "ProgramError": "errors",
    "Report": "report",
    "Result": "pipeline",
    "Rounding": "formats",
    "StoreReport": "train",
    "Target": "target",
    "TargetError": "errors",
    "UnsupportedError": "errors",
    "WidthError": "errors",
    "agree": "train",
    "decide": "quantize",
    "execute": "engine",
    "fake_quantize": "train",
    "load": "loaders",
    "load_target": "target",
    "lower": "program",
    "profile": "quantize",
    "run": "pipeline",
    "shipped_targets": "target",
    "store_weights": "train",
}
"""The room each public name comes from, when it is first used: `import hwsim` is quick."""

__all__ = [
    "Agreement",
    "DataError",
    "DatapathOverflow",
    "Execution",
    "HwsimError",
    "IntFormat",
    "Ledger",
    "ModelError",
    "Network",
    "Overflow",
    "Plan",
    "PlanError",
    "Profile",
    "Program",
    "ProgramError",
    "Report",
    "Result",
    "Rounding",
    "StoreReport",
    "Target",
    "TargetError",
    "UnsupportedError",
    "WidthError",
    "__version__",
    "agree",
    "decide",
    "execute",
    "fake_quantize",
    "load",
    "load_target",
    "lower",
    "profile",
    "run",
    "shipped_targets",
    "store_weights",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"hwsim.{_HOME[name]}"), name)
    if name == "train":  # a room with Keras in it: `hwsim.train.through` needs no import of its own
        return importlib.import_module("hwsim.train")
    raise AttributeError(f"module 'hwsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
