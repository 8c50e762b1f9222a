"""What becomes of several tensors at once: their sum, and their product."""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Ints
from hwsim_kernels.counting import (
    PERSISTENT,
    SUMS,
    TRANSIENT,
    VALUES,
    count_bits_wide,
    count_hit,
    count_injected_wide,
    count_range_wide,
    count_rounding,
)
from hwsim_kernels.fields import BITS, OVERFLOW, ROUNDING, SATURATED_BITS, SHIFT, SIGNED
from hwsim_kernels.overflow import fit_outside_wide, is_outside
from hwsim_kernels.rounding import draw_at, round_up
from hwsim_kernels.wide import load, minus, plus, shifted_right, store, widen


@njit
def add(terms: Ints, field: Ints, position: Ints, out: Ints, counts: Ints, histogram: Ints) -> None:
    """Add ``terms`` (tensors, words, rows, channels) one after another into ``out`` (words, rows, channels).

    The sum is fitted after each. field: (4,) bits, signed, overflow, saturated_bits. position: (2,) first sample, rows
    per sample. counts: (COLUMNS, channels). histogram: (BINS,) of the exact sums.
    """
    tensors, _, rows, channels = terms.shape
    for row in range(rows):
        start = (position[0] * position[1] + row) * tensors
        for c in range(channels):
            high, low = widen(0)
            lost_high, lost_low = widen(0)
            hits = 0
            for tensor in range(tensors):
                term_high, term_low = load(terms[tensor], row, c)
                high, low = plus(high, low, term_high, term_low)
                if is_outside(high, low, field[0], field[1], field[2]):
                    count_hit(counts, c, high, low, high < 0, start + tensor)
                    lost_high, lost_low = minus(lost_high, lost_low, high, low)
                    high, low = fit_outside_wide(high, low, field[0], field[1], field[2], field[3])
                    lost_high, lost_low = plus(lost_high, lost_low, high, low)
                    hits += 1
            exact_high, exact_low = minus(high, low, lost_high, lost_low)
            if hits > 0:
                outside = is_outside(exact_high, exact_low, field[0], field[1], field[2])
                counts[PERSISTENT if outside else TRANSIENT, c] += 1
                count_injected_wide(counts, c, lost_high, lost_low)
            count_range_wide(counts, c, exact_high, exact_low)
            count_bits_wide(histogram, exact_high, exact_low)
            store(out, row, c, high, low)
    counts[VALUES] += rows * tensors
    counts[SUMS] += rows


@njit
def multiply(
    first: Codes,
    second: Codes,
    zero_points: Ints,
    product: Ints,
    draws: Ints,
    position: Ints,
    out: Ints,
    counts: Ints,
) -> None:
    """Multiply codes less their zero points, element by element: ``first``, ``second`` (rows, channels).

    product: (FIELDS,) what the product is rounded and fitted to, BITS = 0 where it is exact. out: (words, rows,
    channels). counts: (COLUMNS, channels).
    """
    rows, channels = first.shape
    fitted = product[BITS] > 0
    for row in range(rows):
        key = position[0] * position[1] + row
        number = (row % position[1]) * channels
        for c in range(channels):
            value = (np.int64(first[row, c]) - zero_points[0]) * (np.int64(second[row, c]) - zero_points[1])
            high, low = widen(value)
            if fitted and product[SHIFT] > 0:
                high, low, fraction, sticky = shifted_right(high, low, product[SHIFT])
                draw = draw_at(draws, number + c)
                up = round_up(fraction, sticky, value < 0, low & 1 != 0, product[ROUNDING], draw)
                count_rounding(counts, c, fraction, sticky, up)
                high, low = plus(high, low, 0, up)
            if fitted and is_outside(high, low, product[BITS], product[SIGNED], product[OVERFLOW]):
                count_hit(counts, c, high, low, high < 0, key)
                lost_high, lost_low = high, low
                high, low = fit_outside_wide(
                    high, low, product[BITS], product[SIGNED], product[OVERFLOW], product[SATURATED_BITS]
                )
                lost_high, lost_low = minus(high, low, lost_high, lost_low)
                count_injected_wide(counts, c, lost_high, lost_low)
            store(out, row, c, high, low)
    if fitted:
        counts[VALUES] += rows
