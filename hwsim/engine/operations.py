"""From each operation of a program to the kernels that compute it: the only file that calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hwsim_kernels as kernels
from hwsim.engine.steps import run_steps
from hwsim.engine.tally import Tally
from hwsim.program.records import (
    CropCodes,
    HostSoftmax,
    Join,
    MultiplyAccumulate,
    PadCodes,
    PoolAverage,
    PoolMax,
    Quantize,
    Relabel,
    Rescale,
    Sum,
)

Codes = NDArray[np.int32]
Ints = NDArray[np.int64]
Array = NDArray[Any]

SMALLEST_PRODUCT = 4
"""Output channels per group from which a matrix product beats the stepwise kernel."""


def quantize(one: Quantize, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Turn real values into codes."""
    rows = inputs[0].reshape(-1, one.channels).astype(np.float64)
    out = np.empty(rows.shape, np.int64)
    scale = np.full(one.channels, one.output.scale)
    zero_point = np.full(one.channels, one.output.zero_point, np.int64)
    position = np.array([tally.first_sample, rows.shape[0] // len(inputs[0])], np.int64)
    kernels.quantize(rows, scale, zero_point, one.field, position, out, tally.counts[0])
    return out.reshape(inputs[0].shape).astype(np.int32)


def multiply_accumulate(one: MultiplyAccumulate, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Run a convolution, a dense layer or a scale-and-shift."""
    samples = len(inputs[0])
    codes = inputs[0].reshape(samples, *one.view)
    out = np.empty((samples, *one.output_view), np.int64)
    levels = one.stages.shape[0]
    has_product = any(point.name == "product" for point in one.points)
    product = tally.counts[2] if has_product else kernels.new_counts(one.channels)
    first = 3 if has_product else 2
    counts, histogram = tally.counts[first : first + levels], tally.histograms[first + levels - 1]
    where = (codes, one.zero_point, one.taps, one.strides, one.weights, one.start)
    if one.exact and one.weights.shape[2] >= SMALLEST_PRODUCT:
        kernels.accumulate_exact(*where, one.stages, out, product, counts, histogram)
    else:
        kernels.accumulate(
            *where, one.product, one.stages, one.draws, tally.first_sample, out, product, counts, histogram
        )
    values = out.reshape(-1, one.channels)
    tally.note("accumulator", values)
    run_steps(one.steps, values, one.draws, samples, tally)
    return values.astype(np.int32).reshape(samples, *one.output.shape)


def pool_max(one: PoolMax, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Take the largest code of each window."""
    out = np.empty((len(inputs[0]), *one.output.shape), np.int32)
    kernels.max_pool(inputs[0], one.window, out)
    return out


def pool_average(one: PoolAverage, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Take the rounded mean of each window."""
    samples = len(inputs[0])
    out = np.empty((samples, *one.output.shape), np.int64)
    kernels.average_pool(
        inputs[0],
        one.zero_point,
        one.window,
        one.field,
        one.draws,
        tally.first_sample,
        out,
        tally.counts[:2],
        tally.histograms[0],
    )
    values = out.reshape(-1, one.channels)
    tally.note("division", values)
    run_steps(one.steps, values, one.draws, samples, tally)
    return values.astype(np.int32).reshape(out.shape)


def add(one: Sum, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Add tensors, each brought to the common scale first."""
    samples = len(inputs[0])
    terms = np.stack([codes.reshape(-1, one.channels).astype(np.int64) for codes in inputs])
    for number, steps in enumerate(one.input_steps):
        run_steps(steps, terms[number], one.draws, samples, tally)
        tally.rename("input", f"input {number}")
    index = tally.index["accumulator"]
    out = np.empty(terms.shape[1:], np.int64)
    position = np.array([tally.first_sample, len(out) // samples], np.int64)
    kernels.add(terms, one.field, position, out, tally.counts[index], tally.histograms[index])
    tally.note("accumulator", out)
    run_steps(one.steps, out, one.draws, samples, tally)
    return out.astype(np.int32).reshape(samples, *one.output.shape)


def join(one: Join, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Join tensors along an axis, those of another scale rescaled first."""
    parts = []
    offset = 0
    joins_channels = one.axis == len(one.output.shape) - 1
    for number, (codes, steps) in enumerate(zip(inputs, one.input_steps, strict=True)):
        channels = codes.shape[-1]
        if steps:
            part = tally.part(channels)
            values = codes.reshape(-1, channels).astype(np.int64)
            run_steps(steps, values, one.draws, len(codes), part)
            tally.rename("input", f"input {number}")
            tally.rename("output", f"output {number}")
            if not joins_channels:
                move_first(part.counts, codes.shape[1:], one.output.shape, (one.axis, offset))
            first = offset if joins_channels else 0
            kernels.merge(tally.counts[..., first : first + channels], part.counts)
            codes = values.astype(np.int32).reshape(codes.shape)  # noqa: PLW2901
        parts.append(codes)
        offset += codes.shape[one.axis + 1]
    return np.concatenate(parts, axis=one.axis + 1)


def move_first(counts: Ints, shape: tuple[int, ...], joined: tuple[int, ...], place: tuple[int, int]) -> None:
    """Bring first occurrences from positions of an input of ``shape`` to positions of the ``joined`` output.

    ``place`` is (axis, where the input begins along it). Positions keep their order, so the first stays first.
    """
    axis, offset = place
    for point, channel in np.argwhere(counts[:, kernels.FIRST] != kernels.NEVER):
        sample, position = divmod(int(counts[point, kernels.FIRST, channel]), int(np.prod(shape[:-1])))
        at = list(np.unravel_index(position, shape[:-1]))
        at[axis] += offset
        moved = int(np.ravel_multi_index(at, joined[:-1]))
        counts[point, kernels.FIRST, channel] = sample * int(np.prod(joined[:-1])) + moved


def rescale(one: Rescale, inputs: Sequence[Array], tally: Tally) -> Codes:
    """Run steps on each code."""
    values = inputs[0].reshape(-1, one.channels).astype(np.int64)
    run_steps(one.steps, values, one.draws, len(inputs[0]), tally)
    return values.astype(np.int32).reshape(inputs[0].shape)


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
    Quantize: quantize,
    Relabel: relabel,
    Rescale: rescale,
    Sum: add,
}
