"""Operations that move codes without changing them (docs/arithmetic.md, section 6)."""

from __future__ import annotations

from oracle.tensor import Layer, Made, coordinates, index_of, size_of


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
