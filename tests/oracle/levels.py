"""Codes that stand for levels, or whose scales are multiplied by powers of two (docs/arithmetic.md, section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from oracle.ledger import Place, Point
from oracle.overflow import Format
from oracle.quantize import CLIP
from oracle.rounding import Rounded, rounded_fraction
from oracle.tensor import Made, Tensor, place_of

Json = Mapping[str, Any]


def nearest(x: Fraction, levels: Sequence[int]) -> int:
    """Return the index of the level nearest to x, of two equally near ones the upper.

    >>> [nearest(Fraction(x), [-4, 0, 2, 3]) for x in (-9, -2, 1, "0.99", "2.5", 7)]
    [0, 1, 2, 1, 3, 3]
    """
    return sum(low + high <= 2 * x for low, high in zip(levels, levels[1:], strict=False))


def smallest_code(plan: Json) -> int:
    """Return the first code of a stored format."""
    return int(Format.stored(plan).limits[0])


def has_levels(plan: Json) -> bool:
    """Return whether codes stand for levels."""
    return plan.get("levels") is not None


def is_shifted(plan: Json) -> bool:
    """Return whether scales are multiplied by powers of two."""
    return bool(plan.get("shift"))


def scale_of(plan: Json, channel: int) -> float:
    """Return the scale of a channel of a tensor."""
    scale: float = plan["scale"]
    return scale * 2.0 ** plan["shift"][channel] if is_shifted(plan) else scale


def level_format(plan: Json) -> Json:
    """Return the entry of the integers that become the nearest levels.

    >>> [level_format({"levels": levels, "scale": 0.5})["bits"] for levels in ([0, 1, 4, 9], [-9, 0], [-8, 7])]
    [4, 5, 4]
    """
    low, high = plan["levels"][0], plan["levels"][-1]
    bits = 1
    while not Format(bits, low < 0, "saturate").holds(low) or not Format(bits, low < 0, "saturate").holds(high):
        bits += 1
    return {"bits": bits, "signed": low < 0, "narrow": False, "scale": plan["scale"], "zero_point": 0}


def encoded(made: Made, plan: Json) -> Made:
    """Return what an operation made with its integers at the nearest levels, stored as their codes."""
    levels, first = plan["levels"], smallest_code(plan)
    point = Point("encode", made.shape[-1])
    samples = []
    for sample, integers in enumerate(made.samples):
        codes = []
        for number, x in enumerate(integers):
            index = nearest(Fraction(x), levels)
            error = levels[index] - x
            point.round_only(Rounded(levels[index], error != 0, error * 2**16), place_of(sample, number, made.shape))
            codes.append(first + index)
        samples.append(codes)
    return Made(made.shape, samples, [*made.points, point], made.values)


def decoded(source: Tensor) -> Tensor:
    """Return a tensor as it is computed with: integers in units of its scale."""
    plan = source.plan
    if not has_levels(plan) and not is_shifted(plan):
        return source
    bare = {**plan, "zero_point": 0, "levels": None, "shift": []}
    if has_levels(plan):
        first = smallest_code(plan)
        return Tensor(source.shape, [[plan["levels"][code - first] for code in one] for one in source.samples], bare)
    channels = source.shape[-1]
    zero, shift = plan["zero_point"], plan["shift"]
    samples = [[(code - zero) * 2 ** shift[i % channels] for i, code in enumerate(one)] for one in source.samples]
    return Tensor(source.shape, samples, bare)


class Weight:
    """How one layer's weights become the integers that are multiplied."""

    def __init__(self, plan: Json, rounding: str, point: Point) -> None:
        """Keep the entry of the plan and the point."""
        self.plan, self.rounding, self.point = plan, rounding, point
        self.format = Format.stored(plan)

    def integer(self, real: float, scale: float, zero_point: int, row: int, place: Place) -> int:
        """Return what a weight of an input channel ``row`` of its group is multiplied as."""
        if has_levels(self.plan):
            return self._level(real, scale, place)
        shift: int = self.plan["shift"][row // self.plan.get("group", 1)][place.channel] if is_shifted(self.plan) else 0
        quotient = min(max(real / (scale * 2.0**shift), -CLIP), CLIP)
        rounded = rounded_fraction(Fraction(quotient), self.rounding)
        self.point.round(Rounded(rounded.value, rounded.inexact, rounded.e16 * 2**shift), place)
        arriving = rounded.value + zero_point
        energy = self.point.clamp_energy[place.channel]
        code = self.point.fit(arriving, self.format, place)
        # what the fit injected counts in units of the smallest scale
        self.point.clamp_energy[place.channel] = energy + ((code - arriving) * 2**shift) ** 2
        integer: int = (code - zero_point) * 2**shift
        return integer

    def _level(self, real: float, scale: float, place: Place) -> int:
        levels: list[int] = self.plan["levels"]
        v = Fraction(min(max(real / scale, -CLIP), CLIP))
        level = levels[nearest(v, levels)]
        n = rounded_fraction(v, "half_even").value
        hit = not levels[0] <= v <= levels[-1]
        becomes = n if hit else level
        e16 = becomes * 2**16 - (v * 2**16).__floor__()
        self.point.round(Rounded(becomes, v != becomes, e16), place)
        self.point.see(n, hit, v < levels[0], level - n if hit else 0, place)
        return level
