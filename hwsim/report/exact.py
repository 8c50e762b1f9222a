"""Sums of floats that do not depend on the order in which they are added."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

SMALLEST = 1074
"""Every float64 is a whole multiple of 2**-1074."""


class ExactSum:
    """A sum of float64 values held as an integer multiple of 2**-1074, so that parts merge exactly.

    >>> total = ExactSum(); total.add([1e100, 1.0, -1e100]); float(total)
    1.0
    """

    def __init__(self) -> None:
        self._value = 0

    def add(self, values: Iterable[float]) -> None:
        """Add finite values."""
        for value in values:
            numerator, denominator = value.as_integer_ratio()
            self._value += numerator << (SMALLEST - denominator.bit_length() + 1)

    def __float__(self) -> float:
        return float(Fraction(self._value, 1 << SMALLEST))
