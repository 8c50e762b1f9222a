"""Operations without weights or roundings of their own: they move values, choose among them, or stay real inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from hwsim.loaders.framework import tensorflow
from hwsim.network import Concatenate, Crop, MaxPool, Normalize, Operation, Pad, Rearrange, Reshape, Softmax
from hwsim.network.mean import Mean as ImageMean
from hwsim.network.pooling import Pool
from hwsim.reference.padding import explicit
from hwsim.train.bases import saved
from hwsim.train.layers import OperationLayer


@saved
class Move(OperationLayer):
    """An operation without weights or roundings of its own: the largest of a window, another shape, a softmax, …"""

    def call(self, *inputs: Any) -> Any:
        """Return the result (n, …)."""
        return moved(self.operation, inputs)


def moved(operation: Operation, inputs: Sequence[Any]) -> Any:
    """Return the result of an operation that has neither weights nor roundings."""
    return MOVES[type(operation)](operation, *inputs)


def _crop(operation: Crop, values: Any) -> Any:
    (top, bottom), (left, right) = operation.cropping
    height, width = values.shape[1:3]
    return values[:, top : height - bottom, left : width - right]


def _largest(pool: Pool, values: Any) -> Any:
    tf = tensorflow()
    padded = tf.pad(values, explicit(pool.padding), constant_values=values.dtype.min)
    return tf.nn.max_pool2d(padded, pool.window, pool.strides, "VALID")


def _join(operation: Concatenate, *parts: Any) -> Any:
    return tensorflow().concat(parts, operation.axis + 1)


def _whole_mean(operation: ImageMean, values: Any) -> Any:
    return tensorflow().reduce_mean(values, (1, 2), keepdims=True)


def _normalize(operation: Normalize, values: Any) -> Any:
    tf, groups = tensorflow(), operation.groups
    grouped = tf.reshape(values, (-1, prod(values.shape[1:-1]), groups, values.shape[-1] // groups))
    axes = (1, 3) if operation.whole else (3,)
    centred = grouped - tf.reduce_mean(grouped, axes, keepdims=True) if operation.centered else grouped
    variance = tf.reduce_mean(tf.square(centred), axes, keepdims=True)
    return tf.reshape(centred / tf.sqrt(variance + operation.epsilon), (-1, *values.shape[1:]))


def _pad(operation: Pad, values: Any) -> Any:
    return tensorflow().pad(values, explicit(operation.padding))


def _rearrange(operation: Rearrange, values: Any) -> Any:
    tf, index = tensorflow(), operation.index
    picked = tf.gather(tf.reshape(values, (-1, prod(values.shape[1:]))), np.maximum(index, 0), axis=1)
    return tf.where(index < 0, tf.constant(operation.fill, values.dtype), picked)


def _reshape(operation: Reshape, values: Any) -> Any:
    return tensorflow().reshape(values, (-1, *operation.shape))


def _softmax(operation: Softmax, values: Any) -> Any:
    if operation.mask is not None:
        values = tensorflow().where(operation.mask, values, -np.inf)
    return tensorflow().nn.softmax(values, operation.axis + 1)


MOVES: Mapping[type[Operation], Callable[..., Any]] = {
    Concatenate: _join,
    Crop: _crop,
    MaxPool: _largest,
    ImageMean: _whole_mean,
    Normalize: _normalize,
    Pad: _pad,
    Rearrange: _rearrange,
    Reshape: _reshape,
    Softmax: _softmax,
}
