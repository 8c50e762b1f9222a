"""Multiply-accumulate operations in float32, most by TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hwsim.loaders.framework import tensorflow
from hwsim.network import Conv2D, Conv2DTranspose, Dense, Relu, ScaleShift
from hwsim.network.mac import Doubles, Floats
from hwsim.network.operation import Sides
from hwsim.reference.activation import apply
from hwsim.reference.compiled import run
from hwsim.reference.convolution import Convolution, Pair
from hwsim.reference.padding import NONE, explicit, in_words


def conv2d(operation: Conv2D, inputs: Sequence[Floats]) -> Floats:
    """Return the convolution of (n, h, w, c)."""
    kernel, bias = operation.kernel, single(operation.bias)
    if not _is_depthwise(operation):
        return run(_grouped, (operation.activation, Convolution.of(operation)), inputs[0], kernel, bias)
    padding = ("VALID", operation.padding)
    if operation.dilation == (1, 1):
        padding = in_words(operation.padding, inputs[0].shape[1:3], kernel.shape, operation.strides)
    kernel = kernel.reshape(*kernel.shape[:2], operation.groups, -1)
    how = (operation.strides, operation.dilation, operation.activation, *padding)
    return run(_depthwise, how, inputs[0], kernel, bias)


def conv2d_transpose(operation: Conv2DTranspose, inputs: Sequence[Floats]) -> Floats:
    """Return the transposed convolution of (n, h, w, c)."""
    (top, left), (height, width) = operation.cut, operation.size
    kept = _scattered(operation, inputs[0])[:, top : top + height, left : left + width]
    beyond = ((0, height - kept.shape[1]), (0, width - kept.shape[2]))
    return run(_finished, (operation.activation,), np.pad(kept, explicit(beyond)), single(operation.bias))


def dense(operation: Dense, inputs: Sequence[Floats]) -> Floats:
    """Return the product over the last axis."""
    rows = inputs[0].reshape(-1, inputs[0].shape[-1])
    result = run(_product, (operation.activation,), rows, operation.kernel, single(operation.bias))
    return result.reshape(*inputs[0].shape[:-1], -1)


def scale_shift(operation: ScaleShift, inputs: Sequence[Floats]) -> Floats:
    """Return the scaled and shifted channels."""
    return run(_scaled, (operation.activation,), inputs[0], operation.scale, single(operation.bias))


def single(bias: Floats | Doubles) -> Floats:
    """Return a bias in float32."""
    return bias.astype(np.float32, copy=False)


def _is_depthwise(conv: Conv2D) -> bool:
    # TensorFlow's depthwise convolution takes one stride for both axes, and dilation without strides only.
    plain = conv.strides == (1, 1) or (conv.dilation == (1, 1) and conv.strides[0] == conv.strides[1])
    return conv.kind == "depthwise_conv2d" and plain


def _depthwise(
    strides: Pair, dilation: Pair, function: Relu | None, word: str, padding: Sides, values: Any, *weights: Any
) -> Any:
    tf = tensorflow()
    kernel, bias = weights
    if padding != NONE:
        values = tf.pad(values, explicit(padding))
    return _finished(function, tf.nn.depthwise_conv2d(values, kernel, (1, *strides, 1), word, dilations=dilation), bias)


def _grouped(function: Relu | None, convolution: Convolution, values: Any, *weights: Any) -> Any:
    kernel, bias = weights
    return _finished(function, convolution.sums(values, kernel), bias)


def _finished(function: Relu | None, sums: Any, bias: Any) -> Any:
    return apply(function, tensorflow().nn.bias_add(sums, bias))


def _product(function: Relu | None, rows: Any, kernel: Any, bias: Any) -> Any:
    return _finished(function, tensorflow().linalg.matmul(rows, kernel), bias)


def _scaled(function: Relu | None, values: Any, scale: Any, bias: Any) -> Any:
    return apply(function, values * scale + bias)


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
