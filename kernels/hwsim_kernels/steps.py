"""The steps behind the accumulator, one kernel each. ``docs/arithmetic.md`` section 5 defines them.

Every kernel works in place on ``values`` (rows, channels) and counts into (COLUMNS, channels). ``position`` is (number
of the first sample in the run, rows per sample). The caller has proved that no result leaves 63 bits.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints, Reals
from hwsim_kernels.counting import (
    VALUES,
    count_bits,
    count_hit,
    count_injected,
    count_range,
    count_rounding,
)
from hwsim_kernels.overflow import fit_outside, highest, lowest
from hwsim_kernels.rounding import LIMIT, draw_at, float_fraction, multiply_shift, round_up

FLOAT32 = 32


@njit
def add_constant(values: Ints, constant: Ints) -> None:
    """Add a constant per channel, exactly."""
    for row in range(values.shape[0]):
        for c in range(values.shape[1]):
            values[row, c] += constant[c]


@njit
def shift_left(values: Ints, shift: Ints) -> None:
    """Multiply by 2**shift per channel, exactly."""
    for row in range(values.shape[0]):
        for c in range(values.shape[1]):
            values[row, c] <<= shift[c]


@njit
def fit_values(values: Ints, field: Ints, position: Ints, counts: Ints, histogram: Ints, offset: Int) -> None:
    """Fit to a format. field: (4,) bits, signed, overflow, saturated_bits.

    ``histogram`` (BINS,) notes the bits of the values less ``offset``; an empty one notes nothing.
    """
    low = lowest(field[0], field[1], field[2])
    high = highest(field[0], field[1])
    for row in range(values.shape[0]):
        key = position[0] * position[1] + row
        for c in range(values.shape[1]):
            value = values[row, c]
            count_range(counts, c, value)
            if histogram.size > 0:
                count_bits(histogram, value - offset)
            if value < low or value > high:
                count_hit(counts, c, value, value < low, key)
                fitted = fit_outside(value, field[0], field[1], field[2], field[3])
                count_injected(counts, c, fitted - value)
                values[row, c] = fitted
    counts[VALUES] += values.shape[0]


@njit
def scale_fixed(
    values: Ints,
    multiplier: Ints,
    shift: Ints,
    mode: Int,
    draws: Ints,
    position: Ints,
    ranged: Int,
    counts: Ints,
) -> None:
    """Multiply by ``multiplier / 2**shift`` per channel: an exact product, one rounding shift.

    0 <= multiplier < 2**31, 0 <= shift <= 62. ``ranged`` 1 notes the results' range; VALUES is counted then too.
    """
    rows, channels = values.shape
    for row in range(rows):
        number = (row % position[1]) * channels
        for c in range(channels):
            value = values[row, c]
            quotient, fraction, sticky = multiply_shift(value, multiplier[c], shift[c])
            if shift[c] > 0:
                negative = value < 0 and multiplier[c] != 0
                draw = draw_at(draws, number + c)
                up = round_up(fraction, sticky, negative, quotient & 1 != 0, mode, draw)
                count_rounding(counts, c, fraction, sticky, up)
                quotient += up
            if ranged != 0:
                count_range(counts, c, quotient)
            values[row, c] = quotient
    if ranged != 0:
        counts[VALUES] += rows


@njit
def scale_float(
    values: Ints,
    ratio: Reals,
    precision: Int,
    mode: Int,
    draws: Ints,
    position: Ints,
    counts: Ints,
) -> None:
    """Multiply by ``ratio`` per channel in float32 or float64 (``precision`` 32 or 64), then round."""
    rows, channels = values.shape
    for row in range(rows):
        number = (row % position[1]) * channels
        for c in range(channels):
            if precision == FLOAT32:
                product: float = np.float64(np.float32(np.float32(values[row, c]) * np.float32(ratio[c])))
            else:
                product = np.float64(values[row, c]) * ratio[c]
            product = min(max(product, -float(LIMIT)), float(LIMIT))
            quotient, fraction, sticky = float_fraction(product)
            draw = draw_at(draws, number + c)
            up = round_up(fraction, sticky, product < 0, quotient & 1 != 0, mode, draw)
            count_rounding(counts, c, fraction, sticky, up)
            count_range(counts, c, quotient + up)
            values[row, c] = quotient + up
    counts[VALUES] += rows


@njit
def clip(values: Ints, low: Ints, high: Ints) -> None:
    """Limit values per channel: the function of a ReLU, not a loss, so nothing is counted."""
    for row in range(values.shape[0]):
        for c in range(values.shape[1]):
            values[row, c] = min(max(values[row, c], low[c]), high[c])


@njit
def leak(values: Ints, multiplier: Int, shift: Int, mode: Int, draws: Ints, position: Ints, counts: Ints) -> None:
    """Multiply negative values by ``multiplier / 2**shift``: the slope of a leaky ReLU."""
    rows, channels = values.shape
    for row in range(rows):
        number = (row % position[1]) * channels
        for c in range(channels):
            value = values[row, c]
            if value < 0:
                quotient, fraction, sticky = multiply_shift(value, multiplier, shift)
                if shift > 0:
                    draw = draw_at(draws, number + c)
                    up = round_up(fraction, sticky, multiplier != 0, quotient & 1 != 0, mode, draw)
                    count_rounding(counts, c, fraction, sticky, up)
                    quotient += up
                count_range(counts, c, quotient)
                counts[VALUES, c] += 1
                values[row, c] = quotient
