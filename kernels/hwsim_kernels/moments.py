"""Counts, ranges, and sums and sums of squares of float32 values, in one pass and without any rounding.

A finite float32 is m * 2**k units of 2**-149, with m below 2**24 and k from 0 to 253; its square is m**2 * 2**(2 k)
units of 2**-298. Sums of either are held as digits to the base 2**32, the lowest first: each from 0 to 2**32 - 1, but
for the last, which has the sign. A number has one such form, so neither order nor parts can change a digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints, Reals

Singles = NDArray[np.float32]
Counts = NDArray[Any]

SUM_DIGITS, SQUARE_DIGITS = 11, 20
"""Enough for 2**63 values: 24 + 253 + 63 bits and a sign, and twice 24 + 253 bits, 63, and a sign."""

UNIT = -149
"""Sums are in units of two to this, sums of squares in those of two to twice this."""

MOST_ROWS = 1 << 24
"""What ``add_moments`` may take at once: 8 exponents share an integer, whose terms stay below 2**38."""

WIDTH = 256
"""Channels that are summed together, so that their integers stay near the processor."""

GROUPS = 32
"""Of 8 exponents each."""

DIGIT = (1 << 32) - 1


@njit
def add_moments(
    values: Singles, patterns: NDArray[np.uint32], bins: Ints, low: Reals, high: Reals, sums: Ints, squares: Ints
) -> None:
    """Take in finite values (rows, channels), at most MOST_ROWS rows.

    patterns: the bits of the values. bins: (65536,), how often the upper 16 bits of a value occur.
    low, high: (channels,), the ranges.
    sums, squares: (channels, SUM_DIGITS) and (channels, SQUARE_DIGITS).
    """
    rows, channels = values.shape
    parts = np.empty((GROUPS, 3, min(WIDTH, channels)), np.int64)
    for first in range(0, channels, WIDTH):
        parts[:] = 0
        last = min(first + WIDTH, channels)
        for row in range(rows):
            for channel in range(first, last):
                pattern = np.int64(patterns[row, channel])
                bins[pattern >> 16] += 1
                value = values[row, channel]
                low[channel] = min(low[channel], value)
                high[channel] = max(high[channel], value)
                exponent = (pattern >> 23) & 255
                mantissa = pattern & 0x7FFFFF
                if exponent != 0:
                    mantissa |= 0x800000
                    exponent -= 1
                group, within = exponent >> 3, exponent & 7
                square = mantissa * mantissa
                # -1 for negative values, 0 for others: flips the sign without a branch
                sign = -(pattern >> 31)
                parts[group, 0, channel - first] += ((mantissa ^ sign) - sign) << within
                parts[group, 1, channel - first] += (square & 0xFFFFFF) << (2 * within)
                parts[group, 2, channel - first] += (square >> 24) << (2 * within)
        for channel in range(first, last):
            for number in range(GROUPS):
                add_at(sums[channel], 8 * number, parts[number, 0, channel - first])
                add_at(squares[channel], 16 * number, parts[number, 1, channel - first])
                add_at(squares[channel], 16 * number + 24, parts[number, 2, channel - first])
    carry(sums)
    carry(squares)


@njit
def add_at(digits: Ints, position: Int, value: Int) -> None:
    """Add ``value * 2**position`` to digits; they may leave their range until ``carry``."""
    digit, shift = position >> 5, position & 31
    digits[digit] += (value & DIGIT) << shift
    digits[digit + 1] += (value >> 32) << shift


@njit
def carry(numbers: Ints) -> None:
    """Bring the digits of numbers (n, digits) into their range."""
    for number in range(numbers.shape[0]):
        for digit in range(numbers.shape[1] - 1):
            numbers[number, digit + 1] += numbers[number, digit] >> 32
            numbers[number, digit] &= DIGIT
