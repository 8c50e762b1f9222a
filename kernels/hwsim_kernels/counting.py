"""The counters of a truncation point. ``docs/ledger.md`` defines each figure.

``counts`` is an int64 array (COLUMNS, channels). Sums that can outgrow 64 bits are held in columns of 31 bits each.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints

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
"""Five columns of 31 bits: injected errors are below 2**63."""
SUMS = 17
"""Sums handed up (stages only)."""
COLUMNS = 18

WORD = 31
MASK = (1 << WORD) - 1
NEVER = (1 << 63) - 1

BINS = 65
"""Bins of a histogram: magnitudes of 0 to 64 bits."""

Counts = Ints


def new_counts(*shape: int) -> Counts:
    """Return counters at rest: (…, COLUMNS, channels) for ``shape`` (…, channels)."""
    counts = np.zeros((*shape[:-1], COLUMNS, shape[-1]), np.int64)
    counts[..., MINIMUM, :] = NEVER
    counts[..., MAXIMUM, :] = -NEVER
    counts[..., FIRST, :] = NEVER
    return counts


def carry(counts: Counts) -> None:
    """Move what is above 31 bits in each column of a long sum to the next column."""
    for first, length in ((ROUND_ENERGY, 2), (CLAMP_ENERGY, 5)):
        for column in range(first, first + length - 1):
            counts[..., column + 1, :] += counts[..., column, :] >> WORD
            counts[..., column, :] &= MASK


def merge(into: Counts, other: Counts) -> None:
    """Add the counters of another part of the run; the result does not depend on the parts or their order."""
    low = np.minimum(into[..., MINIMUM, :], other[..., MINIMUM, :])
    high = np.maximum(into[..., MAXIMUM, :], other[..., MAXIMUM, :])
    first = np.minimum(into[..., FIRST, :], other[..., FIRST, :])
    into += other
    into[..., MINIMUM, :], into[..., MAXIMUM, :], into[..., FIRST, :] = low, high, first
    carry(into)


def long_sum(counts: Counts, column: int) -> list[int]:
    """Return the exact sums that start at ``column`` (ROUND_ENERGY or CLAMP_ENERGY), one per channel."""
    length = 2 if column == ROUND_ENERGY else 5
    words = counts[column : column + length].tolist()
    return [sum(word << (WORD * place) for place, word in enumerate(one)) for one in zip(*words, strict=True)]


@njit
def count_range(counts: Counts, channel: Int, value: Int) -> None:
    """Note a value in the minimum and maximum of its channel."""
    counts[MINIMUM, channel] = min(counts[MINIMUM, channel], value)
    counts[MAXIMUM, channel] = max(counts[MAXIMUM, channel], value)


@njit
def count_hit(counts: Counts, channel: Int, value: Int, below: Flag, key: Int) -> None:
    """Note a value that came to a fit from outside; ``key`` orders the place where it happened."""
    counts[LOW if below else HIGH, channel] += 1
    counts[FIRST, channel] = min(counts[FIRST, channel], key)
    count_range(counts, channel, value)


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
def count_rounding(counts: Counts, channel: Int, fraction: Int, sticky: Int, up: Int) -> None:
    """Note the error of one rounding, ``up`` minus the 32-bit ``fraction``, in 1/65536 of an LSB."""
    error = (np.int64(up) << 16) - (np.int64(fraction) >> 16)
    if fraction != 0 or sticky != 0:
        counts[INEXACT, channel] += 1
    counts[ROUND_BIAS, channel] += error
    counts[ROUND_ENERGY, channel] += error * error


@njit
def count_bits(histogram: Ints, value: Int) -> None:
    """Note how many bits the magnitude of a value has."""
    magnitude = abs(np.int64(value))
    bits = 0
    while magnitude != 0:
        magnitude >>= 1
        bits += 1
    histogram[bits] += 1
