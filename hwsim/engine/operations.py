"""From each operation of a program to the kernels that compute it: the only file that calls them.

Each function writes its result to ``out`` (n, …), where the type of stored codes is that of its format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.exact import first_stage, has_product, prepared_sums, stage_points
from hwsim.engine.fused import Fused, saturating, start_tally
from hwsim.engine.fused_wide import add_widely, bound_before_steps, bound_of_codes, see_widely
from hwsim.engine.ledger import positions_of
from hwsim.engine.mapping import mapping_of, maps, run_mapping
from hwsim.engine.steps import run_steps
from hwsim.engine.tally import Tally
from hwsim.engine.words import codes_of, in_words
from hwsim.errors import DataError
from hwsim.program.records import (
    ConstantCodes,
    CropCodes,
    Decode,
    DividedSoftmax,
    Encode,
    FixedSoftmax,
    FloatAverage,
    FloatSum,
    HostSoftmax,
    Interpolate,
    IntOperation,
    Join,
    LineSoftmax,
    MatrixProduct,
    MultiplyAccumulate,
    NormalizeCodes,
    PadCodes,
    PickCodes,
    PickRows,
    PolynomialSoftmax,
    PoolAverage,
    PoolMax,
    Product,
    Quantize,
    Relabel,
    Rescale,
    SlopedSum,
    SoftmaxOfCodes,
    Step,
    Stepped,
    Sum,
    TableSoftmax,
)
from hwsim_kernels import counting, merging
from hwsim_kernels import levels as nearest
from hwsim_kernels.accumulate import accumulate
from hwsim_kernels.counting import new_counts
from hwsim_kernels.exact import count_sums, fits_and_sums
from hwsim_kernels.fast import strips
from hwsim_kernels.fast.blocks import Prepared, block_rows, padded_columns, run_layer, write_sums
from hwsim_kernels.fast.features import PLAIN, tier
from hwsim_kernels.fast.lanes import WIDTH
from hwsim_kernels.fast.layers import (
    add_codes,
    add_integers,
    finish_sums,
    finish_wide,
    layer_of_codes,
    layer_of_integers,
    layer_of_means,
    layer_of_products,
    layer_of_reals,
)
from hwsim_kernels.fast.memory import zeros
from hwsim_kernels.fast.passage import SUMMED, Steps, fold
from hwsim_kernels.fast.passage import Tally as LaneTally
from hwsim_kernels.float_sums import add_in_float32, average_in_float32
from hwsim_kernels.normalize import normalize as normalize_codes
from hwsim_kernels.plain import accumulate_plain
from hwsim_kernels.pooling import average_pool, max_pool
from hwsim_kernels.quantize import quantize as quantize_reals
from hwsim_kernels.resize import interpolate
from hwsim_kernels.rounding import STOCHASTIC_EQUAL, STOCHASTIC_WEIGHTED
from hwsim_kernels.softmax import softmax as softmax_in_fixed_point
from hwsim_kernels.softmax_divided import softmax_by_division
from hwsim_kernels.softmax_lines import softmax_by_lines
from hwsim_kernels.softmax_polynomial import softmax_by_parabola
from hwsim_kernels.softmax_table import softmax_by_table

Codes = NDArray[Any]
Ints = NDArray[np.int64]
Array = NDArray[Any]

NO_DRAWS = np.zeros(1, np.int64)
NARROW = 1 << 30
MOST_SUM = (1 << 31) - 1
MOST_DIVISOR = 1 << 15
STOCHASTIC = (STOCHASTIC_WEIGHTED, STOCHASTIC_EQUAL)


def quantize(one: Quantize, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Turn real values into codes."""
    values = inputs[0].reshape(-1, one.channels)
    first_row, together, stored = tally.first_sample * (len(values) // len(inputs[0])), 0, out.reshape(values.shape)
    if quantizes_in_lanes(one, values, tally.tier):
        together = len(values) // WIDTH * WIDTH
        quantize_in_lanes(one, values[:together], stored[:together], first_row, tally)
    if together == len(values):
        return
    rows = values[together:].astype(np.float64)
    codes = np.empty(rows.shape, np.int64)
    scale = one.output.scales
    zero_point = np.full(one.channels, one.output.zero_point, np.int64)
    quantize_reals(rows, scale, zero_point, one.field, np.array([first_row + together, 1]), codes, tally.counts[0])
    stored[together:] = codes


def quantizes_in_lanes(one: Quantize, values: Array, tier: int) -> bool:
    """Whether values are moderate enough for 32-bit lanes."""
    if tier == PLAIN or one.output.shift or one.field[4] in STOCHASTIC or values.dtype != np.float32 or not values.size:
        return False
    largest = max(float(values.max()), -float(values.min()))
    return largest / one.output.scale + abs(one.output.zero_point) < NARROW / 2


def quantize_in_lanes(one: Quantize, reals: Array, out: Codes, first_row: int, tally: Tally) -> None:
    """Turn real values (rows, channels) into codes; WIDTH rows side by side make the lanes."""
    columns = WIDTH * one.channels
    bits, codes = (np.ascontiguousarray(array).reshape(-1, columns) for array in (reals.view(np.int32), out))
    limits, parameters = saturating(one.field, columns), np.stack([strips.moves(columns)] * 2)
    parameters[0, strips.SCALE] = np.float64(one.output.scale).view(np.int64)
    parameters[0, strips.ADD] = one.output.zero_point
    parameters[0, strips.TABLE] = strips.table_of(int(one.field[4]))
    counters, here, unused = strips.counters(columns), strips.counters(columns), new_counts(columns)
    size = block_rows(columns, 1)
    layer_of_reals(bits, parameters, limits, one.field, counters, here, unused, tally.counted, size, codes)
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
    for column, counter in SUMMED:
        counts[column] += side[counter].sum(axis=0)


def multiply_accumulate(one: MultiplyAccumulate, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Run a convolution, a dense layer or a scale-and-shift."""
    codes = inputs[0].reshape(-1, *one.view)
    layer = prepared_sums(one, codes, tally.tier)
    steps = (
        None
        if layer is None
        else lane_steps(
            one,
            layer.columns,
            lambda fused: see_sums(one, fused, layer),
            kind=codes.dtype.str,
            wide=layer.start.itemsize > 4,
        )
    )
    if layer is None or steps is None or not in_lanes(one, tally):
        finish(one, sums(one, layer, codes, tally), "accumulator", tally, out)
        return
    rows = out.reshape(-1, one.channels)
    counted = start_tally(steps, tally, tally.first_sample * (len(rows) // len(codes)))
    run_layer(layer, codes, steps, counted, rows)
    fold(steps, counted, len(rows))
    count_exact(one, len(rows), tally)


def see_sums(one: MultiplyAccumulate, fused: Fused, layer: Prepared) -> bool:
    """Look at the exact sums of the last stage, then take the steps."""
    if not one.narrow:
        return see_widely(fused, one, stage_points(one)[-1].name)
    # unsaturated, sums can go beyond the bound of the stage
    fused.look(stage_points(one)[-1].name, MOST_SUM if layer.saturation.fits.size else None, layer.added)
    return fused.steps(one.steps)


def in_lanes(one: IntOperation, tally: Tally) -> bool:
    """Whether an operation's values can pass in blocks of lanes: none is traced, none is rounded by chance."""
    steady = getattr(one, "draws", NO_DRAWS).size == 1
    return steady and tally.trace is None and tally.tier != PLAIN


_steps: WeakKeyDictionary[IntOperation, dict[tuple[int, int, str, int], Steps | None]] = WeakKeyDictionary()


def lane_steps(
    one: IntOperation,
    columns: int,
    make: Callable[[Fused], bool],
    *,
    number: int = -1,
    channels: int | None = None,
    kind: str = "",
    wide: bool = False,
) -> Steps | None:
    """Return the steps of an operation's lanes, or None if some of them have no kernel, made once.

    ``number`` tells those of several inputs apart, ``channels`` are theirs if not the operation's. ``kind``: the type
    of codes, where what is added to sums depends on how they are formed from them. ``wide``: ``make`` can begin with 64
    bits, where 32 are not enough.
    """
    known = _steps.setdefault(one, {})
    key = (number, columns, kind, tier())
    if key not in known:
        fused = Fused(one.points, one.channels if channels is None else channels, columns)
        known[key] = fused.done() if (one.narrow or (wide and not one.wide)) and make(fused) else None
    return known[key]


_exact: WeakKeyDictionary[IntOperation, list[tuple[int, int]]] = WeakKeyDictionary()


def count_exact(one: MultiplyAccumulate | MatrixProduct, rows: int, tally: Tally) -> None:
    """Count the fits and sums that ``rows`` positions take where nothing is lost."""
    first = first_stage(one)
    if one not in _exact:
        _exact[one] = list(fits_and_sums(one.stages, one.ends))
    for level, (fits, handed) in enumerate(_exact[one]):
        tally.counts[first + level, counting.VALUES] += fits * rows
        tally.counts[first + level, counting.SUMS] += handed * rows
    if has_product(one):
        tally.counts[first - 1, counting.VALUES] += one.ends.shape[1] * rows


def sums(one: MultiplyAccumulate, layer: Prepared | None, codes: Array, tally: Tally) -> Ints:
    """Return the sums (words, rows, channels) of codes (n, h, w, c), on the fastest way that is proved exact."""
    first, levels = first_stage(one), one.stages.shape[0]
    product = tally.counts[first - 1] if has_product(one) else new_counts(one.channels)
    counts, histogram = tally.counts[first : first + levels], tally.histograms[first + levels - 1]
    shape = (len(codes), *one.output_view)
    if layer is not None and not layer.saturation.fits.size:
        found = np.empty((len(codes) * shape[1] * shape[2], one.channels), np.int64)
        write_sums(layer, codes, found)
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


def finish(one: Stepped, values: Ints, name: str, tally: Tally, out: Codes) -> None:
    """Send values (words, rows, channels), traced as ``name``, through the post-pipeline and store the codes."""
    lanes = lane_steps(
        one, padded_columns(one.channels), lambda fused: take_steps(one, fused, name), kind=name, wide=True
    )
    if lanes is not None and in_lanes(one, tally):
        pass_lanes(lanes, values[0], tally, out)
        return
    tally.note(name, values)
    run_steps(one.steps, values, one.draws, len(out), tally)
    out[...] = codes_of(values).reshape(out.shape)


def take_steps(one: Stepped, fused: Fused, name: str) -> bool:
    """Take the steps of an operation, for values traced as ``name``."""
    if one.narrow:
        return fused.steps(one.steps)
    return add_widely(fused, one.steps, bound_before_steps(one, name))


def pass_lanes(lanes: Steps, values: Array, tally: Tally, out: Codes) -> None:
    """Send integers (rows, channels) through steps in lanes, and store the codes."""
    counted = start_tally(lanes, tally, tally.first_sample * (len(values) // len(out)))
    # a copy, if rows of the place do not follow one another
    stored = out.reshape(values.shape)
    room = lanes_for(lanes, len(values))
    if lanes.wide:
        layer_of_integers(values, zeros(room.shape, np.int64), room, lanes, counted, stored)
    else:
        layer_of_codes(values, room, lanes, counted, stored)
    fold(lanes, counted, len(values))
    if not np.may_share_memory(stored, out):
        out[...] = stored.reshape(out.shape)


def pool_max(one: PoolMax, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Take the largest code of each window."""
    max_pool(inputs[0], one.window, one.outside, out)


def pool_average(one: PoolAverage, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Take the rounded mean of each window."""
    columns = padded_columns(one.channels)
    steps = lane_steps(one, columns, lambda fused: see_means(one, fused))
    if steps is not None and in_lanes(one, tally):
        means_in_lanes(one, inputs[0], steps, tally, out)
        return
    rows, across = one.output.shape[:2]
    values = np.empty((2 if one.wide else 1, len(out) * rows * across, one.channels), np.int64)
    average_pool(
        inputs[0].astype(np.int32),
        one.zero_point,
        one.window,
        np.array([rows, across], np.int64),
        one.field,
        one.draws,
        tally.first_sample,
        values,
        tally.counts[:2],
        tally.histograms[0],
    )
    finish(one, values, "division", tally, out)


def float_average(one: FloatAverage, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Take the mean of each window in float32."""
    rows, across = one.output.shape[:2]
    values = np.empty((1, len(out) * rows * across, one.channels), np.int64)
    where = one.window, np.array([rows, across], np.int64), one.rounding.code, one.draws, tally.first_sample
    codes = inputs[0].astype(np.int32)
    average_in_float32(codes, one.zero_point, one.scales, *where, values, tally.point("division"))
    finish(one, values, "division", tally, out)


def see_means(one: PoolAverage, fused: Fused) -> bool:
    """Look at the sums of windows, divide them, then take the steps."""
    if int(one.window[0] * one.window[1]) >= MOST_DIVISOR:
        return False
    fused.look("accumulator")
    fused.divide("division", int(one.field[4]))
    return fused.steps(one.steps)


def means_in_lanes(one: PoolAverage, codes: Array, steps: Steps, tally: Tally, out: Codes) -> None:
    """Take means whose sums lose nothing."""
    outputs = np.array(one.output.shape[:2], np.int64)
    rows = out.reshape(-1, one.channels)
    values = lanes_for(steps, len(rows))
    counted = start_tally(steps, tally, tally.first_sample * int(outputs.prod()))
    inside = layer_of_means(codes, one.zero_point, one.window, outputs, values, steps, counted, rows)
    fold(steps, counted, len(rows))
    tally.counts[0, counting.VALUES] += inside
    tally.counts[0, counting.SUMS] += len(rows)


def lanes_for(steps: Steps, rows: int) -> NDArray[np.int32]:
    """Return room for the lanes of a block."""
    columns = steps.parameters.shape[2]
    return zeros((min(block_rows(columns, 1), rows), columns), np.int32)


def add(one: Sum, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Add tensors, axes of size 1 repeated, each brought to the common scale first."""
    inputs = [np.broadcast_to(codes, out.shape) for codes in inputs]
    columns = padded_columns(one.channels)
    steps = lane_steps(one, columns, lambda fused: see_total(one, fused), wide=True)
    own = [steps_of_input(one, number, codes) for number, codes in enumerate(inputs)]
    ready = [each for each in own if each is not None]
    if steps is not None and len(ready) == len(own) and in_lanes(one, tally):
        totals_in_lanes(one, inputs, steps, ready, tally, out)
        return
    samples = len(out)
    terms: Ints = np.stack([in_words(codes.reshape(-1, one.channels), one.wide) for codes in inputs])
    for number, each in enumerate(one.input_steps):
        run_steps(each, terms[number], one.draws, samples, tally)
        tally.rename("input", f"input {number}")
    index = tally.index["accumulator"]
    rows = terms.shape[2]
    total: Ints = np.empty((terms.shape[1], rows, one.channels), np.int64)
    position = np.array([tally.first_sample, rows // samples], np.int64)
    merging.add(terms, one.field, position, total, tally.counts[index], tally.histograms[index])
    finish(one, total, "accumulator", tally, out)


def float_sum(one: FloatSum, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Add tensors in float32, axes of size 1 repeated."""
    shape = (-1, one.channels)
    terms = np.stack([np.broadcast_to(codes, out.shape).reshape(shape).astype(np.int32) for codes in inputs])
    rows = terms.shape[1]
    values = np.empty((1, rows, one.channels), np.int64)
    position = np.array([tally.first_sample, rows // len(out)], np.int64)
    ways = one.output.zero_point, one.rounding.code, one.draws, position
    add_in_float32(terms, one.ratios, one.fixed, *ways, values, tally.point("requantize"))
    finish(one, values, "requantize", tally, out)


def resize(one: Interpolate, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Interpolate between pixels."""
    values = np.empty((len(out), *one.output.shape), np.int64)
    taps = (one.rows, one.row_weights, one.columns, one.column_weights)
    interpolate(inputs[0], one.zero_point, *taps, one.shift, one.rounding, one.draws, values, tally.counts[0])
    finish(one, in_words(values.reshape(-1, one.channels), one.wide), "interpolation", tally, out)


def normalize(one: NormalizeCodes, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Normalise by mean and variance."""
    codes = inputs[0].reshape(len(out), -1, one.groups, one.channels // one.groups)
    values = np.empty(codes.shape, np.int64)
    normalize_codes(codes, one.zero_point, one.whole, one.centered, one.epsilon, one.field, values, tally.counts)
    finish(one, in_words(values.reshape(-1, one.channels), one.wide), "normalized", tally, out)


def steps_of_input(one: Sum, number: int, codes: Codes) -> Steps | None:
    """Return the steps that bring an input to the common scale."""
    return steps_of_codes(one, one.input_steps[number], number, codes, one.channels)


def steps_of_codes(one: IntOperation, steps: Sequence[Step], number: int, codes: Codes, channels: int) -> Steps | None:
    """Return the steps of lanes that begin with the codes of input ``number``."""

    def make(fused: Fused) -> bool:
        return fused.steps(steps) if one.narrow else add_widely(fused, steps, bound_of_codes(codes.dtype))

    columns = padded_columns(channels)
    return lane_steps(one, columns, make, number=number, channels=channels, kind=codes.dtype.str, wide=True)


def see_total(one: Sum, fused: Fused) -> bool:
    """Look at the sums, then take the steps."""
    if not one.narrow:
        return see_widely(fused, one, "accumulator")
    fused.look("accumulator")
    return fused.steps(one.steps)


def totals_in_lanes(
    one: Sum, inputs: Sequence[Array], steps: Steps, own: Sequence[Steps], tally: Tally, out: Codes
) -> None:
    """Add tensors whose sums lose nothing."""
    rows, stored = [codes.reshape(-1, one.channels) for codes in inputs], out.reshape(-1, one.channels)
    first_row = tally.first_sample * (len(stored) // len(out))
    counted, *each_counted = (start_tally(each, tally, first_row) for each in (steps, *own))
    parts = list(zip(rows, own, each_counted, strict=True))
    (add_blocks if one.narrow else add_wide_blocks)(parts, steps, counted, stored)
    for each, counting_each in zip((steps, *own), (counted, *each_counted), strict=True):
        fold(each, counting_each, len(stored))
    counts = tally.point("accumulator")
    counts[counting.VALUES] += len(stored) * len(inputs)
    counts[counting.SUMS] += len(stored)


Parts = Sequence[tuple[Codes, Steps, LaneTally]]
"""Of several inputs: their codes (rows, channels), steps, and where these count."""


def add_blocks(parts: Parts, steps: Steps, counted: LaneTally, stored: Codes) -> None:
    """Add inputs and send their sums through the steps, block by block."""
    values, totals = lanes_for(steps, len(stored)), lanes_for(steps, len(stored))
    for position in range(0, len(stored), len(values)):
        total = totals[: len(stored) - position]
        total[:] = 0
        for codes, each, counting_each in parts:
            add_codes(codes, position, values, each, counting_each, total)
        finish_sums(position, total, steps, counted, stored)


def add_wide_blocks(parts: Parts, steps: Steps, counted: LaneTally, stored: Codes) -> None:
    """Do what ``add_blocks`` does, where 32 bits are not enough."""
    values = lanes_for(steps, len(stored))
    wide, totals = zeros(values.shape, np.int64), zeros(values.shape, np.int64)
    for position in range(0, len(stored), len(values)):
        total = totals[: len(stored) - position]
        total[:] = 0
        for codes, each, counting_each in parts:
            add_integers(codes, position, wide, values, each, counting_each, total)
        finish_wide(total, position, values, steps, counted, stored)


def multiply(one: Product, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Multiply two tensors, axes of size 1 repeated."""
    samples = len(out)
    first, second = (np.broadcast_to(codes, out.shape).reshape(-1, one.channels) for codes in inputs)
    lanes = lane_steps(one, padded_columns(one.channels), lambda fused: fused.steps(one.steps))
    if lanes is not None and in_lanes(one, tally):
        counted = start_tally(lanes, tally, tally.first_sample * (len(first) // samples))
        stored = out.reshape(first.shape)
        layer_of_products(first, second, one.zero_points, lanes_for(lanes, len(first)), lanes, counted, stored)
        fold(lanes, counted, len(first))
        return
    first, second = first.astype(np.int32), second.astype(np.int32)
    counts = tally.point("product") if "product" in tally.index else new_counts(one.channels)
    values = np.empty((2 if one.wide else 1, *first.shape), np.int64)
    position = np.array([tally.first_sample, len(first) // samples], np.int64)
    merging.multiply(first, second, one.zero_points, one.product, one.draws, position, values, counts)
    finish(one, values, "product", tally, out)


def matmul(one: MatrixProduct, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Multiply matrices of codes: in float64 where that is exact, else step by step."""
    first, second = (
        (codes.swapaxes(-1, -2) if turned else codes).reshape(
            -1, *(codes.shape[:-3:-1] if turned else codes.shape[-2:])
        )
        for codes, turned in zip(inputs, one.transpose, strict=True)
    )
    products = int(has_product(one))
    counts = tally.counts[products : products + len(one.stages)]
    histogram = tally.histograms[products + len(one.stages) - 1]
    if one.exact:
        zero, zero_too = one.zero_points.astype(np.float64).tolist()
        # a proved sum has 53 bits or fewer (EXACT_LIMIT)
        sums = np.matmul(first.astype(np.float64) - zero, second.astype(np.float64) - zero_too)
        found = sums.reshape(-1, one.channels).astype(np.int64)
        count_sums(found, counts[-1], histogram)
        count_exact(one, len(found), tally)
        finish(one, in_words(found, one.wide), "accumulator", tally, out)
        return
    product = tally.counts[0] if products else new_counts(one.channels)
    values = np.empty((2 if one.wide_sums else 1, len(first), first.shape[1], one.channels), np.int64)
    for number, (left, right) in enumerate(zip(first, second, strict=True)):
        taps = np.zeros((len(one.places), 3), np.int64)
        taps[:, 2] = one.places
        weights = (right[one.places].astype(np.int32) - np.int32(one.zero_points[1]))[None]
        ones, start = np.ones(2, np.int64), np.zeros(one.channels, np.int64)
        image = np.ascontiguousarray(left[None, :, None].astype(np.int32))
        where = (image, one.zero_points[0], 0, taps, ones, ones, np.ascontiguousarray(weights), start)
        # matrices count as samples of their own, so that positions run through all of a sample's
        place = tally.first_sample * (len(first) // len(out)) + number
        how = (len(one.stages) - 1, one.product, one.stages, one.ends, one.draws, place)
        into = values[:, number, :, None]
        if one.wide_sums:
            made = np.empty((2, 1, *into.shape[1:]), np.int64)
            accumulate_plain(*where, *how, made, product, counts, histogram)
            into[...] = made[:, 0]
        else:
            made = np.empty((1, *into.shape[1:]), np.int64)
            accumulate(*where, *how, made, product, counts, histogram)
            into[...] = made
    rows = values.reshape(len(values), -1, one.channels)
    finish(one, rows if one.wide_sums else in_words(rows[0], one.wide), "accumulator", tally, out)


def join(one: Join, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Join tensors along an axis, those of another scale rescaled first."""
    offset = 0
    joins_channels = one.axis == len(one.output.shape) - 1
    for number, (codes, steps) in enumerate(zip(inputs, one.input_steps, strict=True)):
        channels, end = codes.shape[-1], offset + codes.shape[one.axis + 1]
        place = out[(slice(None),) * (one.axis + 1) + (slice(offset, end),)]
        if steps:
            part = tally.part(channels)
            rescaled(one, steps, codes, part, place, number)
            tally.rename("input", f"input {number}")
            tally.rename("output", f"output {number}")
            if not joins_channels:
                move_first(part.counts, codes.shape[1:], one.output.shape, (one.axis, offset))
            first = offset if joins_channels else 0
            counting.merge(tally.counts[..., first : first + channels], part.counts)
        else:
            place[...] = codes
        offset = end


def rescaled(
    one: Join | Rescale, steps: Sequence[Step], codes: Array, tally: Tally, out: Codes, number: int = 0
) -> None:
    """Run the steps of input ``number`` on each of its codes."""
    channels = codes.shape[-1]
    rows = codes.reshape(-1, channels)
    if maps(one, steps, rows, tally):
        mapping = mapping_of(one, steps, number, codes.dtype, out.dtype)
        run_mapping(mapping, rows, len(codes), tally, out)
        return
    lanes = steps_of_codes(one, steps, number, codes, channels)
    if lanes is not None and in_lanes(one, tally):
        pass_lanes(lanes, rows, tally, out)
        return
    values = in_words(rows, one.wide)
    run_steps(steps, values, one.draws, len(codes), tally)
    out[...] = codes_of(values).reshape(out.shape)


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


def rescale(one: Rescale, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Run steps on each code."""
    rescaled(one, one.steps, inputs[0], tally, out)


def encode(one: Encode, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Round integers to levels and store their codes."""
    values = inputs[0].reshape(-1, one.channels).astype(np.int64)
    codes = np.empty(values.shape, np.int64)
    assert one.output.format is not None
    levels, first = np.asarray(one.output.levels, np.int64), one.output.format.minimum
    nearest.encode(values, levels, first, codes, tally.point("encode"))
    out[...] = codes.reshape(out.shape)


def decode(one: Decode, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Turn codes into the integers that they stand for."""
    if one.levels.size:
        np.take(one.levels.astype(out.dtype), inputs[0].astype(np.intp) - one.first, out=out, mode="clip")
    else:
        np.left_shift(inputs[0].astype(out.dtype), one.shift.astype(out.dtype), out=out)


def relabel(one: Relabel, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Give codes another shape."""
    out[...] = inputs[0].reshape(out.shape)


def pad(one: PadCodes, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Put zero points around each sample."""
    sides = ((0, 0), *one.padding, (0, 0))
    out[...] = np.pad(inputs[0], sides, constant_values=one.output.zero_point)


def constant(one: ConstantCodes, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Repeat codes for each sample."""
    out[...] = one.codes


def pick_rows(one: PickRows, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Read the row of each code; raises DataError for a code that has none."""
    index = inputs[0].astype(np.int64)
    wrong = (index < 0) | (index >= len(one.codes))
    if wrong.any():
        sample, *at = np.argwhere(wrong)[0].tolist()
        place = f"sample {tally.first_sample + sample} at {tuple(at)}"
        raise DataError(f"{one.layer}: {place} asks for row {index[sample, *at]}, the table has {len(one.codes)} rows")
    out[...] = one.codes[index]


def pick(one: PickCodes, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Pick codes by their place in the sample."""
    rows = inputs[0].reshape(len(inputs[0]), -1)
    np.take(rows, one.index, axis=1, out=out, mode="wrap")
    if one.index.min() < 0:
        out[:, one.index < 0] = one.fill


def crop(one: CropCodes, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Cut the borders off each sample."""
    (top, bottom), (left, right) = one.cropping
    height, width = inputs[0].shape[1:3]
    out[...] = inputs[0][:, top : height - bottom, left : width - right]


def softmax(one: HostSoftmax, inputs: Sequence[Array], tally: Tally, out: NDArray[np.float64]) -> None:
    """Compute a softmax of the dequantised codes in float64, on the host."""
    axis = one.axis + 1
    real = one.scale * (inputs[0].astype(np.float64) - one.zero_point)
    if one.mask is not None:
        real[:, ~one.mask] = -np.inf
    powers = np.exp(real - real.max(axis=axis, keepdims=True))
    np.divide(powers, powers.sum(axis=axis, keepdims=True), out=out)


def taking_part(one: SoftmaxOfCodes) -> NDArray[np.bool_]:
    """Return the mask of a softmax, of the sample's shape."""
    return np.ones(one.output.shape, np.bool_) if one.mask is None else one.mask


def fixed_softmax(one: FixedSoftmax, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Compute a softmax of 8-bit codes in fixed point."""
    shape = one.output.shape
    size, inner = shape[one.axis], prod(shape[one.axis + 1 :])
    lines, made, mask = (codes.reshape(-1, size, inner) for codes in (inputs[0], out, taking_part(one)))
    first, histogram = tally.first_sample * positions_of(one), tally.histograms[-1]
    softmax_in_fixed_point(lines, mask, one.multiplier, one.shift, one.channels, first, made, tally.counts, histogram)


def polynomial_softmax(one: PolynomialSoftmax, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Compute a softmax of 8-bit codes by a parabola and shifts."""
    shape = one.output.shape
    size, inner = shape[one.axis], prod(shape[one.axis + 1 :])
    lines, made, mask = (codes.reshape(-1, size, inner) for codes in (inputs[0], out, taking_part(one)))
    first, histogram = tally.first_sample * positions_of(one), tally.histograms[-1]
    softmax_by_parabola(lines, mask, one.numbers, one.channels, first, made, tally.counts, histogram)


def line_softmax(one: LineSoftmax, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Compute a softmax of 16-bit codes by two tables with lines between their entries."""
    shape = one.output.shape
    size, inner = shape[one.axis], prod(shape[one.axis + 1 :])
    lines, made, mask = (codes.reshape(-1, size, inner) for codes in (inputs[0], out, taking_part(one)))
    first, histogram = tally.first_sample * positions_of(one), tally.histograms[-1]
    ways = one.multiplier, one.exponent, one.powers, one.reciprocals
    softmax_by_lines(lines, mask, *ways, one.channels, first, made, tally.counts, histogram)


def divided_softmax(one: DividedSoftmax, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Compute a softmax of 8-bit codes by a table of float32 numbers and a division."""
    axis, size = one.axis + 1, one.output.shape[one.axis]
    rows = np.ascontiguousarray(np.moveaxis(inputs[0], axis, -1))
    made = np.empty_like(rows)
    mask = np.ascontiguousarray(np.moveaxis(taking_part(one), one.axis, -1)).reshape(-1, size)
    table, zero_point = one.table.astype(np.float32), one.output.zero_point
    assert one.output.format is not None
    limits = np.array([one.output.format.minimum, one.output.format.maximum], np.int64)
    softmax_by_division(rows.reshape(-1, size), mask, table, one.factor, zero_point, limits, made.reshape(-1, size))
    out[...] = np.moveaxis(made, -1, axis)


def table_softmax(one: TableSoftmax, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Compute a softmax of 8-bit codes by a table of float32 numbers."""
    axis = one.axis + 1
    rows = np.ascontiguousarray(np.moveaxis(inputs[0], axis, -1))
    made = np.empty_like(rows)
    size = rows.shape[-1]
    mask = np.ascontiguousarray(np.moveaxis(taking_part(one), one.axis, -1)).reshape(-1, size)
    softmax_by_table(rows.reshape(-1, size), mask, one.table.astype(np.float32), made.reshape(-1, size))
    out[...] = np.moveaxis(made, -1, axis)


RUN: Mapping[type, Callable[[Any, Sequence[Array], Tally, Array], None]] = {
    ConstantCodes: constant,
    CropCodes: crop,
    Decode: decode,
    DividedSoftmax: divided_softmax,
    Encode: encode,
    FixedSoftmax: fixed_softmax,
    FloatAverage: float_average,
    FloatSum: float_sum,
    HostSoftmax: softmax,
    Interpolate: resize,
    Join: join,
    LineSoftmax: line_softmax,
    MatrixProduct: matmul,
    MultiplyAccumulate: multiply_accumulate,
    NormalizeCodes: normalize,
    PadCodes: pad,
    PickCodes: pick,
    PolynomialSoftmax: polynomial_softmax,
    PickRows: pick_rows,
    PoolAverage: pool_average,
    PoolMax: pool_max,
    Product: multiply,
    Quantize: quantize,
    Relabel: relabel,
    Rescale: rescale,
    SlopedSum: add,
    Sum: add,
    TableSoftmax: table_softmax,
}
