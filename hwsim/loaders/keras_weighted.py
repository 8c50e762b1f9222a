"""Layers with weights: convolutions, dense layers, and those that scale and shift channels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import ModelError
from hwsim.loaders.framework import keras, tensorflow
from hwsim.loaders.keras_activation import activate, function_name, sample_axis
from hwsim.loaders.keras_constant import by_constants, scaled_and_shifted
from hwsim.loaders.keras_draft import Call, NoIntegerForm
from hwsim.loaders.keras_weights import array, float32
from hwsim.loaders.keras_window import pair, sides
from hwsim.network import Conv2D, Conv2DTranspose, Dense, Multiply, Operation, Subtract, Weighted
from hwsim.network.operation import windows

Doubles = NDArray[np.float64]


def conv2d(call: Call) -> tuple[Operation, ...]:
    """Import Conv2D with kernel (kh, kw, c / groups, filters)."""
    return _activated(call, _convolution(call, call.name, array(call.layer.kernel), call.layer.groups))


def depthwise_conv2d(call: Call) -> tuple[Operation, ...]:
    """Import DepthwiseConv2D: kernel (kh, kw, c, m) becomes (kh, kw, 1, c * m) in c groups."""
    kernel, groups = _depthwise(array(call.layer.kernel))
    return _activated(call, replace(_convolution(call, call.name, kernel, groups), depthwise=True))


def separable_conv2d(call: Call) -> tuple[Operation, ...]:
    """Import SeparableConv2D as ``name/depthwise`` without bias and ``name/pointwise`` with all the rest."""
    kernel, groups = _depthwise(array(call.layer.depthwise_kernel))
    depthwise = replace(_convolution(call, f"{call.name}/depthwise", kernel, groups, biased=False), depthwise=True)
    point = array(call.layer.pointwise_kernel)
    pointwise = Conv2D(
        name=f"{call.name}/pointwise",
        inputs=(depthwise.name,),
        kernel=float32(point),
        bias=_bias(call.layer, point.shape[3]),
    )
    return (depthwise, *_activated(call, pointwise))


def conv2d_transpose(call: Call) -> tuple[Operation, ...]:
    """Import Conv2DTranspose, whose kernel (kh, kw, filters, c) becomes (kh, kw, c, filters).

    Keras takes it for the way back from a convolution of its result: what that one would pad, this one cuts.
    """
    layer, shape = call.layer, call.shapes[0]
    kernel = array(layer.kernel).swapaxes(2, 3)
    window, strides, dilation = pair(kernel.shape[:2]), pair(layer.strides), pair(layer.dilation_rate)
    size = pair(layer.compute_output_shape((1, *shape))[1:3])
    pads = sides(layer.padding, size, window, strides, dilation)
    if any(windows(size[i], window[i], strides[i], pads[i], dilation[i]) != shape[i] for i in (0, 1)):
        raise NoIntegerForm("output_padding 0 with padding same and an even kernel, which TensorFlow cannot run")
    operation = Conv2DTranspose(
        name=call.name,
        inputs=call.inputs,
        kernel=float32(kernel),
        bias=_bias(layer, kernel.shape[3]),
        size=size,
        strides=strides,
        dilation=dilation,
        cut=(pads[0][0], pads[1][0]),
    )
    return _activated(call, operation)


def dense(call: Call) -> tuple[Operation, ...]:
    """Import Dense with kernel (n, units)."""
    kernel = array(call.layer.kernel)
    bias = _bias(call.layer, kernel.shape[1])
    return _activated(call, Dense(name=call.name, inputs=call.inputs, kernel=float32(kernel), bias=bias))


def batch_normalization(call: Call) -> tuple[Operation, ...]:
    """Import BatchNormalization: scale = gamma / sqrt(variance + epsilon), bias = beta - mean * scale."""
    layer, channels = call.layer, call.shapes[0][-1]
    _require_last_axis((layer.axis,), call)
    variance = array(layer.moving_variance) + layer.epsilon
    if not np.all(variance > 0):
        index = int(np.argmin(variance > 0))
        where = f"moving_variance + epsilon at index ({index},)"
        raise ModelError(f"{call.name}: {where} is {variance[index]}, not positive")
    gamma = array(layer.gamma) if layer.scale else np.ones(channels)
    beta = array(layer.beta) if layer.center else np.zeros(channels)
    if call.reading.folding == "float32":
        return _scaled(call, *_in_single(layer, gamma, beta))
    scale = gamma / np.sqrt(variance)
    return _scaled(call, scale, beta - array(layer.moving_mean) * scale)


def _in_single(layer: Any, gamma: Doubles, beta: Doubles) -> tuple[Doubles, Doubles]:
    """Return scale and shift as TensorFlow computes them, every step in float32."""
    variance = float32(array(layer.moving_variance)) + np.float32(layer.epsilon)
    # TensorFlow's reciprocal square root is not always the float32 nearest to it
    scale = tensorflow().math.rsqrt(variance).numpy() * float32(gamma)
    return scale.astype(np.float64), (float32(beta) - float32(array(layer.moving_mean)) * scale).astype(np.float64)


def rescaling(call: Call) -> tuple[Operation, ...]:
    """Import Rescaling with numbers or with one value per channel of the last axis."""
    return _scaled(call, array(call.layer.scale), array(call.layer.offset))


def normalization(call: Call) -> tuple[Operation, ...]:
    """Import Normalization over the last axis, or with one mean and variance for all."""
    layer = call.layer
    _require_last_axis(np.atleast_1d([] if layer.axis is None else layer.axis), call)
    mean, variance = array(layer.mean), array(layer.variance)
    if call.reading.folding == "float32":
        wide = np.maximum(np.sqrt(float32(variance)), np.float32(keras().config.epsilon()))
        if layer.invert:
            return _scaled(call, wide, mean)
        return by_constants(call.inputs[0], call.name, ((Subtract, mean), (Multiply, 1 / wide)))
    deviation = np.maximum(np.sqrt(variance), keras().config.epsilon())
    if layer.invert:
        return _scaled(call, deviation, mean)
    return _scaled(call, 1 / deviation, -mean / deviation)


def _convolution(call: Call, name: str, kernel: Doubles, groups: int, biased: bool = True) -> Conv2D:
    strides, dilation = pair(call.layer.strides), pair(call.layer.dilation_rate)
    return Conv2D(
        name=name,
        inputs=call.inputs,
        kernel=float32(kernel),
        bias=_bias(call.layer, kernel.shape[3]) if biased else np.zeros(kernel.shape[3], np.float32),
        strides=strides,
        dilation=dilation,
        padding=sides(call.layer.padding, call.shapes[0], pair(kernel.shape[:2]), strides, dilation),
        groups=int(groups),
    )


def _depthwise(kernel: Doubles) -> tuple[Doubles, int]:
    height, width, channels, multiplier = kernel.shape
    return kernel.reshape(height, width, 1, channels * multiplier), channels


def _bias(layer: Any, outputs: int) -> NDArray[np.float32]:
    return float32(array(layer.bias)) if layer.use_bias else np.zeros(outputs, np.float32)


def _activated(call: Call, operation: Weighted) -> tuple[Operation, ...]:
    function = call.layer.activation
    shape = call.shapes[0][:-1] + (len(operation.bias),)
    name = f"{call.name}/{function_name(function).lower()}"
    return (operation, *activate(function, name, operation.name, shape))


def _scaled(call: Call, scale: Any, shift: Any) -> tuple[Operation, ...]:
    return scaled_and_shifted(call, call.inputs[0], call.name, scale, shift)


def _require_last_axis(axes: Any, call: Call) -> None:
    shape = call.shapes[0]
    if any(sample_axis(int(axis), shape) != len(shape) - 1 for axis in axes):
        raise NoIntegerForm(f"axis {list(axes)} is not the last one")
