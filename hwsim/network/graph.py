"""The network: operations in an order in which they can run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from hwsim.network.operation import Input, Operation, Shape
from hwsim.network.stored import Stored


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Network:
    """A graph of operations, each after all that it takes from; immutable.

    ``outputs`` names the operations whose tensors are the network's results. ``import_error`` is the
    largest absolute difference to the framework the model came from, where that was measured; ``import_in_pieces`` says
    that each piece was fed with the framework's own values. ``stored`` is what a quantised file says of its integers.
    """

    name: str
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]
    import_error: float | None = None
    import_in_pieces: bool = False
    stored: Stored | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a name used twice, an input not yet made, or shapes that do not fit."""
        seen: set[str] = set()
        for operation in self.operations:
            if operation.name in seen:
                raise ValueError(f"two operations are named {operation.name!r}")
            missing = [name for name in operation.inputs if name not in seen]
            if missing:
                raise ValueError(f"{operation.name}: takes {missing[0]!r}, which no earlier operation makes")
            seen.add(operation.name)
        lost = [name for name in self.outputs if name not in seen]
        if lost or not self.outputs:
            raise ValueError(f"the outputs {list(self.outputs)} are not all made by operations")
        assert self.shapes

    @cached_property
    def by_name(self) -> Mapping[str, Operation]:
        """Each operation under its name."""
        return {operation.name: operation for operation in self.operations}

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The input operations, in the order in which data is given."""
        return tuple(operation for operation in self.operations if isinstance(operation, Input))

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """The shape of one sample of every tensor."""
        shapes: dict[str, Shape] = {}
        for operation in self.operations:
            shapes[operation.name] = operation.output_shape(*(shapes[name] for name in operation.inputs))
        return shapes

    @cached_property
    def uses(self) -> Counter[str]:
        """How many inputs and network outputs read each tensor."""
        return Counter([name for operation in self.operations for name in operation.inputs] + list(self.outputs))

    def __repr__(self) -> str:
        return f"<Network {self.name!r}: {len(self.operations)} operations, outputs {', '.join(self.outputs)}>"

    def __str__(self) -> str:
        lines = [f"network {self.name}"]
        for one in self.operations:
            source = ", ".join(one.inputs)
            lines.append(f"  {one.name:36} {one.kind:18} {self.shapes[one.name]!s:18} {source}")
        return "\n".join(lines)
