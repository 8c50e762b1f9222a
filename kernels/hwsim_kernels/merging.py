"""The sum of several tensors, fitted after each addition."""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints
from hwsim_kernels.counting import (
    PERSISTENT,
    SUMS,
    TRANSIENT,
    VALUES,
    count_bits,
    count_hit,
    count_injected,
    count_range,
)
from hwsim_kernels.overflow import fit_outside, highest, lowest


@njit
def add(terms: Ints, field: Ints, position: Ints, out: Ints, counts: Ints, histogram: Ints) -> None:
    """Add ``terms`` (tensors, rows, channels) one after another into ``out`` (rows, channels).

    field: (4,) bits, signed, overflow, saturated_bits. position: (2,) first sample, rows per sample.
    counts: (COLUMNS, channels). histogram: (BINS,) of the exact sums.
    """
    low = lowest(field[0], field[1], field[2])
    high = highest(field[0], field[1])
    tensors, rows, channels = terms.shape
    for row in range(rows):
        start = (position[0] * position[1] + row) * tensors
        for c in range(channels):
            total: Int = np.int64(0)
            injected = np.int64(0)
            hits = 0
            for tensor in range(tensors):
                total += terms[tensor, row, c]
                if total < low or total > high:
                    count_hit(counts, c, total, total < low, start + tensor)
                    fitted = fit_outside(total, field[0], field[1], field[2], field[3])
                    injected += fitted - total
                    hits += 1
                    total = fitted
            exact = total - injected
            if hits > 0:
                counts[TRANSIENT if low <= exact <= high else PERSISTENT, c] += 1
                count_injected(counts, c, injected)
            count_range(counts, c, exact)
            count_bits(histogram, exact)
            out[row, c] = total
    counts[VALUES] += rows * tensors
    counts[SUMS] += rows
