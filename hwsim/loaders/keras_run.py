"""Running a Keras model as Keras does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.loaders.framework import keras
from hwsim.loaders.keras import graph_of
from hwsim.network import Shape


def samples(model: Any, count: int, generator: np.random.Generator, shapes: Sequence[Shape]) -> list[NDArray[Any]]:
    """Return random data (count, …) for each input: uniform in [-1, 1), whole 0 to 127 for integer inputs.

    ``shapes`` are those of one sample of each. A model built for a fixed batch size gets that many samples.
    """
    return [_sample(tensor, count, generator, shape) for tensor, shape in zip(model.inputs, shapes, strict=True)]


def predict(model: Any, inputs: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
    """Return what ``model`` predicts at inference for ``inputs``, one array for each of its outputs."""
    tree = keras().tree
    packed = tree.pack_sequence_as(graph_of(model)._inputs_struct, list(inputs))
    outputs = tree.flatten(model(packed, training=False))
    return [np.asarray(output.numpy() if hasattr(output, "numpy") else output, np.float32) for output in outputs]


def predict_inside(
    model: Any, names: Collection[str], inputs: Sequence[NDArray[Any]]
) -> dict[str, NDArray[np.float32]]:
    """Return the results inside ``model`` of those of its own layers that bear one of the ``names``.

    Layers that are called more than once, or have several results, are left out.
    """
    graph = graph_of(model)
    wanted = {
        layer.name: layer.output
        for layer in graph.layers
        if layer.name in names and len(layer._inbound_nodes) == 1 and not isinstance(layer.output, list | tuple | dict)
    }
    if not wanted:
        return {}
    inside = keras().Model(graph._inputs_struct, wanted)
    packed = keras().tree.pack_sequence_as(graph._inputs_struct, list(inputs))
    return {name: np.asarray(output, np.float32) for name, output in inside(packed, training=False).items()}


def _sample(tensor: Any, count: int, generator: np.random.Generator, sample: Shape) -> NDArray[Any]:
    shape = (tensor.shape[0] or count, *sample)
    if "int" in str(tensor.dtype):
        # Images come as int8 or as uint8: these values fit both.
        return generator.integers(0, 128, shape).astype(str(tensor.dtype))
    return generator.uniform(-1, 1, shape).astype(np.float32)
