"""The softmax of 8-bit codes by a table of exponentials and a division, as ONNX Runtime computes it.

``docs/arithmetic.md`` section 6 defines it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints

CODES = 256
RESERVE = 5.0
"""By what power of e the largest exponential stays below what a line of them could sum up to in float32."""


def scaled_exponentials(scale: float, size: int) -> NDArray[np.float64]:
    """Return exponentials for differences of 0 ... 255 codes in lines of ``size``: float32 numbers, held in float64."""
    step = float(np.float32(scale))
    largest = math.log(float(np.float32(np.finfo(np.float32).max) / np.float32(size)))
    shift = max(float(np.float32(largest)) - RESERVE, 0.0) / step
    return np.array([math.exp((shift - d) * step) for d in range(CODES)]).astype(np.float32).astype(np.float64)


def factor_of_scale(scale: float) -> float:
    """Return by what shares are multiplied to become codes of a scale.

    >>> factor_of_scale(2.0**-8), factor_of_scale(0.1)
    (256.0, 10.0)
    """
    return float(math.floor(np.float32(1) / np.float32(scale)))


@njit
def softmax_by_division(
    codes: NDArray[Any],
    mask: NDArray[np.bool_],
    table: NDArray[np.float32],
    factor: float,
    zero_point: Int,
    limits: Ints,
    out: NDArray[Any],
) -> None:
    """Take the softmax of each row; exponentials are added in float32 in their order.

    codes, out: (rows, n) of 8 bits, 0 < n. mask: (rows of a sample, n), which of them take part: at least one of each.
    table: (256,), the exponentials. limits: (2,) the smallest and the largest code.
    """
    rows, size = codes.shape
    for row in range(rows):
        taken = mask[row % len(mask)]
        largest = limits[0]
        for i in range(size):
            if taken[i]:
                largest = max(largest, np.int64(codes[row, i]))
        total = np.float32(0)
        for i in range(size):
            if taken[i]:
                total = np.float32(total + table[largest - np.int64(codes[row, i])])
        for i in range(size):
            share = 0.0
            if taken[i]:
                share = np.float64(table[largest - np.int64(codes[row, i])]) * factor / np.float64(total)
            out[row, i] = min(max(np.int64(np.rint(share)) + zero_point, limits[0]), limits[1])
