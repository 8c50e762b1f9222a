"""A network changed layer by layer, each seeing what the float run gives it and what the changed layers before do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hwsim.improve.draft import Draft
from hwsim.improve.stored import with_stored_kernel
from hwsim.network import Activation, Input, Operation, Weighted
from hwsim.network.mac import Floats
from hwsim.progress import tracked
from hwsim.quantize.codes import stored_values
from hwsim.reference import run_operation


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One weighted layer's samples: its input in the float run, its input from the layers before as codes would have it
    (both as reals, (n, …)), and the float run's sums with the bias, before the activation."""

    exact: Floats
    stored: Floats
    sums: Floats


Change = Callable[[Weighted, Seen], Weighted]


def rebuild(draft: Draft, change: Change, description: str) -> Draft:
    """Return a draft whose weighted operations went through ``change``, from the first to the last.

    Operations run in float on weights and activations that were rounded to the plan's codes: the widths of products and
    accumulators do not count here. The reference stays; so do the steps of loops, which have the same weights.
    """
    plan, target = draft.decision(), draft.target
    data = dict(zip((one.name for one in draft.network.inputs), draft.samples, strict=True))
    exact: dict[str, Floats] = {}
    stored: dict[str, Floats] = {}
    changed: list[Operation] = []
    readers = Counter(name for one in draft.network.operations for name in one.inputs)
    with tracked(description, len(draft.network.operations)) as advance:
        for operation in draft.network.operations:
            wanted = draft.reference.by_name[operation.name]
            given = [exact[name] for name in operation.inputs]
            found = [stored[name] for name in operation.inputs]
            new = operation
            if isinstance(operation, Input):
                one = other = data[operation.name]
            elif isinstance(operation, Weighted) and isinstance(wanted, Weighted):
                sums = run_operation(replace(wanted, activation=None), given)
                seen = Seen(exact=given[0], stored=found[0], sums=sums)
                better = operation if operation.step_of else change(operation, seen)
                one = activated(wanted, sums)
                other = run_operation(with_stored_kernel(better, plan, target), found)
                new = better
            else:
                one, other = run_operation(wanted, given), run_operation(operation, found)
            changed.append(new)
            exact[operation.name] = one
            entry = plan.tensors.get(operation.name)
            stored[operation.name] = other if entry is None else stored_values(other, entry).astype(np.float32)
            del given, found, one, other
            readers.subtract(operation.inputs)
            for name in {operation.name, *operation.inputs}:
                if not readers[name]:
                    del exact[name], stored[name]
            advance(1)
    return replace(draft, network=replace(draft.network, operations=tuple(changed)))


def activated(operation: Weighted, sums: Floats) -> Floats:
    """Return an operation's result, given its sums."""
    if operation.activation is None:
        return sums
    return run_operation(Activation(name=operation.name, function=operation.activation), [sums])
