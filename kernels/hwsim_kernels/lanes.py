"""What happens to the lanes of a block: products, sums, rounding, fitting, adder trees, and their counters.

A block of output positions times the channels of a group makes the lanes over which every loop here runs;
lane = position in the block * channels + channel. ``lanes`` (ROWS, lanes) holds what ``fields`` names.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Flag, Int, Ints
from hwsim_kernels.counting import (
    FIRST,
    HIGH,
    INEXACT,
    LOW,
    MAXIMUM,
    MINIMUM,
    NEVER,
    PERSISTENT,
    ROUND_BIAS,
    ROUND_ENERGY,
    TRANSIENT,
    count_injected,
)
from hwsim_kernels.fields import (
    BITS,
    DROPPED,
    ERROR,
    ERRORS,
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
    SQUARES,
    SUM,
    TERMS,
)
from hwsim_kernels.overflow import SATURATE, SATURATE_SYMMETRIC, WRAP, fit_outside, highest, lowest
from hwsim_kernels.rounding import STOCHASTIC_EQUAL, STOCHASTIC_WEIGHTED, draw_at, round_up, shift_fraction


@njit
def round_lanes(lanes: Ints, field: Ints, step: Int, steps: Int, draws: Ints, numbers: Ints) -> None:
    """Drop the least significant bits of the sum of each lane and count what they held.

    ``numbers`` (lanes,) is each lane's output number in its sample, by which it draws.
    """
    shift, mode = field[SHIFT], field[ROUNDING]
    if mode in (STOCHASTIC_WEIGHTED, STOCHASTIC_EQUAL):
        for i in range(lanes.shape[1]):
            value = lanes[SUM, i]
            quotient = value >> shift
            fraction, sticky = shift_fraction(value, shift)
            draw = draw_at(draws, numbers[i] * steps + step)
            up = round_up(fraction, sticky, value < 0, quotient & 1 != 0, mode, draw)
            lanes[SUM, i] = quotient + up
            lanes[ERROR, i] = (up << 16) - (fraction >> 16)
            lanes[DROPPED, i] += np.int64(fraction != 0 or sticky != 0)
    else:
        # how large a rest rounds up: asking for each lane would keep the loop from running vectorised
        least = np.empty(4, np.int64)
        for case in range(4):
            least[case] = least_up(shift, mode, case & 2 != 0, case & 1 != 0)
        even, odd, below_even, below_odd = least[0], least[1], least[2], least[3]
        longer, shorter = max(16 - shift, 0), max(shift - 16, 0)
        mask = (np.int64(1) << shift) - 1
        for i in range(lanes.shape[1]):
            value = lanes[SUM, i]
            quotient, rest = value >> shift, value & mask
            above = odd if quotient & 1 else even
            below = below_odd if quotient & 1 else below_even
            up = np.int64(rest >= (below if value < 0 else above))
            lanes[SUM, i] = quotient + up
            lanes[ERROR, i] = (up << 16) - ((rest << longer) >> shorter)
            lanes[DROPPED, i] += np.int64(rest != 0)
    for i in range(lanes.shape[1]):
        lanes[ERRORS, i] += lanes[ERROR, i]
    for i in range(lanes.shape[1]):
        lanes[SQUARES, i] += lanes[ERROR, i] * lanes[ERROR, i]


@njit
def least_up(shift: Int, mode: Int, negative: Flag, odd: Flag) -> Int:
    """Return the smallest rest of a shift that rounds up, in any mode but the stochastic ones; ``NEVER`` for none.

    1 <= shift <= 62. Whatever rounds up from somewhere does so from there on.
    """
    half = np.int64(1) << (shift - 1)
    for rest in (np.int64(0), np.int64(1), half, half + 1):
        fraction, sticky = shift_fraction(rest, shift)
        if round_up(fraction, sticky, negative, odd, mode, 0) != 0:
            return rest
    return np.int64(NEVER)


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
def fit_lanes(lanes: Ints, field: Ints, step: Int) -> Flag:
    """Fit the sum of each lane, and keep what that injected; return whether any lay outside.

    The two modes that hardware mostly has run vectorised.
    """
    low = lowest(field[BITS], field[SIGNED], field[OVERFLOW])
    high = highest(field[BITS], field[SIGNED])
    outside = np.int64(0)
    for i in range(lanes.shape[1]):
        outside |= np.int64(lanes[SUM, i] < low) | np.int64(lanes[SUM, i] > high)
    if outside == 0:
        return False
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
    return True


@njit
def settle(lanes: Ints, field: Ints, step: Int, steps: Int, draws: Ints, numbers: Ints) -> Flag:
    """Round and fit the sum of each lane: what a register does when it takes a value.

    Return whether any did not fit.
    """
    if field[SHIFT] > 0:
        round_lanes(lanes, field, step, steps, draws, numbers)
    return fit_lanes(lanes, field, step)


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
    for i in range(lanes.shape[1]):
        if lanes[HIT, i] != 0:
            exact = lanes[SUM, i] - lanes[INJECTED, i]
            counts[TRANSIENT if low <= exact <= high else PERSISTENT, first + i % outputs] += 1
            count_injected(counts, first + i % outputs, lanes[INJECTED, i])


@njit
def reduce_tree(
    leaves: Ints, lanes: Ints, field: Ints, step: Int, steps: Int, draws: Ints, numbers: Ints
) -> tuple[Int, Flag]:
    """Add ``leaves`` (terms, lanes) in pairs, level by level, into the lanes' sums.

    Return the number of nodes, and whether any lay outside.
    """
    width = field[TERMS]
    nodes = 0
    hit: Flag = False
    while width > 1 or nodes == 0:
        for pair in range((width + 1) // 2):
            copy(leaves[2 * pair], lanes[SUM])
            if 2 * pair + 1 < width:
                add_lanes(leaves[2 * pair + 1], lanes[SUM], 0)
            if 2 * pair + 1 < width or field[TERMS] == 1:
                hit = settle(lanes, field, step, steps, draws, numbers) or hit
                nodes += 1
            copy(lanes[SUM], leaves[pair])
        width = (width + 1) // 2
    copy(leaves[0], lanes[SUM])
    return nodes, hit


@njit
def count_lanes(lanes: Ints, keys: Ints, first: Int, outputs: Int, counts: Ints) -> None:
    """Add a block's hits and roundings to the counters of their channels; ``keys`` is each lane's key of step 0."""
    for i in range(lanes.shape[1]):
        c = first + i % outputs
        counts[LOW, c] += lanes[HITS_LOW, i]
        counts[HIGH, c] += lanes[HITS_HIGH, i]
        counts[INEXACT, c] += lanes[DROPPED, i]
        counts[ROUND_BIAS, c] += lanes[ERRORS, i]
        counts[ROUND_ENERGY, c] += lanes[SQUARES, i]
        counts[MINIMUM, c] = min(counts[MINIMUM, c], lanes[SMALLEST, i])
        counts[MAXIMUM, c] = max(counts[MAXIMUM, c], lanes[LARGEST, i])
        if lanes[FIRST_STEP, i] != NEVER:
            counts[FIRST, c] = min(counts[FIRST, c], keys[i] + lanes[FIRST_STEP, i])
