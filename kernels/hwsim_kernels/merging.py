"""What becomes of several tensors at once: their sum, and their product."""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Ints
from hwsim_kernels.counting import SUMS, VALUES, add_to_all, count_bits_wide, count_injected_wide, count_range_wide
from hwsim_kernels.fields import BITS, OVERFLOW, ROUNDING, SATURATED_BITS, SHIFT, SIGNED
from hwsim_kernels.register import closed, fitted, rounded
from hwsim_kernels.rounding import draw_at
from hwsim_kernels.wide import load, plus, store, widen


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
            hit = False
            for tensor in range(tensors):
                term_high, term_low = load(terms[tensor], row, c)
                high, low = plus(high, low, term_high, term_low)
                high, low, more_high, more_low = fitted(
                    high, low, field[0], field[1], field[2], field[3], c, start + tensor, counts
                )
                lost_high, lost_low = plus(lost_high, lost_low, more_high, more_low)
                hit = hit or more_high != 0 or more_low != 0
            exact_high, exact_low = closed(high, low, lost_high, lost_low, hit, field, c, counts)
            count_range_wide(counts, c, exact_high, exact_low)
            count_bits_wide(histogram, exact_high, exact_low)
            store(out, row, c, high, low)
    add_to_all(rows * tensors, counts[VALUES])
    add_to_all(rows, counts[SUMS])


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
    narrowed = product[BITS] > 0
    for row in range(rows):
        key = position[0] * position[1] + row
        number = (row % position[1]) * channels
        for c in range(channels):
            value = (np.int64(first[row, c]) - zero_points[0]) * (np.int64(second[row, c]) - zero_points[1])
            high, low = widen(value)
            if narrowed:
                draw = draw_at(draws, number + c)
                high, low = rounded(high, low, product[SHIFT], 0, product[ROUNDING], draw, c, counts)
                high, low, lost_high, lost_low = fitted(
                    high,
                    low,
                    product[BITS],
                    product[SIGNED],
                    product[OVERFLOW],
                    product[SATURATED_BITS],
                    c,
                    key,
                    counts,
                )
                count_injected_wide(counts, c, lost_high, lost_low)
            store(out, row, c, high, low)
    if narrowed:
        add_to_all(rows, counts[VALUES])
