"""Operations at which branches meet, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from hwsim.network import Add, Concatenate, Multiply
from hwsim.network.mac import Floats
from hwsim.reference.activation import apply


def add(operation: Add, inputs: Sequence[Floats]) -> Floats:
    """Return the sum of the inputs."""
    return apply(operation.activation, reduce(np.add, inputs))


def multiply(operation: Multiply, inputs: Sequence[Floats]) -> Floats:
    """Return the product of the two inputs."""
    return apply(operation.activation, inputs[0] * inputs[1])


def concatenate(operation: Concatenate, inputs: Sequence[Floats]) -> Floats:
    """Return the inputs, joined."""
    return np.concatenate(inputs, axis=operation.axis + 1)
