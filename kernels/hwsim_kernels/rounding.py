"""Rounding: the one place that knows the modes. ``docs/arithmetic.md`` section 1 defines them."""

from __future__ import annotations

import math

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints

FLOOR = 0
CEIL = 1
TOWARD_ZERO = 2
AWAY_FROM_ZERO = 3
HALF_UP = 4
HALF_DOWN = 5
HALF_TOWARD_ZERO = 6
HALF_AWAY = 7
HALF_EVEN = 8
HALF_ODD = 9
MAGNITUDE = 10
JAM = 11
JAM_UNBIASED = 12
STOCHASTIC_WEIGHTED = 13
STOCHASTIC_EQUAL = 14

HALF = 1 << 31
"""One half as a fraction of 32 bits."""

LIMIT = 1 << 62
"""Real values are clipped to this magnitude before they become integers."""


@njit
def round_up(fraction: Int, sticky: Int, negative: Flag, odd: Flag, mode: Int, draw: Int) -> Int:
    """Return 1 if ``floor(x)`` must be raised by one to round x in ``mode``, else 0.

    ``fraction`` holds the first 32 bits of frac(x), ``sticky`` is 1 if any bit behind them is set; ``negative`` and
    ``odd`` describe x and floor(x). ``draw`` is a random number aligned to 32 bits, its top bits first.
    """
    inexact = fraction != 0 or sticky != 0
    above = fraction > HALF or (fraction == HALF and sticky != 0)
    tie = fraction == HALF and sticky == 0
    up: Flag = False
    if mode == CEIL:
        up = inexact
    elif mode == TOWARD_ZERO:
        up = negative and inexact
    elif mode == AWAY_FROM_ZERO:
        up = not negative and inexact
    elif mode == HALF_UP:
        up = above or tie
    elif mode == HALF_DOWN:
        up = above
    elif mode == HALF_TOWARD_ZERO:
        up = above or (tie and negative)
    elif mode == HALF_AWAY:
        up = above or (tie and not negative)
    elif mode == HALF_EVEN:
        up = above or (tie and odd)
    elif mode == HALF_ODD:
        up = above or (tie and not odd)
    elif mode == MAGNITUDE:
        up = negative
    elif mode == JAM:
        up = not odd
    elif mode == JAM_UNBIASED:
        up = inexact and not odd
    elif mode == STOCHASTIC_WEIGHTED:
        up = fraction + draw >= 2 * HALF
    elif mode == STOCHASTIC_EQUAL:
        up = draw >= HALF
    return np.int64(1) if up else np.int64(0)


@njit
def draw_at(draws: Ints, number: Int) -> Int:
    """Return random number ``number`` of a sample from one period of the generator, or the 0 that stands for none."""
    return np.int64(draws[number % draws.size])


@njit
def shift_fraction(value: Int, shift: Int) -> tuple[Int, Int]:
    """Return (first 32 bits, sticky) of frac(value / 2**shift), 0 <= shift <= 62."""
    rest = np.int64(value) & ((np.int64(1) << shift) - 1)
    if shift <= 32:
        return rest << (32 - shift), np.int64(0)
    low = rest & ((np.int64(1) << (shift - 32)) - 1)
    return rest >> (shift - 32), np.int64(1) if low != 0 else np.int64(0)


@njit
def round_shift(value: Int, shift: Int, mode: Int, draw: Int = 0) -> Int:
    """Return value / 2**shift rounded in ``mode``; 0 <= shift <= 62, |value| < 2**63, a shift of 0 changes nothing.

    >>> [round_shift(v, 2, HALF_EVEN) for v in (-6, -5, -3, -2, 1, 2, 3, 5, 6)]
    [-2, -1, -1, 0, 0, 0, 1, 1, 2]
    """
    if shift == 0:
        return np.int64(value)
    quotient = np.int64(value) >> shift
    fraction, sticky = shift_fraction(value, shift)
    return quotient + round_up(fraction, sticky, value < 0, quotient & 1 != 0, mode, draw)


@njit
def divide_fraction(value: Int, divisor: Int) -> tuple[Int, Int, Int]:
    """Return (floor, first 32 bits of the fraction, sticky) of value / divisor, 1 <= divisor < 2**31."""
    quotient: Int = np.int64(value) // np.int64(divisor)
    rest = np.int64(value) % np.int64(divisor) << 32
    fraction = rest // divisor
    return quotient, fraction, np.int64(1) if fraction * divisor != rest else np.int64(0)


@njit
def round_divide(value: Int, divisor: Int, mode: Int, draw: Int = 0) -> Int:
    """Return value / divisor rounded in ``mode``; 1 <= divisor < 2**31.

    >>> round_divide(-7, 2, HALF_AWAY), round_divide(7, 2, HALF_EVEN)
    (-4, 4)
    """
    quotient, fraction, sticky = divide_fraction(value, divisor)
    return quotient + round_up(fraction, sticky, value < 0, quotient & 1 != 0, mode, draw)


@njit
def multiply_shift(value: Int, multiplier: Int, shift: Int) -> tuple[Int, Int, Int]:
    """Return (floor, first 32 bits of the fraction, sticky) of value * multiplier / 2**shift, without overflow.

    The product is held in two words. 0 <= multiplier < 2**31, 0 <= shift <= 62; the caller has proved that the quotient
    fits 63 bits.
    """
    high = (np.int64(value) >> 32) * np.int64(multiplier)
    low = (np.int64(value) & 0xFFFFFFFF) * (np.int64(multiplier) & 0xFFFF)
    middle = (np.int64(value) & 0xFFFFFFFF) * (np.int64(multiplier) >> 16)
    # value * multiplier = high * 2**32 + middle * 2**16 + low, brought to top * 2**32 + bottom
    bottom = low + ((middle & 0xFFFF) << 16)
    top = high + (middle >> 16) + (bottom >> 32)
    bottom &= 0xFFFFFFFF
    if shift == 0:
        return (top << 32) | bottom, np.int64(0), np.int64(0)
    if shift <= 32:
        rest = bottom & ((np.int64(1) << shift) - 1)
        return (top << (32 - shift)) | (bottom >> shift), rest << (32 - shift), np.int64(0)
    # the fraction's first bits come from `top`, those behind them from `bottom`
    more = shift - 32
    fraction, _ = shift_fraction(top, more)
    lost = bottom & ((np.int64(1) << more) - 1)
    return top >> more, fraction | (bottom >> more), np.int64(1) if lost != 0 else np.int64(0)


@njit
def float_fraction(value: float) -> tuple[Int, Int, Int]:
    """Return (floor, first 32 bits of the fraction, sticky) of a float64, |value| <= 2**62."""
    # from the magnitude, whose fraction is exact; one minus a tiny fraction would not be
    magnitude = abs(value)
    whole = math.floor(magnitude)
    scaled = (magnitude - whole) * 4294967296.0
    fraction = np.int64(math.floor(scaled))
    sticky = np.int64(1) if scaled != fraction else np.int64(0)
    if value >= 0 or scaled == 0:
        return np.int64(whole) if value >= 0 else -np.int64(whole), fraction, sticky
    return -np.int64(whole) - 1, 2 * HALF - fraction - sticky, sticky


@njit
def round_float(value: float, mode: Int, draw: Int = 0) -> Int:
    """Return a float64 rounded in ``mode``, after clipping to ±2**62.

    >>> round_float(2.5, HALF_EVEN), round_float(-2.5, HALF_UP)
    (2, -2)
    """
    clipped = min(max(value, -float(LIMIT)), float(LIMIT))
    quotient, fraction, sticky = float_fraction(clipped)
    return quotient + round_up(fraction, sticky, clipped < 0, quotient & 1 != 0, mode, draw)
