"""Sums of codes in float32: of tensors and of windows, as ONNX Runtime computes them.

``docs/arithmetic.md`` section 6 defines them. float64 has more than twice the bits of float32, so that a sum, product
or quotient of two float32 that is rounded to float64 first and then to float32 is rounded right; only a product and a
sum in one need more.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Int, Ints, Reals
from hwsim_kernels.counting import VALUES, add_to_all, count_range, count_rounding
from hwsim_kernels.rounding import draw_at, round_up
from hwsim_kernels.wide import floor_of


@njit
def multiply_add(a: float, b: float, c: float) -> float:
    """Return ``a * b + c`` of float32 numbers, rounded to float32 once.

    >>> multiply_add(1 + 2.0**-12, 1 + 2.0**-12, -1.0) == 2.0**-11 + 2.0**-24
    True
    """
    product = np.float64(a) * np.float64(b)
    total = np.float64(product + np.float64(c))
    # what float64 lost of the sum, exactly (Knuth's two-sum)
    part = total - product
    lost = (product - (total - part)) + (np.float64(c) - part)
    # a sum that is rounded to odd first does not come to lie between two float32
    if lost != 0 and total.view(np.int64) & 1 == 0:
        total = np.nextafter(total, np.inf if lost > 0 else -np.inf)
    return np.float64(np.float32(total))


@njit
def add_in_float32(
    terms: Codes,
    ratios: Reals,
    fixed: Reals,
    zero_point: Int,
    mode: Int,
    draws: Ints,
    position: Ints,
    out: Ints,
    counts: Ints,
) -> None:
    """Add ``terms`` (tensors, rows, channels), the last one first, each by its ratio (tensors, channels), to ``fixed``.

    fixed: (channels,) float32, the output's zero point less the inputs', each by its ratio. All sums stay within 2**40.
    out: (1, rows, channels), the rounded sum less ``zero_point``. position: (2,) first sample, rows per sample.
    counts: (COLUMNS, channels).
    """
    tensors, rows, channels = terms.shape
    for row in range(rows):
        number = (row % position[1]) * channels
        for c in range(channels):
            total = fixed[c]
            for tensor in range(tensors - 1, -1, -1):
                total = multiply_add(np.float64(terms[tensor, row, c]), ratios[tensor, c], total)
            out[0, row, c] = _rounded(total, zero_point, mode, draw_at(draws, number + c), c, counts)
    add_to_all(rows, counts[VALUES])


@njit
def _rounded(value: float, zero_point: Int, mode: Int, draw: Int, channel: Int, counts: Ints) -> Int:
    """Round a value that holds the zero point, and take that off."""
    whole, fraction, sticky = floor_of(value)
    up = round_up(fraction, sticky, value < 0, whole & 1 != 0, mode, draw)
    count_rounding(counts, channel, fraction, sticky, up)
    result: Int = whole + up - zero_point
    count_range(counts, channel, result)
    return result


@njit
def average_in_float32(
    codes: Codes,
    zero_point: Int,
    scales: Reals,
    window: Ints,
    outputs: Ints,
    mode: Int,
    draws: Ints,
    first_sample: Int,
    out: Ints,
    counts: Ints,
) -> None:
    """Average real values, ``scales`` (channels,) times codes less ``zero_point``, over each window, all in float32.

    codes: (n, h, w, c). window: (6,) height, width, stride over rows and columns, rows and columns of padding before.
    outputs: (2,) oh and ow. out: (1, n * oh * ow, c), the averages in units of their scale, rounded with the zero point
    and less it. counts: (COLUMNS, channels).
    """
    samples, channels = codes.shape[0], codes.shape[3]
    rows, columns = outputs[0], outputs[1]
    for n in range(samples):
        for position in range(rows * columns):
            row, column = position // columns, position % columns
            top, left = row * window[2] - window[4], column * window[3] - window[5]
            bottom = min(top + window[0], codes.shape[1])
            right = min(left + window[1], codes.shape[2])
            top, left = max(top, 0), max(left, 0)
            inside = np.float64((bottom - top) * (right - left))
            for c in range(channels):
                scale = np.float64(np.float32(scales[c]))
                total = 0.0
                for y in range(top, bottom):
                    for x in range(left, right):
                        real = np.float64(np.float32(scale * np.float64(np.int64(codes[n, y, x, c]) - zero_point)))
                        total = np.float64(np.float32(total + real))
                mean = np.float64(np.float32(np.float64(np.float32(total / inside)) / scale))
                found = np.float64(np.float32(mean + np.float64(zero_point)))
                draw = draw_at(draws, position * channels + c)
                out[0, n * rows * columns + position, c] = _rounded(found, zero_point, mode, draw, c, counts)
    add_to_all(samples * rows * columns, counts[VALUES])
