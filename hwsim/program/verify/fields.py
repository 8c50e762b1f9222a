"""Check the fields by which kernels know widths, overflow and rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Overflow, Rounding
from hwsim.program.records import IntOperation
from hwsim.program.verify.need import need

OVERFLOWS = {mode.code for mode in Overflow}

ROUNDINGS = {mode.code for mode in Rounding}

STORED_BITS = 16
"""Bits of a stored code at most."""

DROPPED = 62
"""Bits that a product or a stage drops at most."""


def check_field(one: IntOperation, field: NDArray[np.int64], size: int) -> None:
    """Check the field of a format."""
    need(field.shape == (size,), f"{one.name}: a field has the shape {field.shape}, not {(size,)}")
    check_format(one.name, field[:4])
    if size == 5:
        check_rounding(one.name, field[4])


def check_format(name: str, field: NDArray[np.int64]) -> None:
    """Check a width and what becomes of values outside it: bits, signed, overflow, saturated_bits."""
    bits, signed, overflow, saturated = field.tolist()
    need(signed in (0, 1), f"{name}: a format is neither signed nor unsigned")
    need(1 <= bits <= 64, f"{name}: a format has {bits} bits, 1 to 64 are possible")
    need(overflow in OVERFLOWS, f"{name}: there is no overflow mode {overflow}")
    need(0 <= saturated <= bits, f"{name}: {saturated} of {bits} bits are saturated")


def check_rounding(name: str, mode: int) -> None:
    """Check a rounding mode."""
    need(mode in ROUNDINGS, f"{name}: there is no rounding mode {mode}")
