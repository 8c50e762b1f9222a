"""What every operation of a network has: a name, its inputs, and a rule for its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

Shape = tuple[int, ...]
"""The shape of one sample: (h, w, c) or (n,), without the batch axis."""

Sides = tuple[tuple[int, int], tuple[int, int]]
"""Rows added or cut ((top, bottom), (left, right))."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation:
    """One operation; it makes one tensor, which bears the operation's name.

    ``inputs`` are the names of the operations whose tensors it takes. ``kind`` is the word by
    which a target's ``operations`` section addresses it. ``step_of``: the tensor of a loop of which this one is what a
    single step makes. A machine that runs the loop has one place for all of them, with one scale.
    """

    kind: ClassVar[str]
    name: str
    inputs: tuple[str, ...] = ()
    step_of: str = ""

    @property
    def tensor(self) -> str:
        """The name of the tensor made, which the steps of a loop share."""
        return self.step_of or self.name

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of one sample of the result, given those of the inputs."""
        raise TypeError(f"{type(self).__name__} does not say its output shape")


@dataclass(frozen=True, kw_only=True, eq=False)
class Input(Operation):
    """An input of the network; ``shape`` is that of one sample.

    With ``indices`` its values are no reals but whole numbers, from 0 to below ``indices``, and stored as they are.
    """

    kind: ClassVar[str] = "input"
    shape: Shape
    indices: int = 0

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the declared shape."""
        return self.shape


Pair = tuple[int, int]


def same(size: int, window: int, stride: int, dilation: int = 1) -> Pair:
    """Return the zeros before and after one axis under TensorFlow's rule ``same``; the odd one goes after.

    >>> same(8, 3, 2)
    (0, 1)
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + dilation * (window - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def windows(size: int, window: int, stride: int, pads: tuple[int, int], dilation: int = 1) -> int:
    """Return how many windows fit along one axis of ``size`` values with ``pads`` added.

    >>> windows(8, 3, 2, (0, 1))
    4
    """
    return (size + sum(pads) - dilation * (window - 1) - 1) // stride + 1
