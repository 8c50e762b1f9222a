"""From each operation of a program to the kernels that compute it: the only file that calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.exact import has_product, prepared_sums, stage_points
from hwsim.engine.fused import NARROW, NO_HISTOGRAM, BlockStep, Divide, Look, Passage, Saturate, fit_behind, fuse
from hwsim.engine.steps import run_steps
from hwsim.engine.storage import storage
from hwsim.engine.tally import Tally
from hwsim.engine.words import codes_of, in_words
from hwsim.program.records import (
    CropCodes,
    FitTo,
    HostSoftmax,
    IntOperation,
    Join,
    MultiplyAccumulate,
    PadCodes,
    Point,
    PoolAverage,
    PoolMax,
    Product,
    Quantize,
    Relabel,
    Rescale,
    Step,
    Sum,
)
from hwsim_kernels import counting, merging
from hwsim_kernels.accumulate import accumulate
from hwsim_kernels.counting import new_counts
from hwsim_kernels.exact import count_sums, fits_and_sums
from hwsim_kernels.fast import strips
from hwsim_kernels.fast.blocks import Blocks, Prepared, block_rows, padded_columns
from hwsim_kernels.fast.features import PLAIN, tier
from hwsim_kernels.fast.fitting import fit_block
from hwsim_kernels.fast.lanes import WIDTH
from hwsim_kernels.fast.sums import store_codes
from hwsim_kernels.fast.windows import add_values, load_codes, window_sums
from hwsim_kernels.plain import accumulate_plain
from hwsim_kernels.pooling import average_pool, max_pool
from hwsim_kernels.quantize import quantize as quantize_reals
from hwsim_kernels.rounding import STOCHASTIC_EQUAL, STOCHASTIC_WEIGHTED

Codes = NDArray[Any]
Ints = NDArray[np.int64]
Array = NDArray[Any]
Finished = MultiplyAccumulate | PoolAverage | Product | Sum

NO_DRAWS = np.zeros(1, np.int64)
STOCHASTIC = (STOCHASTIC_WEIGHTED, STOCHASTIC_EQUAL)


def quantize(one: Quantize, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Turn real values into codes."""
    values = inputs[0].reshape(-1, one.channels)
    first_row, together = tally.first_sample * (len(values) // len(inputs[0])), 0
    out = np.empty(values.shape, storage(one.output.format))
    if quantizes_in_lanes(one, values):
        together = len(values) // WIDTH * WIDTH
        quantize_in_lanes(one, values[:together], out[:together], first_row, tally)
    rows = values[together:].astype(np.float64)
    codes = np.empty(rows.shape, np.int64)
    scale = np.full(one.channels, one.output.scale)
    zero_point = np.full(one.channels, one.output.zero_point, np.int64)
    quantize_reals(rows, scale, zero_point, one.field, np.array([first_row + together, 1]), codes, tally.counts[0])
    out[together:] = codes
    return out.reshape(inputs[0].shape)


def quantizes_in_lanes(one: Quantize, values: Array) -> bool:
    """Whether values are moderate enough for 32-bit lanes."""
    if tier() == PLAIN or one.field[4] in STOCHASTIC or values.dtype != np.float32 or not values.size:
        return False
    largest = max(float(values.max()), -float(values.min()))
    return largest / one.output.scale + abs(one.output.zero_point) < NARROW / 2


def quantize_in_lanes(one: Quantize, reals: Array, out: Codes, first_row: int, tally: Tally) -> None:
    """Turn real values (rows, channels) into codes; WIDTH rows side by side make the lanes."""
    columns = WIDTH * one.channels
    bits, codes = (np.ascontiguousarray(array).reshape(-1, columns) for array in (reals.view(np.int32), out))
    fit, parameters = fit_behind(strips.moves(columns), FitTo(field=one.field), 0), strips.moves(columns)
    parameters[strips.SCALE] = np.float64(one.output.scale).view(np.int64)
    parameters[strips.ADD], parameters[strips.TABLE] = one.output.zero_point, strips.table_of(int(one.field[4]))
    counters, here, unused = strips.counters(columns), strips.counters(columns), new_counts(columns)
    size = block_rows(columns, 1)
    for first in range(0, len(bits), size):
        lanes = bits[first : first + size].copy()
        strips.quantize(lanes, parameters, counters)
        limits = (fit.parameters, fit.limits)
        fit_block(lanes, *limits, one.field, first, 0, 0, counters, here, unused, NO_HISTOGRAM)
        store_codes(lanes, codes[first : first + size])
    side = counters.reshape(len(counters), WIDTH, one.channels)
    counts = tally.counts[0]
    found = side[strips.FIRST] != counting.NEVER
    rows = first_row + side[strips.FIRST] * WIDTH + np.arange(WIDTH)[:, None]
    counts[counting.VALUES] += len(reals)
    counts[counting.FIRST] = np.where(found, rows, counting.NEVER).min(axis=0)
    counts[counting.MINIMUM], counts[counting.MAXIMUM] = (
        side[strips.LEAST].min(axis=0),
        side[strips.LARGEST].max(axis=0),
    )
    for column, counter in QUANTIZED.items():
        counts[column] += side[counter].sum(axis=0)


QUANTIZED = {
    counting.LOW: strips.BELOW,
    counting.HIGH: strips.ABOVE,
    counting.CLAMP_ENERGY: strips.LOST,
    counting.CLAMP_ENERGY + 1: strips.LOST_MORE,
    counting.INEXACT: strips.INEXACT,
    counting.ROUND_BIAS: strips.BIAS,
    counting.ROUND_ENERGY: strips.ENERGY,
}
"""Which counter of the lanes each sum of a quantisation comes from."""


def multiply_accumulate(one: MultiplyAccumulate, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Run a convolution, a dense layer or a scale-and-shift."""
    codes = inputs[0].reshape(-1, *one.view)
    exact = prepared_sums(one, codes)
    if exact is not None and in_lanes(one, tally):
        return in_blocks(one, exact, codes, tally)
    values = sums(one, exact, codes, tally)
    return finish(one, values, "accumulator", len(inputs[0]), tally)


def in_lanes(one: IntOperation, tally: Tally) -> bool:
    """Whether an operation's values can pass in blocks of 32-bit lanes: none is traced, none is rounded by chance."""
    steady = getattr(one, "draws", NO_DRAWS).size == 1
    return one.narrow and steady and tally.trace is None and tier() != PLAIN


def in_blocks(one: MultiplyAccumulate, exact: Prepared, codes: Array, tally: Tally) -> Codes:
    """Form sums that are proved exact and send them through the steps, a block of positions at a time."""
    positions = one.output_view[0] * one.output_view[1]
    out = np.empty((len(codes) * positions, one.channels), storage(one.output.format))
    last = stage_points(one)[-1]
    look, behind = prepared(one, lambda: [[look_at(last, exact.columns)], fused(one, exact.columns)])
    blocks = Blocks(exact, codes)
    steps = [*(look if exact.saturation is None else [saturate(one, blocks, last)]), *behind]
    passage = Passage.of(steps, tally, tally.first_sample * positions, exact.columns)
    for position in range(0, len(out), exact.rows):
        size = min(exact.rows, len(out) - position)
        values = blocks.form(position, size).astype(np.int32, copy=False)
        passage.run(steps, values)
        store_codes(values, out[position : position + size])
    passage.close(steps)
    count_exact(one, len(out), tally)
    return out.reshape(len(codes), *one.output.shape)


def saturate(one: MultiplyAccumulate, blocks: Blocks, point: Point) -> BlockStep:
    """Return what a saturating stage makes of the exact sums of blocks."""

    def settle(sums: Array, row: int, here: Ints, counts: Ints) -> int:
        return blocks.settle(sums, row * one.weights.shape[1], here, counts)

    # unsaturated, sums can go beyond the bound of the stage
    return Saturate(Look(strips.moves(blocks.prepared.columns), point.name, 33), settle)


_steps: WeakKeyDictionary[IntOperation, list[list[BlockStep]]] = WeakKeyDictionary()


def prepared(one: IntOperation, make: Callable[[], list[list[BlockStep]]]) -> list[list[BlockStep]]:
    """Return an operation's steps as blocks run them, made once."""
    if one not in _steps:
        _steps[one] = make()
    return _steps[one]


def fused(one: Any, columns: int) -> list[BlockStep]:  # noqa: ANN401
    """Return the steps of an operation that has some."""
    return fuse(one, one.steps, one.channels, columns, one.draws)


def look_at(point: Point, columns: int) -> Look:
    """Return the look at the exact sums of a point."""
    low, high = point.bound or (-NARROW, NARROW)
    return Look(strips.moves(columns), point.name, max(-low, high).bit_length() + 1)


def first_stage(one: MultiplyAccumulate) -> int:
    """Return the index of the first stage's point."""
    return 3 if has_product(one) else 2


def count_exact(one: MultiplyAccumulate, rows: int, tally: Tally) -> None:
    """Count the fits and sums that ``rows`` positions take where nothing is lost."""
    first = first_stage(one)
    for level, (fits, handed) in enumerate(fits_and_sums(one.stages, one.ends)):
        tally.counts[first + level, counting.VALUES] += fits * rows
        tally.counts[first + level, counting.SUMS] += handed * rows
    if has_product(one):
        tally.counts[first - 1, counting.VALUES] += one.weights.shape[1] * rows


def sums(one: MultiplyAccumulate, exact: Prepared | None, codes: Array, tally: Tally) -> Ints:
    """Return the sums (words, rows, channels) of codes (n, h, w, c), on the fastest way that is proved exact."""
    first, levels = first_stage(one), one.stages.shape[0]
    product = tally.counts[first - 1] if has_product(one) else new_counts(one.channels)
    counts, histogram = tally.counts[first : first + levels], tally.histograms[first + levels - 1]
    shape = (len(codes), *one.output_view)
    if exact is not None and exact.saturation is None:
        found = np.empty((len(codes) * shape[1] * shape[2], one.channels), np.int64)
        blocks = Blocks(exact, codes)
        for position in range(0, len(found), exact.rows):
            part = found[position : position + exact.rows]
            part[:] = blocks.form(position, len(part))[:, : one.channels]
        count_sums(found, counts[-1], histogram)
        count_exact(one, len(found), tally)
        return in_words(found, one.wide)
    codes = codes.astype(np.int32)
    where = (codes, one.zero_point, one.outside, one.taps, one.strides, one.spread, one.weights, one.start)
    how = (one.start_level, one.product, one.stages, one.ends, one.draws, tally.first_sample)
    if one.wide_sums:
        wide = np.empty((2, *shape), np.int64)
        accumulate_plain(*where, *how, wide, product, counts, histogram)
        return wide.reshape(2, -1, one.channels)
    out = np.empty(shape, np.int64)
    accumulate(*where, *how, out, product, counts, histogram)
    return in_words(out.reshape(-1, one.channels), one.wide)


def finish(one: Finished, values: Ints, name: str, samples: int, tally: Tally) -> Codes:
    """Send values (words, rows, channels), traced as ``name``, through the post-pipeline and return codes."""
    tally.note(name, values)
    run_steps(one.steps, values, one.draws, samples, tally)
    return stored(one, codes_of(values)).reshape(samples, *one.output.shape)


def stored(one: IntOperation, codes: Array) -> Codes:
    """Return codes in the type in which they are kept."""
    return codes.astype(storage(one.output.format), copy=False)


def pool_max(one: PoolMax, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Take the largest code of each window."""
    out = np.empty((len(inputs[0]), *one.output.shape), inputs[0].dtype)
    max_pool(inputs[0], one.window, out)
    return out


def pool_average(one: PoolAverage, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Take the rounded mean of each window."""
    if in_lanes(one, tally):
        return means_in_blocks(one, inputs[0], tally)
    samples = len(inputs[0])
    rows, columns = one.output.shape[:2]
    out = np.empty((2 if one.wide else 1, samples * rows * columns, one.channels), np.int64)
    average_pool(
        inputs[0].astype(np.int32),
        one.zero_point,
        one.window,
        np.array([rows, columns], np.int64),
        one.field,
        one.draws,
        tally.first_sample,
        out,
        tally.counts[:2],
        tally.histograms[0],
    )
    return finish(one, out, "division", samples, tally)


def means_in_blocks(one: PoolAverage, codes: Array, tally: Tally) -> Codes:
    """Take means whose sums lose nothing, a block at a time."""
    columns = padded_columns(one.channels)

    def make() -> list[list[BlockStep]]:
        division = strips.moves(columns)
        division[strips.TABLE, : one.channels] = strips.table_of(int(one.field[4]))
        return [[look_at(one.points[0], columns), Divide(division, "division"), *fused(one, columns)]]

    (steps,) = prepared(one, make)
    outputs = np.array(one.output.shape[:2], np.int64)
    positions = int(outputs.prod())
    out = np.empty((len(codes) * positions, one.channels), codes.dtype)
    passage = Passage.of(steps, tally, tally.first_sample * positions, columns)
    for part in parts_of(out, columns):
        values, inside = np.zeros((len(part), columns), np.int32), np.empty(len(part), np.int32)
        window_sums(codes, one.zero_point, one.window, outputs, passage.rows, values, inside)
        tally.counts[0, counting.VALUES] += int(inside.sum())
        passage.divisors = inside
        passage.run(steps, values)
        store_codes(values, part)
    passage.close(steps)
    tally.counts[0, counting.SUMS] += len(out)
    return out.reshape(len(codes), *one.output.shape)


def parts_of(array: Array, columns: int) -> Iterator[Array]:
    """Cut rows into blocks."""
    rows = block_rows(columns, 1)
    return (array[first : first + rows] for first in range(0, len(array), rows))


def add(one: Sum, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Add tensors, each brought to the common scale first."""
    if in_lanes(one, tally):
        return sums_in_blocks(one, inputs, tally)
    samples = len(inputs[0])
    terms: Ints = np.stack([in_words(codes.reshape(-1, one.channels), one.wide) for codes in inputs])
    for number, steps in enumerate(one.input_steps):
        run_steps(steps, terms[number], one.draws, samples, tally)
        tally.rename("input", f"input {number}")
    index = tally.index["accumulator"]
    rows = terms.shape[2]
    out: Ints = np.empty((terms.shape[1], rows, one.channels), np.int64)
    position = np.array([tally.first_sample, rows // samples], np.int64)
    merging.add(terms, one.field, position, out, tally.counts[index], tally.histograms[index])
    return finish(one, out, "accumulator", samples, tally)


def sums_in_blocks(one: Sum, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Add tensors whose sums lose nothing, a block at a time."""
    columns = padded_columns(one.channels)
    accumulator = next(point for point in one.points if point.name == "accumulator")

    def make() -> list[list[BlockStep]]:
        parts = [fuse(one, steps, one.channels, columns, one.draws) for steps in one.input_steps]
        return [[look_at(accumulator, columns), *fused(one, columns)], *parts]

    steps, *own = prepared(one, make)
    rows = [codes.reshape(-1, one.channels) for codes in inputs]
    first_row = tally.first_sample * (len(rows[0]) // len(inputs[0]))
    passage = Passage.of(steps, tally, first_row, columns)
    passages = [Passage.of(each, tally, first_row, columns) for each in own]
    out = np.empty((len(rows[0]), one.channels), storage(one.output.format))
    for part in parts_of(out, columns):
        first, total = passage.rows, np.zeros((len(part), columns), np.int32)
        for codes, each, passing in zip(rows, own, passages, strict=True):
            values = np.zeros((len(part), columns), np.int32)
            load_codes(codes[first : first + len(part)], values)
            passing.run(each, values)
            add_values(values, total)
        passage.run(steps, total)
        store_codes(total, part)
    for each, passing in zip((steps, *own), (passage, *passages), strict=True):
        passing.close(each)
    counts = tally.point("accumulator")
    counts[counting.VALUES] += len(out) * len(inputs)
    counts[counting.SUMS] += len(out)
    return out.reshape(inputs[0].shape)


def multiply(one: Product, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Multiply two tensors, axes of size 1 repeated."""
    samples = len(inputs[0])
    first, second = (
        np.broadcast_to(codes, (samples, *one.output.shape)).astype(np.int32).reshape(-1, one.channels)
        for codes in inputs
    )
    counts = tally.point("product") if "product" in tally.index else new_counts(one.channels)
    out = np.empty((2 if one.wide else 1, *first.shape), np.int64)
    position = np.array([tally.first_sample, len(first) // samples], np.int64)
    merging.multiply(first, second, one.zero_points, one.product, one.draws, position, out, counts)
    return finish(one, out, "product", samples, tally)


def join(one: Join, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Join tensors along an axis, those of another scale rescaled first."""

    def make() -> list[list[BlockStep]]:
        channels = [codes.shape[-1] for codes in inputs]
        pairs = zip(one.input_steps, channels, strict=True)
        return [fuse(one, steps, many, padded_columns(many), one.draws) for steps, many in pairs]

    own = prepared(one, make)
    parts = []
    offset = 0
    joins_channels = one.axis == len(one.output.shape) - 1
    for number, (codes, steps) in enumerate(zip(inputs, one.input_steps, strict=True)):
        channels = codes.shape[-1]
        if steps:
            part = tally.part(channels)
            codes = rescaled(one, steps, codes, part, own[number])  # noqa: PLW2901
            tally.rename("input", f"input {number}")
            tally.rename("output", f"output {number}")
            if not joins_channels:
                move_first(part.counts, codes.shape[1:], one.output.shape, (one.axis, offset))
            first = offset if joins_channels else 0
            counting.merge(tally.counts[..., first : first + channels], part.counts)
        parts.append(codes)
        offset += codes.shape[one.axis + 1]
    return np.concatenate(parts, axis=one.axis + 1)


def rescaled(
    one: Join | Rescale, steps: Sequence[Step], codes: Array, tally: Tally, fast: Sequence[BlockStep]
) -> Codes:
    """Run steps on each code, as blocks run them if values stay narrow."""
    channels = codes.shape[-1]
    rows = codes.reshape(-1, channels)
    if not in_lanes(one, tally):
        values = in_words(rows, one.wide)
        run_steps(steps, values, one.draws, len(codes), tally)
        return stored(one, codes_of(values)).reshape(codes.shape)
    columns = padded_columns(channels)
    out = np.empty(rows.shape, storage(one.output.format))
    passage = Passage.of(fast, tally, tally.first_sample * (len(rows) // len(codes)), columns)
    for part in parts_of(out, columns):
        lanes = np.zeros((len(part), columns), np.int32)
        load_codes(rows[passage.rows : passage.rows + len(part)], lanes)
        passage.run(fast, lanes)
        store_codes(lanes, part)
    passage.close(fast)
    return out.reshape(codes.shape)


def move_first(counts: Ints, shape: tuple[int, ...], joined: tuple[int, ...], place: tuple[int, int]) -> None:
    """Bring first occurrences from positions of an input of ``shape`` to positions of the ``joined`` output.

    ``place`` is (axis, where the input begins along it). Positions keep their order, so the first stays first.
    """
    axis, offset = place
    for point, channel in np.argwhere(counts[:, counting.FIRST] != counting.NEVER):
        sample, position = divmod(int(counts[point, counting.FIRST, channel]), int(np.prod(shape[:-1])))
        at = list(np.unravel_index(position, shape[:-1]))
        at[axis] += offset
        moved = int(np.ravel_multi_index(at, joined[:-1]))
        counts[point, counting.FIRST, channel] = sample * int(np.prod(joined[:-1])) + moved


def rescale(one: Rescale, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Run steps on each code."""
    (fast,) = prepared(one, lambda: [fused(one, padded_columns(one.channels))])
    return rescaled(one, one.steps, inputs[0], tally, fast)


def relabel(one: Relabel, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Give codes another shape."""
    return inputs[0].reshape(len(inputs[0]), *one.output.shape)


def pad(one: PadCodes, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Put zero points around each sample."""
    sides = ((0, 0), *one.padding, (0, 0))
    return np.pad(inputs[0], sides, constant_values=one.output.zero_point)


def crop(one: CropCodes, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Cut the borders off each sample."""
    (top, bottom), (left, right) = one.cropping
    height, width = inputs[0].shape[1:3]
    return np.ascontiguousarray(inputs[0][:, top : height - bottom, left : width - right])


def softmax(one: HostSoftmax, inputs: Sequence[Array], tally: Tally) -> NDArray[np.float64]:
    """Compute a softmax of the dequantised codes in float64, on the host."""
    axis = one.axis + 1
    real = one.scale * (inputs[0].astype(np.float64) - one.zero_point)
    powers = np.exp(real - real.max(axis=axis, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=axis, keepdims=True)
    return shares


RUN: Mapping[type, Callable[[Any, Sequence[Array], Tally], Array]] = {
    CropCodes: crop,
    HostSoftmax: softmax,
    Join: join,
    MultiplyAccumulate: multiply_accumulate,
    PadCodes: pad,
    PoolAverage: pool_average,
    PoolMax: pool_max,
    Product: multiply,
    Quantize: quantize,
    Relabel: relabel,
    Rescale: rescale,
    Sum: add,
}
