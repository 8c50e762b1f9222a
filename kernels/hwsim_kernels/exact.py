"""What sums that are proved to lose nothing count: how many they are, and how large."""

from __future__ import annotations

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Ints
from hwsim_kernels.counting import count_bits, count_range
from hwsim_kernels.fields import CHECK_EACH, TERMS, TREE

EXACT_LIMIT = 1 << 53
"""Sums of magnitudes below this are exact in float64, and so in every way that adds them."""


@njit
def count_sums(sums: Ints, counts: Ints, histogram: Ints) -> None:
    """Note the range and the bits of finished sums (rows, channels)."""
    for row in range(sums.shape[0]):
        for c in range(sums.shape[1]):
            count_range(counts, c, sums[row, c])
            count_bits(histogram, sums[row, c])


def fits_and_sums(stages: Ints, ends: Ints) -> list[tuple[int, int]]:
    """Return how many values each stage fits, and how many sums it hands up, for one output."""
    numbers: list[tuple[int, int]] = []
    entering = ends.shape[1]
    for field, finished in zip(stages, ends, strict=True):
        sums = int(finished.sum())
        nodes = sums * max(1, int(field[TERMS]) - 1)
        fits = nodes if field[TREE] else entering if field[CHECK_EACH] else sums
        numbers.append((fits, sums))
        entering = sums
    return numbers
