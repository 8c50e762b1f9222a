"""Operations at which branches meet: sums, products, joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.fused import Fused, start_tally
from hwsim.engine.fused_wide import see_widely
from hwsim.engine.operations.finish import finish
from hwsim.engine.operations.lanes import in_lanes, lane_steps, lanes_for, panel_lanes, steps_of_codes
from hwsim.engine.operations.rescale import rescaled
from hwsim.engine.steps import run_steps
from hwsim.engine.tally import Tally
from hwsim.engine.words import in_words
from hwsim.program.records import FloatSum, Join, Product, Sum
from hwsim_kernels import counting, merging
from hwsim_kernels.counting import new_counts
from hwsim_kernels.fast.blocks import padded_columns
from hwsim_kernels.fast.layers import add_integers, finish_wide, layer_of_products, layer_of_sums
from hwsim_kernels.fast.memory import zeros
from hwsim_kernels.fast.passage import Steps, fold
from hwsim_kernels.fast.passage import Tally as LaneTally
from hwsim_kernels.fast.stored import Stored, given, stored
from hwsim_kernels.float_sums import add_in_float32

Codes = NDArray[Any]
Ints = NDArray[np.int64]
Array = NDArray[Any]


def add(one: Sum, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Add tensors, axes of size 1 repeated, each brought to the common scale first."""
    inputs = [np.broadcast_to(codes, out.shape) for codes in inputs]
    columns = padded_columns(one.channels)
    steps = lane_steps(one, columns, lambda fused: see_total(one, fused), wide=True)
    own = [
        steps_of_codes(one, one.input_steps[number], number, codes, one.channels) for number, codes in enumerate(inputs)
    ]
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


def see_total(one: Sum, fused: Fused) -> bool:
    """Look at the sums, then take the steps."""
    fused.fits[fused.index("accumulator")] = len(one.inputs), 1
    if not one.narrow:
        return see_widely(fused, one, "accumulator")
    fused.look("accumulator")
    return fused.steps(one.steps)


def totals_in_lanes(
    one: Sum, inputs: Sequence[Array], steps: Steps, own: Sequence[Steps], tally: Tally, out: Codes
) -> None:
    """Add tensors whose sums lose nothing."""
    terms = tuple(given(codes.reshape(-1, one.channels)) for codes in inputs)
    total = stored(out.reshape(-1, one.channels))
    rows = len(total.bytes)
    first_row = tally.first_sample * (rows // len(out))
    counted, *each_counted = (start_tally(each, tally, first_row) for each in (steps, *own))
    if one.narrow:
        layer_of_sums(terms, tuple(own), tuple(each_counted), panel_lanes(2), steps, counted, total)
    else:
        add_wide_blocks(list(zip(terms, own, each_counted, strict=True)), steps, counted, total)
    for each, counting_each in zip((steps, *own), (counted, *each_counted), strict=True):
        fold(each, counting_each, rows)


Parts = Sequence[tuple[Stored, Steps, LaneTally]]
"""Of several inputs: their codes, steps, and where these count."""


def add_wide_blocks(parts: Parts, steps: Steps, counted: LaneTally, target: Stored) -> None:
    """Add inputs and send their sums through the steps, block by block, where 32 bits are not enough."""
    rows = len(target.bytes)
    values = lanes_for(steps, rows)
    wide, totals = zeros(values.shape, np.int64), zeros(values.shape, np.int64)
    for position in range(0, rows, len(values)):
        total = totals[: rows - position]
        total[:] = 0
        for codes, each, counting_each in parts:
            add_integers(codes, position, wide, values, each, counting_each, total)
        finish_wide(total, position, values, steps, counted, target)


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


def multiply(one: Product, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Multiply two tensors, axes of size 1 repeated."""
    samples = len(out)
    first, second = (np.broadcast_to(codes, out.shape).reshape(-1, one.channels) for codes in inputs)
    lanes = lane_steps(one, padded_columns(one.channels), lambda fused: fused.steps(one.steps))
    if lanes is not None and in_lanes(one, tally):
        counted = start_tally(lanes, tally, tally.first_sample * (len(first) // samples))
        factors, target = (given(first), given(second)), stored(out.reshape(first.shape))
        layer_of_products(*factors, one.zero_points, panel_lanes(2), lanes, counted, target)
        fold(lanes, counted, len(first))
        return
    first, second = first.astype(np.int32), second.astype(np.int32)
    counts = tally.point("product") if "product" in tally.index else new_counts(one.channels)
    values = np.empty((2 if one.wide else 1, *first.shape), np.int64)
    position = np.array([tally.first_sample, len(first) // samples], np.int64)
    merging.multiply(first, second, one.zero_points, one.product, one.draws, position, values, counts)
    finish(one, values, "product", tally, out)


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
            counting.merge(tally.counts, part.counts, offset if joins_channels else 0)
        else:
            place[...] = codes
        offset = end


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
