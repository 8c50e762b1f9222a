"""The operations of a loop over time steps, unrolled: a copy of each for every step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hwsim.loaders.keras_activation import activate
from hwsim.network import Activation, Add, Dense, Multiply, Operation, Rearrange
from hwsim.network.mac import Floats

HIDDEN = "hidden"
"""The part of a loop that makes what it gives at every step."""


@dataclass
class Loop:
    """The operations of the loop ``name``, in the making.

    What part ``p`` makes in step t is called ``name/t/p``, and is a step of the tensor ``name/p``; what the part
    `HIDDEN` makes is a step of ``name``, the loop's result.
    """

    name: str
    operations: list[Operation] = field(default_factory=list[Operation])

    def tensor(self, part: str) -> str:
        """Return the name of the tensor that all steps of a part share."""
        return self.name if part == HIDDEN else f"{self.name}/{part}"

    def add(self, operation: Operation) -> str:
        """Append an operation and return its name."""
        self.operations.append(operation)
        return operation.name

    def put(self, operation: Operation, part: str) -> str:
        """Append an operation as a step of ``part`` and return its name."""
        return self.add(replace(operation, step_of=self.tensor(part)))

    def dense(self, step: int, part: str, source: str, kernel: Floats, bias: Floats) -> str:
        """Multiply by weights."""
        return self.put(Dense(name=f"{self.name}/{step}/{part}", inputs=(source,), kernel=kernel, bias=bias), part)

    def merge(self, step: int, part: str, record: type[Add | Multiply], *sources: str) -> str:
        """Add, subtract or multiply tensors."""
        return self.put(record(name=f"{self.name}/{step}/{part}", inputs=sources), part)

    def pick(self, step: int, part: str, source: str, first: int, count: int) -> str:
        """Pick ``count`` values of a tensor from the ``first`` on, as one row."""
        index = np.arange(first, first + count, dtype=np.int64)[None]
        return self.put(Rearrange(name=f"{self.name}/{step}/{part}", inputs=(source,), index=index), part)

    def summed(self, step: int, part: str, function: Any, sources: tuple[str, str], units: int) -> str:
        """Add two tensors and apply a function of Keras, at once where it is a ReLU."""
        name = f"{self.name}/{step}/{part}"
        made = activate(function, name, f"{name}/sum", (1, units))
        if not made:
            return self.put(Add(name=name, inputs=sources), part)
        if isinstance(made[0], Activation):
            return self.put(Add(name=name, inputs=sources, activation=made[0].function), part)
        self.put(Add(name=f"{name}/sum", inputs=sources), f"{part}/sum")
        return self.put(made[0], part)

    def activated(self, step: int, part: str, function: Any, source: str, units: int) -> str:
        """Apply a function of Keras; return ``source`` where it is none."""
        made = activate(function, f"{self.name}/{step}/{part}", source, (1, units))
        return self.put(made[0], part) if made else source
