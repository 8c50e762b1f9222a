"""Pooling in float32, by TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwsim.loaders.framework import tensorflow
from hwsim.network import AveragePool, MaxPool
from hwsim.network.mac import Floats
from hwsim.network.pooling import Pool
from hwsim.reference.mac import explicit


def max_pool(operation: MaxPool, inputs: Sequence[Floats]) -> Floats:
    """Return the largest value of each window."""
    padded = np.pad(inputs[0], explicit(operation.padding), constant_values=-np.inf)
    result: Floats = tensorflow().nn.max_pool2d(padded, operation.window, operation.strides, "VALID").numpy()
    return result


def average_pool(operation: AveragePool, inputs: Sequence[Floats]) -> Floats:
    """Return the mean over the positions of each window inside the input."""
    padded = np.pad(inputs[0], explicit(operation.padding))
    means: Floats = tensorflow().nn.avg_pool2d(padded, operation.window, operation.strides, "VALID").numpy()
    if not any(size for side in operation.padding for size in side):
        return means
    # TensorFlow has divided by the whole window, but padded positions do not count.
    area = operation.window[0] * operation.window[1]
    factors = (area / window_sizes(operation, inputs[0].shape[1:3])).astype(np.float32)
    return means * factors[..., None]


def window_sizes(pool: Pool, shape: Sequence[int]) -> NDArray[np.int64]:
    """Return (oh, ow): how many positions of each window lie inside an input of ``shape`` (h, w)."""
    return np.outer(*(_inside(pool, shape[axis], axis) for axis in (0, 1)))


def _inside(pool: Pool, size: int, axis: int) -> NDArray[np.int64]:
    ones = np.pad(np.ones(size, np.int64), pool.padding[axis])
    windows = np.lib.stride_tricks.sliding_window_view(ones, pool.window[axis])
    return np.asarray(np.sum(windows[:: pool.strides[axis]], axis=1), dtype=np.int64)
