"""Operations at which branches meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hwsim.network.activation import Relu
from hwsim.network.operation import Operation, Shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Add(Operation):
    """The sum of two or more tensors of one shape, with a fused activation."""

    kind: ClassVar[str] = "add"
    activation: Relu | None = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape that all inputs have; raise ValueError if they differ."""
        if len(set(inputs)) != 1:
            raise ValueError(f"{self.name}: add needs inputs of one shape, got {list(inputs)}")
        return inputs[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Multiply(Operation):
    """The product of two tensors, with a fused activation; an axis of size 1 stretches to the other's size."""

    kind: ClassVar[str] = "multiply"
    activation: Relu | None = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape to which both inputs stretch; raise ValueError if there is none."""
        axes = [sorted(sizes) for sizes in zip(*inputs, strict=False)]
        ranks = [len(shape) for shape in inputs]
        if ranks != [len(axes)] * 2 or any(low not in (1, high) for low, high in axes):
            raise ValueError(f"{self.name}: multiply needs two inputs alike but for axes of size 1, got {list(inputs)}")
        return tuple(high for _, high in axes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Concatenate(Operation):
    """Two or more tensors joined along ``axis`` of the sample (0 is the first axis after the batch)."""

    kind: ClassVar[str] = "concatenate"
    axis: int

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the first input with ``axis`` summed over all."""
        shape = list(inputs[0])
        shape[self.axis] = sum(one[self.axis] for one in inputs)
        return tuple(shape)
