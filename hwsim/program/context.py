"""What lowering one operation may look at: the network, the plan, the target, and the tensors made so far."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import PlanError
from hwsim.network import Network, Operation, Shape
from hwsim.program.records import Point, Tensor
from hwsim.quantize.plan import Plan, WeightPlan
from hwsim.target import Settings, Target
from hwsim_kernels.lfsr import lfsr


@dataclass
class Context:
    """The state of a lowering; ``tensors`` holds what earlier operations made."""

    network: Network
    plan: Plan
    target: Target
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def settings(self, operation: Operation) -> Settings:
        """What the target says of this operation."""
        return self.target.settings(operation.kind, operation.name)

    def shape(self, name: str) -> Shape:
        """The shape of one sample of a tensor."""
        return self.network.shapes[name]

    def codes(self, name: str) -> Tensor:
        """The integer tensor that a later operation reads under ``name``."""
        tensor = self.tensors[name]
        return tensor if tensor.format is not None else self.tensors[f"{name}/codes"]

    def planned(self, name: str, as_name: str | None = None) -> Tensor:
        """The tensor that the plan foresees for an operation; raises PlanError if it has none."""
        entry = self.plan.tensors.get(name)
        if entry is None:
            raise PlanError(f"the plan of {self.plan.network!r} has no tensor {name!r}")
        shape = self.shape(name)
        return Tensor(
            name=as_name or name,
            shape=shape,
            format=entry.format,
            scale=entry.scale,
            zero_point=entry.zero_point,
        )

    def shared(self, operation: Operation) -> Tensor:
        """The tensor of an operation that keeps its input's scale; raises PlanError if the plan says otherwise."""
        source = self.codes(operation.inputs[0])
        planned = self.planned(operation.name)
        if (planned.scale, planned.zero_point, planned.format) != (
            source.scale,
            source.zero_point,
            source.format,
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
        if len(entry.scale) not in (1, channels):
            raise PlanError(f"{name}: the plan has {len(entry.scale)} weight scales, the layer {channels} channels")
        return entry

    def draws(self, operation: Operation, points: tuple[Point, ...]) -> NDArray[np.int64]:
        """The random numbers of an operation, or one 0 where nothing is rounded at random."""
        if not any(point.rounding is not None and point.rounding.stochastic for point in points):
            return np.zeros(1, np.int64)
        random = self.settings(operation).random
        return lfsr(random.bits, random.taps, random.seed)
