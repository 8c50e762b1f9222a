"""Pooling over windows of (h, w, c) (docs/arithmetic.md, section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oracle.finish import Output
from oracle.ledger import Place, Point
from oracle.lfsr import Draws
from oracle.overflow import Format
from oracle.rounding import rounded_divide
from oracle.tensor import Layer, Made, Shape, coordinates, index_of, place_of, size_of, windows


def pool_shape(operation: Mapping[str, Any], shape: Shape) -> Shape:
    """Return (oh, ow, c)."""
    padding = operation.get("padding", [[0, 0], [0, 0]])
    window, strides = operation["window"], operation["strides"]
    rows, columns = (windows(shape[i], window[i], strides[i], padding[i]) for i in (0, 1))
    return (rows, columns, shape[2])


def inside(operation: Mapping[str, Any], shape: Shape, at: tuple[int, ...]) -> list[int]:
    """Return the indices of the values of an output's window that lie inside the input, row by row."""
    padding = operation.get("padding", [[0, 0], [0, 0]])
    window, strides = operation["window"], operation["strides"]
    top, left = (at[i] * strides[i] - padding[i][0] for i in (0, 1))
    rows = [y for y in range(top, top + window[0]) if 0 <= y < shape[0]]
    columns = [x for x in range(left, left + window[1]) if 0 <= x < shape[1]]
    return [index_of((y, x, at[2]), shape) for y in rows for x in columns]


class Average:
    """The datapath of an average, and its ledger."""

    def __init__(self, settings: Mapping[str, Any], plan: Mapping[str, Any], channels: int) -> None:
        """Begin an empty ledger."""
        self.pooling = settings["pooling"]
        self.kept = self.pooling["zero_point"] == "kept"
        self.accumulator = Format.of(self.pooling["accumulator"])
        self.draws = Draws(settings["random"])
        self.output = Output(settings, plan, channels)
        self.sums, self.division = Point("accumulator", channels, last=True), Point("division", channels)
        self.points = [self.sums, self.division, self.output.point]

    def run(self, codes: Sequence[int], zero_point: int, number: int, place: Place) -> int:
        """Return the code of the average of ``codes``."""
        terms = codes if self.kept else [code - zero_point for code in codes]
        total = self.sums.add_up(terms, self.accumulator, place)
        rounding = self.pooling["rounding"]
        draw = self.draws.draw(number, rounding)
        rounded = rounded_divide(total, len(codes), rounding, draw, self.draws.bits)
        quotient = self.division.round_only(rounded, place)
        return self.output.store_as_is(quotient, place) if self.kept else self.output.store(quotient, place)


def average_pool(layer: Layer) -> Made:
    """Compute the average over the values of each window that lie inside the input."""
    source = layer.inputs[0]
    shape = pool_shape(layer.operation, source.shape)
    average = Average(layer.settings, layer.plan, shape[-1])
    made = Made(shape, [], average.points)
    for sample, codes in enumerate(source.samples):
        stored = []
        for number in range(size_of(shape)):
            indices = inside(layer.operation, source.shape, coordinates(number, shape))
            place = place_of(sample, number, shape)
            stored.append(average.run([codes[i] for i in indices], source.zero_point, number, place))
        made.samples.append(stored)
    return made


def max_pool(layer: Layer) -> Made:
    """Compute the largest code of each window; positions outside take no part."""
    source = layer.inputs[0]
    shape = pool_shape(layer.operation, source.shape)
    indices = [inside(layer.operation, source.shape, coordinates(number, shape)) for number in range(size_of(shape))]
    return Made(shape, [[max(codes[i] for i in one) for one in indices] for codes in source.samples])
