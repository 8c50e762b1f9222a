"""The softmax by a parabola and shifts (docs/arithmetic.md, section 6; docs/ledger.md)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor, log

from oracle.ledger import Place, Point
from oracle.overflow import Format
from oracle.rounding import rounded_fraction, rounded_shift

CODES = Format(8, True, "saturate")


class PolynomialSoftmax:
    """The datapath of a softmax, and its ledger."""

    def __init__(self, scale: float, channels: int) -> None:
        """Begin an empty ledger; ``scale`` is that of the input."""
        self.period, self.offset = floor(log(2) / scale), floor(1.353 / scale)
        self.constant = floor(0.344 / 0.3585 / (scale * scale))
        if self.period < 1:
            raise ValueError(f"an input scale of {scale}")
        self.power, self.output = Point("power", channels), Point("output", channels, histogram=True)
        self.points = [self.power, self.output]

    def line(self, codes: Sequence[int], places: Sequence[Place], mask: Sequence[bool] | None = None) -> list[int]:
        """Return the output codes of a line of codes, of which those take part that a mask leaves."""
        taken = mask or [True] * len(codes)
        largest = max(code for code, there in zip(codes, taken, strict=True) if there)
        powers = [
            self._power(code - largest, place) if there else 0
            for code, place, there in zip(codes, places, taken, strict=True)
        ]
        total = sum(powers)
        if total >= 2**31:
            raise ValueError(f"a sum of {total}")
        return [self._code(power, total, place) for power, place in zip(powers, places, strict=True)]

    def _power(self, d: int, place: Place) -> int:
        """Return the power of a difference to the largest code."""
        z = -d // self.period
        p = d + z * self.period
        exact = (p + self.offset) ** 2 + self.constant
        return self.power.round_only(rounded_shift(exact, z, "floor"), place)

    def _code(self, power: int, total: int, place: Place) -> int:
        """Return an output code."""
        x = self.output.round(rounded_fraction(Fraction(power * 256, total), "floor"), place)
        self.output.magnitude(x)
        return self.output.fit(x - 128, CODES, place)
