"""Exact sums of depthwise convolutions: channels side by side, one step after another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Int, Ints


@njit
def depthwise_sums(
    codes: NDArray[Any],
    fill: Int,
    taps: Ints,
    window: Ints,
    weights: Codes,
    start: NDArray[np.int32],
    position: Int,
    size: Int,
    sums: NDArray[np.int32],
) -> None:
    """Write the sums (rows, columns) of ``size`` output positions from ``position`` on.

    codes: (n, h, w, c). taps: (k, 3). window: as in ``operands.gather_units``. weights: (k, channels), each channel's
    own, those of one input channel side by side. start: (columns,) with the offset's part taken off. fill: the stored
    code that stands for what lies outside.
    """
    height, width, depth = codes.shape[1], codes.shape[2], codes.shape[3]
    channels = weights.shape[1]
    several = channels // depth
    for p in range(size):
        n = (position + p) // window[3]
        place = (position + p) % window[3]
        top, left = place // window[2] * window[0], place % window[2] * window[1]
        row_sums = sums[p]
        for c in range(sums.shape[1]):
            row_sums[c] = start[c]
        for k in range(taps.shape[0]):
            y, x = top + taps[k, 0], left + taps[k, 1]
            factors = weights[k]
            if 0 <= y < height and 0 <= x < width:
                pixel = codes[n, y, x]
                if several == 1:
                    for c in range(channels):
                        row_sums[c] += np.int32(pixel[c]) * factors[c]
                else:
                    for c in range(channels):
                        row_sums[c] += np.int32(pixel[c // several]) * factors[c]
            else:
                for c in range(channels):
                    row_sums[c] += np.int32(fill) * factors[c]
