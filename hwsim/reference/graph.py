"""The float run of a whole network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import DataError, ModelError
from hwsim.network import Network, Operation
from hwsim.network.mac import Floats
from hwsim.reference.operation import run_operation


def walk(
    network: Network, inputs: Sequence[NDArray[Any]], instead: Mapping[str, Floats] | None = None
) -> Iterator[tuple[Operation, list[Floats], Floats]]:
    """Yield each operation with its inputs and its result (batch, …), in order; tensors live while they are still read.

    What reads an operation named in ``instead`` gets that array, not the result. ``inputs`` go to ``network.inputs`` in
    order, as float32. Raises DataError for inputs of another number or shape, ModelError for a network that makes no
    sense.
    """
    tensors = _given(network, inputs)
    readers = Counter(name for operation in network.operations for name in operation.inputs)
    for operation in network.operations:
        given = [tensors[name] for name in operation.inputs]
        result = tensors[operation.name] if operation.name in tensors else run_operation(operation, given)
        if result.shape[1:] != (shape := network.shapes[operation.name]):
            # TensorFlow returns anything at all where a window does not fit into its input
            raise ModelError(f"{operation.name}: has shape {shape}, but the float run gives {result.shape[1:]}")
        tensors[operation.name] = result if instead is None else instead.get(operation.name, result)
        yield operation, given, result
        del given, result  # as callers should: else they would live while the next operation runs
        readers.subtract(operation.inputs)
        for name in {operation.name, *operation.inputs}:
            if not readers[name]:
                tensors.pop(name, None)


def run_network(
    network: Network,
    inputs: Sequence[NDArray[Any]],
    keep: Collection[str] | None = None,
    instead: Mapping[str, Floats] | None = None,
) -> dict[str, Floats]:
    """Return the tensors named in ``keep`` (all by default), each (batch, …), in the order of the operations.

    ``instead`` as in ``walk``. Raises DataError for inputs of another number or shape.
    """
    wanted = set(network.by_name if keep is None else keep)
    kept: dict[str, Floats] = {}
    for one, given, result in walk(network, inputs, instead):
        if one.name in wanted:
            kept[one.name] = result
        del given, result
    return kept


def _given(network: Network, inputs: Sequence[NDArray[Any]]) -> dict[str, Floats]:
    if len(inputs) != len(network.inputs):
        raise DataError(f"{network.name}: takes {len(network.inputs)} inputs, got {len(inputs)}")
    for operation, values in zip(network.inputs, inputs, strict=True):
        if values.shape[1:] != operation.shape:
            wanted = ("batch", *operation.shape)
            raise DataError(f"{operation.name}: takes an array of shape {wanted}, got {values.shape}")
    return {
        operation.name: np.asarray(values, dtype=np.float32)
        for operation, values in zip(network.inputs, inputs, strict=True)
    }
