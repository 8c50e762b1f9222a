"""Locate in sums of products: convolutions, dense layers, matrix products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.location import recipe
from hwsim.location.found import Finder, Found, index_of
from hwsim.location.location import Kind, Location, Operand, located
from hwsim.location.sums import PRODUCT, Datapath, Event, Watch, replay
from hwsim.program.records import MatrixProduct, MultiplyAccumulate, Point
from hwsim_kernels.describe import Format
from hwsim_kernels.fields import BITS, OVERFLOW, ROUNDING, SATURATED_BITS, SHIFT, SIGNED, TERMS, TREE
from hwsim_kernels.order import sums_end

Array = NDArray[Any]
Ints = NDArray[np.int64]

VALUES = 1 << 20
"""About how many operands, and how many outputs, are replayed together."""

MOST_TERMS = 4096
"""How many terms a line of Python has at most: a shell takes 128 KiB."""


@dataclass(frozen=True, eq=False)
class Part:
    """Outputs that share weights: operands a (rows, steps) by w (steps, outputs), at ``offset`` in the output."""

    a: Array
    w: Array
    offset: tuple[int, int]


@dataclass(frozen=True, eq=False)
class SumFinder(Finder):
    """Looks at a product or a stage of ``one``; ``level`` is PRODUCT or that of the stage."""

    one: MultiplyAccumulate | MatrixProduct
    point: Point
    level: int
    kind: Kind

    @staticmethod
    def of(one: MultiplyAccumulate | MatrixProduct, point: Point, kind: Kind) -> SumFinder:
        """Return the finder of a point: the product's, or that of a stage."""
        stages = [each.name for each in one.points if each.stage][: len(one.stages)]
        level = stages.index(point.name) if point.stage else PRODUCT
        return SumFinder(one, point, level, kind)

    def survey(self, inputs: Sequence[Array], sample: int) -> Found:
        """Return all outputs of a sample that lost something."""
        return self.surveys([inputs], [sample])[0]

    def surveys(self, inputs: Sequence[Sequence[Array]], samples: Sequence[int]) -> list[Found]:
        """Return the same of several samples, of which the outputs with the same weights are replayed together."""
        found: list[list[Found]] = [[] for _ in inputs]
        for parts in zip(*(self._parts(own) for own in inputs), strict=True):
            if isinstance(self.one, MatrixProduct):
                groups = [[number] for number in range(len(parts))]
            else:
                size = max(1, VALUES // (len(parts[0].a) * max(parts[0].w.shape)))
                groups = [list(range(at, min(at + size, len(parts)))) for at in range(0, len(parts), size)]
            for group in groups:
                first, rows = parts[group[0]], len(parts[group[0]].a)
                together = Part(np.concatenate([parts[number].a for number in group]), first.w, first.offset)
                watch = self._run(together, (rows, first.w.shape[1]), keep=False)
                for at, number in enumerate(group):
                    mine = slice(at * rows, (at + 1) * rows)
                    found[number].append(Found.of(watch.hits[mine], watch.error[mine], watch.first[mine], first.offset))
        return [Found.joined(each) for each in found]

    def describe(self, inputs: Sequence[Array], sample: int, position: int, channel: int) -> Location:
        """Return one output in full."""
        part = self._single(inputs, position, channel)
        watch = self._run(part, (1, 1), keep=True)
        [event] = watch.events
        operands, places = self._operands(inputs, position, channel, event)
        exact = event.value if self.kind == "clamping" else Fraction(event.scaled, 1 << self._shift)
        product = self.level == PRODUCT
        return located(
            self.one.layer,
            self.point,
            self.kind,
            sample,
            (*index_of(position, self.one.output.shape), channel),
            step=event.step,
            exact=recipe.text_of(Fraction(exact)),
            result=event.result if self.kind == "clamping" else event.value,
            before=None if product else event.before,
            added=None if product else event.added,
            operands=operands,
            recipe=self._recipe(event, places),
            sum_recipe="" if product else self._sum_recipe(inputs, position, channel),
        )

    @property
    def _field(self) -> Ints:
        field: Ints = self.one.product if self.level == PRODUCT else self.one.stages[self.level]
        return field

    @property
    def _shift(self) -> int:
        return int(self._field[SHIFT])

    def _run(self, part: Part, shape: tuple[int, int], *, keep: bool) -> Watch:
        """Replay a part: ``shape`` is that of the outputs of one sample, one after another in ``part.a``."""
        one = self.one
        dtype = object if one.wide_sums else np.int64
        start, level = self._start(part.offset[1], shape[1])
        rows, columns = np.indices(shape)
        rows += part.offset[0]
        if isinstance(one, MatrixProduct):
            # each matrix draws its random numbers from the first on
            rows %= one.output.shape[-2]
        numbers = rows * one.channels + columns + part.offset[1]
        copies = len(part.a) // shape[0]
        numbers = np.tile(numbers, (copies, 1))
        path = Datapath(product=one.product, stages=one.stages, ends=one.ends, draws=one.draws, start_level=level)
        watch = Watch.over(self.level, self.kind, (len(part.a), shape[1]), keep=keep)
        replay(path, part.a.astype(dtype), part.w.astype(dtype), start.astype(dtype), numbers, watch)
        return watch

    def _start(self, channel: int, count: int) -> tuple[Ints, int]:
        if isinstance(self.one, MatrixProduct):
            return np.zeros(count, np.int64), len(self.one.stages) - 1
        return self.one.start[channel : channel + count], self.one.start_level

    def _parts(self, inputs: Sequence[Array]) -> Iterator[Part]:
        one = self.one
        if isinstance(one, MatrixProduct):
            for number, (left, right) in enumerate(matrices(one, inputs)):
                yield Part(left, right, (number * len(left), 0))
            return
        groups, steps, outputs = one.weights.shape
        positions = one.output_view[0] * one.output_view[1]
        size = max(1, VALUES // max(steps, outputs))
        for first in range(0, positions, size):
            rows = np.arange(first, min(first + size, positions))
            for group in range(groups):
                a, _ = gathered(one, inputs[0], rows, group)
                yield Part(a, one.weights[group].astype(np.int64), (first, group * outputs))

    def _single(self, inputs: Sequence[Array], position: int, channel: int) -> Part:
        one = self.one
        if isinstance(one, MatrixProduct):
            pairs = list(matrices(one, inputs))
            number, row = divmod(position, len(pairs[0][0]))
            left, right = pairs[number]
            return Part(left[row : row + 1], right[:, channel : channel + 1], (position, channel))
        group, output = divmod(channel, one.weights.shape[2])
        a, _ = gathered(one, inputs[0], np.array([position]), group)
        return Part(a, one.weights[group][:, output : output + 1].astype(np.int64), (position, channel))

    def _operands(
        self, inputs: Sequence[Array], position: int, channel: int, event: Event
    ) -> tuple[tuple[Operand, ...], list[tuple[Operand, Operand]]]:
        """Return the operands of the steps that an event took, one after another, and in pairs."""
        steps = range(event.began, event.step + 1)
        pairs = (
            self._matrix_pairs(inputs, position, channel, steps)
            if isinstance(self.one, MatrixProduct)
            else self._window_pairs(self.one, inputs[0], position, channel, steps)
        )
        return tuple(one for pair in pairs for one in pair), pairs

    def _window_pairs(
        self, one: MultiplyAccumulate, codes: Array, position: int, channel: int, steps: range
    ) -> list[tuple[Operand, Operand]]:
        group, output = divmod(channel, one.weights.shape[2])
        _, places = gathered(one, codes, np.array([position]), group)
        image = codes.reshape(one.view)
        kernel = kernel_places(one)
        pairs = []
        for k in steps:
            y, x, c = (int(each) for each in places[0, k])
            if y < 0:
                left = Operand(name=f"{one.inputs[0]} (padding)", index=(), value=one.outside)
            else:
                flat = int(np.ravel_multi_index((y, x, c), one.view))
                index = tuple(map(int, np.unravel_index(flat, codes.shape)))
                left = Operand(
                    name=one.inputs[0], index=index, value=int(image[y, x, c]), zero_point=int(one.zero_point)
                )
            weight = int(one.weights[group, k, output])
            pairs.append((left, Operand(name="weight", index=(*kernel[k], channel), value=weight)))
        return pairs

    def _matrix_pairs(
        self, inputs: Sequence[Array], position: int, channel: int, steps: range
    ) -> list[tuple[Operand, Operand]]:
        one = self.one
        assert isinstance(one, MatrixProduct)
        *lead, row = np.unravel_index(position, one.output.shape[:-1])
        pairs = []
        for k in steps:
            place = int(one.places[k])
            sides = []
            for side, ends in enumerate(((row, place), (place, channel))):
                turned = ends[::-1] if one.transpose[side] else ends
                index = tuple(map(int, (*lead, *turned)))
                value = int(inputs[side][index])
                sides.append(
                    Operand(name=one.inputs[side], index=index, value=value, zero_point=int(one.zero_points[side]))
                )
            pairs.append((sides[0], sides[1]))
        return pairs

    def _recipe(self, event: Event, pairs: Sequence[tuple[Operand, Operand]]) -> str:
        added = self._added(event, pairs)
        scaled = added if self.level == PRODUCT else f"{event.before} + {added}"
        name, shift = recipe.rounding_name(self._field[ROUNDING]), self._shift
        if self.kind == "round-off":
            quotient = Fraction(event.scaled, 1 << shift)
            line = recipe.round_shift("x", shift, name, event.draw)
            return f"{recipe.IMPORT}x = {scaled}; print({line}, {recipe.exact_of(quotient, f'x / {1 << shift}')})"
        value = recipe.round_shift(scaled, shift, name, event.draw) if shift else scaled
        return recipe.clamping(value, format_of(self._field))

    def _added(self, event: Event, pairs: Sequence[tuple[Operand, Operand]]) -> str:
        """Return what is added, from its operands where it is one product, else the sum that comes from below."""
        if len(pairs) != 1 or self.level > 0 or self._field[TREE]:
            return recipe.number(event.added)
        left, right = (recipe.less(int(one.value), one.zero_point) for one in pairs[0])
        product = f"{left} * {right}"
        field = self.one.product
        if self.level == PRODUCT or not field[BITS]:
            return product
        if recipe.stochastic(field[ROUNDING]) and field[SHIFT]:
            return recipe.number(event.added)
        if field[SHIFT]:
            product = recipe.round_shift(product, int(field[SHIFT]), recipe.rounding_name(field[ROUNDING]))
        return recipe.fit(product, format_of(field))

    def _sum_recipe(self, inputs: Sequence[Array], position: int, channel: int) -> str:
        """Return the line that adds up everything, or nothing if ``hk.matmul`` cannot say it."""
        one = self.one
        part = self._single(inputs, position, channel)
        start, level = self._start(channel, 1)
        fields = [one.product, *one.stages] if one.product[BITS] else list(one.stages)
        last = np.zeros(one.ends.shape[1], np.int64)
        last[-1] = 1
        plain = np.array_equal(sums_end([int(each[TERMS]) for each in one.stages], [last] * len(one.stages)), one.ends)
        low, high = Format(int(one.stages[-1][BITS]), "wrap", bool(one.stages[-1][SIGNED])).limits
        drawn = any(recipe.stochastic(each[ROUNDING]) and each[SHIFT] for each in fields)
        most = max(int(np.abs(each).max(initial=0)) for each in (part.a, part.w))
        held = low <= int(start[0]) <= high and most < 1 << 31
        if not plain or drawn or not held or level != len(one.stages) - 1 or part.a.shape[1] > MOST_TERMS:
            return ""
        a, w = part.a[0].tolist(), part.w[:, 0].tolist()
        stages = ", ".join(recipe.stage_words(each) for each in one.stages)
        product = f", product={recipe.stage_words(one.product)}" if one.product[BITS] else ""
        bias = f", [{int(start[0])}]" if start[0] else ""
        exact = "sum(i * j for i, j in zip(a, w))" + (f" + {recipe.number(int(start[0]))}" if start[0] else "")
        line = f"hk.matmul([a], [[i] for i in w]{bias}{product}, stages=[{stages}]).item()"
        return f"{recipe.IMPORT}a, w = {a}, {w}; print({line}, {exact})"


def format_of(field: Ints) -> tuple[int, int, int, int]:
    """Return bits, signed, overflow and saturated_bits of a stage."""
    return int(field[BITS]), int(field[SIGNED]), int(field[OVERFLOW]), int(field[SATURATED_BITS])


def matrices(one: MatrixProduct, inputs: Sequence[Array]) -> Iterator[tuple[Array, Array]]:
    """Yield pairs of matrices less their zero points: (rows, depth) in the order of sums, (depth, columns)."""
    sides = [
        (codes.swapaxes(-1, -2) if turned else codes).astype(np.int64) - int(zero)
        for codes, turned, zero in zip(inputs, one.transpose, one.zero_points, strict=True)
    ]
    left, right = (side.reshape(-1, *side.shape[-2:]) for side in sides)
    for first, second in zip(left, right, strict=True):
        yield first[:, one.places], second[one.places]


def gathered(one: MultiplyAccumulate, codes: Array, positions: Ints, group: int) -> tuple[Ints, Ints]:
    """Return the operands (positions, steps) of windows, and their places (…, 3) in the image, -1 outside of it."""
    image = codes.reshape(one.view)
    depth = one.view[2] // one.weights.shape[0]
    rows, columns = np.divmod(positions[:, None], one.output_view[1])
    y, x = rows * one.strides[0] + one.taps[:, 0], columns * one.strides[1] + one.taps[:, 1]
    channel = np.broadcast_to(group * depth + one.taps[:, 2], y.shape)
    (row, rest_row), (column, rest_column) = np.divmod(y, one.spread[0]), np.divmod(x, one.spread[1])
    inside = (rest_row == 0) & (rest_column == 0) & (row >= 0) & (row < one.view[0])
    inside &= (column >= 0) & (column < one.view[1])
    places = np.where(inside[..., None], np.stack([row, column, channel], axis=-1), -1)
    at = tuple(np.where(inside, each, 0) for each in (row, column, channel))
    return np.where(inside, image[at].astype(np.int64) - one.zero_point, one.outside), places


def kernel_places(one: MultiplyAccumulate) -> list[tuple[int, ...]]:
    """Return where in the kernel each step's weight stands, but for the output's channel.

    (row, column, channel) of a convolution, (channel,) of a dense layer, () of a scale-and-shift.
    """
    rows, columns = (np.unique(one.taps[:, axis], return_inverse=True)[1] for axis in (0, 1))
    if one.kind == "conv2d_transpose":  # a step further in the kernel is a step back in the image
        rows, columns = rows.max() - rows, columns.max() - columns
    places = np.stack([rows, columns, one.taps[:, 2]], axis=-1)
    first = 0 if "conv" in one.kind else 3 if one.kind == "scale_shift" else 2
    return [tuple(map(int, place[first:])) for place in places]
