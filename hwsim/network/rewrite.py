"""Rewrites that leave a network's real-valued function as it is and give it fewer operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import prod
from typing import Literal

import numpy as np

from hwsim.network.absorb import absorb, spread_constants
from hwsim.network.fold import fold_into_next, fold_into_previous
from hwsim.network.fuse import fuse_activation
from hwsim.network.graph import Network
from hwsim.network.mean import Mean
from hwsim.network.merge import MatMul
from hwsim.network.operation import Input, Operation
from hwsim.network.shape import Rearrange, Reshape

Rule = Callable[[Operation, Operation], Operation | None]
"""Given a producer and its only consumer, returns one operation for both (under the name of one), or None."""

Folding = Literal["float64", "float32"]
"""How scale-and-shifts are folded: wherever that is exact in real numbers, in float64, rounded once; or products and
sums apart, where TensorFlow Lite's converter does it, with every step rounded to float32."""


def simplify(network: Network, *, fold: bool = True, folding: Folding = "float64", leaky: bool = True) -> Network:
    """Return ``network`` with unused operations gone, scale-and-shifts folded unless told not to, activations fused.

    ``folding``: how that is done. Matrix products read a transposed operand as it lies. ``leaky``: whether activations
    with a slope are fused, too.
    """
    network = turn_operands(drop_unused(network))
    if fold and folding == "float32":
        network = absorb(network)
    network = spread_constants(network)
    for rule in (*((fold_into_previous, fold_into_next) if fold else ()), partial(fuse_activation, leaky=leaky)):
        network = merge_pairs(network, rule)
    return network


def keep_axes(network: Network) -> Network:
    """Return ``network`` with means that keep their axes, where reshapes drop these and give them back at once.

    So TensorFlow's converter reads a global average that becomes one pixel again, as before a gate. A mean of one pixel
    that keeps its axes is that pixel.
    """
    made: dict[str, Operation] = {}
    whole: dict[str, str] = {}
    for original in network.operations:
        one = replace(original, inputs=tuple(whole.get(name, name) for name in original.inputs))
        mean: Operation = one
        while isinstance(mean, Reshape) and network.uses[mean.inputs[0]] == 1:
            mean = made[mean.inputs[0]]
        if isinstance(mean, Mean) and one is not mean and network.shapes[one.name] == network.shapes[mean.name]:
            whole[one.name] = mean.name
            one = made[mean.name] = replace(mean, kept=True)
        else:
            made[one.name] = one
        if isinstance(one, Mean) and one.kept and network.shapes[one.inputs[0]] == network.shapes[one.name]:
            whole[original.name] = whole[one.name] = one.inputs[0]
    outputs = tuple(whole.get(name, name) for name in network.outputs)
    return replace(network, operations=tuple(made.values()), outputs=outputs)


def turn_operands(network: Network) -> Network:
    """Return ``network`` with matrix products that turn an operand around themselves, where a transposition did it.

    A transposition with other readers stays, and is read.
    """
    operations: list[Operation] = []
    for one in network.operations:
        if isinstance(one, MatMul):
            sources = [_untransposed(network, name) for name in one.inputs]
            inputs = tuple(source or name for source, name in zip(sources, one.inputs, strict=True))
            first, second = (now != (source is not None) for now, source in zip(one.transpose, sources, strict=True))
            operations.append(replace(one, inputs=inputs, transpose=(first, second)))
        else:
            operations.append(one)
    return drop_unused(replace(network, operations=tuple(operations)))


def _untransposed(network: Network, name: str) -> str | None:
    """Return what a tensor with one reader is the transposition of, rows and columns swapped; None if of nothing."""
    one = network.by_name[name]
    if not isinstance(one, Rearrange) or network.uses[name] != 1 or one.step_of:
        return None
    shape = network.shapes[one.inputs[0]]
    turned = len(shape) > 1 and np.array_equal(one.index, np.arange(prod(shape)).reshape(shape).swapaxes(-1, -2))
    return one.inputs[0] if turned else None


def drop_unused(network: Network) -> Network:
    """Return ``network`` without operations that no output depends on; inputs stay."""
    used = set(network.outputs)
    for operation in reversed(network.operations):
        if operation.name in used:
            used.update(operation.inputs)
    kept = (one for one in network.operations if one.name in used or isinstance(one, Input))
    return replace(network, operations=tuple(kept))


def merge_pairs(network: Network, rule: Rule) -> Network:
    """Return ``network`` with ``rule`` applied to each operation and the maker of its one input.

    The maker qualifies only if nothing else reads its tensor, neither another operation nor a network
    output. Whoever read a name that is gone reads the name that survived.
    """
    kept: dict[str, Operation] = {}
    survivor: dict[str, str] = {}
    uses = dict(network.uses)
    for original in network.operations:
        operation = replace(original, inputs=tuple(survivor.get(name, name) for name in original.inputs))
        merged = _merged(operation, kept, uses, rule)
        if merged is None:
            kept[operation.name] = operation
        elif merged.name == operation.name:
            del kept[operation.inputs[0]]
            kept[operation.name] = merged
        else:
            kept[merged.name] = merged
            survivor[operation.name] = merged.name
            uses[merged.name] = uses[operation.name]
    outputs = tuple(survivor.get(name, name) for name in network.outputs)
    return replace(network, operations=tuple(kept.values()), outputs=outputs)


def _merged(
    operation: Operation, kept: Mapping[str, Operation], uses: Mapping[str, int], rule: Rule
) -> Operation | None:
    if len(operation.inputs) != 1 or uses[operation.inputs[0]] != 1:
        return None
    return rule(kept[operation.inputs[0]], operation)
