"""Activation functions in float32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsim.network import Activation, Relu
from hwsim.network.mac import Floats


def apply(function: Relu | None, values: Floats) -> Floats:
    """Return ``function`` of ``values`` (any shape); the values themselves where there is none."""
    if function is None:
        return values
    positive = np.maximum(values, np.float32(0))
    if function.max_value is not None:
        positive = np.minimum(positive, np.float32(function.max_value))
    if function.negative_slope:
        return positive + np.minimum(values, np.float32(0)) * np.float32(function.negative_slope)
    return positive


def activation(operation: Activation, inputs: Sequence[Floats]) -> Floats:
    """Return the function of the one input."""
    return apply(operation.function, inputs[0])
