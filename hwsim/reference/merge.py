"""Operations at which branches meet, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from hwsim.loaders.framework import tensorflow
from hwsim.network import Add, Concatenate, Multiply, Relu
from hwsim.network.mac import Floats
from hwsim.reference.activation import apply
from hwsim.reference.compiled import run


def add(operation: Add, inputs: Sequence[Floats]) -> Floats:
    """Return the sum of the inputs."""
    return run(_sum, (operation.activation,), *inputs)


def multiply(operation: Multiply, inputs: Sequence[Floats]) -> Floats:
    """Return the product of the two inputs."""
    return run(_product, (operation.activation,), *inputs)


def concatenate(operation: Concatenate, inputs: Sequence[Floats]) -> Floats:
    """Return the inputs, joined."""
    return run(_joined, (operation.axis + 1,), *inputs)


def _sum(function: Relu | None, *terms: Any) -> Any:
    return apply(function, reduce(tensorflow().add, terms))


def _product(function: Relu | None, one: Any, other: Any) -> Any:
    return apply(function, one * other)


def _joined(axis: int, *parts: Any) -> Any:
    return tensorflow().concat(parts, axis)
