"""The softmax of 8-bit codes by a parabola and shifts: i-softmax of I-BERT (Kim et al. 2021, algorithm 3).

``docs/arithmetic.md`` section 6 defines it, ``docs/ledger.md`` what is counted.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints
from hwsim_kernels.counting import (
    INEXACT,
    ROUND_BIAS,
    ROUND_ENERGY,
    VALUES,
    count_bits,
    count_range,
)
from hwsim_kernels.softmax import count_scaled, fitted

POINTS = ("power", "output")
"""What the kernel counts, in this order."""

MOST_SCALE = math.log(2)
"""Of the input: differences of codes must tell halves from each other."""

SUM_BITS = 31
"""The sum of a line's powers fits 32 bits with a sign."""

LONGEST_SHIFT = 62


def parabola(scale: float) -> tuple[int, int, int]:
    """Return (period, offset, constant): ln(2), 1.353 and 0.344 / 0.3585 in LSB of the input and their squares.

    >>> parabola(1 / 32)
    (22, 43, 982)
    """
    return math.floor(math.log(2) / scale), math.floor(1.353 / scale), math.floor(0.344 / 0.3585 / (scale * scale))


def largest_power(scale: float) -> int:
    """Return the power of the difference 0, which is the largest."""
    _, offset, constant = parabola(scale)
    return offset * offset + constant


@njit
def softmax_by_parabola(
    codes: NDArray[Any],
    mask: NDArray[np.bool_],
    numbers: Ints,
    channels: Int,
    first_position: Int,
    out: NDArray[Any],
    counts: Ints,
    histogram: Ints,
) -> None:
    """Take the softmax of each line along the middle axis.

    codes, out: (outer, n, inner) of 8 bits; an output code q stands for (q + 128) / 256.
    mask: (outer of a sample, n, inner), which of them take part: at least one of each line.
    numbers: (3,) of `parabola`; a line's powers add up to less than 2**`SUM_BITS`.
    channels, first_position, histogram: as for `hwsim_kernels.softmax.softmax`. counts: (2, COLUMNS, channels) of
    `POINTS`.
    """
    outer, size, inner = codes.shape
    period, offset, constant = numbers[0], numbers[1], numbers[2]
    powers = np.empty(size, np.int64)
    for one in range(outer):
        taken = mask[one % len(mask)]
        for line in range(inner):
            largest = np.int64(-(1 << 7))
            for i in range(size):
                if taken[i, line]:
                    largest = max(largest, np.int64(codes[one, i, line]))
            total = np.int64(0)
            for i in range(size):
                powers[i] = 0
                if taken[i, line]:
                    distance = largest - np.int64(codes[one, i, line])
                    halvings = distance // period
                    rest = offset - (distance - halvings * period)
                    whole = rest * rest + constant
                    shift = min(halvings, np.int64(LONGEST_SHIFT))
                    powers[i] = whole >> shift
                    total += powers[i]
                    channel = ((one * size + i) * inner + line) % channels
                    count_scaled(whole, shift, powers[i], powers[i], counts[0], channel)
            for i in range(size):
                place = (one * size + i) * inner + line
                channel = place % channels
                share = (powers[i] << 8) // total
                rest = (powers[i] << 8) - share * total
                error = -((rest << 16) // total)
                counts[1, VALUES, channel] += 1
                counts[1, INEXACT, channel] += np.int64(1) if rest != 0 else np.int64(0)
                counts[1, ROUND_BIAS, channel] += error
                counts[1, ROUND_ENERGY, channel] += error * error
                count_range(counts[1], channel, share - 128)
                count_bits(histogram, share)
                out[one, i, line] = fitted(share - 128, 127, first_position + place // channels, counts[1], channel)
