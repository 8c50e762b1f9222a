"""Look-up tables, read at a code or between two entries. ``docs/arithmetic.md`` section 5 defines them."""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints
from hwsim_kernels.counting import VALUES, count_error, count_range, count_rounding
from hwsim_kernels.rounding import draw_at, round_up, shift_fraction
from hwsim_kernels.wide import less, load, minus, narrow, store, widen


@njit
def offset_in_table(high: Int, low: Int, first: Int, span: Int) -> Int:
    """Return how far a pair lies behind ``first``, limited to 0 … span."""
    first_high, first_low = widen(first)
    high, low = minus(high, low, first_high, first_low)
    if high < 0:
        return np.int64(0)
    span_high, span_low = widen(span)
    return np.int64(span) if less(span_high, span_low, high, low) else narrow(high, low)


@njit
def look_up(
    values: Ints,
    table: Ints,
    errors: Ints,
    first: Int,
    shift: Int,
    linear: Flag,
    mode: Int,
    draws: Ints,
    position: Ints,
    counts: Ints,
) -> None:
    """Replace each value by the entry of ``table`` (1 or channels, entries) that it points to, in place.

    values: (words, rows, channels), see ``steps``. ``first`` is the value of entry 0; entries stand 2**shift apart,
    0 <= shift <= 24. ``linear`` rounds between the entries on both sides by ``mode`` and counts that; |entry| < 2**31.
    ``errors``, of the table's shape or empty, are those of entries that were rounded, in 1/65536; they are counted.
    """
    channels = values.shape[2]
    span = np.int64(table.shape[1] - 1) << shift
    known = errors.size > 0
    for row in range(values.shape[1]):
        number = (row % position[1]) * channels
        for c in range(channels):
            high, low = load(values, row, c)
            offset = offset_in_table(high, low, first, span)
            index = offset >> shift
            line = c if table.shape[0] > 1 else 0
            result = np.int64(table[line, index])
            rest = offset - (index << shift)
            if linear and rest != 0:
                step = (np.int64(table[line, index + 1]) - result) * rest
                fraction, sticky = shift_fraction(step, shift)
                quotient = step >> shift
                draw = draw_at(draws, number + c)
                up = round_up(fraction, sticky, step < 0, quotient & 1 != 0, mode, draw)
                count_rounding(counts, c, fraction, sticky, up)
                result += quotient + up
            if known:
                count_error(counts, c, errors[line, index], errors[line, index] != 0)
            if linear or known:
                count_range(counts, c, result)
                counts[VALUES, c] += 1
            high, low = widen(result)
            store(values, row, c, high, low)
