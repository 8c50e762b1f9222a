"""Layers and operations of Keras that combine a tensor with values of the model: a scale and a shift per channel."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.loaders.keras_draft import Call, NoIntegerForm
from hwsim.loaders.keras_weights import array, float32
from hwsim.network import Add, Multiply, Operation, ScaleShift, Subtract
from hwsim.network.absorb import ByConstant
from hwsim.network.mac import Floats

Record = type[Add | Multiply]


def scaled(call: Call, source: str, name: str, scale: Any) -> Operation:
    """Return ``x * scale`` for values that are one for all or one for each channel, as a target asks for it."""
    if call.reading.folding == "float32":
        return ByConstant(name=name, inputs=(source,), record=Multiply, values=_floats(scale))
    return _scale_shift(call, source, name, scale, 0)


def scaled_and_shifted(call: Call, source: str, name: str, scale: Any, shift: Any) -> tuple[Operation, ...]:
    """Return ``x * scale + shift`` for values that are one for all or one for each channel, as a target asks for it."""
    if call.reading.folding == "float32":
        return by_constants(source, name, ((Multiply, scale), (Add, shift)))
    return (_scale_shift(call, source, name, scale, shift),)


def by_constants(source: str, name: str, parts: tuple[tuple[Record, Any], tuple[Record, Any]]) -> tuple[Operation, ...]:
    """Return two operations by constants, the last of them called ``name``, without those that change nothing."""
    given = [(record, _floats(values)) for record, values in parts]
    kept = [(record, values) for record, values in given if np.any(values != (1 if record is Multiply else 0))]
    chain: list[Operation] = []
    for number, (record, values) in enumerate(kept, 1):
        own = name if number == len(kept) else f"{name}/{record.kind}"
        chain.append(ByConstant(name=own, inputs=(source,), record=record, values=values))
        source = own
    return tuple(chain)


def _scale_shift(call: Call, source: str, name: str, scale: Any, shift: Any) -> ScaleShift:
    channels = call.shapes[0][-1]
    try:
        factors, bias = (np.broadcast_to(np.asarray(one, np.float64).reshape(-1), channels) for one in (scale, shift))
    except ValueError as error:
        raise NoIntegerForm(f"its values do not fit the {channels} channels of the last axis") from error
    return ScaleShift(name=name, inputs=(source,), scale=float32(factors), bias=float32(bias))


def _floats(values: Any) -> Floats:
    return np.asarray(values, np.float32)


def add_constant(call: Call) -> tuple[Operation, ...]:
    """Import ``x + c``."""
    values = call.constant("adds")
    return _with_constant(call, Add, values, 1, values)


def subtract_constant(call: Call) -> tuple[Operation, ...]:
    """Import ``x - c`` and ``c - x``."""
    values = call.constant("subtracts")
    sign = -1 if call.constant_first else 1
    return _with_constant(call, Subtract, values, sign, -sign * values)


def multiply_constant(call: Call) -> tuple[Operation, ...]:
    """Import ``x * c``."""
    values = call.constant("multiplies by")
    return _with_constant(call, Multiply, values, values, 0)


def divide_constant(call: Call) -> tuple[Operation, ...]:
    """Import ``x / c``: a multiplication by the reciprocal."""
    values = call.constant("divides by")
    if call.constant_first or not values.all():
        raise NoIntegerForm("divides a constant, or by 0")
    inverse = _floats(1 / values)
    return _with_constant(call, Multiply, inverse, inverse, 0)


def _with_constant(call: Call, record: Record, values: Floats, scale: Any, shift: Any) -> tuple[Operation, ...]:
    """Return an operation by a constant: a scale and a shift, where the values are one for each channel or for all.

    Others, and all where a target asks for it, remain an operation of two tensors.
    """
    (shape,) = call.shapes
    apart = call.reading.folding == "float32"
    if not apart and (values.size == 1 or (values.size == shape[-1] == values.shape[-1])):
        return (_scale_shift(call, call.inputs[0], call.name, scale, shift),)
    if values.ndim > len(shape) + 1 or (values.ndim > len(shape) and values.shape[0] != 1):
        raise NoIntegerForm(f"takes a constant of the shape {values.shape}")
    first = call.constant_first and record is Subtract
    one = ByConstant(name=call.name, inputs=call.inputs, record=record, values=_floats(values), first=first)
    return (one,)


def layer_scale(call: Call) -> tuple[Operation, ...]:
    """Import the LayerScale of ConvNeXt."""
    return (scaled(call, call.inputs[0], call.name, array(call.layer.gamma)),)


def residual_scale(call: Call) -> tuple[Operation, ...]:
    """Import the CustomScaleLayer of InceptionResNetV2: the first tensor plus the second times a number."""
    inner = f"{call.name}/scaled"
    part = scaled(call, call.inputs[1], inner, float(call.layer.scale))
    return part, Add(name=call.name, inputs=(call.inputs[0], inner))
