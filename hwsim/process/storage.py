"""What a network takes to store, layer by layer: weights, their scales, and feature maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

from hwsim.network import Network, Weighted
from hwsim.quantize import Plan
from hwsim.quantize.decide import kernel_of

SCALE_BITS = 32
"""What one scale of weights costs: the multiplier that goes with it."""


@dataclass(frozen=True, kw_only=True)
class Storage:
    """How many values one layer stores under a plan, and in how many bits each.

    ``scales`` and ``zero_points`` are those of the weights, 0 zero points where all are 0. ``activations`` is the
    number of values of one sample of the layer's output; their bits are 0 where the host keeps them.
    """

    layer: str
    kind: str
    weights: int = 0
    weight_bits: int = 0
    scales: int = 0
    zero_points: int = 0
    activations: int = 0
    activation_bits: int = 0


Cost = Callable[[Storage], float]


def stored_bits(storage: Storage) -> float:
    """Return the bits that a layer stores: weights, 32 for each scale, zero points, and one sample of its output."""
    weights = (storage.weights + storage.zero_points) * storage.weight_bits + storage.scales * SCALE_BITS
    return weights + storage.activations * storage.activation_bits


def storages(network: Network, plan: Plan) -> Iterator[Storage]:
    """Yield what each layer stores, in the order of the network; the steps of a loop have their weights in common."""
    held: set[str] = set()
    for operation in network.operations:
        weights, tensor = plan.weights.get(operation.name), plan.tensors.get(operation.name)
        of_weights = {}
        if isinstance(operation, Weighted) and weights is not None and operation.tensor not in held:
            held.add(operation.tensor)
            of_weights = {
                "weights": kernel_of(operation).size,
                "weight_bits": weights.bits,
                "scales": len(weights.scale),
                "zero_points": len(weights.zero_point) if any(weights.zero_point) else 0,
            }
        yield Storage(
            layer=operation.name,
            kind=operation.kind,
            activations=prod(network.shapes[operation.name]),
            activation_bits=0 if tensor is None else tensor.bits,
            **of_weights,
        )


def total(cost: Cost, network: Network, plan: Plan) -> float:
    """Return what all layers cost together."""
    return float(sum(cost(one) for one in storages(network, plan)))
