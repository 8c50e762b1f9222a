"""The fast path for sums that are proved to lose nothing: then order does not matter and a matrix product gives them.

float64 holds every integer below 2**53, so a float64 matrix product of integers is exact while no partial sum can
reach that, whatever order the library adds in.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Int, Ints
from hwsim_kernels.counting import SUMS, VALUES, count_bits, count_range
from hwsim_kernels.fields import CHECK_EACH, TERMS, TREE
from hwsim_kernels.gather import gather

EXACT_LIMIT = 1 << 53
"""Sums of magnitudes below this are exact in float64."""

PATCH_VALUES = 1 << 22
"""How many operands are laid out at a time (32 MB)."""


@njit
def count_sums(sums: Ints, counts: Ints, histogram: Ints) -> None:
    """Note the range and the bits of finished sums (rows, channels)."""
    for row in range(sums.shape[0]):
        for c in range(sums.shape[1]):
            count_range(counts, c, sums[row, c])
            count_bits(histogram, sums[row, c])


def fits_and_sums(stages: Ints, ends: Ints) -> list[tuple[int, int]]:
    """Return how many values each stage fits, and how many sums it hands up, for one output."""
    numbers: list[tuple[int, int]] = []
    entering = ends.shape[1]
    for field, finished in zip(stages, ends, strict=True):
        sums = int(finished.sum())
        nodes = sums * max(1, int(field[TERMS]) - 1)
        fits = nodes if field[TREE] else entering if field[CHECK_EACH] else sums
        numbers.append((fits, sums))
        entering = sums
    return numbers


def accumulate_exact(
    codes: Codes,
    zero_point: Int,
    outside: Int,
    taps: Ints,
    strides: Ints,
    spread: Ints,
    weights: Codes,
    start: Ints,
    stages: Ints,
    ends: Ints,
    out: Ints,
    product_counts: Ints,
    counts: Ints,
    histogram: Ints,
) -> None:
    """Do what ``accumulate`` does where no product and no partial sum can leave its format, nor 2**53.

    Arguments as those of ``accumulate``; the caller has the proof.
    """
    samples, rows, columns, channels = out.shape
    groups, steps, outputs = weights.shape
    window = np.array([strides[0], strides[1], rows * columns, spread[0], spread[1]])
    total = samples * rows * columns
    flat = out.reshape(total, channels)
    factors = weights.astype(np.float64)
    block = max(1, PATCH_VALUES // steps)
    operands = np.empty((min(block, total), steps), np.int32)
    for position in range(0, total, block):
        size = min(block, total - position)
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
                operands[:size].T,
            )
            sums = operands[:size].astype(np.float64) @ factors[group]
            flat[position : position + size, first : first + outputs] = sums
            flat[position : position + size, first : first + outputs] += start[first : first + outputs]
    count_sums(flat, counts[-1], histogram)
    for level, (fits, sums) in enumerate(fits_and_sums(stages, ends)):
        counts[level, VALUES] += fits * total
        counts[level, SUMS] += sums * total
    product_counts[VALUES] += steps * total
