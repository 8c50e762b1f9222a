"""Operations at which branches meet, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from hwsim.loaders.framework import tensorflow
from hwsim.network import Add, Concatenate, MatMul, Multiply, Relu, Subtract
from hwsim.network.mac import Floats
from hwsim.reference.activation import apply
from hwsim.reference.compiled import run


def add(operation: Add, inputs: Sequence[Floats]) -> Floats:
    """Return the sum of the inputs."""
    return run(_sum, (operation.activation,), *inputs)


def subtract(operation: Subtract, inputs: Sequence[Floats]) -> Floats:
    """Return the first input less the second."""
    return run(_difference, (operation.activation,), *inputs)


def multiply(operation: Multiply, inputs: Sequence[Floats]) -> Floats:
    """Return the product of the two inputs."""
    return run(_product, (operation.activation,), *inputs)


def matmul(operation: MatMul, inputs: Sequence[Floats]) -> Floats:
    """Return the matrix products."""
    return run(_matrix_product, operation.transpose, *inputs)


def concatenate(operation: Concatenate, inputs: Sequence[Floats]) -> Floats:
    """Return the inputs, joined."""
    return run(_joined, (operation.axis + 1,), *inputs)


def _sum(function: Relu | None, *terms: Any) -> Any:
    return apply(function, reduce(tensorflow().add, terms))


def _difference(function: Relu | None, one: Any, other: Any) -> Any:
    return apply(function, one - other)


def _product(function: Relu | None, one: Any, other: Any) -> Any:
    return apply(function, one * other)


def _matrix_product(turned: bool, turned_too: bool, one: Any, other: Any) -> Any:
    return tensorflow().matmul(one, other, transpose_a=turned, transpose_b=turned_too)


def _joined(axis: int, *parts: Any) -> Any:
    return tensorflow().concat(parts, axis)
