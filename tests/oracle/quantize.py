"""Real values to codes (docs/arithmetic.md, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import floor, inf, isnan
from struct import pack, unpack
from typing import Any

from oracle.ledger import Place, Point
from oracle.levels import nearest
from oracle.overflow import Format
from oracle.rounding import Rounded, round_fraction, rounded_fraction

CLIP = 2.0**100


def single(value: float) -> float:
    """Return the float32 nearest to ``value``, infinity where it is too large."""
    try:
        return float(unpack("f", pack("f", value))[0])
    except OverflowError:
        return inf if value > 0 else -inf


def quotient(real: float, scale: float, division: str = "float64") -> Fraction:
    """Return v = real / scale, computed in float64 or by the reciprocal in float32, and clipped."""
    if division == "float64":
        return Fraction(min(max(real / scale, -CLIP), CLIP))
    divisor = single(scale)
    v = single(real * single(1.0 / divisor if divisor else 0.0))
    return Fraction(0 if isnan(v) else min(max(v, -CLIP), CLIP))


def quantize(real: float, scale: float, zero_point: int, rounding: str, division: str = "float64") -> Rounded:
    """Return what comes to the fit: round(real / scale) + zero_point.

    >>> quantize(0.75, 0.5, 10, "half_even")
    Rounded(value=12, inexact=True, e16=32768)
    """
    rounded = rounded_fraction(quotient(real, scale, division), rounding)
    return rounded._replace(value=rounded.value + zero_point)


class Quantizer:
    """Quantises the values of one tensor and keeps the ledger of it."""

    def __init__(self, point: Point, target: Format, rounding: str, division: str = "float64") -> None:
        """Keep where codes go, how values are divided, and how they are rounded."""
        self.point, self.target, self.rounding, self.division = point, target, rounding, division

    def code(self, real: float, scale: float, zero_point: int, place: Place) -> int:
        """Return the code of ``real``."""
        rounded = quantize(real, scale, zero_point, self.rounding, self.division)
        return self.point.fit(self.point.round(rounded, place), self.target, place)


class WeightQuantizer:
    """Makes the integers that the multiplier gets of the weights of one layer, and keeps the ledger of it."""

    def __init__(self, point: Point, plan: Mapping[str, Any], section: Mapping[str, Any]) -> None:
        """Keep the entry of the plan and how the target divides and rounds weights."""
        self.point, self.rounding = point, section["rounding"]
        self.division: str = section.get("division", "float64")
        self.format = Format.stored(plan)
        self.levels: list[int] | None = plan.get("levels")
        self.shifts: list[list[int]] = plan.get("shift") or []
        self.group: int = plan.get("group", 1)

    def weight(self, real: float, scale: float, zero_point: int, input_channel: int, place: Place) -> int:
        """Return the integer of the weight ``real``; ``scale`` and ``zero_point`` are those of its output channel."""
        factor = 2 ** self.shifts[input_channel // self.group][place.channel] if self.shifts else 1
        if self.levels:
            return self._level(quotient(real, scale * factor), self.levels, factor, place) * factor
        rounded = quantize(real, scale * factor, zero_point, self.rounding, self.division)
        x = self.point.round(rounded._replace(e16=rounded.e16 * factor), place)
        return (self.point.fit(x, self.format, place, factor) - zero_point) * factor

    def _level(self, v: Fraction, levels: list[int], factor: int, place: Place) -> int:
        """Return the level nearest to ``v``."""
        level, n = levels[nearest(v, levels)], round_fraction(v, "half_even")
        beyond = (v > levels[-1]) - (v < levels[0])
        meant = n if beyond else level
        error = (meant * 2**16 - floor(v * 2**16)) * factor
        self.point.take_level(n, beyond, (level - n) * factor, place)
        self.point.round(Rounded(meant, v != meant, error), place)
        return level
