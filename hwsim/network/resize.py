"""Images brought to another size between their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hwsim.network.operation import Operation, Shape

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Resize(Operation):
    """Bilinear interpolation of (h, w, c) to ``size`` (rows, columns).

    ``align_corners``: the centres of the outermost pixels meet; ``half_pixel``: the outer edges do; neither: the
    centres of the first ones.
    """

    kind: ClassVar[str] = "resize"
    size: tuple[int, int]
    align_corners: bool = False
    half_pixel: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError for an empty size, or for two ways at once in which the corners lie."""
        if min(self.size) < 1:
            raise ValueError(f"{self.name}: cannot resize to {self.size[0]} rows and {self.size[1]} columns")
        if self.align_corners and self.half_pixel:
            raise ValueError(f"{self.name}: align_corners and half_pixel exclude each other")

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (rows, columns, c); raise ValueError if the input is no (h, w, c)."""
        if len(inputs[0]) != 3:
            raise ValueError(f"{self.name}: resize needs an input (h, w, c), got {inputs[0]}")
        return (*self.size, inputs[0][2])

    def taps(self, shape: Shape, axis: int, bits: int, *, real: bool = False) -> tuple[Ints, Ints]:
        """Return the two places (outputs, 2) along ``axis`` between which each output lies, and their weights.

        Weights are in 1/2**bits and add up to 1 (TensorFlow Lite, internal/reference/resize_bilinear.h, which leaves
        the image where the rounded step carries beyond it; here the outermost pixel goes on). ``real``: places are
        worked out in float32, and only weights are rounded (XNNPACK, src/indirection.c).
        """
        inputs, outputs, one = shape[axis], self.size[axis], 1 << bits
        if real:
            place, low = self._real_places(inputs, outputs)
            after = np.rint((place - low.astype(np.float32)) * np.float32(one)).astype(np.int64)
            high = np.minimum(low + 1, inputs - 1)
            return np.stack([low, high], axis=1), np.stack([one - after, after], axis=1)
        if self.align_corners and outputs > 1:
            step = ((inputs - 1) * one + (outputs - 1) // 2) // (outputs - 1)
        else:
            step = (inputs * one + outputs // 2) // outputs
        at = np.arange(outputs, dtype=np.int64) * step
        if self.half_pixel:
            at += step // 2 - one // 2
        low, after = np.divmod(np.clip(at, 0, (inputs - 1) * one), one)
        high = np.minimum(low + 1, inputs - 1)
        return np.stack([low, high], axis=1), np.stack([one - after, after], axis=1)

    def _real_places(self, inputs: int, outputs: int) -> tuple[NDArray[np.float32], Ints]:
        """Return where outputs lie between inputs, in float32, and these places without their fraction."""
        fewer = 1 if self.align_corners and outputs > 1 else 0
        step, half = np.float32(inputs - fewer) / np.float32(outputs - fewer), np.float32(0.5)
        at = np.arange(outputs, dtype=np.float32) * step
        if self.half_pixel:
            at += half * step - half
        at = np.clip(at, np.float32(0), np.float32(inputs - 1))
        return at, at.astype(np.int64)
