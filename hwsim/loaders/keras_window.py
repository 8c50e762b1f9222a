"""Layers that move windows over (h, w, c): padding rules, pooling, borders."""

from __future__ import annotations

from typing import Any

from hwsim.loaders.keras_draft import Call
from hwsim.network import AveragePool, Crop, MaxPool, Mean, Operation, Pad, Reshape, Shape
from hwsim.network.operation import Sides

Pair = tuple[int, int]


def same(size: int, window: int, stride: int, dilation: int = 1) -> Pair:
    """Return the zeros before and after one axis under TensorFlow's rule ``same``; the odd one goes after.

    >>> same(8, 3, 2)
    (0, 1)
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + dilation * (window - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def sides(rule: str, shape: Shape, window: Pair, strides: Pair, dilation: Pair = (1, 1)) -> Sides:
    """Return the padding of (h, w, c) under ``same`` or ``valid``."""
    if rule == "valid":
        return (0, 0), (0, 0)
    height, width = (same(shape[axis], window[axis], strides[axis], dilation[axis]) for axis in (0, 1))
    return height, width


def pair(value: Any) -> Pair:
    """Return two integers from whatever sequence Keras keeps them in."""
    first, second = value
    return int(first), int(second)


def max_pooling(call: Call) -> tuple[Operation, ...]:
    """Import MaxPooling2D."""
    return (MaxPool(name=call.name, inputs=call.inputs, **_pool(call)),)


def average_pooling(call: Call) -> tuple[Operation, ...]:
    """Import AveragePooling2D; padded positions do not count, as in TensorFlow."""
    return (AveragePool(name=call.name, inputs=call.inputs, **_pool(call)),)


def global_max_pooling(call: Call) -> tuple[Operation, ...]:
    """Import GlobalMaxPooling2D."""
    window = pair(call.shapes[0][:2])
    return _flat(call, MaxPool(name=call.name, inputs=call.inputs, window=window, strides=(1, 1)))


def global_average_pooling(call: Call) -> tuple[Operation, ...]:
    """Import GlobalAveragePooling2D."""
    if call.reading.global_average == "mean":
        return _flat(call, Mean(name=call.name, inputs=call.inputs, kept=call.layer.keepdims))
    window = pair(call.shapes[0][:2])
    return _flat(call, AveragePool(name=call.name, inputs=call.inputs, window=window, strides=(1, 1)))


def zero_padding(call: Call) -> tuple[Operation, ...]:
    """Import ZeroPadding2D."""
    return (Pad(name=call.name, inputs=call.inputs, padding=_sides(call.layer.padding)),)


def cropping(call: Call) -> tuple[Operation, ...]:
    """Import Cropping2D."""
    return (Crop(name=call.name, inputs=call.inputs, cropping=_sides(call.layer.cropping)),)


def _pool(call: Call) -> dict[str, Any]:
    window, strides = pair(call.layer.pool_size), pair(call.layer.strides)
    padding = sides(call.layer.padding, call.shapes[0], window, strides)
    return {"window": window, "strides": strides, "padding": padding}


def _flat(call: Call, pool: Operation) -> tuple[Operation, ...]:
    if call.layer.keepdims:
        return (pool,)
    return pool, Reshape(name=f"{call.name}/reshape", inputs=(call.name,), shape=(call.shapes[0][2],))


def _sides(value: Any) -> Sides:
    rows, columns = value
    return pair(rows), pair(columns)
