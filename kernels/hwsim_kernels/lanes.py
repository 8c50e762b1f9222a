"""What happens to the lanes of a block: products, sums, rounding, fitting, adder trees, and their counters.

A block of output positions times the channels of a group makes the lanes over which every loop here runs;
lane = position in the block * channels + channel. ``lanes`` (ROWS, lanes) holds what ``fields`` names.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Int, Ints
from hwsim_kernels.counting import (
    FIRST,
    HIGH,
    LOW,
    MAXIMUM,
    MINIMUM,
    NEVER,
    PERSISTENT,
    TRANSIENT,
    count_injected,
    count_rounding,
)
from hwsim_kernels.fields import (
    BITS,
    FIRST_STEP,
    HIT,
    HITS_HIGH,
    HITS_LOW,
    INJECTED,
    LARGEST,
    OVERFLOW,
    ROUNDING,
    SATURATED_BITS,
    SHIFT,
    SIGNED,
    SMALLEST,
    SUM,
    TERMS,
)
from hwsim_kernels.overflow import SATURATE, SATURATE_SYMMETRIC, WRAP, fit_outside, highest, lowest
from hwsim_kernels.rounding import draw_at, round_up, shift_fraction


@njit
def round_lanes(
    values: Ints,
    field: Ints,
    step: Int,
    steps: Int,
    draws: Ints,
    numbers: Ints,
    first: Int,
    outputs: Int,
    counts: Ints,
) -> None:
    """Drop the least significant bits of each lane and count what they held.

    ``numbers`` (lanes,) is each lane's output number in its sample, by which it draws; ``first`` is the first channel.
    """
    shift = field[SHIFT]
    for lane in range(values.size):
        value = values[lane]
        quotient = value >> shift
        fraction, sticky = shift_fraction(value, shift)
        draw = draw_at(draws, numbers[lane] * steps + step)
        up = round_up(fraction, sticky, value < 0, quotient & 1 != 0, field[ROUNDING], draw)
        count_rounding(counts, first + lane % outputs, fraction, sticky, up)
        values[lane] = quotient + up


@njit
def note_outside(lanes: Ints, low: Int, high: Int, step: Int) -> None:
    """Note in each lane whether its sum lies outside; loops that touch few rows are the ones that vectorise."""
    for i in range(lanes.shape[1]):
        lanes[HITS_LOW, i] += np.int64(lanes[SUM, i] < low)
    for i in range(lanes.shape[1]):
        lanes[HITS_HIGH, i] += np.int64(lanes[SUM, i] > high)
    for i in range(lanes.shape[1]):
        outside = lanes[SUM, i] < low or lanes[SUM, i] > high
        lanes[HIT, i] = np.int64(1) if outside else lanes[HIT, i]
    for i in range(lanes.shape[1]):
        lanes[SMALLEST, i] = min(lanes[SMALLEST, i], lanes[SUM, i] if lanes[SUM, i] < low else np.int64(NEVER))
    for i in range(lanes.shape[1]):
        lanes[LARGEST, i] = max(lanes[LARGEST, i], lanes[SUM, i] if lanes[SUM, i] > high else np.int64(-NEVER))
    for i in range(lanes.shape[1]):
        outside = lanes[SUM, i] < low or lanes[SUM, i] > high
        lanes[FIRST_STEP, i] = min(lanes[FIRST_STEP, i], np.int64(step) if outside else np.int64(NEVER))


@njit
def fit_lanes(lanes: Ints, field: Ints, step: Int) -> None:
    """Fit the sum of each lane, and keep what that injected; the two modes that hardware mostly has run vectorised."""
    low = lowest(field[BITS], field[SIGNED], field[OVERFLOW])
    high = highest(field[BITS], field[SIGNED])
    outside = np.int64(0)
    for i in range(lanes.shape[1]):
        outside |= np.int64(lanes[SUM, i] < low) | np.int64(lanes[SUM, i] > high)
    if outside == 0:
        return
    note_outside(lanes, low, high, step)
    mode = field[OVERFLOW]
    for i in range(lanes.shape[1]):
        lanes[INJECTED, i] -= lanes[SUM, i]
    if mode in (SATURATE, SATURATE_SYMMETRIC):
        for i in range(lanes.shape[1]):
            lanes[SUM, i] = min(max(lanes[SUM, i], low), high)
    elif mode == WRAP and field[SATURATED_BITS] == 0:
        mask = ~(np.int64(-1) << field[BITS])
        for i in range(lanes.shape[1]):
            lanes[SUM, i] = low + ((lanes[SUM, i] - low) & mask)
    else:
        for i in range(lanes.shape[1]):
            value = lanes[SUM, i]
            if value < low or value > high:
                lanes[SUM, i] = fit_outside(value, field[BITS], field[SIGNED], mode, field[SATURATED_BITS])
    for i in range(lanes.shape[1]):
        lanes[INJECTED, i] += lanes[SUM, i]


@njit
def settle(
    lanes: Ints,
    field: Ints,
    step: Int,
    steps: Int,
    draws: Ints,
    numbers: Ints,
    first: Int,
    outputs: Int,
    counts: Ints,
) -> None:
    """Round and fit the sum of each lane: what a register does when it takes a value."""
    if field[SHIFT] > 0:
        round_lanes(lanes[SUM], field, step, steps, draws, numbers, first, outputs, counts)
    fit_lanes(lanes, field, step)


@njit
def multiply(operands: Codes, weights: Codes, products: Ints) -> None:
    """Form the exact products of each position's operand with the weights of all channels of the group."""
    outputs = weights.size
    if outputs == 1:
        for position in range(operands.size):
            products[position] = np.int64(operands[position]) * np.int64(weights[0])
        return
    for position in range(operands.size):
        operand = operands[position]
        row = products[position * outputs : (position + 1) * outputs]
        for c in range(outputs):
            row[c] = np.int64(operand) * np.int64(weights[c])


@njit
def add_lanes(values: Ints, sums: Ints, shift: Int) -> None:
    """Add a value to each sum, which is first brought to the value's finer unit."""
    if shift == 0:
        for i in range(sums.size):
            sums[i] += values[i]
    else:
        for i in range(sums.size):
            sums[i] = (sums[i] << shift) + values[i]


@njit
def copy(values: Ints, into: Ints) -> None:
    """Copy values. Numba takes seconds to compile an assignment of arrays, for the sake of its error message."""
    for i in range(into.size):
        into[i] = values[i]


@njit
def close_sums(lanes: Ints, field: Ints, first: Int, outputs: Int, counts: Ints) -> None:
    """Count what the fits have done to each finished sum."""
    low = lowest(field[BITS], field[SIGNED], field[OVERFLOW])
    high = highest(field[BITS], field[SIGNED])
    hits = np.int64(0)
    for i in range(lanes.shape[1]):
        hits |= lanes[HIT, i]
    if hits == 0:
        return
    for i in range(lanes.shape[1]):
        if lanes[HIT, i] != 0:
            exact = lanes[SUM, i] - lanes[INJECTED, i]
            counts[TRANSIENT if low <= exact <= high else PERSISTENT, first + i % outputs] += 1
            count_injected(counts, first + i % outputs, lanes[INJECTED, i])


@njit
def reduce_tree(
    leaves: Ints,
    lanes: Ints,
    field: Ints,
    step: Int,
    steps: Int,
    draws: Ints,
    numbers: Ints,
    first: Int,
    outputs: Int,
    counts: Ints,
) -> Int:
    """Add ``leaves`` (terms, lanes) in pairs, level by level, into the lanes' sums; return the number of nodes."""
    width = field[TERMS]
    nodes = 0
    while width > 1 or nodes == 0:
        for pair in range((width + 1) // 2):
            copy(leaves[2 * pair], lanes[SUM])
            if 2 * pair + 1 < width:
                add_lanes(leaves[2 * pair + 1], lanes[SUM], 0)
            if 2 * pair + 1 < width or field[TERMS] == 1:
                settle(lanes, field, step, steps, draws, numbers, first, outputs, counts)
                nodes += 1
            copy(lanes[SUM], leaves[pair])
        width = (width + 1) // 2
    copy(leaves[0], lanes[SUM])
    return nodes


@njit
def count_lanes(lanes: Ints, keys: Ints, first: Int, outputs: Int, counts: Ints) -> None:
    """Add a block's hits to the counters of their channels; ``keys`` is each lane's key of step 0."""
    for i in range(lanes.shape[1]):
        c = first + i % outputs
        counts[LOW, c] += lanes[HITS_LOW, i]
        counts[HIGH, c] += lanes[HITS_HIGH, i]
        counts[MINIMUM, c] = min(counts[MINIMUM, c], lanes[SMALLEST, i])
        counts[MAXIMUM, c] = max(counts[MAXIMUM, c], lanes[LARGEST, i])
        if lanes[FIRST_STEP, i] != NEVER:
            counts[FIRST, c] = min(counts[FIRST, c], keys[i] + lanes[FIRST_STEP, i])
