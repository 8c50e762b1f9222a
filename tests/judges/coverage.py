"""Which outside systems judge which names: the tests take them from here, and so does docs/modes.md."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hwsim.aliases import NAMES


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A system that we run and compare with ``==``; it judges all names of its tool but those ``left_out``."""

    system: str
    left_out: Collection[str] = ()


JUDGES = {
    "ap_fixed": Judge(system="AMD's ap_fixed headers (those that hls4ml ships), compiled"),
    "ac_fixed": Judge(system="Siemens' ac_fixed headers (those that hls4ml ships), compiled"),
    # its stochastic modes draw from a generator of their own, the Mersenne twister
    "apytypes": Judge(system="APyTypes", left_out=("STOCH_WEIGHTED", "STOCH_EQUAL")),
    "qonnx": Judge(system="QONNX"),
    "onnx": Judge(system="ONNX Runtime"),
    "numpy": Judge(system="NumPy"),
    "python": Judge(system="Python"),
    "decimal": Judge(system="Python's decimal module"),
    "c": Judge(system="the C library"),
    "tensorflow": Judge(system="TensorFlow"),
}
"""Tool -> its judge; the tests of one are in the file that bears the tool's name."""


def judged(tool: str, key: str) -> list[tuple[str, str]]:
    """Return the names of a tool that are judged, each with the mode that the table gives it.

    >>> judged("apytypes", "overflow")
    [('WRAP', 'wrap'), ('SAT', 'saturate')]
    """
    names = NAMES[key].get(tool, {})
    return [(name, mode) for name, mode in names.items() if name not in JUDGES[tool].left_out]


def judges_of(key: str, mode: str) -> dict[str, list[str]]:
    """Return the tools whose judges speak for a mode, and under which names.

    >>> judges_of("rounding", "half_odd")
    {'ac_fixed': ['AC_RND_CONV_ODD'], 'apytypes': ['RND_CONV_ODD', 'TIES_ODD']}
    """
    names = {tool: [name for name, ours in judged(tool, key) if ours == mode] for tool in JUDGES}
    return {tool: found for tool, found in names.items() if found}
