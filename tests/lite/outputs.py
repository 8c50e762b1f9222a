"""Files that are changed after their conversion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flatbuffers

from hwsim.loaders.framework import lite_schema
from hwsim.loaders.tflite_file import IDENTIFIER

CODES = ("INT8", "UINT8", "INT16")


def changed(content: bytes, change: Callable[[Any, Any], None]) -> bytes:
    """Return a file after ``change`` of its model and its only graph, records of TensorFlow's schema."""
    model: Any = lite_schema().ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    change(model, graph)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def with_every_output(content: bytes) -> bytes:
    """Return the same file, in which every tensor of codes that an operator makes is an output.

    XNNPACK and TensorFlow Lite Micro give the outputs of a graph alone.
    """
    kinds = {getattr(lite_schema().TensorType, name) for name in CODES}

    def change(model: Any, graph: Any) -> None:
        made = [index for operator in graph.operators for index in operator.outputs]
        graph.outputs = [index for index in made if graph.tensors[index].type in kinds]
        model.signatureDefs = []  # they name the outputs of before

    return changed(content, change)


def with_scales(content: bytes, first: float, last: float) -> bytes:
    """Return the same file with other scales of its only input and its only output."""

    def change(_: Any, graph: Any) -> None:
        for (index,), scale in ((graph.inputs, first), (graph.outputs, last)):
            graph.tensors[index].quantization.scale = [scale]

    return changed(content, change)
