"""Rounding: the one place that knows the modes. ``docs/arithmetic.md`` section 1 defines them."""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints, Reals
from hwsim_kernels.wide import divided, from_float, narrow, plus, shifted_right, widen

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
    # a division takes longer than a rounding
    return np.int64(draws[number % draws.size if draws.size > 1 else 0])


@njit
def guarded(fraction: Int, sticky: Int, guard_bits: Int) -> tuple[Int, Int]:
    """Return what a rounder with so many guard bits sees of a fraction; 0 stands for a rounder that sees all."""
    if guard_bits == 0:
        return fraction, sticky
    return fraction & (np.int64(-1) << (32 - guard_bits)), np.int64(0)


@njit
def shift_fraction(value: Int, shift: Int) -> tuple[Int, Int]:
    """Return (first 32 bits, sticky) of frac(value / 2**shift), 0 <= shift <= 62."""
    rest = np.int64(value) & ((np.int64(1) << shift) - 1)
    if shift <= 32:
        return rest << (32 - shift), np.int64(0)
    low = rest & ((np.int64(1) << (shift - 32)) - 1)
    return rest >> (shift - 32), np.int64(1) if low != 0 else np.int64(0)


@njit
def round_shift(value: Int, shift: Int, mode: Int, draw: Int = 0, guard_bits: Int = 0) -> Int:
    """Return value / 2**shift rounded in ``mode``; 0 <= shift <= 124, a shift of 0 changes nothing.

    >>> [round_shift(v, 2, HALF_EVEN) for v in (-6, -5, -3, -2, 1, 2, 3, 5, 6)]
    [-2, -1, -1, 0, 0, 0, 1, 1, 2]
    """
    if shift == 0:
        return np.int64(value)
    high, low = widen(value)
    high, low, fraction, sticky = shifted_right(high, low, shift)
    fraction, sticky = guarded(fraction, sticky, guard_bits)
    return narrow(high, low) + round_up(fraction, sticky, value < 0, low & 1 != 0, mode, draw)


@njit
def round_divide(value: Int, divisor: Int, mode: Int, draw: Int = 0) -> Int:
    """Return value / divisor rounded in ``mode``; 1 <= divisor < 2**31.

    >>> round_divide(-7, 2, HALF_AWAY), round_divide(7, 2, HALF_EVEN)
    (-4, 4)
    """
    high, low = widen(value)
    high, low, fraction, sticky = divided(high, low, divisor)
    return narrow(high, low) + round_up(fraction, sticky, value < 0, low & 1 != 0, mode, draw)


@njit
def round_float(value: float, mode: Int, draw: Int = 0) -> tuple[Int, Int]:
    """Return a float64 rounded in ``mode`` as a pair (see ``wide``), after clipping to ±2**120.

    >>> round_float(2.5, HALF_EVEN), round_float(-2.5, HALF_UP)[0]
    ((0, 2), -1)
    """
    high, low, fraction, sticky = from_float(value)
    return plus(high, low, 0, round_up(fraction, sticky, value < 0, low & 1 != 0, mode, draw))


@njit
def round_floats(values: Reals, mode: Int, out: Ints) -> None:
    """Round each of ``values`` (n,), of magnitudes below 2**62, in ``mode``."""
    for index in range(values.size):
        high, low = round_float(values[index], mode)
        out[index] = narrow(high, low)
