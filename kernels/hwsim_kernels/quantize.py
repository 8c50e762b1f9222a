"""Real values to codes, as ``docs/arithmetic.md`` section 3 defines it."""

from __future__ import annotations

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Ints, Reals
from hwsim_kernels.counting import VALUES, count_hit, count_injected, count_range, count_rounding
from hwsim_kernels.overflow import fit_outside, highest, lowest
from hwsim_kernels.rounding import LIMIT, float_fraction, round_up


@njit
def divide_clipped(value: float, scale: float) -> float:
    """Return value / scale, clipped to ±2**62 before it can overflow; scale > 0."""
    most = float(LIMIT) * scale
    if value >= most:
        return float(LIMIT)
    if value <= -most:
        return -float(LIMIT)
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
    field: (5,) bits, signed, overflow, saturated_bits, rounding.
    position: (2,) number of the first sample in the run, and rows per sample. counts: (COLUMNS, channels).
    """
    rows, channels = values.shape
    low, high = lowest(field[0], field[1], field[2]), highest(field[0], field[1])
    for row in range(rows):
        key = position[0] * position[1] + row
        for c in range(channels):
            value = divide_clipped(values[row, c], scale[c])
            quotient, fraction, sticky = float_fraction(value)
            up = round_up(fraction, sticky, value < 0, quotient & 1 != 0, field[4], 0)
            count_rounding(counts, c, fraction, sticky, up)
            code = quotient + up + zero_point[c]
            count_range(counts, c, code)
            if code < low or code > high:
                count_hit(counts, c, code, code < low, key)
                fitted = fit_outside(code, field[0], field[1], field[2], field[3])
                count_injected(counts, c, fitted - code)
                code = fitted
            out[row, c] = code
    counts[VALUES] += rows
