"""Fusing an activation into the operation before it."""

from __future__ import annotations

from dataclasses import replace

from hwsim.network.activation import Activation
from hwsim.network.mac import Weighted
from hwsim.network.merge import Add, Multiply
from hwsim.network.operation import Operation


def fuse_activation(producer: Operation, consumer: Operation, *, leaky: bool = True) -> Operation | None:
    """Give ``producer``, which multiplies or adds, the function of ``consumer`` if it has none of its own.

    ``leaky``: functions with a slope, too. Steps of a loop stay apart: whether a tensor has other readers may differ
    from step to step.
    """
    if producer.step_of or (consumer.kind == "leaky_relu" and not leaky):
        return None
    if not isinstance(consumer, Activation) or not isinstance(producer, Weighted | Add | Multiply):
        return None
    return replace(producer, activation=consumer.function) if producer.activation is None else None
