"""Pooling over windows of (h, w, c). A global pooling has a window as large as its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hwsim.network.operation import Operation, Shape, Sides, windows


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool(Operation):
    """Windows of ``window`` values at ``strides``; positions in the ``padding`` do not take part."""

    window: tuple[int, int]
    strides: tuple[int, int]
    padding: Sides = ((0, 0), (0, 0))

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (oh, ow, c)."""
        sizes = (windows(inputs[0][axis], self.window[axis], self.strides[axis], self.padding[axis]) for axis in (0, 1))
        return (*sizes, inputs[0][2])


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPool(Pool):
    """The largest value of each window."""

    kind: ClassVar[str] = "max_pool"


@dataclass(frozen=True, kw_only=True, eq=False)
class AveragePool(Pool):
    """The mean over the positions of each window that lie inside the input."""

    kind: ClassVar[str] = "average_pool"
