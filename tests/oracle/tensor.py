"""Tensors as flat lists, and what an operation is given and makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

from oracle.ledger import Place, Point

Shape = tuple[int, ...]


class Tensor(NamedTuple):
    """The codes of a tensor, a flat row-major list for each sample, and its entry in the plan."""

    shape: Shape
    samples: list[list[int]]
    plan: Mapping[str, Any]

    @property
    def scale(self) -> float:
        """What one code step is worth."""
        return float(self.plan["scale"])

    @property
    def zero_point(self) -> int:
        """The code of 0."""
        return int(self.plan["zero_point"])


@dataclass
class Layer:
    """An operation with all it needs: settings, entries of the plan, inputs."""

    operation: Mapping[str, Any]
    settings: Mapping[str, Any]
    plan: Mapping[str, Any]
    weights: Mapping[str, Any]
    inputs: list[Tensor]


@dataclass
class Made:
    """What an operation makes: codes, the points of its ledger, and values inside its pipeline."""

    shape: Shape
    samples: list[list[int]]
    points: list[Point] = field(default_factory=list)
    values: dict[str, list[int]] = field(default_factory=dict)


def flat(nested: Any) -> list[Any]:
    """Return the leaves of nested lists in row-major order.

    >>> flat([[1, 2], [3, 4]])
    [1, 2, 3, 4]
    """
    if not isinstance(nested, (list, tuple)):
        return [nested]
    return [leaf for one in nested for leaf in flat(one)]


def shape_of(nested: Any) -> Shape:
    """Return the shape of nested lists.

    >>> shape_of([[1, 2, 3], [4, 5, 6]])
    (2, 3)
    """
    return (len(nested), *shape_of(nested[0])) if isinstance(nested, (list, tuple)) else ()


def place_of(sample: int, number: int, shape: Shape) -> Place:
    """Return the place of value ``number`` of a tensor."""
    return Place(sample, number // shape[-1], number % shape[-1])


def index_of(at: tuple[int, ...], shape: Shape) -> int:
    """Return the row-major index of the coordinates ``at``.

    >>> index_of((1, 0, 2), (2, 3, 4))
    14
    """
    number = 0
    for one, size in zip(at, shape, strict=True):
        number = number * size + one
    return number


def coordinates(number: int, shape: Shape) -> tuple[int, ...]:
    """Return the coordinates of value ``number``; the inverse of index_of."""
    at = []
    for size in reversed(shape):
        at.append(number % size)
        number //= size
    return tuple(reversed(at))


def size_of(shape: Shape) -> int:
    """Return how many values a sample has."""
    return prod(shape)


def windows(size: int, window: int, stride: int, pads: list[int], dilation: int = 1) -> int:
    """Return how many windows fit along an axis."""
    return (size + sum(pads) - dilation * (window - 1) - 1) // stride + 1
