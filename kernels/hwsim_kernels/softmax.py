"""The softmax of 8-bit codes in integers, as TensorFlow Lite's reference kernels compute it.

``docs/arithmetic.md`` section 6 defines it.
The fixed-point functions are gemmlowp's: Qi.f is an integer of i + f bits and a sign, worth its value / 2^f.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints
from hwsim_kernels.multiplier import nearest

CODES = 256
SKIPPED = -1
"""In a table of powers: the difference is so large that it takes no part."""

MOST_VALUES = 4095
"""So many powers fit the sum of 12 bits before the point."""

INTEGER_BITS = 5
"""Of a difference, before the point."""

ONE = (1 << 31) - 1
BARREL = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(-1/4), exp(-1/2), exp(-1), ... exp(-16), in Q0.31."""


@njit
def high_product(a: Int, b: Int) -> Int:
    """Return a * b / 2^31, ties up; both have 32 bits and are not both the most negative."""
    return (a * b + (1 << 30)) >> 31


@njit
def halved(x: Int, shift: Int) -> Int:
    """Return x / 2^shift to the nearest, ties away from 0."""
    half = (1 << shift) >> 1
    return -((half - x) >> shift) if x < 0 else (x + half) >> shift


@njit
def saturated(x: Int) -> Int:
    """Return x within 32 bits."""
    return min(max(x, -(1 << 31)), ONE)


def exponential(x: Int) -> Int:
    """Return exp(x) in Q0.31 of x <= 0 in Q5.26."""
    if x == 0:
        return ONE
    fraction_bits = 31 - INTEGER_BITS
    quarter = 1 << (fraction_bits - 2)
    rest = (x & (quarter - 1)) - quarter
    result = _near_zero(rest << INTEGER_BITS)
    remainder = rest - x
    for bit, factor in enumerate(BARREL, fraction_bits - 2):
        if remainder >> bit & 1:
            result = high_product(result, factor)
    return result


def _near_zero(a: Int) -> Int:
    """Return exp(a) of -1/4 <= a < 0, both in Q0.31: a Taylor series about -1/8."""
    middle, third = 1895147668, 715827883  # exp(-1/8) and 1/3
    x = a + (1 << 28)
    x2 = high_product(x, x)
    x3, x4 = high_product(x2, x), high_product(x2, x2)
    higher = halved(high_product(halved(x4, 2) + x3, third) + x2, 1)
    return middle + high_product(middle, x + higher)


def power_table(scale: float) -> NDArray[np.int64]:
    """Return exp(-scale * d) in Q0.31 for d = 0 ... 255, or `SKIPPED`."""
    fraction_bits = 31 - INTEGER_BITS
    multiplier, exponent = nearest(min(scale * 2.0**fraction_bits, float(ONE)), 32)
    smallest = -int(((1 << INTEGER_BITS) - 1) * 2.0**fraction_bits / 2.0**exponent)
    table = np.full(CODES, SKIPPED, np.int64)
    for difference in range(CODES):
        if -difference >= smallest:
            shifted = -difference << exponent if exponent >= 0 else -difference >> -exponent
            table[difference] = exponential(high_product(shifted, multiplier))
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
def softmax(codes: NDArray[Any], powers: Ints, out: NDArray[Any]) -> None:
    """Take the softmax of each row.

    codes, out: (rows, n) of 8 bits, 0 < n <= `MOST_VALUES`; an output code q stands for (q + 128) / 256.
    powers: (256,) the table of `power_table`.
    """
    rows, size = codes.shape
    for row in range(rows):
        largest = np.int64(codes[row, 0])
        for i in range(size):
            largest = max(largest, np.int64(codes[row, i]))
        total = np.int64(0)
        for i in range(size):
            power = np.int64(powers[largest - codes[row, i]])
            if power != SKIPPED:
                total += halved(power, 12)
        headroom = np.int64(0)
        while (total << headroom) < (1 << 31):
            headroom += 1
        factor = reciprocal((total << headroom) - (1 << 31))
        shift = 12 - headroom + 31 - 8
        for i in range(size):
            power = np.int64(powers[largest - codes[row, i]])
            code = halved(high_product(factor, power), shift) - 128 if power != SKIPPED else np.int64(-128)
            out[row, i] = min(max(code, -128), 127)
