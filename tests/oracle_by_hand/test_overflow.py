"""Overflow in the oracle, against verified tables."""

from __future__ import annotations

from fractions import Fraction

import pytest

from oracle.overflow import fit, limits
from oracle.rounding import round_fraction

SOURCES = [-40, -20, -17, -9, -8, -7, 7, 8, 9, 15, 16, 20, 40]

FOUR_BITS = {
    ("wrap", 0): [-8, -4, -1, 7, -8, -7, 7, -8, -7, -1, 0, 4, -8],
    ("wrap", 1): [-8, -4, -1, -1, -8, -7, 7, 0, 1, 7, 0, 4, 0],
    ("wrap", 2): [-8, -8, -5, -5, -8, -7, 7, 4, 5, 7, 4, 4, 4],
    ("wrap", 3): [-8, -8, -7, -7, -8, -7, 7, 6, 7, 7, 6, 6, 6],
    ("wrap_sign_magnitude", 0): [-8, 3, 0, -8, -8, -7, 7, 7, 6, 0, -1, -5, 7],
    ("wrap_sign_magnitude", 1): [-8, -4, -1, -8, -8, -7, 7, 7, 6, 0, 0, 4, 7],
    ("wrap_sign_magnitude", 2): [-8, -5, -8, -8, -8, -7, 7, 7, 6, 7, 7, 4, 7],
    ("saturate", 0): [-8, -8, -8, -8, -8, -7, 7, 7, 7, 7, 7, 7, 7],
    ("saturate_symmetric", 0): [-7, -7, -7, -7, -7, -7, 7, 7, 7, 7, 7, 7, 7],
    ("saturate_zero", 0): [0, 0, 0, 0, -8, -7, 7, 0, 0, 0, 0, 0, 0],
}
"""SOURCES in 4 signed bits. The wraps are what the compiled ap_fixed headers give; the others are by hand."""


@pytest.mark.parametrize(("overflow", "saturated"), FOUR_BITS)
def test_four_bits(overflow: str, saturated: int) -> None:
    assert [fit(x, 4, True, overflow, saturated) for x in SOURCES] == FOUR_BITS[overflow, saturated]


def test_unsigned() -> None:
    assert [fit(x, 4, False, "wrap") for x in (-1, 15, 16, 17)] == [15, 15, 0, 1]
    assert [fit(x, 4, False, "wrap", 2) for x in (-1, -4, 15, 16, 18)] == [15, 12, 15, 12, 14]
    assert [fit(x, 4, False, "saturate_symmetric") for x in (-1, 0, 16)] == [0, 0, 15]
    with pytest.raises(ValueError, match="unsigned"):
        fit(16, 4, False, "wrap_sign_magnitude")


def test_limits() -> None:
    assert limits(1, True) == (-1, 0)
    assert limits(64, True) == (-(2**63), 2**63 - 1)
    assert limits(64, False, "saturate_symmetric") == (0, 2**64 - 1)


def test_round_then_fit() -> None:
    code = round_fraction(Fraction(15, 2), "half_up")
    assert [fit(code, 4, True, one) for one in ("saturate", "wrap", "saturate_zero")] == [7, -8, 0]
