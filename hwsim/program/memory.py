"""What operations were lowered to before, so that a changed plan or target lowers again only what it changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from hwsim.network import Operation
from hwsim.program.context import Context
from hwsim.program.records import IntOperation, Tensor
from hwsim.quantize.plan import TensorPlan, WeightPlan
from hwsim.target import Settings

KEPT = 4
"""How many lowerings of one operation are kept; the oldest goes first."""


@dataclass(frozen=True)
class Grounds:
    """All that the lowering of one operation of a network depends on."""

    settings: Settings
    tensor: TensorPlan | None
    weights: WeightPlan | None
    sources: tuple[object, ...]

    @staticmethod
    def of(operation: Operation, context: Context) -> Grounds:
        """Return what an operation is about to be lowered on."""
        return Grounds(
            context.settings(operation),
            context.plan.tensors.get(operation.name),
            context.plan.weights.get(operation.name),
            tuple(_content(one(name)) for name in operation.inputs for one in (context.stored, context.codes)),
        )


def _content(tensor: Tensor) -> tuple[object, ...]:
    """Return the fields of a tensor as plain values that compare."""
    values = (getattr(tensor, one.name) for one in fields(tensor))
    return tuple(one.tobytes() if isinstance(one, np.ndarray) else one for one in values)


@dataclass
class Memory:
    """The last lowerings of every operation of one network, each with its grounds, and those that are ``pinned``."""

    known: dict[str, list[tuple[Grounds, Sequence[IntOperation]]]] = field(default_factory=lambda: defaultdict(list))
    pinned: frozenset[IntOperation] = frozenset()

    def pin(self, operations: Collection[IntOperation]) -> None:
        """Keep these lowerings, and no others for good."""
        self.pinned = frozenset(operations)

    def lowered(
        self, operation: Operation, context: Context, lowering: Callable[[Any, Context], Sequence[IntOperation]]
    ) -> Sequence[IntOperation]:
        """Return what an operation becomes; equal grounds give the same records."""
        grounds, known = Grounds.of(operation, context), self.known[operation.name]
        for earlier, operations in known:
            if earlier == grounds:
                return operations
        operations = lowering(operation, context)
        known.append((grounds, operations))
        free = [one for one in known if self.pinned.isdisjoint(one[1])]
        if len(free) > KEPT:
            known.remove(free[0])
        return operations
