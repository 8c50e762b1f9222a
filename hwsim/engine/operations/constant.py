"""Codes that stand in the program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from hwsim.engine.tally import Tally
from hwsim.program.records import ConstantCodes

Codes = NDArray[Any]
Array = NDArray[Any]


def constant(one: ConstantCodes, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Repeat codes for each sample."""
    out[...] = one.codes
