"""The judge: every tensor that TensorFlow Lite's interpreter makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf


def tensors(path: str, samples: Any) -> dict[str, Any]:
    """Return all tensors of all samples, as an operator makes them, by their number."""
    lite: Any = tf.lite
    interpreter = lite.Interpreter(
        path,
        experimental_op_resolver_type=lite.experimental.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    found: dict[str, list[Any]] = {}
    for sample in samples:
        interpreter.set_tensor(given["index"], sample[None])
        interpreter.invoke()
        for number, values in made(interpreter):
            found.setdefault(str(number), []).append(values)
    return {number: np.concatenate(values) for number, values in found.items()}


def tensors_if_taken(path: str, samples: Any) -> dict[str, Any]:
    """Return the same, or nothing of a file that the interpreter refuses, though the converter beside it wrote it."""
    try:
        return tensors(path, samples)
    except RuntimeError:
        return {}


def made(interpreter: Any) -> Iterator[tuple[int, Any]]:
    """Yield number and values of the tensors of a graph with the sample in front, be it as a batch of one or not."""
    for detail in interpreter.get_tensor_details():
        if len(detail["shape"]):
            try:
                values = interpreter.get_tensor(detail["index"])
            except ValueError:
                continue  # a temporary of the interpreter's own
            yield detail["index"], values if detail["shape"][0] == 1 else values[None]
