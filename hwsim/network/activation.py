"""Activation functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hwsim.network.operation import Operation, Shape


@dataclass(frozen=True, kw_only=True)
class Relu:
    """``x`` where positive, limited to ``max_value``; ``negative_slope * x`` where negative."""

    max_value: float | None = None
    negative_slope: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Prelu(Operation):
    """``x`` where positive, ``slopes * x`` where negative; ``slopes`` (channels,) are weights, negative ones too."""

    kind: ClassVar[str] = "prelu"
    slopes: NDArray[np.float32]

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the input; raise ValueError if its channels have no slope each."""
        if inputs[0][-1:] != self.slopes.shape:
            raise ValueError(f"{self.name}: has {self.slopes.size} slopes for {inputs[0][-1]} channels")
        return inputs[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Activation(Operation):
    """An activation function that stands alone because it could not be fused; None: only another scale."""

    function: Relu | None

    @property
    def kind(self) -> str:  # type: ignore[override]
        """``activation``; ``leaky_relu`` where negative values count; ``rescale`` where there is no function."""
        if self.function is None:
            return "rescale"
        return "leaky_relu" if self.function.negative_slope else "activation"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the input."""
        return inputs[0]
