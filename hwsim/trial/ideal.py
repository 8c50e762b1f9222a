"""A program in which all points are lifted that can be lifted together, and single points of it real again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hwsim.errors import HwsimError
from hwsim.network import Network
from hwsim.program import Program
from hwsim.quantize import Plan
from hwsim.target import Target
from hwsim.trial.finer import NotLiftedError, maker_of
from hwsim.trial.lift import Lift, apply_all

Lower = Callable[[Plan, Target], Program]

WITH_OUTPUT = ("requantize", "activation")
"""Groups that have a meaning only together with the format of their layer's output."""

WITH_ALL = ("curve", "softmax")
"""Groups that have a meaning only together with the formats of their layer's input and output."""


@dataclass(frozen=True, kw_only=True)
class Ideal:
    """A program with the points of ``lifted`` lifted, all at once; ``refused`` could not be, each with the reason.

    ``plan`` and ``target`` are the real ones, ``program`` the ideal one.
    """

    network: Network
    plan: Plan
    target: Target
    program: Program
    lifted: tuple[Lift, ...]
    refused: tuple[tuple[Lift, str], ...]

    def beside(self, one: Lift) -> tuple[Lift, ...]:
        """Return the lifts of the formats without which a point has no meaning: real where it is; mostly none."""
        names = [one.layer] if one.name in WITH_OUTPUT + WITH_ALL else []
        names += self.network.by_name[one.layer].inputs if one.name in WITH_ALL else ()
        makers = {maker_of(self.network, name) for name in names}
        return tuple(other for other in self.lifted if other.part == "activations" and other.layer in makers)

    def without(self, real: Sequence[Lift]) -> tuple[Plan, Target]:
        """Return a plan and a target with all lifted but some. Raises NotLiftedError for one that is real anyway."""
        out = {id(one) for one in real}
        rest = [one for one in self.lifted if id(one) not in out]
        if len(rest) + len(out) > len(self.lifted):
            raise NotLiftedError("it is real in the ideal program, too")
        return apply_all(rest, self.network, self.plan, self.target)


def idealised(wanted: Sequence[Lift], network: Network, plan: Plan, target: Target, lower: Lower) -> Ideal:
    """Lift as many points as can be lifted together, in the order given; name those that cannot, and why.

    lower: makes a program of a plan and a target.
    """
    chosen: list[Lift] = []
    refused = [(one, one.obstacle) for one in wanted if one.obstacle and not one.jointly]
    program: Program | None = None
    waiting = [[one for one in wanted if not one.obstacle or one.jointly]]
    while waiting:
        some = waiting.pop()
        if not some:
            continue
        try:
            program = lower(*apply_all([*chosen, *some], network, plan, target))
            chosen += some
        except HwsimError as error:
            if len(some) == 1:
                refused.append((some[0], str(error).splitlines()[0]))
            else:  # what stands in the way is found by halves
                half = len(some) // 2
                waiting += [some[half:], some[:half]]
    return Ideal(
        network=network,
        plan=plan,
        target=target,
        program=lower(plan, target) if program is None else program,
        lifted=tuple(chosen),
        refused=tuple(refused),
    )
