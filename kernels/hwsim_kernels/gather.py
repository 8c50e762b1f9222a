"""The operands of a window: what every way of accumulating reads."""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Int, Ints


@njit
def operand_at(
    codes: Codes,
    zero_point: Int,
    outside: Int,
    sample: Int,
    row: Int,
    column: Int,
    channel: Int,
    spread_rows: Int,
    spread_columns: Int,
) -> Int:
    """Return the code less the zero point at a row and column; ``outside`` where they lie outside or between codes."""
    y: Int = np.int64(row) // np.int64(spread_rows)
    x: Int = np.int64(column) // np.int64(spread_columns)
    inside = 0 <= y < codes.shape[1] and 0 <= x < codes.shape[2]
    if not inside or y * spread_rows != row or x * spread_columns != column:
        return np.int64(outside)
    return np.int64(codes[sample, y, x, channel]) - zero_point


@njit
def gather(
    codes: Codes,
    zero_point: Int,
    outside: Int,
    taps: Ints,
    window: Ints,
    channel: Int,
    position: Int,
    columns: Int,
    operands: Codes,
) -> None:
    """Collect operands (k, positions) from ``position`` on: codes (n, h, w, c) less the zero point, or ``outside``.

    Positions count through samples, rows and columns; ``window`` is (stride of rows, of columns, positions per sample,
    spread of rows, of columns).
    """
    height, width = codes.shape[1], codes.shape[2]
    spread = window[3] > 1 or window[4] > 1
    for p in range(operands.shape[1]):
        n = (position + p) // window[2]
        row = (position + p) % window[2] // columns * window[0]
        column = (position + p) % window[2] % columns * window[1]
        for k in range(taps.shape[0]):
            y, x, c = row + taps[k, 0], column + taps[k, 1], channel + taps[k, 2]
            if spread:
                operands[k, p] = operand_at(codes, zero_point, outside, n, y, x, c, window[3], window[4])
            else:
                inside = 0 <= y < height and 0 <= x < width
                operands[k, p] = codes[n, y, x, c] - zero_point if inside else outside
