"""To the nearest of some levels, as ``docs/arithmetic.md`` section 3 defines it."""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints, Reals
from hwsim_kernels.counting import (
    VALUES,
    Counts,
    count_error,
    count_hit,
    count_injected_wide,
    count_range,
    count_range_wide,
    count_rounding,
)
from hwsim_kernels.quantize import divide_clipped
from hwsim_kernels.rounding import HALF_EVEN, round_up
from hwsim_kernels.wide import from_float, minus, narrow, plus, widen


@njit
def nearest_level(levels: Ints, twice: float) -> Int:
    """Return the index of the level (ascending, 16 bits) nearest to half of ``twice``; of two, the upper."""
    low, high = 0, levels.size - 1
    while low < high:
        middle = (low + high) // 2
        if levels[middle] + levels[middle + 1] <= twice:
            low = middle + 1
        else:
            high = middle
    return low


@njit
def count_distance(counts: Counts, channel: Int, distance: Int, fraction: Int, sticky: Int) -> None:
    """Note the error of a value that becomes its floor plus ``distance``, less than 2**17; see ``count_rounding``."""
    error = (np.int64(distance) << 16) - (np.int64(fraction) >> 16)
    count_error(counts, channel, error, distance != 0 or fraction != 0 or sticky != 0)


@njit
def quantize_to_levels(values: Reals, scale: Reals, levels: Ints, first: Int, out: Ints, counts: Counts) -> None:
    """Take ``values / scale`` to the nearest of the ``levels`` and give their codes, from ``first`` up.

    values, out: (rows, channels). scale: (channels,). counts: (COLUMNS, channels).
    """
    rows, channels = values.shape
    least, most = levels[0], levels[-1]
    for row in range(rows):
        for c in range(channels):
            value = divide_clipped(values[row, c], scale[c])
            index = nearest_level(levels, 2 * value)
            level = levels[index]
            high, low, fraction, sticky = from_float(value)
            up = round_up(fraction, sticky, value < 0, low & 1 != 0, HALF_EVEN, 0)
            near_high, near_low = plus(high, low, 0, up)
            count_range_wide(counts, c, near_high, near_low)
            if value < least or value > most:
                count_rounding(counts, c, fraction, sticky, up)
                count_hit(counts, c, near_high, near_low, value < least, row)
                level_high, level_low = widen(level)
                lost_high, lost_low = minus(level_high, level_low, near_high, near_low)
                count_injected_wide(counts, c, lost_high, lost_low)
            else:
                count_distance(counts, c, level - narrow(high, low), fraction, sticky)
            out[row, c] = first + index
    for c in range(channels):
        counts[VALUES, c] += rows


@njit
def encode(values: Ints, levels: Ints, first: Int, out: Ints, counts: Counts) -> None:
    """Take integers of 16 bits to the codes, from ``first`` up, of the nearest levels.

    values, out: (rows, channels). counts: (COLUMNS, channels).
    """
    rows, channels = values.shape
    for row in range(rows):
        for c in range(channels):
            value = values[row, c]
            index = nearest_level(levels, 2.0 * value)
            count_distance(counts, c, levels[index] - value, 0, 0)
            count_range(counts, c, levels[index])
            out[row, c] = first + index
    for c in range(channels):
        counts[VALUES, c] += rows
