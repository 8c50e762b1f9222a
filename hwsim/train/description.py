"""The operations of a network as JSON can hold them: all but the weights, of which only the shapes are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from hwsim import network
from hwsim.network import Operation, Relu


def describe(operation: Operation) -> dict[str, Any]:
    """Return the kind of an operation and its fields.

    >>> describe(network.Reshape(name="flat", inputs=("x",), shape=(4,)))
    {'class': 'Reshape', 'name': 'flat', 'inputs': ['x'], 'step_of': '', 'shape': [4]}
    """
    return {
        "class": type(operation).__name__,
        **{one.name: _plain(getattr(operation, one.name)) for one in fields(operation)},
    }


def rebuild(description: Mapping[str, Any], arrays: Mapping[str, Any] | None = None) -> Operation:
    """Return the operation of a description; ``arrays`` gives weights by field, the others are 0."""
    kind: Any = getattr(network, description["class"])
    values = {key: _whole(value) for key, value in description.items() if key != "class"}
    operation: Operation = kind(**{**values, **(arrays or {})})
    return operation


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"weights": list(value.shape)}
    if isinstance(value, Relu):
        return {"max_value": value.max_value, "negative_slope": value.negative_slope}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _whole(value: Any) -> Any:
    if isinstance(value, Mapping):
        return np.zeros(value["weights"], np.float32) if "weights" in value else Relu(**value)
    return tuple(_whole(one) for one in value) if isinstance(value, list | tuple) else value
