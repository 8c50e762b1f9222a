"""Functions of one number as other operations than they come."""

from __future__ import annotations

from dataclasses import replace

from hwsim.network.activation import Activation
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


def slopes_as_curves(network: Network) -> Network:
    """Return ``network`` with each ReLU that has a slope and no upper limit as a curve."""

    def bent(one: Operation) -> Operation:
        if not isinstance(one, Activation) or one.function is None:
            return one
        slope = one.function.negative_slope
        if not slope or one.function.max_value is not None:
            return one
        return Curve(name=one.name, inputs=one.inputs, function="leaky_relu", parameters=(slope,), step_of=one.step_of)

    return replace(network, operations=tuple(bent(one) for one in network.operations))
