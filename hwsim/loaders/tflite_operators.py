"""The table from the operators of ``.tflite`` files to the records of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hwsim.loaders.keras_window import sides
from hwsim.loaders.tflite_draft import Draft, RefusedError, codes, given, result
from hwsim.loaders.tflite_file import FileOperator, FileTensor
from hwsim.loaders.tflite_moves import (
    constants,
    depth_to_space,
    mirrored,
    mover,
    nearest_neighbor,
    numbered,
    padded,
    pairs,
    sliced,
    space_to_depth,
    split,
    split_unevenly,
    strided_slice,
    tiled,
    transposed,
    unpack,
)
from hwsim.loaders.tflite_weighted import convolution, depthwise, fully_connected, transpose_convolution
from hwsim.loaders.tflite_words import activation_of, padding_of, pair_of
from hwsim.network import (
    Activation,
    Add,
    AveragePool,
    Concatenate,
    Curve,
    MatMul,
    MaxPool,
    Mean,
    Multiply,
    Operation,
    Pad,
    Prelu,
    Rearrange,
    Relu,
    Reshape,
    Resize,
    Softmax,
    Subtract,
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


def _merge(record: type[Add | Multiply | Subtract]) -> Importer:
    """Return the importer of ADD, SUB or MUL of two feature maps, of which one may be a constant."""

    def importer(draft: Draft, operator: FileOperator) -> None:
        output = result(operator)
        if record is not Multiply and output.kind == "INT16" and operator.options.get("PotScaleInt16", True):
            raise RefusedError("adds 16-bit values by scales that are powers of two")
        shape, names = draft.shape(output), (_operand(draft, operator, 0), _operand(draft, operator, 1))
        ranked = tuple(_ranked(draft, name, len(shape), draft.name(output)) for name in names)
        draft.add(record(name=draft.name(output), inputs=ranked, activation=activation_of(operator)), output)

    return importer


def _operand(draft: Draft, operator: FileOperator, number: int) -> str:
    """Return the name of an operand, made here if it is a constant."""
    tensor = given(operator, number)
    return draft.source(operator, number)[0] if tensor.values is None else draft.constant(tensor)


def _ranked(draft: Draft, name: str, rank: int, own: str) -> str:
    """Return the name of an operand with so many axes: leading ones of size 1 are put before it."""
    shape = draft.shape_of(name)
    if len(shape) == rank:
        return name
    if len(shape) > rank:
        raise RefusedError(f"has an operand of the shape {shape} for a result of {rank} axes")
    wide = f"{own}/{name}"
    draft.add_inner(Reshape(name=wide, inputs=(name,), shape=(1,) * (rank - len(shape)) + shape), draft.tensors[name])
    return wide


def batch_matmul(draft: Draft, operator: FileOperator) -> None:
    """Import BATCH_MATMUL of two feature maps, or of one and a constant; a matrix for several is repeated."""
    output, names = result(operator), (_operand(draft, operator, 0), _operand(draft, operator, 1))
    turned = bool(operator.options.get("AdjX")), bool(operator.options.get("AdjY"))
    own, shape = draft.name(output), draft.shape(output)
    if draft.batch != 1 and len({len(given(operator, number).shape) for number in (0, 1)}) > 1:
        raise RefusedError("multiplies matrices of different ranks, with a batch of more than 1 among their axes")
    ranked = [_ranked(draft, name, len(shape), own) for name in names]
    repeated = tuple(_repeated(draft, name, shape[:-2], own) for name in ranked)
    draft.add(MatMul(name=own, inputs=repeated, transpose=turned), output)


def _repeated(draft: Draft, name: str, many: tuple[int, ...], own: str) -> str:
    """Return the name of so many matrices: along axes of size 1 they are repeated."""
    shape = draft.shape_of(name)
    if shape[:-2] == many:
        return name
    if not all(size in (1, wanted) for size, wanted in zip(shape[:-2], many, strict=True)):
        raise RefusedError(f"has an operand of the shape {shape} for {many} matrices")
    wide = f"{own}/{name}/repeated"
    numbers = np.arange(np.prod(shape)).reshape(shape)
    index = np.ascontiguousarray(np.broadcast_to(numbers, (*many, *shape[-2:])))
    draft.add_inner(Rearrange(name=wide, inputs=(name,), index=index), draft.tensors[name])
    return wide


def resize_bilinear(draft: Draft, operator: FileOperator) -> None:
    """Import RESIZE_BILINEAR."""
    (name, source), output = draft.source(operator), result(operator)
    image(draft, source)
    height, width, _ = image(draft, output)
    corners, half = bool(operator.options.get("AlignCorners")), bool(operator.options.get("HalfPixelCenters"))
    record = Resize(
        name=draft.name(output), inputs=(name,), size=(height, width), align_corners=corners, half_pixel=half
    )
    draft.add(record, output)


def leaky_relu(draft: Draft, operator: FileOperator) -> None:
    """Import LEAKY_RELU."""
    (name, _), output = draft.source(operator), result(operator)
    slope = float(operator.options.get("Alpha", 0.0))
    if slope < 0:
        raise RefusedError(f"has the slope {slope}, hwsim has slopes of 0 and above")
    draft.add(Activation(name=draft.name(output), inputs=(name,), function=Relu(negative_slope=slope)), output)


def prelu(draft: Draft, operator: FileOperator) -> None:
    """Import PRELU with constant slopes, one for each channel or one for all."""
    (name, source), output, slopes = draft.source(operator), result(operator), given(operator, 1)
    channels, stored = draft.shape(source)[-1], codes(slopes)
    if slopes.values is None or slopes.values.size not in (1, channels) or slopes.kind == "INT16":
        raise RefusedError(f"has slopes of the shape {slopes.shape}, hwsim has constants for {channels} channels")
    values = np.broadcast_to(slopes.values.reshape(-1).astype(np.int64), (channels,))
    reals = (stored.scale[0] * (values - stored.zero_point[0])).astype(np.float32)
    own = draft.name(output)
    draft.add(Prelu(name=own, inputs=(name,), slopes=reals), output)
    draft.weights[own] = stored


def _curve(function: str) -> Importer:
    """Return the importer of a function of one number."""

    def importer(draft: Draft, operator: FileOperator) -> None:
        (name, _), output = draft.source(operator), result(operator)
        draft.add(Curve(name=draft.name(output), inputs=(name,), function=function), output)

    return importer


def gelu(draft: Draft, operator: FileOperator) -> None:
    """Import GELU."""
    _curve("gelu_tanh" if operator.options.get("Approximate") else "gelu")(draft, operator)


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
    """Import PAD."""
    (name, source), output = draft.source(operator), result(operator)
    shape, amounts = draft.shape(source), pairs(operator, len(source.shape))
    if len(shape) == 3 and len(amounts) == 4 and not any((*amounts[0], *amounts[3])):  # noqa: PLR2004
        draft.add(Pad(name=draft.name(output), inputs=(name,), padding=(amounts[1], amounts[2])), output)
    else:
        padded(draft, operator)


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
    """Import MEAN: what is averaged becomes the rows of an image, everything else its channels."""
    (name, source), output = draft.source(operator), result(operator)
    numbers = numbered(draft, source)
    axes = sorted({axis % numbers.ndim for axis in constants(operator, 1, "axes")})
    if not axes or (len(numbers.shape) > len(draft.shape(source)) and axes[0] == 0):
        raise RefusedError(f"averages along the axes {axes}, the batch among them")
    kept = [axis for axis in range(numbers.ndim) if axis not in axes]
    many = int(np.prod([numbers.shape[axis] for axis in axes]))
    index = numbers.transpose([*axes, *kept]).reshape(many, 1, -1)
    if draft.shape(source) != index.shape and not (axes == [1, 2] and numbers.ndim == 4):  # noqa: PLR2004
        inner = f"{draft.name(output)}/rows"
        draft.add_inner(Rearrange(name=inner, inputs=(name,), index=np.ascontiguousarray(index)), codes(source))
        name = inner
    own, shape = draft.name(output), draft.shape(output)
    if (1, 1, index.shape[2]) == shape:
        image = axes == [1, 2] and numbers.ndim == 4  # noqa: PLR2004
        draft.add(Mean(name=own, inputs=(name,), kept=image and len(shape) == len(draft.shape(source))), output)
        return
    draft.add_inner(Mean(name=f"{own}/image", inputs=(name,), kept=False), codes(output))
    draft.add(Reshape(name=own, inputs=(f"{own}/image",), shape=shape), output)


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
    "ABS": _curve("abs"),
    "ADD": _merge(Add),
    "AVERAGE_POOL_2D": _pool(AveragePool),
    "BATCH_MATMUL": batch_matmul,
    "CONCATENATION": concatenation,
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise,
    "DEPTH_TO_SPACE": mover(depth_to_space),
    "DEQUANTIZE": dequantize,
    "EXPAND_DIMS": reshape,
    "FULLY_CONNECTED": fully_connected,
    "GELU": gelu,
    "HARD_SWISH": _curve("hard_silu"),
    "LEAKY_RELU": leaky_relu,
    "LOGISTIC": _curve("sigmoid"),
    "MAX_POOL_2D": _pool(MaxPool),
    "MEAN": mean,
    "MIRROR_PAD": mover(mirrored),
    "MUL": _merge(Multiply),
    "PAD": pad,
    "PADV2": padded,
    "PRELU": prelu,
    "QUANTIZE": quantize,
    "REDUCE_MAX": reduce_max,
    "RELU": _relu(None),
    "RELU6": _relu(6.0),
    "RESHAPE": reshape,
    "RESIZE_BILINEAR": resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": mover(nearest_neighbor),
    "SLICE": mover(sliced),
    "SOFTMAX": softmax,
    "SPACE_TO_DEPTH": mover(space_to_depth),
    "SPLIT": split,
    "SPLIT_V": split_unevenly,
    "SQUEEZE": reshape,
    "STRIDED_SLICE": mover(strided_slice),
    "SUB": _merge(Subtract),
    "TANH": _curve("tanh"),
    "TILE": mover(tiled),
    "TRANSPOSE": mover(transposed),
    "TRANSPOSE_CONV": transpose_convolution,
    "UNPACK": unpack,
}
"""One importer for each operator."""
