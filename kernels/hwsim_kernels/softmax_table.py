"""The softmax of 8-bit codes by a table of exponentials in float32, as TensorFlow Lite's optimised kernels compute it.

``docs/arithmetic.md`` section 6 defines it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit

CODES = 256


def exponentials(scale: float) -> NDArray[np.float64]:
    """Return exp(-scale * d) for d = 0 ... 255: float32 numbers, held in float64."""
    arguments = np.float32(-scale) * np.arange(CODES, dtype=np.float32)
    return np.array([math.exp(float(one)) for one in arguments]).astype(np.float32).astype(np.float64)


@njit
def softmax_by_table(
    codes: NDArray[Any], mask: NDArray[np.bool_], table: NDArray[np.float32], out: NDArray[Any]
) -> None:
    """Take the softmax of each row, all in float32, values added in their order.

    codes, out: (rows, n) of 8 bits, 0 < n; an output code q stands for (q + 128) / 256.
    mask: (rows of a sample, n), which of them take part: at least one of each row.
    table: (256,) float32, the exponentials.
    """
    rows, size = codes.shape
    for row in range(rows):
        taken = mask[row % len(mask)]
        largest = np.int64(-(1 << 7))
        for i in range(size):
            if taken[i]:
                largest = max(largest, np.int64(codes[row, i]))
        total = np.float32(0)
        for i in range(size):
            if taken[i]:
                total = np.float32(total + table[largest - np.int64(codes[row, i])])
        factor = np.float32(np.float32(1) / np.float32(total * np.float32(0.00390625)))
        for i in range(size):
            share = np.float32(table[largest - np.int64(codes[row, i])] * factor) if taken[i] else np.float32(0)
            out[row, i] = min(np.int64(np.floor(np.float64(share) + 0.5)) - 128, 127)
