"""Functions of one number spread out into simpler operations."""

from __future__ import annotations

from dataclasses import replace

from hwsim.network.curve import Curve
from hwsim.network.graph import Network
from hwsim.network.merge import Multiply
from hwsim.network.operation import Operation


def silu_as_product(network: Network) -> Network:
    """Return ``network`` with each SiLU as the product of its input and of a sigmoid, called ``…/sigmoid``."""
    operations: list[Operation] = []
    for one in network.operations:
        if isinstance(one, Curve) and one.function == "silu":
            gate = replace(one, name=f"{one.name}/sigmoid", function="sigmoid")
            operations += gate, Multiply(name=one.name, inputs=(one.inputs[0], gate.name), step_of=one.step_of)
        else:
            operations.append(one)
    return replace(network, operations=tuple(operations))
