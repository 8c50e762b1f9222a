"""What lowering one operation may look at: the network, the plan, the target, and the tensors made so far."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import PlanError
from hwsim.formats import IntFormat, bits_needed
from hwsim.network import Network, Operation, Shape
from hwsim.program.records import Point, Tensor
from hwsim.quantize.decide import passed_shift
from hwsim.quantize.plan import Plan, WeightPlan
from hwsim.target import Settings, Target
from hwsim_kernels.lfsr import lfsr

T = TypeVar("T")

TO_ENCODE = "/integers"
"""Behind the name of a tensor whose integers are rounded to levels next."""


def to_encode(stored: Tensor) -> Tensor:
    """Return the tensor of the integers that are rounded to a tensor's levels."""
    return integers_of(stored, f"{stored.name}{TO_ENCODE}", stored.levels)


def decoded(stored: Tensor) -> Tensor:
    """Return the tensor of the integers that a tensor's codes decode to."""
    if stored.levels:
        return integers_of(stored, decoded_name(stored), stored.levels)
    assert stored.format is not None
    most = max(stored.shift)
    return integers_of(stored, decoded_name(stored), (stored.format.minimum << most, stored.format.maximum << most))


def decoded_name(stored: Tensor) -> str:
    """Return the name of the integers that a tensor's codes decode to."""
    return f"{stored.name}/decoded"


def integers_of(stored: Tensor, name: str, held: Sequence[int]) -> Tensor:
    """Return a tensor of the narrowest format that holds all integers from the first to the last of ``held``."""
    signed = held[0] < 0
    form = IntFormat(bits=bits_needed(held[0], held[-1], signed), signed=signed)
    return Tensor(name=name, shape=stored.shape, format=form, scale=stored.scale)


@dataclass
class Context:
    """The state of a lowering; ``tensors`` holds what earlier operations made, ``held`` what others may use again."""

    network: Network
    plan: Plan
    target: Target
    tensors: dict[str, Tensor] = field(default_factory=dict)
    held: dict[Hashable, Any] = field(default_factory=dict[Hashable, Any])

    def settings(self, operation: Operation) -> Settings:
        """What the target says of this operation."""
        return self.target.settings(operation.kind, operation.name)

    def shape(self, name: str) -> Shape:
        """The shape of one sample of a tensor."""
        return self.network.shapes[name]

    def stored(self, name: str) -> Tensor:
        """The integer tensor that a later operation which moves codes reads under ``name``."""
        tensor = self.tensors[name]
        return tensor if tensor.format is not None else self.tensors[f"{name}/codes"]

    def codes(self, name: str) -> Tensor:
        """The integer tensor that a later operation which computes with its values reads under ``name``."""
        stored = self.stored(name)
        return stored if stored.plain else self.tensors[decoded_name(stored)]

    def planned(self, name: str, as_name: str | None = None) -> Tensor:
        """The tensor that the plan foresees for an operation; raises PlanError if it has none."""
        entry = self.plan.tensors.get(name)
        if entry is None:
            raise PlanError(f"the plan of {self.plan.network!r} has no tensor {name!r}")
        shape = self.shape(name)
        if len(entry.shift) not in (0, shape[-1]):
            raise PlanError(f"{name}: the plan has {len(entry.shift)} shifts, the tensor {shape[-1]} channels")
        return Tensor(
            name=as_name or name,
            shape=shape,
            format=entry.format,
            scale=entry.scale,
            zero_point=entry.zero_point,
            levels=entry.levels or (),
            shift=entry.shift,
        )

    def made(self, name: str, as_name: str | None = None) -> Tensor:
        """What an operation that computes makes for the plan's tensor: codes, or integers that `encode` rounds."""
        planned = self.planned(name, as_name)
        return to_encode(planned) if planned.levels else planned

    def shared(self, operation: Operation) -> Tensor:
        """The tensor of an operation that keeps its input's scale; raises PlanError if the plan says otherwise."""
        source = self.stored(operation.inputs[0])
        planned = self.planned(operation.name)
        shift = passed_shift(operation, source.shift, planned.shape[-1])
        if (planned.scale, planned.zero_point, planned.format, planned.levels, planned.shift) != (
            source.scale,
            source.zero_point,
            source.format,
            source.levels,
            shift,
        ):
            raise PlanError(
                f"{operation.name}: {operation.kind} moves codes unchanged, so the plan must give it the scale, zero "
                f"point and format of {operation.inputs[0]!r}"
            )
        return planned

    def weights(self, name: str, channels: int) -> WeightPlan:
        """The plan of an operation's weights; raises PlanError if it is missing or has a wrong number of scales."""
        entry = self.plan.weights.get(name)
        if entry is None:
            raise PlanError(f"the plan of {self.plan.network!r} has no weights {name!r}")
        if entry.shift and len(entry.shift[0]) != channels:
            raise PlanError(f"{name}: the plan has {len(entry.shift[0])} shifts, the layer {channels} channels")
        if len(entry.scale) not in (1, channels):
            raise PlanError(f"{name}: the plan has {len(entry.scale)} weight scales, the layer {channels} channels")
        return entry

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made under an equal key before, else make it: the steps of a loop hold the same arrays."""
        if key not in self.held:
            self.held[key] = make()
        made: T = self.held[key]
        return made

    def draws(self, operation: Operation, points: tuple[Point, ...]) -> NDArray[np.int64]:
        """The random numbers of an operation, or one 0 where nothing is rounded at random."""
        if not any(point.rounding is not None and point.rounding.stochastic for point in points):
            return np.zeros(1, np.int64)
        random = self.settings(operation).random
        return lfsr(random.bits, random.taps, random.seed)
