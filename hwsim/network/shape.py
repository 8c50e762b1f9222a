"""Operations that move values without changing them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

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
