"""Real values to codes (docs/arithmetic.md, section 3)."""

from __future__ import annotations

from fractions import Fraction

from oracle.ledger import Place, Point
from oracle.overflow import Format
from oracle.rounding import Rounded, rounded_fraction

CLIP = 2.0**100


def quantize(real: float, scale: float, zero_point: int, rounding: str) -> Rounded:
    """Return what comes to the fit: round(real / scale) + zero_point, the quotient in float64.

    >>> quantize(0.75, 0.5, 10, "half_even")
    Rounded(value=12, inexact=True, e16=32768)
    """
    quotient = min(max(real / scale, -CLIP), CLIP)
    rounded = rounded_fraction(Fraction(quotient), rounding)
    return rounded._replace(value=rounded.value + zero_point)


class Quantizer:
    """Quantises the values of one tensor and keeps the ledger of it."""

    def __init__(self, point: Point, target: Format, rounding: str) -> None:
        """Keep where codes go and how they are rounded."""
        self.point, self.target, self.rounding = point, target, rounding

    def code(self, real: float, scale: float, zero_point: int, place: Place) -> int:
        """Return the code of ``real``."""
        rounded = quantize(real, scale, zero_point, self.rounding)
        return self.point.fit(self.point.round(rounded, place), self.target, place)
