"""Pooling over windows, as ``docs/arithmetic.md`` section 6 defines it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Int, Ints
from hwsim_kernels.counting import SUMS, VALUES, count_bits_wide, count_range_wide, count_rounding
from hwsim_kernels.register import closed, fitted
from hwsim_kernels.rounding import draw_at, round_up
from hwsim_kernels.wide import divided, plus, store, widen


@njit
def max_pool(codes: NDArray[Any], window: Ints, outside: Int, out: NDArray[Any]) -> None:
    """Take the largest code of each window, with ``outside`` among them where positions lie outside.

    codes: (n, h, w, c). window: (6,) height, width, stride over rows and columns, rows and columns of padding before.
    outside: a code of this type; its smallest one changes no maximum.
    out: (n, oh, ow, c) of the same type; every window has a code.
    """
    samples, rows, columns, channels = out.shape
    for n in range(samples):
        for row in range(rows):
            top = row * window[2] - window[4]
            for column in range(columns):
                left = column * window[3] - window[5]
                bottom, right = top + window[0], left + window[1]
                first_row, first_column = max(top, 0), max(left, 0)
                beyond = top < 0 or left < 0 or bottom > codes.shape[1] or right > codes.shape[2]
                best, pixel = out[n, row, column], codes[n, first_row, first_column]
                for c in range(channels):
                    best[c] = max(np.int64(pixel[c]), outside) if beyond else np.int64(pixel[c])
                for y in range(first_row, min(bottom, codes.shape[1])):
                    for x in range(first_column, min(right, codes.shape[2])):
                        pixel = codes[n, y, x]
                        for c in range(channels):
                            best[c] = max(best[c], pixel[c])


@njit
def average_pool(
    codes: Codes,
    zero_point: Int,
    window: Ints,
    outputs: Ints,
    field: Ints,
    draws: Ints,
    first_sample: Int,
    out: Ints,
    counts: Ints,
    histogram: Ints,
) -> None:
    """Sum the codes of each window less ``zero_point``, fitting after each, and divide by how many lie inside.

    codes, window: as max_pool. outputs: (2,) oh and ow. out: (words, n * oh * ow, c).
    field: (5,) bits, signed, overflow, saturated_bits, rounding.
    counts: (2, COLUMNS, c) of the accumulator and the division. histogram: (BINS,) of the exact sums.
    """
    samples, channels = codes.shape[0], codes.shape[3]
    rows, columns = outputs[0], outputs[1]
    bits, signed, mode, saturated_bits = field[0], field[1], field[2], field[3]
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
                high, low = widen(0)
                lost_high, lost_low = widen(0)
                hit = False
                key = start
                for y in range(top, bottom):
                    for x in range(left, right):
                        term_high, term_low = widen(np.int64(codes[n, y, x, c]) - zero_point)
                        high, low = plus(high, low, term_high, term_low)
                        high, low, more_high, more_low = fitted(
                            high, low, bits, signed, mode, saturated_bits, c, key, counts[0]
                        )
                        lost_high, lost_low = plus(lost_high, lost_low, more_high, more_low)
                        hit = hit or more_high != 0 or more_low != 0
                        key += 1
                exact_high, exact_low = closed(high, low, lost_high, lost_low, hit, field, c, counts[0])
                count_range_wide(counts[0], c, exact_high, exact_low)
                count_bits_wide(histogram, exact_high, exact_low)
                counts[0, VALUES, c] += count
                counts[0, SUMS, c] += 1
                negative = high < 0
                high, low, fraction, sticky = divided(high, low, count)
                draw = draw_at(draws, position * channels + c)
                up = round_up(fraction, sticky, negative, low & 1 != 0, field[4], draw)
                count_rounding(counts[1], c, fraction, sticky, up)
                high, low = plus(high, low, 0, up)
                count_range_wide(counts[1], c, high, low)
                counts[1, VALUES, c] += 1
                store(out, n * rows * columns + position, c, high, low)
