"""Activation functions of Keras, as layers of their own and as the ``activation`` of other layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwsim.loaders.keras_draft import Call, NoIntegerForm
from hwsim.loaders.keras_weights import array, float32
from hwsim.network import Activation, Curve, Operation, Prelu, Relu, Shape, Softmax

RELUS = {
    "relu": Relu(),
    "relu6": Relu(max_value=6.0),
    "leaky_relu": Relu(negative_slope=0.2),
    "Relu": Relu(),
    "Relu6": Relu(max_value=6.0),
}
"""Functions of keras.activations and classes of keras.ops."""


CURVES: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "celu": ("celu", (1.0,)),
    "elu": ("elu", (1.0,)),
    "exponential": ("exp", ()),
    "hard_shrink": ("hard_shrink", (0.5,)),
    "hard_sigmoid": ("hard_sigmoid", ()),
    "hard_silu": ("hard_silu", ()),
    "hard_tanh": ("hard_tanh", ()),
    "log_sigmoid": ("log_sigmoid", ()),
    "mish": ("mish", ()),
    "selu": ("selu", ()),
    "sigmoid": ("sigmoid", ()),
    "silu": ("silu", ()),
    "soft_shrink": ("soft_shrink", (0.5,)),
    "softplus": ("softplus", ()),
    "softsign": ("softsign", ()),
    "sparse_plus": ("sparse_plus", ()),
    "sparse_sigmoid": ("sparse_sigmoid", ()),
    "squareplus": ("squareplus", (4.0,)),
    "tanh": ("tanh", ()),
    "tanh_shrink": ("tanh_shrink", ()),
    "Absolute": ("abs", ()),
    "Cos": ("cos", ()),
    "Exp": ("exp", ()),
    "HardSigmoid": ("hard_sigmoid", ()),
    "HardSilu": ("hard_silu", ()),
    "HardTanh": ("hard_tanh", ()),
    "Log": ("log", ()),
    "LogSigmoid": ("log_sigmoid", ()),
    "Mish": ("mish", ()),
    "Negative": ("negative", ()),
    "Rsqrt": ("rsqrt", ()),
    "Selu": ("selu", ()),
    "Sigmoid": ("sigmoid", ()),
    "Silu": ("silu", ()),
    "Sin": ("sin", ()),
    "Softplus": ("softplus", ()),
    "Softsign": ("softsign", ()),
    "SparsePlus": ("sparse_plus", ()),
    "SparseSigmoid": ("sparse_sigmoid", ()),
    "Sqrt": ("sqrt", ()),
    "Square": ("square", ()),
    "Tanh": ("tanh", ()),
    "TanhShrink": ("tanh_shrink", ()),
}
"""Functions of keras.activations with what they take by default, and classes of keras.ops."""

WITH_PARAMETERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Celu": ("celu", ("alpha",)),
    "ELU": ("elu", ("alpha",)),
    "Elu": ("elu", ("alpha",)),
    "HardShrink": ("hard_shrink", ("threshold",)),
    "SoftShrink": ("soft_shrink", ("threshold",)),
    "Squareplus": ("squareplus", ("b",)),
    "Threshold": ("threshold", ("threshold", "default_value")),
}
"""Classes whose attributes the function takes."""


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
    found = _curve(function, word)
    if found is not None:
        return (Curve(name=name, inputs=(source,), function=found[0], parameters=found[1]),)
    return (Activation(name=name, inputs=(source,), function=_relu(function, word)),)


def _curve(function: Any, word: str) -> tuple[str, tuple[float, ...]] | None:
    if word in ("gelu", "Gelu"):
        return ("gelu_tanh" if getattr(function, "approximate", False) else "gelu"), ()
    if word in WITH_PARAMETERS:
        name, attributes = WITH_PARAMETERS[word]
        return name, tuple(float(getattr(function, one)) for one in attributes)
    return CURVES.get(word)


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


def prelu(call: Call) -> tuple[Operation, ...]:
    """Import PReLU with one slope for each channel (``shared_axes`` names all axes but the last)."""
    slopes = array(call.layer.alpha)
    if slopes.size != slopes.shape[-1]:
        raise NoIntegerForm(f"slopes of the shape {slopes.shape}; hwsim has one for each channel, use shared_axes")
    return (Prelu(name=call.name, inputs=call.inputs, slopes=float32(slopes.reshape(-1))),)


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
