"""Activation functions in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hwsim.loaders.framework import tensorflow
from hwsim.network import Activation, Prelu, Relu
from hwsim.network.mac import Floats
from hwsim.reference.compiled import run


def apply(function: Relu | None, values: Any) -> Any:
    """Return ``function`` of ``values`` (any shape) as a tensor; the values themselves where there is none."""
    if function is None:
        return values
    tf = tensorflow()
    if function.max_value is None:
        positive = tf.nn.relu(values)
    elif function.max_value == 6:
        positive = tf.nn.relu6(values)  # the one bound that TensorFlow fuses
    else:
        positive = tf.minimum(tf.nn.relu(values), tf.constant(function.max_value, "float32"))
    if function.negative_slope:
        slope = tf.constant(function.negative_slope, "float32")
        return positive + tf.minimum(values, tf.constant(0, "float32")) * slope
    return positive


def prelu(operation: Prelu, inputs: Sequence[Floats]) -> Floats:
    """Return the values, those below 0 times their channel's slope."""
    return np.where(inputs[0] < 0, inputs[0] * operation.slopes, inputs[0])


def activation(operation: Activation, inputs: Sequence[Floats]) -> Floats:
    """Return the function of the one input."""
    return run(apply, (operation.function,), inputs[0])
