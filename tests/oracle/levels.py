"""What codes stand for when steps are not uniform: levels and shifts (docs/arithmetic.md, section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from oracle.ledger import Point
from oracle.overflow import Format
from oracle.rounding import Rounded
from oracle.tensor import Made, Tensor, place_of

Entry = Mapping[str, Any]


def nearest(x: Fraction | int, levels: Sequence[int]) -> int:
    """Return the index of the level nearest to ``x``; of two equally near ones the upper.

    >>> [nearest(Fraction(x, 2), [-4, -1, 0, 1, 4]) for x in (-20, -6, -5, -1, 0, 1, 5, 20)]
    [0, 0, 1, 2, 2, 3, 4, 4]
    """
    return sum(low + high <= 2 * x for low, high in pairwise(levels))


def format_of(entry: Entry) -> Format:
    """Return the format of stored codes, or of what they were decoded to."""
    return Format(*level_format(entry["held"]), "saturate") if "held" in entry else Format.stored(entry)


def level_format(levels: Sequence[int]) -> tuple[int, bool]:
    """Return bits and sign of the narrowest format that holds all levels.

    >>> [level_format(one) for one in ([0, 1, 4, 9], [0, 16], [-4, 0, 3], [-5, 0, 3], [-1, 0], [0, 4], [-1, 0, 4])]
    [(4, False), (5, False), (3, True), (4, True), (1, True), (3, False), (4, True)]
    """
    signed = min(levels) < 0
    bits = next(n for n in range(1, 65) if all(Format(n, signed, "saturate").holds(one) for one in levels))
    return bits, signed


def integer_entry(entry: Entry) -> Entry:
    """Return the entry of the integers that are made before they are encoded; without levels the entry itself."""
    if not entry.get("levels"):
        return entry
    bits, signed = level_format(entry["levels"])
    return {**entry, "zero_point": 0, "bits": bits, "signed": signed, "narrow": False, "levels": None}


def shifts_of(entry: Entry, channels: int) -> list[int]:
    """Return the shift of each channel."""
    return list(entry.get("shift") or [0] * channels)


def scales_of(entry: Entry, channels: int) -> list[float]:
    """Return the scale of each channel.

    >>> scales_of({"scale": 0.75, "shift": [0, 3]}, 2), scales_of({"scale": 0.75}, 2)
    ([0.75, 6.0], [0.75, 0.75])
    """
    return [entry["scale"] * 2.0**shift for shift in shifts_of(entry, channels)]


def decoded(tensor: Tensor, *, shifts: bool = True) -> Tensor:
    """Return the integers that the codes stand for; with ``shifts`` false, codes with shifts stay as they are.

    >>> entry = {"scale": 1.0, "zero_point": 1, "bits": 3, "signed": False, "narrow": False, "shift": [0, 2]}
    >>> decoded(Tensor((2, 2), [[0, 0, 1, 7]], entry)).samples
    [[-1, -4, 0, 24]]
    """
    return _shifted(_leveled(tensor)) if shifts else _leveled(tensor)


def _leveled(tensor: Tensor) -> Tensor:
    """Return the levels of codes."""
    levels = tensor.plan.get("levels")
    if not levels:
        return tensor
    lowest = Format.stored(tensor.plan).limits[0]
    samples = [[levels[code - lowest] for code in codes] for codes in tensor.samples]
    return Tensor(tensor.shape, samples, integer_entry(tensor.plan))


def _shifted(tensor: Tensor) -> Tensor:
    """Return codes less their zero point at one scale; they have no stored format any more, but are ``held``."""
    if not tensor.plan.get("shift"):
        return tensor
    channels = tensor.shape[-1]
    factors = [2**shift for shift in shifts_of(tensor.plan, channels)]
    samples = [
        [(code - tensor.zero_point) * factors[number % channels] for number, code in enumerate(codes)]
        for codes in tensor.samples
    ]
    held = tuple(end * max(factors) for end in Format.stored(tensor.plan).limits)
    return Tensor(tensor.shape, samples, {**tensor.plan, "zero_point": 0, "bits": None, "shift": [], "held": held})


def encoded(made: Made, entry: Entry) -> Made:
    """Return what is stored of integers: codes of the nearest levels, with the point ``encode`` behind all others."""
    levels = entry.get("levels")
    if not levels:
        return made
    point = Point("encode", made.shape[-1])
    lowest = Format.stored(entry).limits[0]
    samples = []
    for sample, integers in enumerate(made.samples):
        codes = []
        for number, x in enumerate(integers):
            index = nearest(x, levels)
            error = levels[index] - x
            point.round_only(Rounded(levels[index], error != 0, error * 2**16), place_of(sample, number, made.shape))
            codes.append(lowest + index)
        samples.append(codes)
    return Made(made.shape, samples, [*made.points, point], made.values)
