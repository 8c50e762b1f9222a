"""The first tensor that differs, as those who guess the cause see it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import IntFormat

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Array = NDArray[Any]

SHARE = 0.5
"""A guess that explains less of the differences, less what it contradicts, is not worth telling."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What would explain differences, and how many it does.

    ``kind`` is a word for programs. ``explained`` of ``differences`` are as this cause makes them; ``contradicted``
    counts values that are equal though it would change them, or that it would change otherwise.
    """

    kind: str
    says: str
    explained: int
    differences: int
    contradicted: int = 0

    @property
    def whole(self) -> bool:
        """Whether the cause explains every difference and contradicts nothing."""
        return self.explained == self.differences and self.contradicted == 0

    @property
    def net(self) -> float:
        """The share of the differences that is explained, less what is contradicted."""
        return (self.explained - self.contradicted) / max(self.differences, 1)

    @property
    def extent(self) -> str:
        """How far the cause reaches, in words."""
        if self.whole:
            return f"all {self.differences:,} differences" if self.differences > 1 else "the one difference"
        against = f", contradicted by {self.contradicted:,} other values" if self.contradicted else ""
        return f"{self.explained:,} of {self.differences:,} differences, not all{against}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """Two tensors (samples, …, channels) of one shape that differ; ``format``, ``zero_point`` where they are known."""

    a: Ints
    b: Ints
    format: IntFormat | None = None
    zero_point: int | None = None

    @cached_property
    def d(self) -> Ints:
        """B less A."""
        return self.b - self.a

    @cached_property
    def differs(self) -> Mask:
        """Where they differ."""
        found: Mask = self.a != self.b
        return found

    @cached_property
    def count(self) -> int:
        """How many values differ."""
        return int(np.count_nonzero(self.differs))

    @cached_property
    def gaps(self) -> Ints:
        """The differences that are not 0, (count,)."""
        return self.d[self.differs]

    def cause(self, kind: str, says: str, explained: int, contradicted: int = 0) -> Cause | None:
        """Return a cause, or None if it is not worth telling."""
        found = Cause(kind=kind, says=says, explained=explained, differences=self.count, contradicted=contradicted)
        return found if found.net >= SHARE and explained > 0 else None

    def predicted(self, kind: str, says: str, values: Array) -> Cause | None:
        """Return a cause that makes ``values`` of A, held to B."""
        hit = values == self.b
        explained = int(np.count_nonzero(hit & self.differs))
        return self.cause(kind, says, explained, int(np.count_nonzero(~hit & ~self.differs)))


def by_channel(values: Array) -> Array:
    """Return (samples, …, channels) of at least two axes; a lone axis is one of positions."""
    return values.reshape(1, -1, 1) if values.ndim == 1 else values
