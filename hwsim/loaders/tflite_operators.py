"""The table from the operators of ``.tflite`` files to the records of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hwsim.loaders.keras_window import sides
from hwsim.loaders.tflite_draft import Draft, RefusedError, codes, given, result
from hwsim.loaders.tflite_file import FileOperator, FileTensor
from hwsim.loaders.tflite_weighted import convolution, depthwise, fully_connected
from hwsim.loaders.tflite_words import activation_of, padding_of, pair_of
from hwsim.network import (
    Activation,
    Add,
    AveragePool,
    Concatenate,
    MaxPool,
    Mean,
    Multiply,
    Operation,
    Pad,
    Relu,
    Reshape,
    Softmax,
)

Importer = Callable[[Draft, FileOperator], None]


def _pool(record: type[AveragePool | MaxPool]) -> Importer:
    """Return the importer of a pooling; a fused activation becomes an operation of its own."""

    def importer(draft: Draft, operator: FileOperator) -> None:
        (name, source), output = draft.source(operator), result(operator)
        function = activation_of(operator)
        window, strides = pair_of(operator, "FilterHeight", "FilterWidth"), pair_of(operator, "StrideH", "StrideW")
        padding = sides(padding_of(operator), image(draft, source), window, strides)
        own = draft.name(output)
        fields: dict[str, Any] = {"inputs": (name,), "window": window, "strides": strides, "padding": padding}
        if function is None:
            draft.add(record(name=own, **fields), output)
            return
        inner = f"{own}/pool"
        draft.add_inner(record(name=inner, **fields), codes(source))
        draft.add(Activation(name=own, inputs=(inner,), function=function), output)

    return importer


def image(draft: Draft, tensor: FileTensor) -> tuple[int, ...]:
    """Return (h, w, c) of a feature map; raise RefusedError for another rank."""
    shape = draft.shape(tensor)
    if len(shape) != 3:  # noqa: PLR2004
        raise RefusedError(f"takes the shape {tensor.shape}, a window needs (batch, height, width, channels)")
    return shape


def add(draft: Draft, operator: FileOperator) -> None:
    """Import ADD of two feature maps of one shape."""
    if operator.outputs and operator.outputs[0].kind == "INT16" and operator.options.get("PotScaleInt16", True):
        raise RefusedError("adds 16-bit values by scales that are powers of two")
    names, tensors = _two(draft, operator)
    if tensors[0].shape != tensors[1].shape:
        raise RefusedError(f"stretches {tensors[0].shape} and {tensors[1].shape} to one shape")
    output = result(operator)
    draft.add(Add(name=draft.name(output), inputs=names, activation=activation_of(operator)), output)


def multiply(draft: Draft, operator: FileOperator) -> None:
    """Import MUL of two feature maps."""
    names, _ = _two(draft, operator)
    output = result(operator)
    draft.add(Multiply(name=draft.name(output), inputs=names, activation=activation_of(operator)), output)


def _two(draft: Draft, operator: FileOperator) -> tuple[tuple[str, str], tuple[FileTensor, FileTensor]]:
    first, second = draft.source(operator, 0), draft.source(operator, 1)
    return (first[0], second[0]), (first[1], second[1])


def concatenation(draft: Draft, operator: FileOperator) -> None:
    """Import CONCATENATION."""
    if activation_of(operator) is not None:
        raise RefusedError("has a fused activation")
    output = result(operator)
    sources = [draft.source(operator, number) for number in range(len(operator.inputs))]
    rank, axis = len(output.shape), int(operator.options.get("Axis", 0))
    axis = axis + rank if axis < 0 else axis
    axis -= rank - len(draft.shape(output))
    if not 0 <= axis < len(draft.shape(output)):
        raise RefusedError(f"joins along axis {axis} of {rank}; the batch cannot be joined")
    names = tuple(name for name, _ in sources)
    draft.add(Concatenate(name=draft.name(output), inputs=names, axis=axis), output)


def reshape(draft: Draft, operator: FileOperator) -> None:
    """Import RESHAPE, SQUEEZE and EXPAND_DIMS: the output's shape is in the file."""
    (name, _), output = draft.source(operator), result(operator)
    draft.add(Reshape(name=draft.name(output), inputs=(name,), shape=draft.shape(output)), output)


def pad(draft: Draft, operator: FileOperator) -> None:
    """Import PAD of rows and columns."""
    (name, source), output = draft.source(operator), result(operator)
    image(draft, source)
    amounts = given(operator, 1).values
    if amounts is None or amounts.shape != (4, 2) or (amounts < 0).any():
        raise RefusedError("pads by amounts that are not four constant pairs")
    batch, rows, columns, channels = (tuple(int(one) for one in pair) for pair in amounts)
    if any(batch) or any(channels):
        raise RefusedError("pads the batch or the channels")
    padding: Any = (rows, columns)
    draft.add(Pad(name=draft.name(output), inputs=(name,), padding=padding), output)


def _relu(limit: float | None) -> Importer:
    def importer(draft: Draft, operator: FileOperator) -> None:
        (name, _), output = draft.source(operator), result(operator)
        draft.add(Activation(name=draft.name(output), inputs=(name,), function=Relu(max_value=limit)), output)

    return importer


def softmax(draft: Draft, operator: FileOperator) -> None:
    """Import SOFTMAX over the last axis."""
    (name, source), output = draft.source(operator), result(operator)
    beta = float(operator.options.get("Beta", 0.0))
    if beta != 1:
        raise RefusedError(f"has the factor beta {beta}, hwsim has 1")
    draft.add(Softmax(name=draft.name(output), inputs=(name,), axis=len(draft.shape(source)) - 1), output)


def quantize(draft: Draft, operator: FileOperator) -> None:
    """Import QUANTIZE: of an input's real values the input itself, of integers a change of scale."""
    (name, source), output = draft.source(operator), result(operator)
    if source.kind == "FLOAT32":
        draft.same(operator)
    else:
        draft.add(Activation(name=draft.name(output), inputs=(name,), function=None), output)


def dequantize(draft: Draft, operator: FileOperator) -> None:
    """Import DEQUANTIZE in front of an output: results are given as real values anyway."""
    draft.source(operator)
    if not draft.is_result(result(operator)):
        raise RefusedError("hands real values to another operator")
    draft.same(operator)


def mean(draft: Draft, operator: FileOperator) -> None:
    """Import MEAN over rows and columns."""
    name, source, output = _over_image(draft, operator)
    kept = len(draft.shape(output)) == len(draft.shape(source))
    _flat(draft, output, lambda own: Mean(name=own, inputs=(name,), kept=kept))


def _over_image(draft: Draft, operator: FileOperator) -> tuple[str, FileTensor, FileTensor]:
    """Return name and record of what a reduction takes, and what it makes; it must take rows and columns."""
    (name, source), output = draft.source(operator), result(operator)
    image(draft, source)
    axes = given(operator, 1).values
    if axes is None or sorted(int(axis) % 4 for axis in axes.reshape(-1)) != [1, 2]:
        raise RefusedError("reduces other axes than rows and columns")
    return name, source, output


def _flat(draft: Draft, output: FileTensor, operation: Callable[[str], Operation]) -> None:
    """Add an operation that gives (1, 1, c), and the reshape that brings it to the output's shape."""
    own, shape = draft.name(output), draft.shape(output)
    if len(shape) == 3:  # noqa: PLR2004
        draft.add(operation(own), output)
        return
    inner = f"{own}/image"
    draft.add_inner(operation(inner), codes(output))
    draft.add(Reshape(name=own, inputs=(inner,), shape=shape), output)


def reduce_max(draft: Draft, operator: FileOperator) -> None:
    """Import REDUCE_MAX over rows and columns."""
    name, source, output = _over_image(draft, operator)
    height, width, _ = image(draft, source)
    fields: dict[str, Any] = {"inputs": (name,), "window": (height, width), "strides": (1, 1)}
    _flat(draft, output, lambda own: MaxPool(name=own, **fields))


IMPORTERS: Mapping[str, Importer] = {
    "ADD": add,
    "AVERAGE_POOL_2D": _pool(AveragePool),
    "CONCATENATION": concatenation,
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise,
    "DEQUANTIZE": dequantize,
    "EXPAND_DIMS": reshape,
    "FULLY_CONNECTED": fully_connected,
    "MEAN": mean,
    "MAX_POOL_2D": _pool(MaxPool),
    "MUL": multiply,
    "PAD": pad,
    "QUANTIZE": quantize,
    "REDUCE_MAX": reduce_max,
    "RELU": _relu(None),
    "RELU6": _relu(6.0),
    "RESHAPE": reshape,
    "SOFTMAX": softmax,
    "SQUEEZE": reshape,
}
