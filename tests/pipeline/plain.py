"""Our records as plain data, the form that the oracle takes."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np

from hwsim.network import Curve, Network, Operation
from hwsim.quantize import Plan
from hwsim.target import Target

Json = dict[str, Any]


def plain(value: Any) -> Any:
    """Return a record's field as lists, numbers and mappings."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [plain(one) for one in value] if isinstance(value, tuple) else value


def plain_operation(operation: Operation) -> Json:
    """Return one operation with its class name as ``op``."""
    found = {"op": type(operation).__name__, **plain(operation)}
    if isinstance(operation, Curve):
        # The oracle judges the function, and takes over the last digits, which float64 leaves open.
        found["real"] = partial(real, operation)
    return found


def real(curve: Curve, x: float) -> float:
    """Return a function of one number, as hwsim computes it."""
    return float(curve.real(np.full(1, x))[0])


def plain_network(network: Network) -> Json:
    """Return a network."""
    return {
        "operations": [plain_operation(operation) for operation in network.operations],
        "outputs": list(network.outputs),
    }


def plain_plan(plan: Plan) -> Json:
    """Return a plan."""
    return plan.model_dump(mode="json")


def plain_settings(network: Network, target: Target) -> Json:
    """Return what the target says of each operation."""
    return {one.name: target.settings(one.kind, one.name).model_dump(mode="json") for one in network.operations}
