"""Operations that multiply by weights and accumulate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hwsim.network.activation import Relu
from hwsim.network.operation import Operation, Shape, Sides, windows

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Weighted(Operation):
    """What the multiply-accumulate operations share: a bias per output channel and a fused activation.

    The bias of a quantised file is in float64, in which its integers of 32 bits are exact.
    """

    bias: Floats | Doubles
    activation: Relu | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv2D(Weighted):
    """A 2-D convolution of (h, w, c) by ``kernel`` (kh, kw, c / groups, outputs), zeros padded outside.

    Output channel o belongs to group o // (outputs / groups) and reads the input channels
    group * (c / groups) onwards. A depthwise convolution has as many groups as input channels, if ``depthwise`` does
    not say what it is: True tells that of a single channel from a convolution, False one in groups of single channels.
    """

    kernel: Floats
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Sides = ((0, 0), (0, 0))
    groups: int = 1
    depthwise: bool | None = None

    @property
    def kind(self) -> str:  # type: ignore[override]
        """``depthwise_conv2d`` where every input channel is a group of its own, else ``grouped_conv2d``, ``conv2d``."""
        single = self.groups > 1 and self.kernel.shape[2] == 1
        if single if self.depthwise is None else self.depthwise:
            return "depthwise_conv2d"
        return "conv2d" if self.groups == 1 else "grouped_conv2d"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (oh, ow, outputs)."""
        sizes = (
            windows(
                inputs[0][axis],
                self.kernel.shape[axis],
                self.strides[axis],
                self.padding[axis],
                self.dilation[axis],
            )
            for axis in (0, 1)
        )
        shape = (*sizes, self.kernel.shape[3])
        if min(shape) < 1:
            window = " x ".join(map(str, self.kernel.shape[:2]))
            raise ValueError(f"{self.name}: no window of {window} fits into an input of shape {inputs[0]}")
        return shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv2DTranspose(Weighted):
    """A transposed 2-D convolution of (h, w, c) by ``kernel`` (kh, kw, c, outputs).

    Input row i and kernel row r add to row ``i * stride + r * dilation`` of the full result; columns likewise.
    The output is ``size`` rows and columns of it, after the first ``cut``; what lies beyond the full result
    holds the bias alone.
    """

    kind: ClassVar[str] = "conv2d_transpose"
    kernel: Floats
    size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    cut: tuple[int, int] = (0, 0)

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (*size, outputs)."""
        return (*self.size, self.kernel.shape[3])


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense(Weighted):
    """A product of the last axis (…, n) by ``kernel`` (n, outputs)."""

    kind: ClassVar[str] = "dense"
    kernel: Floats

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (…, outputs)."""
        return (*inputs[0][:-1], self.kernel.shape[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class ScaleShift(Weighted):
    """``x * scale + bias`` per channel of the last axis: a batch normalisation that could not be folded."""

    kind: ClassVar[str] = "scale_shift"
    scale: Floats

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the input."""
        return inputs[0]
