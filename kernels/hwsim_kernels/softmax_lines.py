"""The softmax of 16-bit codes by two tables with lines between their entries, as TensorFlow Lite computes it.

``docs/arithmetic.md`` section 6 defines it, ``docs/ledger.md`` what is counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints
from hwsim_kernels.counting import count_bits
from hwsim_kernels.multiplier import nearest
from hwsim_kernels.softmax import count_scaled, fitted, halved, high_product

POINTS = ("difference", "power", "sum", "reciprocal", "output")
"""What the kernel counts, in this order."""

STEPS = 512
"""Lines of a table, each over 128 values of 16 bits."""

MOST_VALUES = 1 << 16
"""So many powers fit a sum of 32 bits."""

MOST_SHIFT, LEAST_SHIFT = 15, -31
"""Of a multiplier's exponent: differences of codes, at least -65535, then fit 32 bits."""

RECENTRE = 98304
"""What brings a normalised sum, 65536 to 131072, to 16 bits."""


def multiplier_of_scale(scale: float) -> tuple[int, int]:
    """Return (multiplier, exponent) that bring differences of codes to units of 10 / 65535.

    >>> multiplier_of_scale(10 / 65535)
    (1073741824, 1)
    """
    return nearest(scale / (10.0 / 65535.0), 32)


def powers() -> Ints:
    """Return the table (513,) of exp from -10 to 0, in 1/32768."""
    return table(math.exp, -10.0, 0.0)


def reciprocals() -> Ints:
    """Return the table (513,) of 1 / (1 + x) from 0 to 1, in 1/32768."""
    return table(lambda x: 1 / (1 + x), 0.0, 1.0)


def table(real: Callable[[float], float], low: float, high: float) -> Ints:
    """Return entries (513,) of a function, less half of the error that a line has in its middle, in 1/32768."""
    step = (high - low) / STEPS
    at = [real(low + i * step) * 32768.0 for i in range(STEPS + 1)]
    entries = [away(one) for one in at]
    for i in range(STEPS):
        middle = away((at[i + 1] + entries[i]) / 2) - away(real(low + i * step + step / 2) * 32768.0)
        entries[i] -= away(middle / 2)
    return np.array([min(max(one, -32768), 32767) for one in entries], np.int64)


def away(value: float) -> int:
    """Return the nearest integer, of two the one further from 0.

    >>> away(-2.5), away(0.49)
    (-3, 0)
    """
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


@njit
def exact_line(lines: Ints, place: Int) -> Int:
    """Return 128 times what a table has at ``place``, of 16 bits."""
    index, rest = 256 + (place >> 7), place & 127
    entry, after = np.int64(lines[index]), np.int64(lines[index + 1])
    return (entry << 7) + (after - entry) * rest


@njit
def softmax_by_lines(
    codes: NDArray[Any],
    mask: NDArray[np.bool_],
    multiplier: Int,
    exponent: Int,
    powers: Ints,
    reciprocals: Ints,
    channels: Int,
    first_position: Int,
    out: NDArray[Any],
    counts: Ints,
    histogram: Ints,
) -> None:
    """Take the softmax of each line along the middle axis.

    codes, out: (outer, n, inner) of 16 bits, 0 < n <= `MOST_VALUES`; an output code q stands for q / 32768.
    mask: (outer of a sample, n, inner), which of them take part: at least one of each line.
    multiplier, exponent: of the input's scale (``multiplier_of_scale``). powers, reciprocals: (513,) of 0 to 32767, the
    last two powers at least 2^14.
    channels: the size of the tensor's last axis, by which values are counted; first_position: how many positions over
    all other axes came before. counts: (5, COLUMNS, channels) of `POINTS`; a line counts its sum and its reciprocal at
    its first code. histogram: (BINS,) of outputs.
    """
    outer, size, inner = codes.shape
    left, right = np.int64(max(exponent, 0)), np.int64(max(-exponent, 0))
    taken = np.empty(size, np.int64)
    for one in range(outer):
        part = mask[one % len(mask)]
        for line in range(inner):
            start = one * size * inner + line
            largest = np.int64(-(1 << 15))
            for i in range(size):
                if part[i, line]:
                    largest = max(largest, np.int64(codes[one, i, line]))
            total = np.int64(0)
            taken[:] = 0
            for i in range(size):
                if not part[i, line]:
                    continue
                place = start + i * inner
                channel, key = place % channels, first_position + place // channels
                distance = np.int64(codes[one, i, line]) - largest
                scaled = halved(high_product(distance << left, multiplier), right)
                count_scaled(distance * multiplier, 31 - exponent, scaled, scaled + 32767, counts[0], channel)
                exact = exact_line(powers, fitted(scaled + 32767, 32767, key, counts[0], channel))
                taken[i] = (exact + 64) >> 7
                count_scaled(exact, 7, taken[i], taken[i], counts[1], channel)
                total += taken[i]
            shift = np.int64(0)
            while (total << shift) < (1 << 30):
                shift += 1
            channel, key = start % channels, first_position + start // channels
            normal = ((total << shift) + (1 << 13)) >> 14
            count_scaled(total << shift, 14, normal, normal - RECENTRE, counts[2], channel)
            exact = exact_line(reciprocals, fitted(normal - RECENTRE, 32767, key, counts[2], channel))
            factor = (exact + 64) >> 7
            count_scaled(exact, 7, factor, factor, counts[3], channel)
            dropped = 30 - shift
            for i in range(size):
                place = start + i * inner
                channel, key = place % channels, first_position + place // channels
                share = (taken[i] * factor + ((np.int64(1) << dropped) >> 1)) >> dropped
                count_scaled(taken[i] * factor, dropped, share, share, counts[4], channel)
                count_bits(histogram, share)
                out[one, i, line] = fitted(share, 32767, key, counts[4], channel)
