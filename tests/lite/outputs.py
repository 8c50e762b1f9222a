"""Files in which every tensor that an operator makes is an output.

XNNPACK and TensorFlow Lite Micro give the outputs of a graph alone.
"""

from __future__ import annotations

from typing import Any

import flatbuffers

from hwsim.loaders.framework import lite_schema
from hwsim.loaders.tflite_file import IDENTIFIER

CODES = ("INT8", "UINT8", "INT16")


def with_every_output(content: bytes) -> bytes:
    """Return the same file, in which every tensor of codes that an operator makes is an output."""
    schema = lite_schema()
    model: Any = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    kinds = {getattr(schema.TensorType, name) for name in CODES}
    made = [index for operator in graph.operators for index in operator.outputs]
    graph.outputs = [index for index in made if graph.tensors[index].type in kinds]
    model.signatureDefs = []  # they name the outputs of before
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())
