"""Integers of up to 125 bits in two words, for where 64 bits are not enough.

A pair (high, low) stands for ``high * 2**62 + low`` with 0 <= low < 2**62; |value| <= 2**125 - 2**62. Arrays of values
have an axis of words in front: (1, rows, channels) holds plain int64 of magnitudes below 2**62, (2, rows, channels)
holds the highs and the lows. All functions here are exact; the caller has proved that results fit.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints

WORD_BITS = 62
WORD = (1 << WORD_BITS) - 1
HALF_BITS = 31
HALF_WORD = (1 << HALF_BITS) - 1

FLOAT_LIMIT = 2.0**120
"""Real values are clipped to this magnitude before they become integers."""


@njit
def widen(value: Int) -> tuple[Int, Int]:
    """Return an int64 as a pair."""
    return np.int64(value) >> WORD_BITS, np.int64(value) & WORD


@njit
def narrow(high: Int, low: Int) -> Int:
    """Return a pair that fits 64 signed bits as an int64."""
    return np.int64(high) << WORD_BITS | low


@njit
def is_narrow(high: Int) -> Flag:
    """Whether a value of this high word lies within ±2**62."""
    return -1 <= high <= 0


@njit
def load(values: Ints, row: Int, channel: Int) -> tuple[Int, Int]:
    """Return one value of an array (words, rows, channels)."""
    if values.shape[0] == 1:
        return widen(values[0, row, channel])
    return values[0, row, channel], values[1, row, channel]


@njit
def store(values: Ints, row: Int, channel: Int, high: Int, low: Int) -> None:
    """Write one value of an array (words, rows, channels)."""
    if values.shape[0] == 1:
        values[0, row, channel] = narrow(high, low)
    else:
        values[0, row, channel] = high
        values[1, row, channel] = low


@njit
def less(high: Int, low: Int, other_high: Int, other_low: Int) -> Flag:
    """Whether the first value is below the second."""
    return high < other_high or (high == other_high and low < other_low)


@njit
def plus(high: Int, low: Int, other_high: Int, other_low: Int) -> tuple[Int, Int]:
    """Return the sum of two values."""
    total = low + other_low
    return high + other_high + (total >> WORD_BITS), total & WORD


@njit
def minus(high: Int, low: Int, other_high: Int, other_low: Int) -> tuple[Int, Int]:
    """Return the first value less the second."""
    rest = low - other_low
    return high - other_high + (rest >> WORD_BITS), rest & WORD


@njit
def times(high: Int, low: Int, factor: Int) -> tuple[Int, Int]:
    """Return a value times 0 <= factor < 2**32."""
    first = (np.int64(low) & HALF_WORD) * np.int64(factor)
    second = (np.int64(low) >> HALF_BITS) * np.int64(factor)
    bottom = (first & WORD) + ((second & HALF_WORD) << HALF_BITS)
    carried = (first >> WORD_BITS) + (second >> HALF_BITS) + (bottom >> WORD_BITS)
    return high * np.int64(factor) + carried, bottom & WORD


@njit
def shifted_left(high: Int, low: Int, shift: Int) -> tuple[Int, Int]:
    """Return a value times 2**shift, 0 <= shift <= 124."""
    if shift >= WORD_BITS:
        # one word holds such a value, as the result fits in two
        return narrow(high, low) << (shift - WORD_BITS), np.int64(0)
    kept = low & ((np.int64(1) << (WORD_BITS - shift)) - 1)
    return (high << shift) + (low >> (WORD_BITS - shift)), kept << shift


@njit
def shifted_right(high: Int, low: Int, shift: Int) -> tuple[Int, Int, Int, Int]:
    """Return floor(value / 2**shift) as a pair, and (first 32 bits, sticky) of the fraction; 0 <= shift <= 124."""
    if shift <= WORD_BITS:
        below = low & ((np.int64(1) << shift) - 1)
        moved = (high & ((np.int64(1) << shift) - 1)) << (WORD_BITS - shift)
        if shift <= 32:
            return high >> shift, moved | (low >> shift), below << (32 - shift), np.int64(0)
        lost = below & ((np.int64(1) << (shift - 32)) - 1)
        return high >> shift, moved | (low >> shift), below >> (shift - 32), np.int64(1) if lost != 0 else np.int64(0)
    more = shift - WORD_BITS
    quotient_high, quotient_low = widen(high >> more)
    below = high & ((np.int64(1) << more) - 1)
    if more >= 32:
        lost = (below & ((np.int64(1) << (more - 32)) - 1)) | low
        return quotient_high, quotient_low, below >> (more - 32), np.int64(1) if lost != 0 else np.int64(0)
    rest = WORD_BITS - 32 + more
    fraction = below << (32 - more) | low >> rest
    lost = low & ((np.int64(1) << rest) - 1)
    return quotient_high, quotient_low, fraction, np.int64(1) if lost != 0 else np.int64(0)


@njit
def divided(high: Int, low: Int, divisor: Int) -> tuple[Int, Int, Int, Int]:
    """Return floor(value / divisor) as a pair, and (first 32 bits, sticky) of the fraction; 1 <= divisor < 2**31."""
    top: Int = np.int64(high) // np.int64(divisor)
    part = (high - top * divisor) << HALF_BITS | low >> HALF_BITS
    middle: Int = np.int64(part) // np.int64(divisor)
    part = (part - middle * divisor) << HALF_BITS | (low & HALF_WORD)
    bottom: Int = np.int64(part) // np.int64(divisor)
    rest = (part - bottom * divisor) << 32
    fraction: Int = np.int64(rest) // np.int64(divisor)
    sticky = np.int64(1) if fraction * divisor != rest else np.int64(0)
    return top, middle << HALF_BITS | bottom, fraction, sticky


@njit
def bit_length(high: Int, low: Int) -> Int:
    """Return how many bits the magnitude of a value has."""
    if high < 0:
        high, low = minus(0, 0, high, low)
    return word_length(high) + WORD_BITS if high != 0 else word_length(low)


@njit
def word_length(word: Int) -> Int:
    """Return how many bits an integer has that is not negative: the exponent of a float tells.

    >>> [int(word_length(word)) for word in (0, 1, 2, 3, 4, 2**62 - 1, 2**62)]
    [0, 1, 2, 2, 3, 62, 63]
    """
    # without the bit behind the highest, lest that is rounded up to the next
    real = np.float64(np.int64(word) & ~(np.int64(word) >> 1))
    exponent: Int = (real.view(np.int64) >> 52) - 1022
    return exponent if word != 0 else np.int64(0)


@njit
def to_float(high: Int, low: Int, digits: Int) -> float:
    """Return the float of ``digits`` significant bits (24 or 53) that is nearest to a value, ties to even."""
    negative = high < 0
    if negative:
        high, low = minus(0, 0, high, low)
    drop = max(bit_length(high, low) - digits, 0)
    _, kept, fraction, sticky = shifted_right(high, low, drop)
    above = fraction > 1 << 31 or (fraction == 1 << 31 and (sticky != 0 or kept & 1 != 0))
    if drop > 0 and above:
        kept += 1
    size = float(kept) * 2.0**drop
    return -size if negative else size


@njit
def from_float(value: float) -> tuple[Int, Int, Int, Int]:
    """Return floor(value) as a pair, and (first 32 bits, sticky) of the fraction, after clipping to ±2**120."""
    # from the magnitude, whose fraction is exact; one minus a tiny fraction would not be
    size = min(abs(value), FLOAT_LIMIT)
    whole = np.floor(size)
    top = np.floor(whole / 2.0**WORD_BITS)
    high: Int = np.int64(top)
    low: Int = np.int64(whole - top * 2.0**WORD_BITS)
    scaled = (size - whole) * 4294967296.0
    fraction = np.int64(np.floor(scaled))
    sticky = np.int64(1) if scaled != fraction else np.int64(0)
    if value >= 0:
        return high, low, fraction, sticky
    high, low = minus(0, 0, high, low)
    if scaled == 0:
        return high, low, np.int64(0), np.int64(0)
    high, low = minus(high, low, 0, 1)
    return high, low, (np.int64(1) << 32) - fraction - sticky, sticky


@njit
def floor_of(value: float) -> tuple[Int, Int, Int]:
    """Return floor(value), |value| < 2**62, and the fraction as ``from_float`` does."""
    size = abs(value)
    whole: Int = np.int64(size)
    scaled = (size - whole) * 4294967296.0
    fraction = np.int64(scaled)
    sticky = np.int64(1) if scaled != fraction else np.int64(0)
    if value >= 0:
        return whole, fraction, sticky
    if scaled == 0:
        return -whole, np.int64(0), np.int64(0)
    return -whole - 1, (np.int64(1) << 32) - fraction - sticky, sticky
