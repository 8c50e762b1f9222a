"""Pooling over windows of (h, w, c) (docs/arithmetic.md, section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor
from typing import Any

from oracle.finish import Output
from oracle.ledger import Place, Point
from oracle.levels import scales_of
from oracle.lfsr import Draws
from oracle.overflow import Format
from oracle.rescale import as_float32, to_float32
from oracle.rounding import rounded_divide, rounded_fraction, rounded_shift
from oracle.tensor import Layer, Made, Shape, coordinates, flat, index_of, place_of, size_of, windows


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


def whole_window(operation: Mapping[str, Any], shape: Shape, at: tuple[int, ...]) -> list[int | None]:
    """Return the index of the value at each position of an output's window, row by row; None outside."""
    padding = operation.get("padding", [[0, 0], [0, 0]])
    window, strides = operation["window"], operation["strides"]
    top, left = (at[i] * strides[i] - padding[i][0] for i in (0, 1))
    places = [(y, x) for y in range(top, top + window[0]) for x in range(left, left + window[1])]
    valid = [0 <= y < shape[0] and 0 <= x < shape[1] for y, x in places]
    return [index_of((*one, at[2]), shape) if ok else None for one, ok in zip(places, valid, strict=True)]


DPU = {(3, 3): (7, 6), (5, 5): (10, 8), (6, 6): (7, 8), (7, 7): (21, 10), (14, 14): (21, 12)}


def dpu_factors(height: int, width: int) -> tuple[int, int]:
    """Return N and M of a window.

    >>> dpu_factors(2, 3)
    (85, 9)
    """
    if (height, width) in DPU:
        return DPU[height, width]
    n, best = height * width, (0, 0)
    for m in range(100):
        if 2**m >= 128 * n:
            break
        factor = floor(Fraction(2**m, n) + Fraction(1, 2))
        if m == 0 or abs(Fraction(factor, 2**m) - Fraction(1, n)) < abs(
            Fraction(best[0], 2 ** best[1]) - Fraction(1, n)
        ):
            best = (factor, m)
    return best


class FloatAverage:
    """An average of real values in float32, and its ledger."""

    def __init__(self, layer: Layer, channels: int) -> None:
        """Begin an empty ledger."""
        self.scales = scales_of(layer.plan, channels)
        self.rounding: str = layer.settings["pooling"]["rounding"]
        self.draws = Draws(layer.settings["random"])
        self.output = Output(layer.settings, layer.plan, channels)
        self.division = Point("division", channels)
        self.points = [self.division, self.output.point]

    def run(self, codes: Sequence[int], zero_point: int, number: int, place: Place) -> int:
        """Return the code of the average of ``codes``."""
        scale, total = Fraction(as_float32(self.scales[place.channel])), Fraction(0)
        for code in codes:
            total = to_float32(total + to_float32(scale * (code - zero_point)))
        x = to_float32(to_float32(to_float32(total / len(codes)) / scale) + zero_point)
        rounded = rounded_fraction(x, self.rounding, self.draws.draw(number, self.rounding), self.draws.bits)
        quotient = self.division.round_only(rounded._replace(value=rounded.value - zero_point), place)
        return self.output.store(quotient, place)


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
        self.whole = self.pooling.get("division", "count") != "count"
        self.width = Point("division_width", channels)
        empty = [Point("weight", channels), Point("bias", channels)] if self.whole else []
        first = [self.width] if self.pooling.get("division") == "reciprocals" else []
        self.points = [*empty, self.sums, *first, self.division, self.output.point]

    def run_whole(self, terms: Sequence[int], window: Sequence[int], number: int, place: Place) -> int:
        """Return the code of the sum of a whole window's ``terms``, times its factors."""
        value = self.sums.add_up(terms, self.accumulator, place)
        rounding = self.pooling["rounding"]
        draw = self.draws.draw(number, rounding)
        factors = [(self.division, *dpu_factors(window[0], window[1]))]
        if self.pooling["division"] == "reciprocals":
            factors = [(self.width, 65536 // window[1], 16), (self.division, 65536 // window[0], 16)]
        for point, factor, shift in factors:
            value = point.round_only(rounded_shift(value * factor, shift, rounding, draw, self.draws.bits), place)
        return self.output.store(value, place)

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
    if layer.settings["pooling"].get("average") == "float32":
        return average_of_reals(layer, shape)
    average = Average(layer.settings, layer.plan, shape[-1])
    made = Made(shape, [], average.points)
    for sample, codes in enumerate(source.samples):
        stored = []
        for number in range(size_of(shape)):
            at, place = coordinates(number, shape), place_of(sample, number, shape)
            if average.whole:
                terms = whole_window(layer.operation, source.shape, at)
                values = [0 if i is None else codes[i] - source.zero_point for i in terms]
                stored.append(average.run_whole(values, layer.operation["window"], number, place))
                continue
            indices = inside(layer.operation, source.shape, at)
            stored.append(average.run([codes[i] for i in indices], source.zero_point, number, place))
        made.samples.append(stored)
    return made


class ImageAverage:
    """An average over the whole image, whose integer sum is multiplied in float32, and its ledger."""

    def __init__(self, layer: Layer, channels: int) -> None:
        """Begin an empty ledger."""
        rows, columns, _ = layer.inputs[0].shape
        self.scales = scales_of(layer.plan, channels)
        self.count = rows * columns
        self.accumulator = Format.of(layer.settings["pooling"]["accumulator"])
        self.rounding: str = layer.settings["pooling"]["rounding"]
        self.draws = Draws(layer.settings["random"])
        self.output = Output(layer.settings, layer.plan, channels)
        self.sums, self.division = Point("accumulator", channels, last=True), Point("division", channels)
        empty = [Point("weight", channels), Point("bias", channels)]
        self.points = [*empty, self.sums, self.division, self.output.point]

    def run(self, codes: Sequence[int], zero_point: int, number: int, place: Place) -> int:
        """Return the code of the average of ``codes``."""
        total = self.sums.add_up([code - zero_point for code in codes], self.accumulator, place)
        scale = Fraction(as_float32(self.scales[place.channel]))
        ratio = to_float32(scale / to_float32(scale * self.count))
        product = to_float32(to_float32(Fraction(total)) * ratio)
        rounded = rounded_fraction(product, self.rounding, self.draws.draw(number, self.rounding), self.draws.bits)
        return self.output.store(self.division.round_only(rounded, place), place)


def average_of_reals(layer: Layer, shape: Shape) -> Made:
    """Compute the average of real values in float32 over each window, or of codes over the whole image."""
    source = layer.inputs[0]
    whole = tuple(layer.operation["window"]) == source.shape[:2]
    padded = any(flat(layer.operation.get("padding", [])))
    average = ImageAverage(layer, shape[-1]) if whole and not padded else FloatAverage(layer, shape[-1])
    made = Made(shape, [], average.points)
    for sample, codes in enumerate(source.samples):
        stored = []
        for number in range(size_of(shape)):
            at, place = coordinates(number, shape), place_of(sample, number, shape)
            window = [codes[i] for i in inside(layer.operation, source.shape, at)]
            stored.append(average.run(window, source.zero_point, number, place))
        made.samples.append(stored)
    return made


def max_pool(layer: Layer) -> Made:
    """Compute the largest code of each window; positions outside take no part, or are the zero point."""
    source = layer.inputs[0]
    shape = pool_shape(layer.operation, source.shape)
    zeros = layer.settings["pooling"].get("max_padding") == "zero"
    made = Made(shape, [])
    for codes in source.samples:
        largest = []
        for number in range(size_of(shape)):
            places = whole_window(layer.operation, source.shape, coordinates(number, shape))
            outside = [source.zero_point] if zeros and None in places else []
            largest.append(max([codes[i] for i in places if i is not None] + outside))
        made.samples.append(largest)
    return made
