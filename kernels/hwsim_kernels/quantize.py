"""Real values to codes, as ``docs/arithmetic.md`` section 3 defines it."""

from __future__ import annotations

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints, Reals
from hwsim_kernels.counting import VALUES, count_injected_wide, count_range, count_range_wide, count_rounding
from hwsim_kernels.overflow import lowest, ones
from hwsim_kernels.register import fitted
from hwsim_kernels.rounding import round_up
from hwsim_kernels.wide import floor_of, from_float, narrow, plus, widen

REAL_LIMIT = 2.0**100
"""Quotients are clipped to this magnitude."""

PLAIN_BITS = 32
"""Formats that are no wider, and quotients and zero points inside, need one word alone: nearly all that there are."""
PLAIN_REAL = 2.0**PLAIN_BITS
PLAIN_LIMIT = 1 << PLAIN_BITS


@njit
def divide_clipped(value: float, scale: float) -> float:
    """Return value / scale, clipped to ±2**100 before it can overflow; 2**-300 < scale < 2**300."""
    most = REAL_LIMIT * scale
    if value >= most:
        return REAL_LIMIT
    if value <= -most:
        return -REAL_LIMIT
    return value / scale


@njit
def quantize(
    values: Reals,
    scale: Reals,
    zero_point: Ints,
    field: Ints,
    position: Ints,
    out: Ints,
    counts: Ints,
) -> None:
    """Round ``values / scale`` to integers, add the zero point, fit to the format.

    values, out: (rows, channels). scale, zero_point: (channels,).
    field: (5,) bits, signed, overflow, saturated_bits, rounding; signed formats, or unsigned ones below 64 bits.
    position: (2,) number of the first sample in the run, and rows per sample. counts: (COLUMNS, channels).
    """
    rows, channels = values.shape
    plain = field[0] <= PLAIN_BITS
    low_limit, high_limit = lowest(field[0], field[1], field[2]), ones(field[0] - field[1])
    for row in range(rows):
        key = position[0] * position[1] + row
        for c in range(channels):
            value = divide_clipped(values[row, c], scale[c])
            if plain and abs(value) < PLAIN_REAL and -PLAIN_LIMIT < zero_point[c] < PLAIN_LIMIT:
                whole, fraction, sticky = floor_of(value)
                up = round_up(fraction, sticky, value < 0, whole & 1 != 0, field[4], 0)
                code = whole + up + zero_point[c]
                if low_limit <= code <= high_limit:
                    count_rounding(counts, c, fraction, sticky, up)
                    count_range(counts, c, code)
                    out[row, c] = code
                    continue
            _quantize_wide(value, zero_point[c], field, c, key, row, out, counts)
    for c in range(channels):
        counts[VALUES, c] += rows


@njit
def _quantize_wide(
    value: float, zero_point: Int, field: Ints, channel: Int, key: Int, row: Int, out: Ints, counts: Ints
) -> None:
    """Quantise one value in two words."""
    high, low, fraction, sticky = from_float(value)
    up = round_up(fraction, sticky, value < 0, low & 1 != 0, field[4], 0)
    count_rounding(counts, channel, fraction, sticky, up)
    high, low = plus(high, low, 0, up)
    zero_high, zero_low = widen(zero_point)
    high, low = plus(high, low, zero_high, zero_low)
    count_range_wide(counts, channel, high, low)
    high, low, lost_high, lost_low = fitted(high, low, field[0], field[1], field[2], field[3], channel, key, counts)
    count_injected_wide(counts, channel, lost_high, lost_low)
    out[row, channel] = narrow(high, low)
