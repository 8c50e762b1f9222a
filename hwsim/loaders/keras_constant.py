"""Layers and operations of Keras that combine a tensor with values of the model: a scale and a shift per channel."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.loaders.keras_draft import Call, NoIntegerForm
from hwsim.loaders.keras_weights import array, float32
from hwsim.network import Add, Constant, Multiply, Operation, ScaleShift
from hwsim.network.mac import Floats


def scaled(call: Call, source: str, name: str, scale: Any, shift: Any) -> ScaleShift:
    """Return ``x * scale + shift`` for values that are one for all or one for each channel."""
    channels = call.shapes[0][-1]
    factors, bias = (np.broadcast_to(np.asarray(one, np.float64).reshape(-1), (channels,)) for one in (scale, shift))
    return ScaleShift(name=name, inputs=(source,), scale=float32(factors), bias=float32(bias))


def by_channel(values: Floats, shape: tuple[int, ...]) -> bool:
    """Whether values are one for all, or one for each channel of the last axis."""
    return values.size == 1 or (values.size == shape[-1] == values.shape[-1])


def add_constant(call: Call) -> tuple[Operation, ...]:
    """Import ``x + c``."""
    values = call.constant("adds")
    if by_channel(values, call.shapes[0]):
        return (scaled(call, call.inputs[0], call.name, 1, values),)
    return _with_tensor(call, values, Add)


def subtract_constant(call: Call) -> tuple[Operation, ...]:
    """Import ``x - c`` and ``c - x``."""
    values = call.constant("subtracts")
    if not by_channel(values, call.shapes[0]):
        raise NoIntegerForm(f"subtracts a constant of the shape {values.shape}")
    sign = -1 if call.constant_first else 1
    return (scaled(call, call.inputs[0], call.name, sign, -sign * values),)


def multiply_constant(call: Call) -> tuple[Operation, ...]:
    """Import ``x * c``."""
    values = call.constant("multiplies by")
    if by_channel(values, call.shapes[0]):
        return (scaled(call, call.inputs[0], call.name, values, 0),)
    return _with_tensor(call, values, Multiply)


def divide_constant(call: Call) -> tuple[Operation, ...]:
    """Import ``x / c``: a multiplication by the reciprocal."""
    values = call.constant("divides by")
    if call.constant_first or not by_channel(values, call.shapes[0]) or not values.all():
        raise NoIntegerForm("divides a constant, by 0, or by values that are not one for each channel")
    return (scaled(call, call.inputs[0], call.name, 1 / values, 0),)


def _with_tensor(call: Call, values: Floats, record: type[Add | Multiply]) -> tuple[Operation, ...]:
    rank = len(call.shapes[0])
    shape = values.shape[1:] if values.ndim == rank + 1 and values.shape[0] == 1 else values.shape
    if len(shape) > rank:
        raise NoIntegerForm(f"takes a constant of the shape {values.shape}")
    shape = (1,) * (rank - len(shape)) + tuple(shape)
    held = f"{call.name}/constant"
    constant = Constant(name=held, inputs=call.inputs, values=values.reshape(shape).astype(np.float64))
    return constant, record(name=call.name, inputs=(*call.inputs, held))


def layer_scale(call: Call) -> tuple[Operation, ...]:
    """Import the LayerScale of ConvNeXt."""
    return (scaled(call, call.inputs[0], call.name, array(call.layer.gamma), 0),)


def residual_scale(call: Call) -> tuple[Operation, ...]:
    """Import the CustomScaleLayer of InceptionResNetV2: the first tensor plus the second times a number."""
    inner = f"{call.name}/scaled"
    part = scaled(call, call.inputs[1], inner, float(call.layer.scale), 0)
    return part, Add(name=call.name, inputs=(call.inputs[0], inner))
