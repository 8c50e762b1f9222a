"""Which tensors an operation may overwrite with its result, and is seen to have done."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from hwsim.network import Add, Constant, Input, Multiply, Network, Reshape, Softmax

IN_PLACE = (Add, Multiply, Softmax)
"""Operations that may write their result where an input was, and whose values may lie outside that input's range."""


def overwriters(network: Network) -> Mapping[str, str]:
    """Return for each tensor that is overwritten the name of the operation that does it, by TensorFlow Lite's rules.

    An operation in the middle of the network writes over the first of its inputs that has its shape, more than one
    value, and no other reader; constants are not overwritten. Source: ``ArenaPlanner::IdentifyInPlaceTensors``.
    """
    found: dict[str, str] = {}
    for operation in network.operations:
        if not isinstance(operation, IN_PLACE) or operation.name in network.outputs:
            continue
        shape = network.shapes[operation.name]
        alike = (name for name in operation.inputs if network.shapes[name] == shape and network.uses[name] == 1)
        first = next((name for name in alike if not isinstance(network.by_name[name], Constant | Input)), None)
        if first is not None and prod(shape) > 1 and network.uses[_memory(network, first)] == 1:
            found[first] = operation.name
    return found


def _memory(network: Network, name: str) -> str:
    """Return the tensor in whose memory another one lies."""
    while isinstance(operation := network.by_name[name], Reshape):
        name = operation.inputs[0]
    return name
