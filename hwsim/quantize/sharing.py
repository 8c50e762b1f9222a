"""Which tensor's statistics a tensor has its scale from, where a target says that scales are shared."""

from __future__ import annotations

from collections.abc import Mapping

from hwsim.network import (
    Activation,
    AveragePool,
    Concatenate,
    Crop,
    Curve,
    MaxPool,
    Network,
    Operation,
    Pad,
    Rearrange,
    Reshape,
    Resize,
    Softmax,
)
from hwsim.target import Target

PASS_THROUGH = (MaxPool, AveragePool, Reshape, Pad, Crop, Rearrange, Resize)
"""Operations whose output has its input's format, scale and zero point."""


def passes(operation: Operation, network: Network, target: Target) -> bool:
    """Whether an operation's output has its input's scale: it moves codes, or is one with the pooling before it."""
    if isinstance(operation, PASS_THROUGH):
        return True
    if not isinstance(operation, Activation):
        return False
    maker = network.by_name[operation.inputs[0]]
    alone = isinstance(maker, MaxPool | AveragePool) and network.uses[maker.name] == 1
    return alone and target.settings(operation.kind, operation.name).activation.scale_behind_pooling == "input"


def has_fixed_output(operation: Operation, target: Target) -> bool:
    """Whether an operation is a sigmoid or tanh whose scale a target fixes."""
    fixed = isinstance(operation, Curve) and operation.function in ("sigmoid", "tanh")
    return fixed and target.settings(operation.kind, operation.name).curve.output == "fixed"


def shared_with(network: Network, target: Target) -> Mapping[str, str]:
    """Return for each tensor that is stored as a concatenation wants it the name of that concatenation.

    Where `concatenation.input_scales` is `output`, what is concatenated has the output's scale, and so has whatever
    that gets its scale from. Later concatenations win. The steps of a loop have one scale, so they share it together.
    Source: ``RemoveRedundantStatsOps`` and ``QuantizationDriver`` of TensorFlow's MLIR quantizer.
    """
    source: dict[str, str] = {}
    steps: dict[str, list[str]] = {}
    for one in network.operations:
        steps.setdefault(one.tensor, []).append(one.name)
    for operation in reversed(network.operations):
        if not _asks(operation, target):
            continue
        wanted, waiting = source.get(operation.name, operation.name), list(operation.inputs)
        while waiting:
            name = waiting.pop()
            maker = network.by_name[name]
            if name in source or isinstance(maker, Softmax) or has_fixed_output(maker, target):
                continue
            source[name] = wanted
            if len(steps[maker.tensor]) > 1:
                waiting += steps[maker.tensor]
            if passes(maker, network, target) or _asks(maker, target):
                waiting += maker.inputs
    return source


def _asks(operation: Operation, target: Target) -> bool:
    if not isinstance(operation, Concatenate):
        return False
    return target.settings(operation.kind, operation.name).concatenation.input_scales == "output"
