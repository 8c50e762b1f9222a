"""What techniques work on: a network on its way to a program, and what it is measured against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hwsim.data import Block
from hwsim.errors import PlanError
from hwsim.network import Network
from hwsim.quantize import Plan
from hwsim.target import Target

Planner = Callable[[Network, Target], Plan]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A network that is to be lowered to a target, before or after its plan was decided.

    network: what is lowered. reference: the float network that it is measured against, with operations of the same
    names and tensors of the same meaning. planner: decides the plan of a network on a target. samples: one array (n, …)
    for each input, calibration data to look at layers with. notes: what techniques did, a line each.
    """

    network: Network
    reference: Network
    target: Target
    planner: Planner
    samples: Block
    plan: Plan | None = None
    notes: tuple[str, ...] = ()

    def decided(self) -> Draft:
        """Return the draft with a plan, made for the reference if there is none yet."""
        return self if self.plan is not None else replace(self, plan=self.planner(self.reference, self.target))

    def decision(self) -> Plan:
        """Return the plan; raise PlanError if none was decided."""
        if self.plan is None:
            raise PlanError(f"{self.network.name}: no plan was decided yet")
        return self.plan

    def noted(self, line: str) -> Draft:
        """Return the draft with one more note."""
        return replace(self, notes=(*self.notes, line))
