"""What a look at one sample finds at a point, and how a finder for one kind of operation looks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hwsim.location.location import Location

Array = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Found:
    """Values of one sample that lost something, in any order; each an array (values,).

    ``position`` is row-major over all axes of the output but the last. ``error`` is what was put into the value, in LSB
    of the point.
    """

    position: Ints
    channel: Ints
    step: Ints
    hits: Ints
    error: NDArray[np.float64]

    @staticmethod
    def of(hits: Ints, error: Array, step: Ints | None = None, offset: tuple[int, int] = (0, 0)) -> Found:
        """Return what (positions, channels) arrays hold where ``hits`` is not 0; ``offset`` is the place of [0, 0]."""
        position, channel = np.nonzero(hits)
        at = position, channel
        steps = np.zeros(len(position), np.int64) if step is None else step[at]
        found = hits[at].astype(np.int64), error[at].astype(np.float64)
        return Found(position + offset[0], channel + offset[1], steps, *found)

    @staticmethod
    def joined(parts: Sequence[Found]) -> Found:
        """Return several as one."""
        names = ("position", "channel", "step", "hits", "error")
        if not parts:
            return Found.of(np.zeros((0, 0), np.int64), np.zeros((0, 0)))
        return Found(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))

    def chosen(self, most: int, *, worst: bool) -> Found:
        """Return the first ``most`` by position, step and channel, or those with the largest errors."""
        keys = (self.channel, self.step, self.position)
        order = np.lexsort((*keys, -np.abs(self.error)) if worst else keys)[:most]
        return Found(*(getattr(self, name)[order] for name in ("position", "channel", "step", "hits", "error")))

    def __len__(self) -> int:
        return len(self.position)


def index_of(position: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Return a position as an index over all axes of ``shape`` but the last.

    >>> index_of(5, (2, 3, 8)), index_of(0, (10,))
    ((1, 2), ())
    """
    return tuple(map(int, np.unravel_index(position, tuple(shape[:-1])))) if len(shape) > 1 else ()


class Finder(Protocol):
    """Looks at one truncation point of one operation."""

    @abstractmethod
    def survey(self, inputs: Sequence[Array], sample: int) -> Found:
        """Return all values of a sample (its inputs, without an axis of samples) that lost something."""

    def surveys(self, inputs: Sequence[Sequence[Array]], samples: Sequence[int]) -> list[Found]:
        """Return the same of several samples."""
        return [self.survey(own, sample) for own, sample in zip(inputs, samples, strict=True)]

    @abstractmethod
    def describe(self, inputs: Sequence[Array], sample: int, position: int, channel: int) -> Location:
        """Return one of them in full; ``hits`` and ``error`` are filled in by the caller."""
