"""Values brought to a mean of 0 and a variance of 1, as ``docs/arithmetic.md`` section 6 defines it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints
from hwsim_kernels.counting import VALUES, count_error, count_range, count_rounding
from hwsim_kernels.rounding import round_up, shift_fraction
from hwsim_kernels.wide import divided, narrow, widen


@njit
def root(value: Int) -> Int:
    """Return floor(sqrt(value)), 0 <= value < 2**62."""
    found = np.int64(np.sqrt(np.float64(value)))
    while found * found > value:
        found -= 1
    while (found + 1) * (found + 1) <= value:
        found += 1
    return found


@njit
def beyond_root(value: Int, found: Int) -> Int:
    """Return floor((sqrt(value) - found) * 2**16) for ``found`` = root(value)."""
    rest = value - found * found
    low, high = np.int64(0), np.int64(1) << 16
    while high - low > 1:
        middle = (low + high) >> 1
        # (found * 2**16 + middle)**2 <= value * 2**32, both less what they share and divided by 2**17
        if (rest << 15) - found * middle >= (middle * middle + (1 << 17) - 1) >> 17:
            low = middle
        else:
            high = middle
    return low


@njit
def divide(value: Int, divisor: Int, mode: Int, channel: Int, counts: Ints) -> Int:
    """Return value / divisor rounded in ``mode``, and count that; |value| < 2**62, 1 <= divisor < 2**31."""
    high, low = widen(value)
    high, low, fraction, sticky = divided(high, low, divisor)
    found = narrow(high, low)
    up = round_up(fraction, sticky, value < 0, found & 1 != 0, mode, 0)
    count_rounding(counts, channel, fraction, sticky, up)
    found += up
    count_range(counts, channel, found)
    counts[VALUES, channel] += 1
    return found


@njit
def normalize(
    codes: NDArray[Any],
    zero_point: Int,
    whole: Flag,
    centered: Flag,
    epsilon: Int,
    field: Ints,
    out: Ints,
    counts: Ints,
) -> None:
    """Normalise ``codes`` (n, rows, groups, channels of a group) less ``zero_point`` into ``out`` of that shape.

    Over the channels of a group, or (``whole``) over all rows too. ``epsilon`` is in squares of the finest unit.
    field: (5,) bits of the mean's fraction, of the reciprocal, of the result, rounding, bound of the result. counts:
    (points, COLUMNS, groups * channels) of the mean (if ``centered``), variance, root, reciprocal and result; what
    there is one of for a group counts in its first channel. Sums of squares lie below 2**62.
    """
    samples, rows, groups, channels = codes.shape
    fine, reciprocal_bits, result_bits, mode = field[0], field[1], field[2], field[3]
    first = 1 if centered else 0
    together = rows if whole else 1
    for n in range(samples):
        for begin in range(0, rows, together):
            for group in range(groups):
                place = group * channels
                mean: Int = np.int64(0)
                if centered:
                    total = np.int64(0)
                    for row in range(begin, begin + together):
                        for c in range(channels):
                            total += np.int64(codes[n, row, group, c]) - zero_point
                    mean = divide(total << fine, together * channels, mode, place, counts[0])
                squares = np.int64(0)
                for row in range(begin, begin + together):
                    for c in range(channels):
                        distance = ((np.int64(codes[n, row, group, c]) - zero_point) << fine) - mean
                        squares += distance * distance
                variance = divide(squares, together * channels, mode, place, counts[first]) + epsilon
                deviation = root(variance)
                count_error(counts[first + 1], place, -beyond_root(variance, deviation), deviation**2 != variance)
                count_range(counts[first + 1], place, deviation)
                counts[first + 1, VALUES, place] += 1
                factor = divide(np.int64(1) << reciprocal_bits, max(deviation, 1), mode, place, counts[first + 2])
                for row in range(begin, begin + together):
                    for c in range(channels):
                        distance = ((np.int64(codes[n, row, group, c]) - zero_point) << fine) - mean
                        product = distance * factor
                        dropped = reciprocal_bits - result_bits
                        found = product >> dropped
                        if dropped > 0:
                            fraction, sticky = shift_fraction(product, dropped)
                            up = round_up(fraction, sticky, product < 0, found & 1 != 0, mode, 0)
                            count_rounding(counts[first + 3], place + c, fraction, sticky, up)
                            found += up
                        count_range(counts[first + 3], place + c, found)
                        out[n, row, group, c] = found
    counts[first + 3, VALUES] += samples * rows
