"""Sums of float64 numbers without any rounding, one for each channel: the same in any order."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

MANTISSA = 53
LOW_BITS = 27
STEP = 16
"""Exponents that share integers: what is shifted by fewer bits stays far below 63."""


class ExactSums:
    """Exact sums (channels,) of rows of float64 numbers.

    A number is an integer of 53 bits times a power of two; the two halves of the integer are added up apart, for every
    16 exponents in integers of their own. Up to 2**20 rows an integer stays below 2**62.
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.parts: dict[int, Ints] = {}

    def add(self, rows: Reals) -> None:
        """Take in rows (n, channels) of finite numbers."""
        fractions, exponents = np.frexp(rows)
        integers = np.ldexp(fractions, MANTISSA).astype(np.int64)
        groups, within = exponents >> 4, (exponents & (STEP - 1)).astype(np.int64)
        for group in np.unique(groups[integers != 0]).tolist():
            chosen = np.where(groups == group, integers, 0)
            high, low = chosen >> LOW_BITS, chosen & ((1 << LOW_BITS) - 1)
            self._part(group)[0] += (high << within).sum(axis=0)
            self._part(group)[1] += (low << within).sum(axis=0)

    def merge(self, other: ExactSums) -> None:
        """Take in the sums of other rows."""
        for group, part in other.parts.items():
            self._part(group)[:] += part

    def _part(self, group: int) -> Ints:
        return self.parts.setdefault(group, np.zeros((2, self.channels), np.int64))

    def totals(self) -> list[Fraction]:
        """Return the sums, exactly."""
        found = [Fraction(0)] * self.channels
        for group, (high, low) in sorted(self.parts.items()):
            unit = Fraction(2) ** (STEP * group - MANTISSA)
            pairs = zip(high.tolist(), low.tolist(), strict=True)
            found = [total + ((up << LOW_BITS) + down) * unit for total, (up, down) in zip(found, pairs, strict=True)]
        return found
