"""Multiply and accumulate, as ``docs/arithmetic.md`` section 4 defines it: the meaning of a convolution.

One output after another, one step after another, in two words (see ``wide``). Whatever runs faster is held to this,
and what needs more than 64 bits runs here.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Int, Ints
from hwsim_kernels.counting import SUMS, VALUES, count_bits_wide, count_range_wide
from hwsim_kernels.fields import BITS, CHECK_EACH, OVERFLOW, ROUNDING, SATURATED_BITS, SHIFT, SIGNED, TERMS, TREE
from hwsim_kernels.gather import operand_at
from hwsim_kernels.register import closed, fitted, rounded
from hwsim_kernels.wide import plus, shifted_left, widen

# a sum in the making, as a row of int64 pairs
SUM = 0
INJECTED = 2
"""What all of its fits have added to it."""
HIT = 4
"""Whether a fit has changed it."""
STATE = 5


@njit
def settle(state: Ints, high: Int, low: Int, field: Ints, draw: Int, channel: Int, key: Int, counts: Ints) -> None:
    """Round and fit a value into ``state`` (STATE,): what a register does when it takes one."""
    high, low = rounded(high, low, field[SHIFT], 0, field[ROUNDING], draw, channel, counts)
    high, low, lost_high, lost_low = fitted(
        high, low, field[BITS], field[SIGNED], field[OVERFLOW], field[SATURATED_BITS], channel, key, counts
    )
    if lost_high != 0 or lost_low != 0:
        state[INJECTED], state[INJECTED + 1] = plus(state[INJECTED], state[INJECTED + 1], lost_high, lost_low)
        state[HIT] = 1
    state[SUM], state[SUM + 1] = high, low
    counts[VALUES, channel] += 1


@njit
def close_sum(state: Ints, field: Ints, channel: Int, counts: Ints) -> tuple[Int, Int]:
    """Count what the fits have done to a finished sum and return its exact value."""
    hit = state[HIT] != 0
    return closed(state[SUM], state[SUM + 1], state[INJECTED], state[INJECTED + 1], hit, field[BITS:], channel, counts)


@njit
def reduce_tree(leaves: Ints, state: Ints, field: Ints, draw: Int, channel: Int, key: Int, counts: Ints) -> None:
    """Add ``leaves`` (terms, 2) in pairs, level by level, every node fitted; an odd one out moves up unchanged."""
    width = leaves.shape[0]
    if width == 1:
        settle(state, leaves[0, 0], leaves[0, 1], field, draw, channel, key, counts)
        return
    while width > 1:
        for pair in range(width // 2):
            left, right = leaves[2 * pair], leaves[2 * pair + 1]
            high, low = plus(left[0], left[1], right[0], right[1])
            settle(state, high, low, field, draw, channel, key, counts)
            leaves[pair, 0], leaves[pair, 1] = state[SUM], state[SUM + 1]
        if width % 2 != 0:
            leaves[width // 2] = leaves[width - 1]
        width = (width + 1) // 2
    state[SUM], state[SUM + 1] = leaves[0, 0], leaves[0, 1]


@njit
def accumulate_one(
    products: Ints,
    start: Int,
    start_level: Int,
    product: Ints,
    stages: Ints,
    ends: Ints,
    draws: Ints,
    number: Int,
    channel: Int,
    key: Int,
    states: Ints,
    leaves: Ints,
    product_counts: Ints,
    counts: Ints,
) -> tuple[Int, Int]:
    """Accumulate ``products`` (k,) of one output into states[-1] and return the last stage's exact sum.

    ``number`` is the output's in its sample, ``key`` that of its step 0. states: (levels + 1, STATE), the last row the
    product's. leaves: (levels, terms, 2).
    """
    steps, levels = products.size, stages.shape[0]
    filled = np.zeros(levels, np.int64)
    states[:] = 0
    high, low = widen(start)
    if stages[start_level, CHECK_EACH] == 0:
        high, low = shifted_left(high, low, stages[start_level, SHIFT])
    states[start_level, SUM], states[start_level, SUM + 1] = high, low
    exact_high, exact_low = widen(0)
    for k in range(steps):
        draw = np.int64(draws[(number * steps + k) % draws.size])
        high, low = widen(products[k])
        if product[BITS] > 0:
            state = states[levels]
            state[:] = 0
            settle(state, high, low, product, draw, channel, key + k, product_counts)
            close_sum(state, product, channel, product_counts)
            high, low = state[SUM], state[SUM + 1]
        else:
            product_counts[VALUES, channel] += 1
        for level in range(levels):
            field, state = stages[level], states[level]
            finished = ends[level, k] != 0
            if field[TREE] != 0:
                leaves[level, filled[level], 0], leaves[level, filled[level], 1] = high, low
                filled[level] += 1
                if finished:
                    leaves[level, filled[level] :] = 0
                    tree = leaves[level, : field[TERMS]]
                    reduce_tree(tree, state, field, draw, channel, key + k, counts[level])
            else:
                shift = field[SHIFT] if field[CHECK_EACH] != 0 else 0
                sum_high, sum_low = shifted_left(state[SUM], state[SUM + 1], shift)
                high, low = plus(sum_high, sum_low, high, low)
                state[SUM], state[SUM + 1] = high, low
                if finished or field[CHECK_EACH] != 0:
                    settle(state, high, low, field, draw, channel, key + k, counts[level])
            if not finished:
                break
            exact_high, exact_low = close_sum(state, field, channel, counts[level])
            counts[level, SUMS, channel] += 1
            filled[level] = 0
            high, low = state[SUM], state[SUM + 1]
            if level < levels - 1:
                state[:] = 0
    return exact_high, exact_low


@njit
def accumulate_plain(
    codes: Codes,
    zero_point: Int,
    outside: Int,
    taps: Ints,
    strides: Ints,
    spread: Ints,
    weights: Codes,
    start: Ints,
    start_level: Int,
    product: Ints,
    stages: Ints,
    ends: Ints,
    draws: Ints,
    first_sample: Int,
    out: Ints,
    product_counts: Ints,
    counts: Ints,
    histogram: Ints,
) -> None:
    """Multiply and accumulate a whole batch, one output after another.

    Arguments as those of ``accumulate``, but out: (2, n, oh, ow, groups * outputs), the highs and the lows.
    """
    _, samples, rows, columns, channels = out.shape
    _, steps, outputs = weights.shape
    depth = codes.shape[3] // weights.shape[0]
    levels = stages.shape[0]
    terms = max(1, stages[:, TERMS].max())
    states = np.zeros((levels + 1, STATE), np.int64)
    leaves = np.zeros((levels, terms if stages[:, TREE].max() > 0 else 1, 2), np.int64)
    products = np.empty(steps, np.int64)
    for n in range(samples):
        for position in range(rows * columns):
            row, column = position // columns, position % columns
            key = ((first_sample + n) * rows * columns + position) * steps
            for c in range(channels):
                group, output = c // outputs, c % outputs
                for k in range(steps):
                    y, x = row * strides[0] + taps[k, 0], column * strides[1] + taps[k, 1]
                    channel = group * depth + taps[k, 2]
                    operand = operand_at(codes, zero_point, outside, n, y, x, channel, spread[0], spread[1])
                    products[k] = operand * np.int64(weights[group, k, output])
                number = position * channels + c
                exact_high, exact_low = accumulate_one(
                    products,
                    start[c],
                    start_level,
                    product,
                    stages,
                    ends,
                    draws,
                    number,
                    c,
                    key,
                    states,
                    leaves,
                    product_counts,
                    counts,
                )
                count_range_wide(counts[levels - 1], c, exact_high, exact_low)
                count_bits_wide(histogram, exact_high, exact_low)
                out[0, n, row, column, c] = states[levels - 1, SUM]
                out[1, n, row, column, c] = states[levels - 1, SUM + 1]
