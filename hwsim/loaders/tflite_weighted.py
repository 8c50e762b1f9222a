"""The operators of ``.tflite`` files that multiply by weights: integers become real weights that give them back.

A code of 8 bits times its scale is so near in float32 that the scale brings the same code back. A bias has the unit
``input scale * weight scale`` (the runtime's, whatever scale the file gives it) and is kept in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.loaders.keras_window import sides
from hwsim.loaders.tflite_draft import FORMATS, Draft, RefusedError, codes, given, result
from hwsim.loaders.tflite_file import FileOperator, FileTensor
from hwsim.loaders.tflite_words import activation_of, padding_of, pair_of
from hwsim.network import Conv2D, Conv2DTranspose, Dense, Reshape
from hwsim.network.mac import Doubles, Floats
from hwsim.network.stored import Codes

BIAS_LIMIT = 1 << 51
"""Integers below this come back exactly from float64 after a multiplication by their unit and a division."""


def convolution(draft: Draft, operator: FileOperator) -> None:
    """Import CONV_2D; fewer channels in the weights than in the input make groups."""
    kernel, stored = _weights(operator, axis=0, rank=4)
    _window(draft, operator, kernel.transpose(1, 2, 3, 0), stored, depthwise=False)


def depthwise(draft: Draft, operator: FileOperator) -> None:
    """Import DEPTHWISE_CONV_2D."""
    kernel, stored = _weights(operator, axis=3, rank=4)
    if kernel.shape[0] != 1:
        raise RefusedError(f"has weights of the shape {kernel.shape}, whose first axis is not 1")
    _window(draft, operator, kernel.transpose(1, 2, 0, 3), stored, depthwise=True)


def _window(draft: Draft, operator: FileOperator, kernel: Floats, stored: Codes, *, depthwise: bool) -> None:
    (name, source), output = draft.source(operator), result(operator)
    shape, function = draft.shape(source), activation_of(operator)
    if len(shape) != 3 or shape[2] % kernel.shape[2]:  # noqa: PLR2004
        raise RefusedError(f"takes the shape {source.shape} with weights for {kernel.shape[2]} channels")
    groups = shape[2] // kernel.shape[2]
    if kernel.shape[3] % groups:
        raise RefusedError(f"has {kernel.shape[3]} outputs for {groups} groups of channels")
    strides = pair_of(operator, "StrideH", "StrideW")
    dilation = pair_of(operator, "DilationHFactor", "DilationWFactor")
    window = kernel.shape[0], kernel.shape[1]
    own = draft.name(output)
    convolved = Conv2D(
        name=own,
        inputs=(name,),
        kernel=np.ascontiguousarray(kernel),
        bias=_bias(operator, codes(source), stored, kernel.shape[3]),
        activation=function,
        strides=strides,
        dilation=dilation,
        padding=sides(padding_of(operator), shape, window, strides, dilation),
        groups=groups,
        depthwise=depthwise,
    )
    draft.add(convolved, output)
    draft.weights[own] = stored


def transpose_convolution(draft: Draft, operator: FileOperator) -> None:
    """Import TRANSPOSE_CONV, whose inputs are the shape of the result, the weights, the feature map and a bias."""
    kernel, stored = _weights(operator, axis=0, rank=4)
    (name, source), output = draft.source(operator, 2), result(operator)
    shape, size = draft.shape(source), draft.shape(output)
    if len(shape) != 3 or len(size) != 3 or shape[2] != kernel.shape[3]:  # noqa: PLR2004
        raise RefusedError(f"takes the shape {source.shape} with weights for {kernel.shape[3]} channels")
    strides, window = pair_of(operator, "StrideH", "StrideW"), (kernel.shape[1], kernel.shape[2])
    pads = sides(padding_of(operator), size, window, strides, (1, 1))
    own = draft.name(output)
    convolved = Conv2DTranspose(
        name=own,
        inputs=(name,),
        kernel=np.ascontiguousarray(kernel.transpose(1, 2, 3, 0)),
        bias=_bias(operator, codes(source), stored, kernel.shape[0], 3),
        activation=activation_of(operator),
        size=(size[0], size[1]),
        strides=strides,
        cut=(pads[0][0], pads[1][0]),
    )
    draft.add(convolved, output)
    draft.weights[own] = stored


def fully_connected(draft: Draft, operator: FileOperator) -> None:
    """Import FULLY_CONNECTED; an input of another shape is reshaped to rows first."""
    if operator.options.get("WeightsFormat", 0) != 0:
        raise RefusedError("has weights in shuffled order")
    kernel, stored = _weights(operator, axis=0, rank=2)
    (name, source), output = draft.source(operator), result(operator)
    own, rows = draft.name(output), (*draft.shape(output)[:-1], kernel.shape[1])
    if draft.shape(source) != rows:
        draft.add_inner(Reshape(name=f"{own}/rows", inputs=(name,), shape=rows), codes(source))
        name = f"{own}/rows"
    dense = Dense(
        name=own,
        inputs=(name,),
        kernel=np.ascontiguousarray(kernel.T),
        bias=_bias(operator, codes(source), stored, kernel.shape[0]),
        activation=activation_of(operator),
    )
    draft.add(dense, output)
    draft.weights[own] = stored


def _weights(operator: FileOperator, axis: int, rank: int) -> tuple[Floats, Codes]:
    """Return the real weights in the file's layout, and how they are stored; ``axis`` is that of the outputs."""
    tensor = given(operator, 1)
    form = FORMATS.get(tensor.kind)
    if tensor.values is None or form is None or tensor.kind == "INT16":
        raise RefusedError(f"has weights {tensor.name!r} of {tensor.kind}, hwsim has constants of INT8 or UINT8")
    if len(tensor.shape) != rank or 0 in tensor.shape:
        raise RefusedError(f"has weights of the shape {tensor.shape}")
    if not tensor.scale or (len(tensor.scale) > 1 and tensor.axis != axis):
        raise RefusedError(f"has weights {tensor.name!r} without a scale for each output")
    if not all(form.holds(one, one) for one in tensor.zero_point):
        raise RefusedError(f"has weights {tensor.name!r} with a zero point that is no code of {tensor.kind}")
    along = [1] * rank
    along[axis] = len(tensor.scale)
    scale = np.asarray(tensor.scale, np.float64).reshape(along)
    zero_point = np.asarray(tensor.zero_point, np.int64).reshape(along)
    reals = ((tensor.values.astype(np.int64) - zero_point) * scale).astype(np.float32)
    return reals, Codes(format=form, scale=tensor.scale, zero_point=tensor.zero_point)


def _bias(operator: FileOperator, source: Codes, weights: Codes, outputs: int, number: int = 2) -> Doubles:
    """Return the real bias in float64, zeros where the file has none."""
    tensor = operator.inputs[number] if len(operator.inputs) > number else None
    if tensor is None:
        return np.zeros(outputs, np.float64)
    values = _bias_codes(tensor, outputs)
    unit: Any = source.scale[0] * np.asarray(weights.scale, np.float64)
    return np.asarray(values * unit, np.float64)


def _bias_codes(tensor: FileTensor, outputs: int) -> NDArray[np.int64]:
    if tensor.values is None or tensor.kind not in ("INT32", "INT64") or tensor.shape != (outputs,):
        raise RefusedError(
            f"has a bias {tensor.name!r} of {tensor.kind} and shape {tensor.shape}, hwsim has constants of INT32 or "
            f"INT64 and shape ({outputs},)"
        )
    values = tensor.values.astype(np.int64)
    if values.size and max(-int(values.min()), int(values.max())) >= BIAS_LIMIT:
        raise RefusedError(f"has a bias {tensor.name!r} of more than 52 bits")
    return values
