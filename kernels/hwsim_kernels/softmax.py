"""The softmax of 8-bit codes in integers, as TensorFlow Lite's reference kernels compute it.

``docs/arithmetic.md`` section 6 defines it, ``docs/ledger.md`` what is counted.
The fixed-point functions are gemmlowp's: Qi.f is an integer of i + f bits and a sign, worth its value / 2^f.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints
from hwsim_kernels.counting import (
    INEXACT,
    ROUND_BIAS,
    ROUND_ENERGY,
    VALUES,
    count_bits,
    count_hit,
    count_injected,
    count_range,
)
from hwsim_kernels.multiplier import nearest
from hwsim_kernels.wide import widen

POINTS = ("difference", "sum", "product", "output")
"""What the kernel counts, in this order."""

CODES = 256
SKIPPED = -1
"""In a table of powers: the difference is so large that its code takes no part."""

MOST_VALUES = 4095
"""So many powers fit the sum of 12 bits before the point."""

INTEGER_BITS = 5
FRACTION_BITS = 31 - INTEGER_BITS
"""Of a difference, before and behind the point."""

LEAST_SCALE = 2.0**-FRACTION_BITS
"""The input's scale lies above this: multipliers are above 1."""

SUM_SHIFT = 12
"""Bits that a power drops before it is added."""

ONE = (1 << 31) - 1
BARREL = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(-1/4), exp(-1/2), exp(-1), ... exp(-16), in Q0.31."""


def multiplier_of_scale(scale: float) -> tuple[int, int]:
    """Return (multiplier, shift) that bring differences of codes to Q5.26: 2^30 to 2^31 - 1, and 1 to 31 to the left.

    >>> multiplier_of_scale(1.0), multiplier_of_scale(1e9)
    ((1073741824, 27), (2147483647, 31))
    """
    return nearest(min(scale * 2.0**FRACTION_BITS, float(ONE)), 32)


@njit
def high_product(a: Int, b: Int) -> Int:
    """Return a * b / 2^31, ties up; both have 32 bits and are not both the most negative."""
    return (np.int64(a) * np.int64(b) + (1 << 30)) >> 31


@njit
def halved(x: Int, shift: Int) -> Int:
    """Return x / 2^shift to the nearest, ties away from 0."""
    half = (np.int64(1) << shift) >> 1
    return -((half - x) >> shift) if x < 0 else (x + half) >> shift


@njit
def saturated(x: Int) -> Int:
    """Return x within 32 bits."""
    return min(max(x, -(1 << 31)), ONE)


@njit
def exponential(x: Int) -> Int:
    """Return exp(x) in Q0.31 of x <= 0 in Q5.26."""
    if x == 0:
        return np.int64(ONE)
    quarter = np.int64(1) << (FRACTION_BITS - 2)
    rest = (x & (quarter - 1)) - quarter
    result = _near_zero(rest << INTEGER_BITS)
    remainder = (rest - x) >> (FRACTION_BITS - 2)
    for factor in BARREL:
        if remainder & 1 != 0:
            result = high_product(result, factor)
        remainder >>= 1
    return result


@njit
def _near_zero(a: Int) -> Int:
    """Return exp(a) of -1/4 <= a < 0, both in Q0.31: a Taylor series about -1/8."""
    middle, third = np.int64(1895147668), np.int64(715827883)  # exp(-1/8) and 1/3
    x = a + (1 << 28)
    x2 = high_product(x, x)
    x3, x4 = high_product(x2, x), high_product(x2, x2)
    higher = halved(high_product(halved(x4, 2) + x3, third) + x2, 1)
    return middle + high_product(middle, x + higher)


@njit
def power_table(multiplier: Int, shift: Int) -> Ints:
    """Return the powers in Q0.31 of differences d = 0 ... 255 between the largest code and another, or `SKIPPED`."""
    table = np.full(CODES, SKIPPED, np.int64)
    radius = (np.int64((1 << INTEGER_BITS) - 1) << FRACTION_BITS) >> shift
    for difference in range(CODES):
        if difference <= radius:
            table[difference] = exponential(high_product(-(np.int64(difference) << shift), multiplier))
    return table


@njit
def reciprocal(a: Int) -> Int:
    """Return 1 / (1 + a) of 0 <= a < 1, both in Q0.31: three steps of Newton's, from 48/17 - 32/17 * half."""
    half = (a + ONE + 1) >> 1
    x = 1515870810 + high_product(half, -1010580540)
    for _ in range(3):
        error = (1 << 29) - high_product(half, x)
        x = x + saturated(high_product(x, error) << 2)
    return saturated(x << 1)


@njit
def count_scaled(exact: Int, shift: Int, rounded: Int, held: Int, counts: Ints, channel: Int) -> None:
    """Count one value: exact / 2^shift has become ``rounded``, and a register holds ``held``."""
    error = (np.int64(rounded) << 16) - (exact >> (shift - 16) if shift >= 16 else exact << (16 - shift))
    counts[VALUES, channel] += 1
    counts[INEXACT, channel] += np.int64(1) if exact & ((np.int64(1) << shift) - 1) != 0 else np.int64(0)
    counts[ROUND_BIAS, channel] += error
    counts[ROUND_ENERGY, channel] += error * error
    count_range(counts, channel, held)


@njit
def fitted(value: Int, most: Int, key: Int, counts: Ints, channel: Int) -> Int:
    """Saturate to the format from ``-most - 1`` to ``most`` and count a hit; ``key`` orders the places of hits."""
    held = np.int64(min(max(value, -most - 1), most))
    if held != value:
        high, low = widen(value)
        count_hit(counts, channel, high, low, value < 0, key)
        count_injected(counts, channel, held - value)
    return held


@njit
def softmax(
    codes: NDArray[Any],
    mask: NDArray[np.bool_],
    multiplier: Int,
    shift: Int,
    channels: Int,
    first_position: Int,
    out: NDArray[Any],
    counts: Ints,
    histogram: Ints,
) -> None:
    """Take the softmax of each line along the middle axis.

    codes, out: (outer, n, inner) of 8 bits, 0 < n <= `MOST_VALUES`; an output code q stands for (q + 128) / 256.
    mask: (outer of a sample, n, inner), which of them take part: at least one of each line.
    multiplier, shift: of the input's scale (``multiplier_of_scale``).
    channels: the size of the tensor's last axis, by which values are counted; first_position: how many positions over
    all other axes came before. counts: (4, COLUMNS, channels) of `POINTS`. histogram: (BINS,) of outputs + 128.
    """
    powers = power_table(multiplier, shift)
    outer, size, inner = codes.shape
    for one in range(outer):
        taken = mask[one % len(mask)]
        for line in range(inner):
            largest = np.int64(-(1 << 7))
            for i in range(size):
                if taken[i, line]:
                    largest = max(largest, np.int64(codes[one, i, line]))
            total = np.int64(0)
            for i in range(size):
                difference = largest - np.int64(codes[one, i, line])
                power = powers[difference] if taken[i, line] else np.int64(SKIPPED)
                if power != SKIPPED:
                    channel = ((one * size + i) * inner + line) % channels
                    exact = -(np.int64(difference) << shift) * multiplier
                    scaled = high_product(-(np.int64(difference) << shift), multiplier)
                    count_scaled(exact, 31, scaled, scaled, counts[0], channel)
                    part = halved(power, SUM_SHIFT)
                    total += part
                    count_scaled(power, SUM_SHIFT, part, total, counts[1], channel)
            headroom = np.int64(0)
            while (total << headroom) < (1 << 31):
                headroom += 1
            factor = reciprocal((total << headroom) - (1 << 31))
            dropped = 35 - headroom
            for i in range(size):
                power = powers[largest - np.int64(codes[one, i, line])] if taken[i, line] else np.int64(SKIPPED)
                place = (one * size + i) * inner + line
                channel = place % channels
                product: Int = np.int64(0)
                if power != SKIPPED:
                    product = high_product(factor, power)
                    count_scaled(factor * power, 31, product, product, counts[2], channel)
                share = halved(product, dropped)
                count_scaled(product, dropped, share, share - 128, counts[3], channel)
                count_bits(histogram, share)
                out[one, i, line] = fitted(share - 128, 127, first_position + place // channels, counts[3], channel)
