"""Running a Keras model as Keras does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.loaders.framework import keras
from hwsim.loaders.keras import graph_of
from hwsim.network import Input


def samples(model: Any, count: int, generator: np.random.Generator, inputs: Sequence[Input]) -> list[NDArray[Any]]:
    """Return random data (count, …) for each input: uniform in [-1, 1), whole 0 to 127 for integer inputs.

    ``inputs`` say what shape a sample of each has, and how many indices it may hold. A model built for a fixed batch
    size gets that many samples.
    """
    return [_sample(tensor, count, generator, one) for tensor, one in zip(model.inputs, inputs, strict=True)]


def predict(
    model: Any, inputs: Sequence[NDArray[Any]], names: Collection[str]
) -> tuple[list[NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
    """Return what ``model`` predicts at inference for ``inputs``, one array for each of its outputs, and the results
    inside of those of its own layers that bear one of the ``names``.

    Layers that are called more than once, or have several results, are left out. All is one run of the model's graph.
    """
    graph, tree = graph_of(model), keras().tree
    wanted = {
        layer.name: layer.output
        for layer in graph.layers
        if layer.name in names and len(layer._inbound_nodes) == 1 and not isinstance(layer.output, list | tuple | dict)
    }
    whole = keras().Model(graph._inputs_struct, {"outputs": list(graph.outputs), "inside": wanted})
    found = whole(tree.pack_sequence_as(graph._inputs_struct, list(inputs)), training=False)
    inside = {name: np.asarray(output, np.float32) for name, output in found["inside"].items()}
    return [np.asarray(output, np.float32) for output in found["outputs"]], inside


def _sample(tensor: Any, count: int, generator: np.random.Generator, one: Input) -> NDArray[Any]:
    shape = (tensor.shape[0] or count, *one.shape)
    if one.indices:
        return generator.integers(0, one.indices, shape).astype(str(tensor.dtype))
    if "int" in str(tensor.dtype):
        # Images come as int8 or as uint8: these values fit both.
        return generator.integers(0, 128, shape).astype(str(tensor.dtype))
    return generator.uniform(-1, 1, shape).astype(np.float32)
