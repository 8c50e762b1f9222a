"""Operations that move codes without changing them (docs/arithmetic.md, section 6)."""

from __future__ import annotations

from fractions import Fraction

from oracle.levels import nearest, scales_of
from oracle.overflow import Format
from oracle.rounding import round_fraction
from oracle.tensor import Layer, Made, coordinates, flat, index_of, shape_of, size_of


def reshape(layer: Layer) -> Made:
    """Return the same codes under another shape."""
    return Made(tuple(layer.operation["shape"]), [list(codes) for codes in layer.inputs[0].samples])


def pad(layer: Layer) -> Made:
    """Put the zero point around (h, w, c)."""
    padding = layer.operation["padding"]
    return _shifted(layer, [sum(sides) for sides in padding], (padding[0][0], padding[1][0]))


def crop(layer: Layer) -> Made:
    """Cut rows and columns off (h, w, c)."""
    cropping = layer.operation["cropping"]
    return _shifted(layer, [-sum(sides) for sides in cropping], (-cropping[0][0], -cropping[1][0]))


def _shifted(layer: Layer, growth: list[int], offset: tuple[int, int]) -> Made:
    """Return an image that is ``growth`` larger, with the input's corner at ``offset``."""
    source = layer.inputs[0]
    height, width, channels = source.shape
    shape = (height + growth[0], width + growth[1], channels)
    made = Made(shape, [])
    for codes in source.samples:
        stored = []
        for number in range(size_of(shape)):
            y, x, channel = coordinates(number, shape)
            y, x = y - offset[0], x - offset[1]
            there = 0 <= y < height and 0 <= x < width
            stored.append(codes[index_of((y, x, channel), source.shape)] if there else source.zero_point)
        made.samples.append(stored)
    return made


def rearrange(layer: Layer) -> Made:
    """Pick codes by their index; -1 is what is filled in."""
    index = layer.operation["index"]
    shape = shape_of(index)
    filled = [_filled(layer, scale) for scale in scales_of(layer.plan, shape[-1])]
    samples = [
        [codes[at] if at >= 0 else filled[number % shape[-1]] for number, at in enumerate(flat(index))]
        for codes in layer.inputs[0].samples
    ]
    return Made(shape, samples)


def _filled(layer: Layer, scale: float) -> int:
    """Return the code of the real value that is filled in, of a channel with a scale."""
    v = Fraction(layer.operation["fill"] / scale)
    levels, target = layer.plan.get("levels"), Format.stored(layer.plan)
    if levels:
        return target.limits[0] + nearest(v, levels)
    low, high = target.limits
    return min(max(round_fraction(v, "half_even") + int(layer.plan["zero_point"]), low), high)
