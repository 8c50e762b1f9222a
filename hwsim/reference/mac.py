"""Multiply-accumulate operations in float32, most by TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hwsim.loaders.framework import tensorflow
from hwsim.network import Conv2D, Conv2DTranspose, Dense, ScaleShift
from hwsim.network.mac import Floats
from hwsim.network.operation import Sides
from hwsim.reference.activation import apply


def conv2d(operation: Conv2D, inputs: Sequence[Floats]) -> Floats:
    """Return the convolution of (n, h, w, c)."""
    sums = _depthwise(operation, inputs[0]) if _is_depthwise(operation) else _grouped(operation, inputs[0])
    return apply(operation.activation, sums + operation.bias)


def conv2d_transpose(operation: Conv2DTranspose, inputs: Sequence[Floats]) -> Floats:
    """Return the transposed convolution of (n, h, w, c)."""
    (top, left), (height, width) = operation.cut, operation.size
    kept = _scattered(operation, inputs[0])[:, top : top + height, left : left + width]
    beyond = ((0, height - kept.shape[1]), (0, width - kept.shape[2]))
    return apply(operation.activation, np.pad(kept, explicit(beyond)) + operation.bias)


def dense(operation: Dense, inputs: Sequence[Floats]) -> Floats:
    """Return the product over the last axis."""
    rows = inputs[0].reshape(-1, inputs[0].shape[-1])
    sums: Floats = tensorflow().linalg.matmul(rows, operation.kernel).numpy()
    return apply(operation.activation, sums.reshape(*inputs[0].shape[:-1], -1) + operation.bias)


def scale_shift(operation: ScaleShift, inputs: Sequence[Floats]) -> Floats:
    """Return the scaled and shifted channels."""
    return apply(operation.activation, inputs[0] * operation.scale + operation.bias)


def explicit(padding: Sides) -> list[list[int]]:
    """Return ``padding`` for all four axes of (n, h, w, c), as TensorFlow and NumPy take it.

    >>> explicit(((0, 1), (2, 3)))
    [[0, 0], [0, 1], [2, 3], [0, 0]]
    """
    return [[0, 0], list(padding[0]), list(padding[1]), [0, 0]]


def _is_depthwise(conv: Conv2D) -> bool:
    # TensorFlow's depthwise convolution takes one stride for both axes, and dilation without strides only.
    plain = conv.strides == (1, 1) or (conv.dilation == (1, 1) and conv.strides[0] == conv.strides[1])
    return conv.kind == "depthwise_conv2d" and plain


def _depthwise(conv: Conv2D, values: Floats) -> Floats:
    height, width, _, outputs = conv.kernel.shape
    kernel = conv.kernel.reshape(height, width, conv.groups, outputs // conv.groups)
    strides = (1, *conv.strides, 1)
    padded = np.pad(values, explicit(conv.padding))
    result: Any = tensorflow().nn.depthwise_conv2d(padded, kernel, strides, "VALID", dilations=conv.dilation)
    return np.asarray(result.numpy(), dtype=np.float32)


def _grouped(conv: Conv2D, values: Floats) -> Floats:
    if conv.groups == 1:
        return _plain(conv, values, conv.kernel)
    # TensorFlow's own grouped convolution runs on GPUs only, hence one convolution for each group.
    inputs, kernels = (np.split(array, conv.groups, axis=3) for array in (values, conv.kernel))
    results = [_plain(conv, part, kernel) for part, kernel in zip(inputs, kernels, strict=True)]
    return np.concatenate(results, axis=3)


def _scattered(conv: Conv2DTranspose, values: Floats) -> Floats:
    """Return the full result, without bias: each input value times the kernel, added where it falls."""
    # TensorFlow's own transposed convolution knows dilation on some processors only.
    spans = [(values.shape[1 + axis] - 1) * conv.strides[axis] + 1 for axis in (0, 1)]
    reach = [(conv.kernel.shape[axis] - 1) * conv.dilation[axis] for axis in (0, 1)]
    full = np.zeros((len(values), spans[0] + reach[0], spans[1] + reach[1], conv.kernel.shape[3]), np.float32)
    for row, column in np.ndindex(*conv.kernel.shape[:2]):
        top, left = row * conv.dilation[0], column * conv.dilation[1]
        places = full[:, top : top + spans[0] : conv.strides[0], left : left + spans[1] : conv.strides[1]]
        places += values @ conv.kernel[row, column]
    return full


def _plain(conv: Conv2D, values: Floats, kernel: Floats) -> Floats:
    convolve: Any = tensorflow().nn.conv2d
    result = convolve(values, kernel, conv.strides, explicit(conv.padding), dilations=conv.dilation)
    return np.asarray(result.numpy(), dtype=np.float32)
