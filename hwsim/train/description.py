"""The operations of a network as JSON can hold them: of weights that are trained, only the shapes are kept."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim import network
from hwsim.network import Embedding, Operation, Prelu, Relu, ScaleShift, Weighted

WEIGHTS: Mapping[type[Operation], tuple[str, ...]] = {
    ScaleShift: ("scale", "bias"),
    Weighted: ("kernel", "bias"),
    Prelu: ("slopes",),
    Embedding: ("table",),
}
"""The fields that training changes, by the kind of operation; of several kinds that fit, the first counts."""


def weights_of(operation: Operation) -> tuple[str, ...]:
    """Return the fields of an operation that training changes.

    >>> weights_of(network.Dense(name="fc", inputs=("x",), kernel=np.ones((1, 1)), bias=np.ones(1)))
    ('kernel', 'bias')
    """
    return next((names for kind, names in WEIGHTS.items() if isinstance(operation, kind)), ())


def describe(operation: Operation) -> dict[str, Any]:
    """Return the kind of an operation and its fields.

    >>> describe(network.Reshape(name="flat", inputs=("x",), shape=(4,)))
    {'class': 'Reshape', 'name': 'flat', 'inputs': ['x'], 'step_of': '', 'shape': [4]}
    """
    given = {one.name: getattr(operation, one.name) for one in fields(operation)}
    trained = {name: {"weights": list(given[name].shape)} for name in weights_of(operation)}
    return {
        "class": type(operation).__name__,
        **{name: trained[name] if name in trained else _plain(value) for name, value in given.items()},
    }


def rebuild(description: Mapping[str, Any], arrays: Mapping[str, Any] | None = None) -> Operation:
    """Return the operation of a description; ``arrays`` gives weights by field, the others are 0."""
    kind: Any = getattr(network, description["class"])
    values = {key: _whole(value) for key, value in description.items() if key != "class"}
    operation: Operation = kind(**{**values, **(arrays or {})})
    return operation


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _kept(value)
    if isinstance(value, Relu):
        return {"max_value": value.max_value, "negative_slope": value.negative_slope}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _kept(array: NDArray[Any]) -> dict[str, Any]:
    """Return an array to the last bit; its type with the order of bytes."""
    return {"array": b64encode(array.tobytes()).decode(), "type": array.dtype.str, "shape": list(array.shape)}


def _whole(value: Any) -> Any:
    if isinstance(value, Mapping) and "array" in value:
        return np.frombuffer(b64decode(value["array"]), value["type"]).reshape(value["shape"]).copy()
    if isinstance(value, Mapping):
        return np.zeros(value["weights"], np.float32) if "weights" in value else Relu(**value)
    return tuple(_whole(one) for one in value) if isinstance(value, list | tuple) else value
