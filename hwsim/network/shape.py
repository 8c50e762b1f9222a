"""Operations that move values without changing them."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, prod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hwsim.network.operation import Operation, Shape, Sides


@dataclass(frozen=True, kw_only=True, eq=False)
class Reshape(Operation):
    """The same values in row-major order under another ``shape`` of the sample; Flatten too."""

    kind: ClassVar[str] = "reshape"
    shape: Shape

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the new shape; raise ValueError if it holds another number of values."""
        if prod(self.shape) != prod(inputs[0]):
            raise ValueError(f"{self.name}: cannot reshape {inputs[0]} into {self.shape}")
        return self.shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Pad(Operation):
    """Zeros (the zero point, in codes) around (h, w, c)."""

    kind: ClassVar[str] = "pad"
    padding: Sides

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (h + top + bottom, w + left + right, c)."""
        height, width, channels = inputs[0]
        return (height + sum(self.padding[0]), width + sum(self.padding[1]), channels)


@dataclass(frozen=True, kw_only=True, eq=False)
class Crop(Operation):
    """Rows and columns cut off the borders of (h, w, c)."""

    kind: ClassVar[str] = "crop"
    cropping: Sides

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (h - top - bottom, w - left - right, c)."""
        height, width, channels = inputs[0]
        return (height - sum(self.cropping[0]), width - sum(self.cropping[1]), channels)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rearrange(Operation):
    """Values picked by ``index``, whose shape the result has: transpositions, slices, splits, repetitions.

    An index counts through the input's sample in row-major order; -1 stands for the real value ``fill``.
    """

    kind: ClassVar[str] = "rearrange"
    index: NDArray[np.int64]
    fill: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError for a value to fill in that is not finite."""
        if not isfinite(self.fill):
            raise ValueError(f"{self.name}: fills in {self.fill}, which no code stands for")

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the index; raise ValueError if it points outside the input."""
        least, most = int(self.index.min(initial=0)), int(self.index.max(initial=-1))
        if least < -1 or most >= prod(inputs[0]) or not self.index.size:
            raise ValueError(f"{self.name}: picks values {least} to {most} of {prod(inputs[0])}")
        return self.index.shape

    def sources(self, channels: int) -> NDArray[np.int64] | None:
        """Return which of the input's ``channels`` each channel of the result comes from; None if from several."""
        rows = np.where(self.index < 0, -1, self.index % channels).reshape(-1, self.index.shape[-1])
        found = rows.max(axis=0)
        alike = ((rows == found) | (rows < 0)).all() and found.min() >= 0
        return found if alike else None
