"""Interpolation between pixels, as ``docs/arithmetic.md`` section 6 defines it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints
from hwsim_kernels.counting import VALUES, add_to_all, count_range, count_rounding
from hwsim_kernels.rounding import draw_at, round_up, shift_fraction


@njit
def interpolate(
    codes: NDArray[Any],
    zero_point: Int,
    rows: Ints,
    row_weights: Ints,
    columns: Ints,
    column_weights: Ints,
    shift: Int,
    mode: Int,
    draws: Ints,
    out: Ints,
    counts: Ints,
) -> None:
    """Weigh four codes less ``zero_point`` for each output and drop ``shift`` bits of the sum.

    codes: (n, h, w, c). rows, row_weights: (oh, 2). columns, column_weights: (ow, 2). A sum lies below 2**62 in
    magnitude. out: (n, oh, ow, c). counts: (COLUMNS, c).
    """
    samples, height, width, channels = out.shape
    for n in range(samples):
        for y in range(height):
            for x in range(width):
                for c in range(channels):
                    total = np.int64(0)
                    for i in range(2):
                        for j in range(2):
                            code = np.int64(codes[n, rows[y, i], columns[x, j], c]) - zero_point
                            total += code * row_weights[y, i] * column_weights[x, j]
                    fraction, sticky = shift_fraction(total, shift)
                    quotient = total >> shift
                    draw = draw_at(draws, (y * width + x) * channels + c)
                    negative, odd = total < 0, quotient & 1 != 0
                    up = round_up(fraction, sticky, negative, odd, mode, draw) if shift > 0 else np.int64(0)
                    count_rounding(counts, c, fraction, sticky, up)
                    quotient += up
                    count_range(counts, c, quotient)
                    out[n, y, x, c] = quotient
    add_to_all(samples * height * width, counts[VALUES])
