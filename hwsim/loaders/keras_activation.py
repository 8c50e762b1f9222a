"""Activation functions of Keras, as layers of their own and as the ``activation`` of other layers."""

from __future__ import annotations

from typing import Any

from hwsim.loaders.keras_draft import Call, NoIntegerForm
from hwsim.network import Activation, Operation, Relu, Shape, Softmax

RELUS = {
    "relu": Relu(),
    "relu6": Relu(max_value=6.0),
    "leaky_relu": Relu(negative_slope=0.2),
    "Relu": Relu(),
    "Relu6": Relu(max_value=6.0),
}
"""Functions of keras.activations and classes of keras.ops."""


def sample_axis(axis: int, shape: Shape) -> int:
    """Return the axis of the sample (0 follows the batch) for an ``axis`` that counts the batch."""
    found = axis + len(shape) if axis < 0 else axis - 1
    if not 0 <= found < len(shape):
        raise NoIntegerForm(f"axis {axis} is the batch or outside the shape (batch, {str(shape)[1:]}")
    return found


def activate(function: Any, name: str, source: str, shape: Shape) -> tuple[Operation, ...]:
    """Return the operation ``name`` that applies a Keras activation to tensor ``source``; none if linear."""
    word = function_name(function)
    if word == "linear":
        return ()
    if word in ("softmax", "Softmax"):
        return (Softmax(name=name, inputs=(source,), axis=_softmax_axis(function, shape)),)
    return (Activation(name=name, inputs=(source,), function=_relu(function, word)),)


def function_name(function: Any) -> str:
    """Return the Keras name of an activation given as function, layer or None."""
    if function is None:
        return "linear"
    holder = function if hasattr(function, "__name__") else type(function)
    if not str(getattr(holder, "__module__", "")).startswith("keras."):
        raise NoIntegerForm("its activation is not a function of Keras")
    return str(holder.__name__)


def activation_layer(call: Call) -> tuple[Operation, ...]:
    """Import Activation, whose function is an attribute."""
    return activate(call.layer.activation, call.name, call.inputs[0], call.shapes[0])


def function_layer(call: Call) -> tuple[Operation, ...]:
    """Import ReLU, LeakyReLU, Softmax and the operations of keras.ops, which are functions themselves."""
    return activate(call.layer, call.name, call.inputs[0], call.shapes[0])


def _relu(function: Any, word: str) -> Relu:
    if word in RELUS:
        return RELUS[word]
    if word == "LeakyReLU":
        return Relu(negative_slope=float(function.negative_slope))
    if word != "ReLU":
        raise NoIntegerForm(f"activation {word}")
    if function.threshold:
        raise NoIntegerForm(f"threshold {function.threshold} is not 0")
    limit = None if function.max_value is None else float(function.max_value)
    return Relu(max_value=limit, negative_slope=float(function.negative_slope))


def _softmax_axis(function: Any, shape: Shape) -> int:
    axis: Any = getattr(function, "axis", -1)
    axes = axis if isinstance(axis, list | tuple) else (axis,)
    if len(axes) != 1:
        raise NoIntegerForm(f"softmax over several axes {list(axes)}")
    return sample_axis(int(axes[0]), shape)
