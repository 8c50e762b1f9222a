"""The softmax by a table of exponentials in float32 (docs/arithmetic.md, section 6)."""

from __future__ import annotations

from fractions import Fraction
from math import exp

from oracle.rescale import as_float32, to_float32
from oracle.rounding import round_fraction
from oracle.softmax import distances


def table_softmax(codes: list[int], scale: float, mask: list[bool] | None = None) -> list[int]:
    """Return the output codes of one line of 8-bit codes, of which those take part that a mask leaves.

    >>> table_softmax([0, 0, 0, -128], 1.0), table_softmax([127], 0.1)
    ([-43, -43, -43, -128], [127])
    >>> table_softmax([0, 9, 0, 0], 1.0, [True, False, True, True])
    [-43, -128, -43, -43]
    """
    powers = [Fraction(0) if d is None else _power(-d, scale) for d in distances(codes, mask)]
    total = Fraction(0)
    for one in powers:
        total = to_float32(total + one)
    factor = to_float32(1 / (total / 256))
    return [min(round_fraction(to_float32(one * factor), "half_away") - 128, 127) for one in powers]


def _power(difference: int, scale: float) -> Fraction:
    """Return exp(-scale * difference) in float32."""
    argument = to_float32(Fraction(as_float32(-scale)) * difference)
    return to_float32(Fraction(exp(argument)))
