"""Reading ``.tflite`` files that nobody vouches for: a flatbuffer becomes plain, checked records.

The layout is TensorFlow's ``lite/schema/schema.fbs``. Nothing in a file is executed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import ModelError
from hwsim.loaders.framework import lite_schema

IDENTIFIER = b"TFL3"
VERSION = 3

SIZE_LIMIT = 1 << 31
"""Bytes of a file, and values of one tensor: offsets in a flatbuffer have 32 bits."""

KINDS: Mapping[str, np.dtype[Any]] = {
    "FLOAT32": np.dtype("<f4"),
    "INT8": np.dtype("<i1"),
    "UINT8": np.dtype("<u1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
}
"""The types of values that are read; tensors of other types may stand in a file, but nothing may read them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FileTensor:
    """A tensor of the file: ``values`` are a constant's, else None.

    ``scale`` and ``zero_point`` are empty where the file gives none; several stand along ``axis``.
    """

    index: int
    name: str
    kind: str
    shape: tuple[int, ...]
    values: NDArray[Any] | None
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int


@dataclass(frozen=True, kw_only=True, eq=False)
class FileOperator:
    """An operator of the file: its name in capitals, the tensors it takes (None: left out) and makes, its options."""

    word: str
    inputs: tuple[FileTensor | None, ...]
    outputs: tuple[FileTensor, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class FileGraph:
    """The one graph of a file."""

    inputs: tuple[FileTensor, ...]
    outputs: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]


def read_graph(path: Path) -> FileGraph:
    """Return the graph in the file at ``path``.

    Raises ModelError for a file that is damaged, inconsistent, or holds more than one graph.
    """
    try:
        size = path.stat().st_size
        if size >= SIZE_LIMIT:
            raise ModelError(f"{path}: has {size} bytes, a flatbuffer has less than {SIZE_LIMIT}")
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    if content[4:8] != IDENTIFIER:
        raise ModelError(f"{path}: not a .tflite file, it does not begin with the mark {IDENTIFIER.decode()}")
    try:
        return _Reader(path, content).graph()
    except (struct.error, IndexError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ModelError(f"{path}: damaged, an offset or a length leads out of the file ({error})") from error


class _Reader:
    """One file being read."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self.schema = lite_schema()
        self.types = _names(self.schema.TensorType)
        self.model = self.schema.Model.GetRootAs(content, 0)

    def graph(self) -> FileGraph:
        """Return the file's graph."""
        if self.model.Version() != VERSION:
            self._refuse(f"is of version {self.model.Version()} of the format, hwsim reads version {VERSION}")
        if self.model.SubgraphsLength() != 1:
            self._refuse(f"holds {self.model.SubgraphsLength()} graphs, hwsim reads files with one")
        graph = self.model.Subgraphs(0)
        tensors = [self._tensor(number, graph.Tensors(number)) for number in range(graph.TensorsLength())]

        def pick(index: int, where: str) -> FileTensor:
            if not 0 <= index < len(tensors):
                self._refuse(f"{where} names tensor {index}, there are {len(tensors)}")
            return tensors[index]

        def operator(number: int) -> FileOperator:
            found = graph.Operators(number)
            where = f"operator {number}"
            return FileOperator(
                word=self._word(found.OpcodeIndex(), where),
                inputs=tuple(None if index == -1 else pick(index, where) for index in _whole(found.InputsAsNumpy())),
                outputs=tuple(pick(index, where) for index in _whole(found.OutputsAsNumpy())),
                options=self._options(found),
            )

        return FileGraph(
            inputs=tuple(pick(index, "the inputs") for index in _whole(graph.InputsAsNumpy())),
            outputs=tuple(pick(index, "the outputs") for index in _whole(graph.OutputsAsNumpy())),
            operators=tuple(operator(number) for number in range(graph.OperatorsLength())),
        )

    def _refuse(self, sentence: str) -> None:
        raise ModelError(f"{self.path}: {sentence}")

    def _word(self, index: int, where: str) -> str:
        if not 0 <= index < self.model.OperatorCodesLength():
            self._refuse(f"{where} names code {index}, there are {self.model.OperatorCodesLength()}")
        code = self.model.OperatorCodes(index)
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())  # older files use a field of one byte
        word = _names(self.schema.BuiltinOperator).get(number, f"operator {number}")
        if word != "CUSTOM":
            return word
        return f"CUSTOM {(code.CustomCode() or b'').decode('utf-8', 'replace')}"

    def _options(self, operator: Any) -> Mapping[str, Any]:
        kind = _names(self.schema.BuiltinOptions).get(operator.BuiltinOptionsType(), "NONE")
        table = operator.BuiltinOptions()
        if kind == "NONE" or table is None:
            return {}
        options = getattr(self.schema, kind)()
        options.Init(table.Bytes, table.Pos)
        return {name: getattr(options, name)() for name in SCALARS.get(kind, ())}

    def _tensor(self, index: int, tensor: Any) -> FileTensor:
        kind = self.types.get(tensor.Type(), f"type {tensor.Type()}")
        shape = _whole(tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
        name = (tensor.Name() or b"").decode("utf-8", "replace")
        where = f"tensor {index} ({name!r})"
        if any(size < 0 for size in shape) or prod(shape) >= SIZE_LIMIT:
            self._refuse(f"{where} has the shape {shape}; an axis has 0 values or more, all together less than 2^31")
        if tensor.Sparsity() is not None:
            self._refuse(f"{where} is sparse, hwsim reads dense tensors")
        scale, zero_point, axis = self._quantization(where, tensor.Quantization(), shape)
        return FileTensor(
            index=index,
            name=name,
            kind=kind,
            shape=shape,
            values=self._values(where, tensor.Buffer(), kind, shape),
            scale=scale,
            zero_point=zero_point,
            axis=axis,
        )

    def _quantization(
        self, where: str, found: Any, shape: tuple[int, ...]
    ) -> tuple[tuple[float, ...], tuple[int, ...], int]:
        if found is None or not found.ScaleLength():
            return (), (), 0
        scale = tuple(float(one) for one in found.ScaleAsNumpy())
        zero_point = _whole(found.ZeroPointAsNumpy()) if found.ZeroPointLength() else (0,) * len(scale)
        axis = found.QuantizedDimension()
        if not all(0 < one < float("inf") for one in scale):
            wrong = next(one for one in scale if not 0 < one < float("inf"))
            self._refuse(f"{where} has the scale {wrong}, a scale is above 0 and finite")
        if len(zero_point) != len(scale):
            self._refuse(f"{where} has {len(scale)} scales but {len(zero_point)} zero points")
        if len(scale) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scale)):
            self._refuse(f"{where} has {len(scale)} scales along axis {axis} of the shape {shape}")
        return scale, zero_point, axis

    def _values(self, where: str, index: int, kind: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
        if not 0 <= index < self.model.BuffersLength():
            self._refuse(f"{where} names buffer {index}, there are {self.model.BuffersLength()}")
        buffer = self.model.Buffers(index)
        if buffer.Offset() > 1:
            self._refuse(f"{where} lies behind the flatbuffer, which hwsim does not read")
        if not buffer.DataLength() or kind not in KINDS:
            return None
        data, dtype = np.asarray(buffer.DataAsNumpy()), KINDS[kind]
        if data.size != prod(shape) * dtype.itemsize:
            needed = prod(shape) * dtype.itemsize
            self._refuse(f"{where} of {kind} and shape {shape} needs {needed} bytes, its buffer has {data.size}")
        return np.frombuffer(data.tobytes(), dtype).reshape(shape)


CONV = ("Padding", "StrideH", "StrideW", "DilationHFactor", "DilationWFactor", "FusedActivationFunction")
POOL = ("Padding", "StrideH", "StrideW", "FilterHeight", "FilterWidth", "FusedActivationFunction")

SCALARS: Mapping[str, tuple[str, ...]] = {
    "AddOptions": ("FusedActivationFunction", "PotScaleInt16"),
    "BatchMatMulOptions": ("AdjX", "AdjY"),
    "ConcatenationOptions": ("Axis", "FusedActivationFunction"),
    "Conv2DOptions": CONV,
    "DepthToSpaceOptions": ("BlockSize",),
    "DepthwiseConv2DOptions": CONV,
    "FullyConnectedOptions": ("FusedActivationFunction", "WeightsFormat", "KeepNumDims"),
    "GeluOptions": ("Approximate",),
    "LeakyReluOptions": ("Alpha",),
    "MirrorPadOptions": ("Mode",),
    "MulOptions": ("FusedActivationFunction",),
    "Pool2DOptions": POOL,
    "ReducerOptions": ("KeepDims",),
    "ResizeBilinearOptions": ("AlignCorners", "HalfPixelCenters"),
    "ResizeNearestNeighborOptions": ("AlignCorners", "HalfPixelCenters"),
    "SoftmaxOptions": ("Beta",),
    "SpaceToDepthOptions": ("BlockSize",),
    "StridedSliceOptions": ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask"),
    "SubOptions": ("FusedActivationFunction", "PotScaleInt16"),
    "TransposeConvOptions": ("Padding", "StrideH", "StrideW", "FusedActivationFunction"),
    "UnpackOptions": ("Num", "Axis"),
}
"""The options that are read, by the table that holds them."""


def _names(enumeration: Any) -> dict[int, str]:
    """Return the words of an enumeration of the schema."""
    return {number: word for word, number in vars(enumeration).items() if isinstance(number, int)}


def _whole(values: Any) -> tuple[int, ...]:
    """Return a vector of the file as Python integers; what is missing is no array but 0."""
    return tuple(int(one) for one in values) if isinstance(values, np.ndarray) else ()
