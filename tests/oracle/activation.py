"""ReLU and its relatives (docs/arithmetic.md, section 5, activation)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from oracle.ledger import Place, Point
from oracle.lfsr import Draws
from oracle.rescale import as_float32, fixed, to_float32
from oracle.rounding import round_fraction


def quotient(a: float, b: float, precision: int) -> Fraction | None:
    """Return a / b, computed in floats; None where that is infinite.

    >>> quotient(1.0, 3.0, 32), quotient(1.0, 1e-320, 64), quotient(1.0, 1e-50, 32)
    (Fraction(11184811, 33554432), None, None)
    """
    try:
        if precision == 32:
            a, b = as_float32(a), as_float32(b)
            return to_float32(Fraction(a) / Fraction(b))
        return Fraction(a / b)
    except (OverflowError, ZeroDivisionError):
        return None


LARGEST = 2**62 - 1
"""The largest limit."""


def limit(max_value: float, unit: float, settings: Mapping[str, Any]) -> int:
    """Return the largest integer that the function lets through: max_value in units.

    >>> [limit(5.0, 2.0, {}), limit(5.0, 2.0, {"limit_rounding": "half_up"}), limit(5.0, 0.0, {}) == LARGEST]
    [2, 3, True]
    """
    exact = quotient(max_value, unit, settings.get("limit_precision", 64))
    if exact is None:
        return LARGEST
    return min(round_fraction(exact, settings.get("limit_rounding", "half_even")), LARGEST)


class Relu:
    """Computes the activation of one layer and keeps the ledger of a leaky slope."""

    def __init__(self, function: Mapping[str, Any] | None, settings: Mapping[str, Any], channels: int) -> None:
        """Begin an empty ledger; without a function values pass unchanged."""
        self.slope: float = function.get("negative_slope", 0.0) if function is not None else 1.0
        self.max_value: float | None = function.get("max_value") if function is not None else None
        self.present = function is not None
        self.settings = settings["activation"]
        self.draws = Draws(settings["random"])
        self.point = Point("activation", channels)
        self.points = [self.point] if self.present and self.slope != 0 else []

    def apply(self, x: int, unit: float, number: int, place: Place) -> int:
        """Return the function of ``x``, an integer in units of ``unit``."""
        if not self.present:
            return x
        if x < 0:
            x = self._negative(x, number, place) if self.slope != 0 else 0
        return x if self.max_value is None else min(x, limit(self.max_value, unit, self.settings))

    def _negative(self, x: int, number: int, place: Place) -> int:
        """Multiply a negative value by the slope."""
        rounding = self.settings["rounding"]
        draw = self.draws.draw(number, rounding)
        bits = self.settings["multiplier_bits"]
        return self.point.round_only(fixed(x, self.slope, bits, rounding, draw, self.draws.bits), place)
