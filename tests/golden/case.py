"""Networks of one layer, their plans and targets, for cases that are worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hwsim.engine import Execution, Row, execute
from hwsim.network import Conv2D, Dense, Input, Network, Weighted
from hwsim.program import Program, lower
from hwsim.quantize.plan import Plan, TensorPlan, WeightPlan
from hwsim.target import Target

Json = dict[str, Any]


def tensor(bits: int = 8, *, signed: bool = True, scale: float = 1.0, zero_point: int = 0) -> TensorPlan:
    """Return the plan of a tensor."""
    return TensorPlan(bits=bits, signed=signed, scale=scale, zero_point=zero_point)


def weight(bits: int = 8, scale: float = 1.0) -> WeightPlan:
    """Return the plan of weights with one scale."""
    return WeightPlan(bits=bits, signed=True, scale=(scale,), zero_point=(0,))


def stage(bits: int, overflow: str, name: str = "accumulator", **other: Any) -> Json:
    """Return a stage that is fitted after every addition."""
    return {"name": name, "bits": bits, "overflow": overflow, "check": "each", **other}


def target(
    stages: Sequence[Json], *, order: Sequence[str] = (), tile: int = 0, product: Json | None = None, **sections: Json
) -> Target:
    """Return a target of 8-bit codes whose sums are its outputs, unless ``sections`` say otherwise."""
    mac: Json = {"stages": list(stages), "product": product}
    if order:
        mac["order"] = list(order)
    if tile:
        mac["tile"] = {"input_channel": tile}
    base: Json = {
        "name": "by_hand",
        "weights": {"granularity": "layer"},
        "activations": {"symmetric": True},
        "bias": {"bits": min(8, stages[-1]["bits"])},
        "requantize": {"kind": "none"},
        "mac": mac,
    }
    return Target.from_dict({**base, **sections})


def conv(kernel: np.ndarray, bias: float = 0.0, **geometry: Any) -> Conv2D:
    """Return a convolution to one output channel by ``kernel`` (kh, kw, c)."""
    return Conv2D(
        name="layer",
        inputs=("x",),
        kernel=kernel[..., None].astype(np.float32),
        bias=np.array([bias], np.float32),
        **geometry,
    )


def dense(weights: Sequence[float]) -> Dense:
    """Return a dot product with ``weights``."""
    kernel = np.array(weights, np.float32)[:, None]
    return Dense(name="layer", inputs=("x",), kernel=kernel, bias=np.zeros(1, np.float32))


def program_of(layer: Weighted, shape: tuple[int, ...], where: Target, plans: tuple[Any, Any, Any]) -> Program:
    """Lower a network of one layer; ``plans`` are those of its input, its weights and its output."""
    source, weights, output = plans
    network = Network(name="by_hand", operations=(Input(name="x", shape=shape), layer), outputs=("layer",))
    plan = Plan(
        network=network.name,
        target=where.name,
        tensors={"x": source, "layer": output},
        weights={"layer": weights},
    )
    return lower(network, plan, where)


def ran(
    layer: Weighted,
    data: Sequence[Any] | np.ndarray,
    where: Target,
    plans: tuple[TensorPlan, WeightPlan, TensorPlan] | None = None,
) -> Execution:
    """Run one sample through a layer, all scales 1 unless ``plans`` say otherwise."""
    sample = np.array(data, np.float32)
    program = program_of(layer, sample.shape, where, plans or (tensor(), weight(), tensor()))
    return execute(program, sample[None], trace=["layer"])


def sums(execution: Execution) -> list[int]:
    """Return what the accumulator held."""
    return [int(one) for one in execution.trace["layer"]["accumulator"].ravel()]


def codes(execution: Execution) -> list[int]:
    """Return the output's codes."""
    return [int(one) for one in execution.codes["layer"].ravel()]


def row(execution: Execution, point: str) -> Row:
    """Return the ledger's row of a point of the layer."""
    return next(one for one in execution.ledger if one.layer == "layer" and one.point.name == point)
