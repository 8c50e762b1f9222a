"""The counters of a truncation point. ``docs/ledger.md`` defines each figure.

``counts`` is an int64 array (COLUMNS, channels). Sums that can outgrow 64 bits are held in columns of 31 bits each.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints
from hwsim_kernels.wide import WORD_BITS, bit_length, is_narrow, less, minus, narrow, word_length

VALUES = 0
LOW = 1
HIGH = 2
MINIMUM = 3
MAXIMUM = 4
TRANSIENT = 5
PERSISTENT = 6
FIRST = 7
INEXACT = 8
ROUND_BIAS = 9
ROUND_ENERGY = 10
"""Two columns of 31 bits: e * e is below 2**33."""
CLAMP_ENERGY = 12
"""Nine columns of 31 bits: injected errors are below 2**126."""
SUMS = 21
"""Sums handed up (stages only)."""
WIDE_MINIMUM = 22
"""Two columns, high and low (see ``wide``): the minimum of the values outside ±2**62, which MINIMUM leaves out."""
WIDE_MAXIMUM = 24
COLUMNS = 26

WORD = 31
MASK = (1 << WORD) - 1
NEVER = (1 << 63) - 1

BINS = 65
"""Bins of a histogram: magnitudes of 0 to 63 bits, and of 64 or more."""

LONG_SUMS = {ROUND_ENERGY: 2, CLAMP_ENERGY: 9}
"""How many columns of 31 bits each long sum has."""

Counts = Ints

_AT_REST = np.zeros((COLUMNS, 1), np.int64)
_AT_REST[[MINIMUM, FIRST, WIDE_MINIMUM]] = NEVER
_AT_REST[[MAXIMUM, WIDE_MAXIMUM]] = -NEVER


def new_counts(*shape: int) -> Counts:
    """Return counters at rest: (…, COLUMNS, channels) for ``shape`` (…, channels)."""
    counts = np.empty((*shape[:-1], COLUMNS, shape[-1]), np.int64)
    set_at_rest(counts)
    return counts


def set_at_rest(counts: Counts) -> None:
    """Let counters (…, COLUMNS, channels) have counted nothing."""
    counts[...] = _AT_REST


def enlarge(counts: Counts, shift: Ints) -> None:
    """Multiply the errors that (COLUMNS, channels) summed up by 2**shift (channels,), 0 to 15; squares accordingly."""
    carried = new_counts(1, shift.size)
    merge(carried, counts[np.newaxis], 0)
    counts[...] = carried[0]
    counts[ROUND_BIAS] <<= shift
    for first, length in LONG_SUMS.items():
        counts[first : first + length] <<= 2 * shift


@njit
def merge(into: Counts, other: Counts, start: Int) -> None:
    """Add the counters of another part of the run, (points, COLUMNS, channels), to those from channel ``start`` on.

    What is above 31 bits in a column of a long sum moves to the next. The result does not depend on the parts or their
    order.
    """
    # all in one function: whatever it calls is compiled by itself when a program runs for the first time
    channels = other.shape[2]
    for point in range(other.shape[0]):
        for column in range(WIDE_MINIMUM):
            mine, theirs = into[point, column, start : start + channels], other[point, column]
            least, most = column in (MINIMUM, FIRST), column == MAXIMUM
            for c in range(channels):
                one, two = mine[c], theirs[c]
                mine[c] = min(one, two) if least else max(one, two) if most else one + two
        for column in range(ROUND_ENERGY, SUMS - 1):
            # nothing is carried from one sum to the next
            if column != CLAMP_ENERGY - 1:
                mine, above = into[point, column, start : start + channels], into[point, column + 1, start:]
                for c in range(channels):
                    above[c] += mine[c] >> WORD
                    mine[c] &= MASK
        ours, others = into[point, :, start : start + channels], other[point]
        low, high = WIDE_MINIMUM, WIDE_MAXIMUM
        for c in range(channels):
            if less(others[low, c], others[low + 1, c], ours[low, c], ours[low + 1, c]):
                ours[low, c], ours[low + 1, c] = others[low, c], others[low + 1, c]
            if less(ours[high, c], ours[high + 1, c], others[high, c], others[high + 1, c]):
                ours[high, c], ours[high + 1, c] = others[high, c], others[high + 1, c]


def long_sum(counts: Counts, column: int) -> list[int]:
    """Return the exact sums that start at ``column`` (ROUND_ENERGY or CLAMP_ENERGY), one per channel."""
    places = counts[column : column + LONG_SUMS[column]]
    while len(places) > 1 and not places[-1].any():
        places = places[:-1]
    sums: list[int] = places[-1].tolist()
    for words in places[-2::-1]:
        sums = [(high << WORD) + low for high, low in zip(sums, words.tolist(), strict=True)]
    return sums


def value_range(counts: Counts) -> list[tuple[int | None, int | None]]:
    """Return the smallest and the largest value noted, per channel of (COLUMNS, channels); None for none."""
    narrow = zip(counts[MINIMUM].tolist(), counts[MAXIMUM].tolist(), strict=True)
    lows = zip(*counts[WIDE_MINIMUM : WIDE_MINIMUM + 2].tolist(), strict=True)
    highs = zip(*counts[WIDE_MAXIMUM : WIDE_MAXIMUM + 2].tolist(), strict=True)
    found: list[tuple[int | None, int | None]] = []
    for (low, high), least, most in zip(narrow, lows, highs, strict=True):
        small = [low] if low != NEVER else []
        large = [high] if high != -NEVER else []
        small += [(least[0] << WORD_BITS) + least[1]] if least[0] != NEVER else []
        large += [(most[0] << WORD_BITS) + most[1]] if most[0] != -NEVER else []
        found.append((min(small, default=None), max(large, default=None)))
    return found


def whole_range(counts: Counts) -> tuple[int, int] | None:
    """Return the smallest and the largest value noted in all channels of (COLUMNS, channels); None for none."""
    if (counts[WIDE_MINIMUM] != NEVER).any() or (counts[WIDE_MAXIMUM] != -NEVER).any():
        ends = [end for both in value_range(counts) for end in both if end is not None]
    else:
        both = (int(counts[MINIMUM].min()), int(counts[MAXIMUM].max()))
        ends = [end for end in both if abs(end) != NEVER]
    return (min(ends), max(ends)) if ends else None


@njit
def add_to_all(amount: Int, counters: Ints) -> None:
    """Add a number to each counter. A loop, as Numba takes seconds over ``+=``, for the sake of its error message."""
    for c in range(counters.size):
        counters[c] += amount


@njit
def count_range(counts: Counts, channel: Int, value: Int) -> None:
    """Note a value within ±2**62 in the minimum and maximum of its channel."""
    counts[MINIMUM, channel] = min(counts[MINIMUM, channel], value)
    counts[MAXIMUM, channel] = max(counts[MAXIMUM, channel], value)


@njit
def count_range_wide(counts: Counts, channel: Int, high: Int, low: Int) -> None:
    """Note a pair in the minimum and maximum of its channel."""
    count_least(counts, channel, high, low)
    count_most(counts, channel, high, low)


@njit
def count_least(counts: Counts, channel: Int, high: Int, low: Int) -> None:
    """Note a pair in the minimum of its channel."""
    if is_narrow(high):
        counts[MINIMUM, channel] = min(counts[MINIMUM, channel], narrow(high, low))
    elif less(high, low, counts[WIDE_MINIMUM, channel], counts[WIDE_MINIMUM + 1, channel]):
        counts[WIDE_MINIMUM, channel], counts[WIDE_MINIMUM + 1, channel] = high, low


@njit
def count_most(counts: Counts, channel: Int, high: Int, low: Int) -> None:
    """Note a pair in the maximum of its channel."""
    if is_narrow(high):
        counts[MAXIMUM, channel] = max(counts[MAXIMUM, channel], narrow(high, low))
    elif less(counts[WIDE_MAXIMUM, channel], counts[WIDE_MAXIMUM + 1, channel], high, low):
        counts[WIDE_MAXIMUM, channel], counts[WIDE_MAXIMUM + 1, channel] = high, low


@njit
def count_hit(counts: Counts, channel: Int, high: Int, low: Int, below: Flag, key: Int) -> None:
    """Note a pair that came to a fit from outside; ``key`` orders the place where it happened."""
    counts[LOW if below else HIGH, channel] += 1
    counts[FIRST, channel] = min(counts[FIRST, channel], key)
    if below:
        count_least(counts, channel, high, low)
    else:
        count_most(counts, channel, high, low)


@njit
def count_injected(counts: Counts, channel: Int, injected: Int) -> None:
    """Add the square of an injected error, |injected| < 2**63."""
    magnitude = abs(np.int64(injected))
    low = magnitude & MASK
    high = magnitude >> WORD
    square, cross = low * low, low * high
    counts[CLAMP_ENERGY, channel] += square & MASK
    counts[CLAMP_ENERGY + 1, channel] += (square >> WORD) + ((cross & MASK) << 1)
    top = high & MASK
    square = top * top
    counts[CLAMP_ENERGY + 2, channel] += (cross >> WORD << 1) + (square & MASK)
    counts[CLAMP_ENERGY + 3, channel] += square >> WORD
    if high > MASK:
        counts[CLAMP_ENERGY + 3, channel] += top << 1
        counts[CLAMP_ENERGY + 4, channel] += 1


@njit
def count_injected_wide(counts: Counts, channel: Int, high: Int, low: Int) -> None:
    """Add the square of an injected error given as a pair."""
    if is_narrow(high):
        count_injected(counts, channel, narrow(high, low))
        return
    if high < 0:
        high, low = minus(0, 0, high, low)
    digits = np.array([low & MASK, low >> WORD, high & MASK, high >> WORD & MASK, high >> 62], np.int64)
    for one in range(5):
        for two in range(5):
            product = digits[one] * digits[two]
            counts[CLAMP_ENERGY + one + two, channel] += product & MASK
            if product > MASK:
                counts[CLAMP_ENERGY + one + two + 1, channel] += product >> WORD


@njit
def count_rounding(counts: Counts, channel: Int, fraction: Int, sticky: Int, up: Int) -> None:
    """Note the error of one rounding, ``up`` minus the 32-bit ``fraction``, in 1/65536 of an LSB."""
    error = (np.int64(up) << 16) - (np.int64(fraction) >> 16)
    if fraction != 0 or sticky != 0:
        counts[INEXACT, channel] += 1
    counts[ROUND_BIAS, channel] += error
    counts[ROUND_ENERGY, channel] += error * error


@njit
def count_error(counts: Counts, channel: Int, error: Int, inexact: Flag) -> None:
    """Note an error in 1/65536 of an LSB, of less than 32 bits: more than one rounding makes."""
    if inexact:
        counts[INEXACT, channel] += 1
    counts[ROUND_BIAS, channel] += error
    # its square stays in an unsigned word and each column in 33 bits
    size = abs(np.int64(error))
    high, low = size >> 16, size & 0xFFFF
    cross = high * low
    counts[ROUND_ENERGY, channel] += low * low + ((cross & 0x3FFF) << 17)
    counts[ROUND_ENERGY + 1, channel] += (cross >> 14) + (high * high << 1)


@njit
def count_bits_wide(histogram: Ints, high: Int, low: Int) -> None:
    """Note how many bits the magnitude of a pair has."""
    histogram[min(bit_length(high, low), BINS - 1)] += 1


@njit
def count_bits(histogram: Ints, value: Int) -> None:
    """Note how many bits the magnitude of a value has."""
    histogram[word_length(abs(np.int64(value)))] += 1
