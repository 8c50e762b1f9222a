"""Pooling over windows, as ``docs/arithmetic.md`` section 5 defines it."""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Int, Ints
from hwsim_kernels.counting import (
    PERSISTENT,
    SUMS,
    TRANSIENT,
    VALUES,
    count_bits,
    count_hit,
    count_injected,
    count_range,
    count_rounding,
)
from hwsim_kernels.overflow import fit_outside, highest, lowest
from hwsim_kernels.rounding import divide_fraction, draw_at, round_up


@njit
def max_pool(codes: Codes, window: Ints, out: Codes) -> None:
    """Take the largest code of each window; positions outside take no part.

    codes: (n, h, w, c). window: (6,) height, width, stride over rows and columns, rows and columns of padding before.
    out: (n, oh, ow, c).
    """
    samples, rows, columns, channels = out.shape
    for n in range(samples):
        for row in range(rows):
            top = row * window[2] - window[4]
            for column in range(columns):
                left = column * window[3] - window[5]
                for c in range(channels):
                    best = np.int64(-(1 << 31))
                    for y in range(max(top, 0), min(top + window[0], codes.shape[1])):
                        for x in range(max(left, 0), min(left + window[1], codes.shape[2])):
                            best = max(best, np.int64(codes[n, y, x, c]))
                    out[n, row, column, c] = best


@njit
def average_pool(
    codes: Codes,
    zero_point: Int,
    window: Ints,
    field: Ints,
    draws: Ints,
    first_sample: Int,
    out: Ints,
    counts: Ints,
    histogram: Ints,
) -> None:
    """Sum the codes of each window less ``zero_point``, fitting after each, and divide by how many lie inside.

    codes, window, out: as max_pool, out int64. field: (5,) bits, signed, overflow, saturated_bits, rounding.
    counts: (2, COLUMNS, c) of the accumulator and the division. histogram: (BINS,) of the exact sums.
    """
    samples, rows, columns, channels = out.shape
    low = lowest(field[0], field[1], field[2])
    high = highest(field[0], field[1])
    for n in range(samples):
        for position in range(rows * columns):
            row, column = position // columns, position % columns
            top, left = row * window[2] - window[4], column * window[3] - window[5]
            bottom = min(top + window[0], codes.shape[1])
            right = min(left + window[1], codes.shape[2])
            top, left = max(top, 0), max(left, 0)
            count = (bottom - top) * (right - left)
            start = ((first_sample + n) * rows * columns + position) * window[0] * window[1]
            for c in range(channels):
                total: Int = np.int64(0)
                injected = np.int64(0)
                hits = 0
                key = start
                for y in range(top, bottom):
                    for x in range(left, right):
                        total += np.int64(codes[n, y, x, c]) - zero_point
                        if total < low or total > high:
                            count_hit(counts[0], c, total, total < low, key)
                            fitted = fit_outside(total, field[0], field[1], field[2], field[3])
                            injected += fitted - total
                            hits += 1
                            total = fitted
                        key += 1
                exact = total - injected
                if hits > 0:
                    counts[0, TRANSIENT if low <= exact <= high else PERSISTENT, c] += 1
                    count_injected(counts[0], c, injected)
                count_range(counts[0], c, exact)
                count_bits(histogram, exact)
                counts[0, VALUES, c] += count
                counts[0, SUMS, c] += 1
                quotient, fraction, sticky = divide_fraction(total, count)
                draw = draw_at(draws, position * channels + c)
                up = round_up(fraction, sticky, total < 0, quotient & 1 != 0, field[4], draw)
                count_rounding(counts[1], c, fraction, sticky, up)
                count_range(counts[1], c, quotient + up)
                counts[1, VALUES, c] += 1
                out[n, row, column, c] = quotient + up
