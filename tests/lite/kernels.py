"""The judge of other kernels than the reference: the outputs of TensorFlow Lite's interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf


def outputs(path: str, samples: Any, resolver: str) -> dict[str, Any]:
    """Return the outputs of all samples by their tensor's number, with a resolver of `tf.lite`.

    Under `left`, the numbers of the outputs that a delegate has left to the built-in kernels.
    """
    lite: Any = tf.lite
    kind = getattr(lite.experimental.OpResolverType, resolver)
    interpreter = lite.Interpreter(path, experimental_op_resolver_type=kind)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    numbers = [one["index"] for one in interpreter.get_output_details()]
    found: dict[int, list[Any]] = {number: [] for number in numbers}
    for sample in samples:
        interpreter.set_tensor(given["index"], sample[None])
        interpreter.invoke()
        for number in numbers:
            found[number].append(interpreter.get_tensor(number))
    delegated = [one["outputs"] for one in interpreter._get_ops_details() if one["op_name"] == "DELEGATE"]
    left = sorted(set(numbers) - {number for each in delegated for number in each.tolist()})
    return {str(number): np.concatenate(values) for number, values in found.items()} | {"left": np.array(left)}
