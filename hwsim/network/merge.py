"""Operations at which branches meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hwsim.network.activation import Relu
from hwsim.network.operation import Operation, Shape


def stretched(operation: Operation, inputs: tuple[Shape, ...]) -> Shape:
    """Return the shape to which axes of size 1 stretch; raise ValueError if there is none."""
    axes = [set(sizes) - {1} for sizes in zip(*inputs, strict=False)]
    if len({len(shape) for shape in inputs}) != 1 or any(len(sizes) > 1 for sizes in axes):
        shapes = ", ".join(map(str, inputs))
        raise ValueError(f"{operation.name}: {operation.kind} needs inputs alike but for axes of size 1, got {shapes}")
    return tuple(next(iter(sizes), 1) for sizes in axes)


def two_of(operation: Operation, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """Return the shapes of two inputs; raise ValueError if there are more or fewer."""
    if len(inputs) != 2:
        raise ValueError(f"{operation.name}: {operation.kind} needs two inputs, got {list(inputs)}")
    return inputs


@dataclass(frozen=True, kw_only=True, eq=False)
class Add(Operation):
    """The sum of two or more tensors, with a fused activation; an axis of size 1 stretches to the others' size."""

    kind: ClassVar[str] = "add"
    activation: Relu | None = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape to which all inputs stretch; raise ValueError if there is none."""
        return stretched(self, inputs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Subtract(Add):
    """The first of two tensors less the second, with a fused activation."""

    kind: ClassVar[str] = "subtract"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape to which both inputs stretch; raise ValueError if there is none."""
        return stretched(self, two_of(self, inputs))


@dataclass(frozen=True, kw_only=True, eq=False)
class Multiply(Operation):
    """The product of two tensors, with a fused activation; an axis of size 1 stretches to the other's size."""

    kind: ClassVar[str] = "multiply"
    activation: Relu | None = None

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape to which both inputs stretch; raise ValueError if there is none."""
        return stretched(self, two_of(self, inputs))


@dataclass(frozen=True, kw_only=True, eq=False)
class MatMul(Operation):
    """The matrix products of two tensors (…, rows, depth) and (…, depth, columns); ``transpose`` says which lie so."""

    kind: ClassVar[str] = "matmul"
    transpose: tuple[bool, bool] = (False, False)

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return (…, rows, columns); raise ValueError if the inputs do not fit each other."""
        if len(inputs) == 2 and min(map(len, inputs)) >= 2:
            (first, second), (turned, turned_too) = inputs, self.transpose
            rows, depth = first[:-3:-1] if turned else first[-2:]
            height, columns = second[:-3:-1] if turned_too else second[-2:]
            if depth == height and first[:-2] == second[:-2]:
                return (*first[:-2], rows, columns)
        raise ValueError(f"{self.name}: matmul needs two inputs (…, rows, depth), (…, depth, columns), got {inputs}")


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
