"""Pooling in float32, by TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.loaders.framework import tensorflow
from hwsim.network import AveragePool, MaxPool, Mean
from hwsim.network.mac import Floats
from hwsim.network.operation import Sides
from hwsim.network.pooling import Pool
from hwsim.reference.compiled import run
from hwsim.reference.padding import NONE, explicit, in_words


def max_pool(operation: MaxPool, inputs: Sequence[Floats]) -> Floats:
    """Return the largest value of each window."""
    return run(_largest, _settings(operation, inputs[0]), inputs[0])


def mean(operation: Mean, inputs: Sequence[Floats]) -> Floats:
    """Return the mean over rows and columns."""
    return np.asarray(inputs[0].mean(axis=(1, 2), keepdims=True, dtype=np.float64), np.float32)


def average_pool(operation: AveragePool, inputs: Sequence[Floats]) -> Floats:
    """Return the mean over the positions of each window inside the input."""
    settings = _settings(operation, inputs[0])
    means = run(_mean, settings, inputs[0])
    if settings[-1] == NONE:
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


def _settings(pool: Pool, values: Floats) -> tuple[Any, ...]:
    """Return window, strides, TensorFlow's word for the padding, and the padding for which it has none."""
    return (pool.window, pool.strides, *in_words(pool.padding, values.shape[1:3], pool.window, pool.strides))


def _largest(window: tuple[int, int], strides: tuple[int, int], word: str, padding: Sides, values: Any) -> Any:
    if padding != NONE:
        values = tensorflow().pad(values, explicit(padding), constant_values=-np.inf)
    return tensorflow().nn.max_pool2d(values, window, strides, word)


def _mean(window: tuple[int, int], strides: tuple[int, int], word: str, padding: Sides, values: Any) -> Any:
    if padding != NONE:
        values = tensorflow().pad(values, explicit(padding))
    return tensorflow().nn.avg_pool2d(values, window, strides, word)
