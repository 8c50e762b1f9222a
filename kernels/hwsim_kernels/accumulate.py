"""Multiply and accumulate step by step in 64 bits: what ``plain`` does, for many outputs at once.

All values are int64; the caller has proved that no exact sum leaves 62 bits. A block of output positions times the
channels of a group makes the *lanes* over which every inner loop runs; lane = position in the block * channels +
channel.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Int, Ints
from hwsim_kernels.counting import (
    NEVER,
    SUMS,
    VALUES,
    add_to_all,
    count_bits,
    count_range,
)
from hwsim_kernels.fields import (
    BITS,
    CHECK_EACH,
    FIRST_STEP,
    HIT,
    INJECTED,
    LARGEST,
    ROWS,
    SHIFT,
    SMALLEST,
    SUM,
    TERMS,
    TREE,
)
from hwsim_kernels.gather import gather
from hwsim_kernels.lanes import add_lanes, close_sums, copy, count_lanes, multiply, reduce_tree, settle

LANES = 1024
"""About how many lanes a block has: small enough for the nearest caches, large enough to hide a step's overhead."""


@njit
def accumulate_block(
    operands: Codes,
    weights: Codes,
    product: Ints,
    stages: Ints,
    ends: Ints,
    draws: Ints,
    numbers: Ints,
    first: Int,
    lanes: Ints,
    leaves: Ints,
    product_counts: Ints,
    counts: Ints,
) -> None:
    """Accumulate one block of positions for one group of channels.

    operands: (k, positions). weights: (k, outputs). numbers: (lanes,) output number in the sample.
    lanes: (stages + 1, ROWS, lanes), the last stage's SUM holding what it starts from; row ``stages`` is the product.
    leaves: (stages, terms, lanes) for adder trees.
    """
    steps, positions = operands.shape
    outputs = weights.shape[1]
    levels = stages.shape[0]
    filled = np.zeros(levels, np.int64)
    settled = np.zeros(levels, np.int64)
    handed = np.zeros(levels, np.int64)
    hit = np.zeros(levels, np.bool_)
    values = lanes[levels, SUM]
    for k in range(steps):
        multiply(operands[k], weights[k], values)
        if product[BITS] > 0 and settle(lanes[levels], product, k, steps, draws, numbers):
            close_sums(lanes[levels], product, first, outputs, product_counts)
            lanes[levels, INJECTED] = 0
            lanes[levels, HIT] = 0
        for level in range(levels):
            field = stages[level]
            finished = ends[level, k] != 0
            if field[TREE] != 0:
                copy(values, leaves[level, filled[level]])
                filled[level] += 1
                if finished:
                    leaves[level, filled[level] :] = 0
                    nodes, outside = reduce_tree(leaves[level], lanes[level], field, k, steps, draws, numbers)
                    settled[level] += nodes
                    hit[level] |= outside
            else:
                add_lanes(values, lanes[level, SUM], field[SHIFT] if field[CHECK_EACH] != 0 else 0)
                if finished or field[CHECK_EACH] != 0:
                    hit[level] |= settle(lanes[level], field, k, steps, draws, numbers)
                    settled[level] += 1
            if not finished:
                break
            if hit[level]:
                close_sums(lanes[level], field, first, outputs, counts[level])
            filled[level] = 0
            handed[level] += 1
            if level < levels - 1:
                copy(lanes[level, SUM], values)
                lanes[level, SUM] = 0
                if hit[level]:
                    lanes[level, INJECTED] = 0
                    lanes[level, HIT] = 0
                    hit[level] = False
    for level in range(levels):
        add_to_all(settled[level] * positions, counts[level, VALUES, first : first + outputs])
        add_to_all(handed[level] * positions, counts[level, SUMS, first : first + outputs])
    add_to_all(steps * positions, product_counts[VALUES, first : first + outputs])


@njit
def accumulate(
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
    """Multiply and accumulate a whole batch.

    codes: (n, h, w, c) stored codes, |code - zero_point| < 2**17. outside: the operand where there is no code.
    taps: (k, 3) row, column and channel of each step, relative to the window's corner and the group's first channel.
    strides: (2,) rows and columns between windows.
    spread: (2,) rows and columns from one code to the next, zeros between: 1 but for transposed convolutions.
    weights: (groups, k, outputs) weight codes less their zero points.
    start: (groups * outputs,) what the first sum of stage ``start_level`` starts from.
    product: (FIELDS,) the product's format, BITS = 0 where products are exact or proved to stay inside it.
    stages: (levels, FIELDS) from the inside out. ends: (levels, k) 1 where a sum ends, as ``sums_end`` makes them.
    draws: random numbers for stochastic rounding, or one 0.
    first_sample: number of codes[0] in the whole run.
    out: (n, oh, ow, groups * outputs) the sums of the last stage.
    product_counts, counts: (COLUMNS, channels) and (levels, COLUMNS, channels) of docs/ledger.md.
    histogram: (BINS,) of the last stage's exact sums.
    """
    samples, rows, columns, channels = out.shape
    groups, steps, outputs = weights.shape
    levels = stages.shape[0]
    terms: Int = np.int64(1)
    for level in range(levels):
        if stages[level, TREE] != 0:
            terms = max(terms, stages[level, TERMS])
    start_shift = stages[start_level, SHIFT] if stages[start_level, CHECK_EACH] == 0 else 0
    window = np.array([strides[0], strides[1], rows * columns, spread[0], spread[1]])
    block = max(1, LANES // outputs)
    total = samples * rows * columns
    flat = out.reshape(total, channels)
    for position in range(0, total, block):
        size = min(block, total - position)
        operands = np.empty((steps, size), np.int32)
        lanes = np.empty((levels + 1, ROWS, size * outputs), np.int64)
        leaves = np.zeros((levels, terms, size * outputs), np.int64)
        numbers = np.empty(size * outputs, np.int64)
        keys = np.empty(size * outputs, np.int64)
        for group in range(groups):
            first = group * outputs
            gather(
                codes,
                zero_point,
                outside,
                taps,
                window,
                group * (codes.shape[3] // groups),
                position,
                columns,
                operands,
            )
            lanes[:] = 0
            lanes[:, SMALLEST] = NEVER
            lanes[:, LARGEST] = -NEVER
            lanes[:, FIRST_STEP] = NEVER
            for i in range(size * outputs):
                place, c = position + i // outputs, first + i % outputs
                numbers[i] = place % window[2] * channels + c
                keys[i] = (first_sample * window[2] + place) * steps
                lanes[start_level, SUM, i] = start[c] << start_shift
            accumulate_block(
                operands,
                weights[group],
                product,
                stages,
                ends,
                draws,
                numbers,
                first,
                lanes,
                leaves,
                product_counts,
                counts,
            )
            for level in range(levels):
                count_lanes(lanes[level], keys, first, outputs, counts[level])
            count_lanes(lanes[levels], keys, first, outputs, product_counts)
            for i in range(size * outputs):
                place, c = position + i // outputs, first + i % outputs
                result = lanes[levels - 1, SUM, i]
                exact = result - lanes[levels - 1, INJECTED, i]
                flat[place, c] = result
                count_range(counts[levels - 1], c, exact)
                count_bits(histogram, exact)
