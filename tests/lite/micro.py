"""The judge of TensorFlow Lite Micro: the outputs of its interpreter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

ARENA = 1 << 24
"""Bytes for all tensors of a graph."""


def outputs(path: str, samples: Any) -> dict[str, Any]:
    """Return the outputs of all samples by their tensor's number."""
    from tflite_micro.python.tflite_micro import runtime

    content = Path(path).read_bytes()
    graph = runtime.schema_fb.Model.GetRootAs(content, 0).Subgraphs(0)
    numbers = graph.OutputsAsNumpy().tolist()
    interpreter: Any = runtime.Interpreter.from_bytes(content, arena_size=ARENA)
    found: dict[int, list[Any]] = {number: [] for number in numbers}
    for sample in samples:
        interpreter.set_input(sample[None], 0)
        interpreter.invoke()
        for place, number in enumerate(numbers):
            found[number].append(interpreter.get_output(place))
    return {str(number): np.concatenate(values) for number, values in found.items()}
