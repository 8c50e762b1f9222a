"""What multiplies and accumulates, as the fast ways take it in: the arrays of ``accumulate``, and what is proved."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hwsim_kernels._types import Codes, Ints
from hwsim_kernels.fields import BITS, OVERFLOW, SHIFT, TREE
from hwsim_kernels.overflow import SATURATE, SATURATE_SYMMETRIC

SATURATING = (SATURATE, SATURATE_SYMMETRIC)


class Datapath(NamedTuple):
    """The arguments of ``accumulate`` that belong to a layer.

    ``positions`` are the output's rows and columns. ``exact``: no product and no sum can lose anything. ``contained``:
    no product and no sum but those of the last stage can.
    """

    zero_point: int
    outside: int
    taps: Ints
    strides: Ints
    spread: Ints
    weights: Codes
    start: Ints
    start_level: int
    product: Ints
    stages: Ints
    ends: Ints
    positions: tuple[int, int]
    exact: bool
    contained: bool

    @property
    def channels(self) -> int:
        """How many outputs a position has."""
        return int(self.weights.shape[0] * self.weights.shape[2])

    @property
    def saturates(self) -> bool:
        """Whether all that can happen on the way is that the last stage of a single group saturates."""
        last = self.stages[-1]
        alone = (
            self.product[BITS] == 0 and not self.stages[:, SHIFT].any() and not last[TREE] and len(self.weights) == 1
        )
        starts = self.start_level == len(self.stages) - 1 or not self.start.any()
        return bool(alone and self.contained and starts and last[OVERFLOW] in SATURATING)

    def operands(self, kind: np.dtype[Any]) -> tuple[int, int]:
        """Return the least and the largest operand that is stored in integers of a type."""
        low, high = int(np.iinfo(kind).min) - self.zero_point, int(np.iinfo(kind).max) - self.zero_point
        return min(low, self.outside), max(high, self.outside)

    def largest_operand(self, kind: np.dtype[Any]) -> int:
        """Return what bounds the magnitude of operands that are stored in integers of a type."""
        return max(map(abs, self.operands(kind)))
