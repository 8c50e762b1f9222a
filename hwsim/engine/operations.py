"""From each operation of a program to the kernels that compute it: the only file that calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.steps import run_steps
from hwsim.engine.tally import Tally
from hwsim.engine.words import codes_of, in_words
from hwsim.program.records import (
    CropCodes,
    HostSoftmax,
    Join,
    MultiplyAccumulate,
    PadCodes,
    PoolAverage,
    PoolMax,
    Product,
    Quantize,
    Relabel,
    Rescale,
    Sum,
)
from hwsim_kernels import counting, merging
from hwsim_kernels.accumulate import accumulate
from hwsim_kernels.counting import new_counts
from hwsim_kernels.exact import accumulate_exact
from hwsim_kernels.plain import accumulate_plain
from hwsim_kernels.pooling import average_pool, max_pool
from hwsim_kernels.quantize import quantize as quantize_reals

Codes = NDArray[np.int32]
Ints = NDArray[np.int64]
Array = NDArray[Any]
Finished = MultiplyAccumulate | PoolAverage | Product | Sum

SMALLEST_PRODUCT = 4
"""Output channels per group from which a matrix product beats the stepwise kernel."""


def quantize(one: Quantize, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Turn real values into codes."""
    rows = inputs[0].reshape(-1, one.channels).astype(np.float64)
    out = np.empty(rows.shape, np.int64)
    scale = np.full(one.channels, one.output.scale)
    zero_point = np.full(one.channels, one.output.zero_point, np.int64)
    position = np.array([tally.first_sample, rows.shape[0] // len(inputs[0])], np.int64)
    quantize_reals(rows, scale, zero_point, one.field, position, out, tally.counts[0])
    return out.reshape(inputs[0].shape).astype(np.int32)


def multiply_accumulate(one: MultiplyAccumulate, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Run a convolution, a dense layer or a scale-and-shift."""
    values = sums(one, inputs[0].reshape(-1, *one.view), tally)
    return finish(one, values, "accumulator", len(inputs[0]), tally)


def sums(one: MultiplyAccumulate, codes: Codes, tally: Tally) -> Ints:
    """Return the sums (words, rows, channels) of codes (n, h, w, c), on the fastest way that is proved exact."""
    has_product = any(point.name == "product" for point in one.points)
    product = tally.counts[2] if has_product else new_counts(one.channels)
    first, levels = 3 if has_product else 2, one.stages.shape[0]
    counts, histogram = tally.counts[first : first + levels], tally.histograms[first + levels - 1]
    where = (codes, one.zero_point, one.outside, one.taps, one.strides, one.spread, one.weights, one.start)
    how = (one.start_level, one.product, one.stages, one.ends, one.draws, tally.first_sample)
    shape = (len(codes), *one.output_view)
    if one.wide_sums:
        wide = np.empty((2, *shape), np.int64)
        accumulate_plain(*where, *how, wide, product, counts, histogram)
        return wide.reshape(2, -1, one.channels)
    out = np.empty(shape, np.int64)
    if one.exact and one.weights.shape[2] >= SMALLEST_PRODUCT:
        accumulate_exact(*where, one.stages, one.ends, out, product, counts, histogram)
    else:
        accumulate(*where, *how, out, product, counts, histogram)
    return in_words(out.reshape(-1, one.channels), one.wide)


def finish(one: Finished, values: Ints, name: str, samples: int, tally: Tally) -> Codes:
    """Send values (words, rows, channels), traced as ``name``, through the post-pipeline and return codes."""
    tally.note(name, values)
    run_steps(one.steps, values, one.draws, samples, tally)
    return codes_of(values).reshape(samples, *one.output.shape)


def pool_max(one: PoolMax, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Take the largest code of each window."""
    out = np.empty((len(inputs[0]), *one.output.shape), np.int32)
    max_pool(inputs[0], one.window, out)
    return out


def pool_average(one: PoolAverage, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Take the rounded mean of each window."""
    samples = len(inputs[0])
    rows, columns = one.output.shape[:2]
    out = np.empty((2 if one.wide else 1, samples * rows * columns, one.channels), np.int64)
    average_pool(
        inputs[0],
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


def add(one: Sum, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Add tensors, each brought to the common scale first."""
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


def multiply(one: Product, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Multiply two tensors, axes of size 1 repeated."""
    samples = len(inputs[0])
    first, second = (
        np.ascontiguousarray(np.broadcast_to(codes, (samples, *one.output.shape))).reshape(-1, one.channels)
        for codes in inputs
    )
    counts = tally.point("product") if "product" in tally.index else new_counts(one.channels)
    out = np.empty((2 if one.wide else 1, *first.shape), np.int64)
    position = np.array([tally.first_sample, len(first) // samples], np.int64)
    merging.multiply(first, second, one.zero_points, one.product, one.draws, position, out, counts)
    return finish(one, out, "product", samples, tally)


def join(one: Join, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Join tensors along an axis, those of another scale rescaled first."""
    parts = []
    offset = 0
    joins_channels = one.axis == len(one.output.shape) - 1
    for number, (codes, steps) in enumerate(zip(inputs, one.input_steps, strict=True)):
        channels = codes.shape[-1]
        if steps:
            part = tally.part(channels)
            values = in_words(codes.reshape(-1, channels), one.wide)
            run_steps(steps, values, one.draws, len(codes), part)
            tally.rename("input", f"input {number}")
            tally.rename("output", f"output {number}")
            if not joins_channels:
                move_first(part.counts, codes.shape[1:], one.output.shape, (one.axis, offset))
            first = offset if joins_channels else 0
            counting.merge(tally.counts[..., first : first + channels], part.counts)
            codes = codes_of(values).reshape(codes.shape)  # noqa: PLW2901
        parts.append(codes)
        offset += codes.shape[one.axis + 1]
    return np.concatenate(parts, axis=one.axis + 1)


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
    values = in_words(inputs[0].reshape(-1, one.channels), one.wide)
    run_steps(one.steps, values, one.draws, len(inputs[0]), tally)
    return codes_of(values).reshape(inputs[0].shape)


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
