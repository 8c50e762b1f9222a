"""ReLU and its relatives (docs/arithmetic.md, section 5, activation)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oracle.ledger import Place, Point
from oracle.lfsr import Draws
from oracle.rescale import fixed


def limit(max_value: float, unit: float) -> int:
    """Return the largest integer that the function lets through: max_value in units, half to even."""
    return round(max_value / unit)


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
        """Return the function of ``x``, an integer in units of ``unit``; nothing is cut off where that is 0."""
        if not self.present:
            return x
        if x < 0:
            x = self._negative(x, number, place) if self.slope != 0 else 0
        return x if self.max_value is None or unit == 0 else min(x, limit(self.max_value, unit))

    def _negative(self, x: int, number: int, place: Place) -> int:
        """Multiply a negative value by the slope."""
        rounding = self.settings["rounding"]
        draw = self.draws.draw(number, rounding)
        bits = self.settings["multiplier_bits"]
        return self.point.round_only(fixed(x, self.slope, bits, rounding, draw, self.draws.bits), place)
