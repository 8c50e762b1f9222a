"""Blocks that no matrix product makes: sums over windows, products and sums of elements."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints

WINDOW = 128
"""Bytes that add up to no more than 16 bits hold, whatever they are."""


@njit
def window_sums(
    codes: NDArray[Any],
    zero_point: Int,
    window: Ints,
    outputs: Ints,
    position: Int,
    sums: NDArray[np.int32],
    inside: NDArray[np.int32],
) -> None:
    """Write the sum of each window's codes less ``zero_point``, and how many codes it has.

    codes: (n, h, w, c). window: as in ``pooling.max_pool``. outputs: (2,) rows and columns of a sample. sums: (size,
    columns) of output positions from ``position`` on, columns behind the channels untouched. inside: (size,).
    """
    channels = codes.shape[3]
    short = np.empty(channels if codes.itemsize == 1 and window[0] * window[1] <= WINDOW else 0, np.int16)
    for p in range(sums.shape[0]):
        n, place = (position + p) // (outputs[0] * outputs[1]), (position + p) % (outputs[0] * outputs[1])
        top = place // outputs[1] * window[2] - window[4]
        left = place % outputs[1] * window[3] - window[5]
        bottom, right = min(top + window[0], codes.shape[1]), min(left + window[1], codes.shape[2])
        top, left = max(top, 0), max(left, 0)
        inside[p] = (bottom - top) * (right - left)
        row, less = sums[p], np.int32(inside[p]) * np.int32(zero_point)
        if short.size > 0:
            # twice as many lanes
            add_pixels(codes[n, top:bottom, left:right], short)
            for c in range(channels):
                row[c] = short[c] - less
        else:
            add_pixels(codes[n, top:bottom, left:right], row[:channels])
            for c in range(channels):
                row[c] -= less


@njit
def add_pixels(pixels: NDArray[Any], sums: NDArray[Any]) -> None:
    """Write the sums (channels,) of pixels (rows, columns, channels)."""
    sums[:] = 0
    for y in range(pixels.shape[0]):
        for x in range(pixels.shape[1]):
            pixel = pixels[y, x]
            for c in range(sums.size):
                sums[c] += pixel[c]


@njit
def multiply_values(values: NDArray[np.int32], others: NDArray[np.int32], zero_points: Ints, channels: Int) -> None:
    """Multiply values by others (rows, columns), each less its zero point, in the first ``channels`` columns.

    Products are below 2**31.
    """
    zero, zero_too = np.int32(zero_points[0]), np.int32(zero_points[1])
    many = min(values.shape[1], channels)
    for row in range(values.shape[0]):
        for c in range(many):
            values[row, c] = (values[row, c] - zero) * (others[row, c] - zero_too)


@njit
def add_values(values: NDArray[np.int32] | Ints, sums: NDArray[np.int32] | Ints) -> None:
    """Add values to sums (rows, columns), both contiguous: one long loop is several times as fast as short ones."""
    one, other = values.reshape(-1), sums.reshape(-1)
    for number in range(one.size):
        other[number] += one[number]
