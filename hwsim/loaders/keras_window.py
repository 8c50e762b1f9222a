"""Layers that move windows over (h, w, c): padding rules, pooling, borders."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from hwsim.loaders.keras_draft import Call, NoIntegerForm
from hwsim.network import AveragePool, Crop, MaxPool, Mean, Operation, Pad, Rearrange, Reshape, Shape
from hwsim.network.operation import Pair, Sides, same


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


def mean(call: Call) -> tuple[Operation, ...]:
    """Import ``keras.ops.mean``: what is averaged becomes the rows of an image, everything else its channels."""
    shape, rank = call.shapes[0], len(call.shapes[0]) + 1
    axes = sorted({axis % rank for axis in call.layer.axis or range(rank)})
    if axes[0] == 0:
        raise NoIntegerForm("averages over the samples of a batch")
    kept = [axis for axis in range(1, rank) if axis not in axes]
    numbers = np.arange(prod(shape), dtype=np.int64).reshape(1, *shape)
    index = np.ascontiguousarray(numbers.transpose(*axes, *kept, 0).reshape(prod(shape[i - 1] for i in axes), 1, -1))
    if call.layer.keepdims:
        made = tuple(1 if axis in axes else shape[axis - 1] for axis in range(1, rank))
    else:
        made = tuple(shape[axis - 1] for axis in kept)
    if not made:
        raise NoIntegerForm("averages over all axes, which leaves none but the batch")
    operations: list[Operation] = []
    source, image = call.inputs[0], shape
    if (axes, rank) != ([1, 2], 4):
        source, image = f"{call.name}/rows", index.shape
        operations.append(Rearrange(name=source, inputs=call.inputs, index=index))
    flat = made != (1, 1, image[2])
    name = f"{call.name}/image" if flat else call.name
    if call.reading.global_average == "mean":
        operations.append(Mean(name=name, inputs=(source,), kept=source in call.inputs and call.layer.keepdims))
    else:
        operations.append(AveragePool(name=name, inputs=(source,), window=pair(image[:2]), strides=(1, 1)))
    if flat:
        operations.append(Reshape(name=call.name, inputs=(name,), shape=made))
    return tuple(operations)


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
