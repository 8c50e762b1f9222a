"""Search for the cheapest strategies that keep the results within a tolerance.

Each candidate of each layer is measured alone, at the results of the integer run. From the own ways of the target, or
from better ones that cost no more, the search goes down by the largest saving for the least harm, and every combination
that it keeps has been run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from hwsim.errors import HwsimError
from hwsim.network import Operation
from hwsim.process.candidates import Candidate, Part, Recipe
from hwsim.process.case import Case
from hwsim.process.storage import Cost, total
from hwsim.process.tolerance import Standing, Tolerance
from hwsim.program import Program
from hwsim.progress import tracked
from hwsim.quantize import Plan, Profile, decide
from hwsim.target import Settings, Target
from hwsim.target.override import Keys, overridden
from hwsim.trial import Bench

Slot = tuple[str, Part]
"""What is chosen by itself: the weights of a layer, or its output."""

Choices = Callable[[Operation, Settings], Iterable[Candidate]]

LEAST_HARM = 1e-12
"""Of the signal's energy: what harms less counts as this."""

LIKELY = 4
"""How many options of a slot, the least noisy ones, are tried to mend a state that breaks the tolerance."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """A candidate measured alone: what it costs the whole network, how the results stand, and why it is not possible.

    ``keys`` is empty for the target's own way. ``standing`` is None where ``refused`` says why not. ``near`` is the
    noise of the option beside where the search starts from, if that is far from the target as it is.
    """

    slot: Slot
    keys: Recipe
    cost: float = math.inf
    standing: Standing | None = None
    refused: str = ""
    near: float | None = None

    @property
    def weighed(self) -> float:
        """The noise by which the search weighs the option."""
        return self.noise if self.near is None else self.near

    @property
    def noise(self) -> float:
        """The energy of the error by that of the signal."""
        return math.inf if self.standing is None else self.standing.figures.noise


State = Mapping[Slot, Option]


@dataclass
class Found:
    """What a search found: its options, the states that it went through, and what broke the tolerance on the way.

    ``history`` begins with the state that the search went down from; its last one is the cheapest that holds on the
    samples. ``broke`` has the standing of the combination that was tried with an option.
    """

    options: Mapping[Slot, Sequence[Option]]
    history: list[State]
    own: State
    own_standing: Standing
    holds: bool
    broke: dict[tuple[Slot, int], Standing] = field(default_factory=dict)


class Search:
    """One search; ``cost`` is what it makes small, ``choices`` what a layer can do."""

    def __init__(self, case: Case, bench: Bench, tolerance: Tolerance, cost: Cost) -> None:
        assert case.profile is not None
        self.case = case
        self.profile: Profile = case.profile
        self.bench = bench
        self.tolerance = tolerance
        self.cost = cost
        self.base: Program = bench.lower(case.plan, case.target)
        outputs, _ = bench.start(self.base)
        self.base_standing = self._judge(outputs)
        self.base_cost = total(cost, case.network, case.plan)

    def run(self, choices: Choices) -> Found:
        """Measure all candidates alone, and go down."""
        wanted = [
            one
            for operation in self.case.network.operations
            if operation.name in self.case.plan.tensors or operation.name in self.case.plan.weights
            for one in choices(operation, self.case.target.settings(operation.kind, operation.name))
        ]
        options: dict[Slot, list[Option]] = {}
        with tracked("measuring candidates one by one", len(wanted)) as advance:
            for one in wanted:
                slot = (one.layer, one.part)
                if slot not in options:
                    own = Option(slot=slot, keys={}, cost=self.base_cost, standing=self.base_standing)
                    options[slot] = [own]
                found = self._alone(slot, one.keys)
                if found is not None:
                    options[slot].append(found)
                advance(1)
        return self._down({slot: some for slot, some in options.items() if len(some) > 1})

    def _alone(self, slot: Slot, keys: Recipe) -> Option | None:
        """Measure a candidate alone; None where it changes nothing."""
        try:
            target, plan = self.made({slot: Option(slot=slot, keys=keys)})
            if plan.tensors == self.case.plan.tensors and plan.weights == self.case.plan.weights:
                return None
            standing = self._judge(self.bench.run(self.bench.lower(plan, target)))
        except HwsimError as error:
            return Option(slot=slot, keys=keys, refused=str(error).splitlines()[0])
        return Option(slot=slot, keys=keys, cost=total(self.cost, self.case.network, plan), standing=standing)

    def made(self, state: State) -> tuple[Target, Plan]:
        """Return the target and the plan of a state."""
        changed = sections(state)
        target = overridden(self.case.target, changed)
        return target, decide(self.case.network, self.profile, target, self.case.plan, changed)

    def stands(self, state: State) -> Standing | None:
        """Run a state; None where it is not possible."""
        try:
            target, plan = self.made(state)
            return self._judge(self.bench.run(self.bench.lower(plan, target)))
        except HwsimError:
            return None

    def _judge(self, outputs: Mapping[str, object]) -> Standing:
        given: Mapping[str, object] = outputs
        return self.tolerance.judge(self.bench.against_float(given), self.bench.reference, given)  # type: ignore[arg-type]

    def _down(self, options: Mapping[Slot, Sequence[Option]]) -> Found:
        own: State = {slot: some[0] for slot, some in options.items()}
        start, holds = self._start(options, own)
        if holds and not self.base_standing.holds:
            options, start = self._measured_near(start, options)
            own = {slot: some[0] for slot, some in options.items()}
        found = Found(options=options, history=[start], own=own, own_standing=self.base_standing, holds=holds)
        if holds:
            self._rebase(start)
            self._leap(found)
            self._rebase(found.history[-1])
            self._step_by_step(found)
        return found

    def _measured_near(
        self, start: State, options: Mapping[Slot, Sequence[Option]]
    ) -> tuple[Mapping[Slot, Sequence[Option]], State]:
        """Measure all options again beside those of a start: what they do to a target that fails says little of it."""
        self._rebase(start)
        measured: dict[Slot, list[Option]] = {}
        chosen: dict[Slot, Option] = {}
        with tracked("measuring candidates again", sum(map(len, options.values()))) as advance:
            for slot, some in options.items():
                measured[slot] = []
                for one in some:
                    standing = None if one.refused else self.stands({**start, slot: one})
                    again = replace(one, near=math.inf if standing is None else standing.figures.noise)
                    measured[slot].append(again)
                    if start[slot] is one:
                        chosen[slot] = again
                    advance(1)
        return measured, chosen

    def _rebase(self, state: State) -> None:
        """Make a state the base of trials, so that less of each has to run."""
        target, plan = self.made(state)
        self.bench.start(self.bench.lower(plan, target))

    def _start(self, options: Mapping[Slot, Sequence[Option]], own: State) -> tuple[State, bool]:
        """Return where to go down from, and whether it keeps the tolerance: the first that does, or the best found."""
        cheap = {slot: [one for one in some if one.cost <= own[slot].cost] for slot, some in options.items()}
        better = {slot: min(some, key=_noise) for slot, some in cheap.items()}
        best = {slot: min(some, key=_noise) for slot, some in options.items()}
        alone = min((one for some in options.values() for one in some), key=_noise, default=None)
        states: list[State] = [better, own, best, *([] if alone is None else [{**own, alone.slot: alone}])]
        tried: list[tuple[float, int]] = []
        for number, state in enumerate(states):
            standing = self.stands(state)
            if standing is not None and standing.holds:
                return state, True
            tried.append((math.inf if standing is None else standing.figures.noise, number))
        noise, number = min(tried)
        return self._mend(states[number], noise, options)

    def _mend(self, state: State, noise: float, options: Mapping[Slot, Sequence[Option]]) -> tuple[State, bool]:
        """Take what lowers the noise of a state, one option after another, until the tolerance is kept or none does.

        What helps alone need not help together: a sum that no longer overflows, say, can need its bits again.
        """
        likely = [one for some in options.values() for one in sorted(some, key=_noise)[:LIKELY]]
        with tracked("mending what breaks the tolerance") as advance:
            improved = True
            while improved:
                improved = False
                for one in sorted(likely, key=_noise):
                    if state[one.slot] is one:
                        continue
                    standing = self.stands({**state, one.slot: one})
                    advance(1)
                    if standing is not None and standing.figures.noise < noise:
                        state, noise, improved = {**state, one.slot: one}, standing.figures.noise, True
                        if standing.holds:
                            return state, True
        return state, False

    def _leap(self, found: Found) -> None:
        """Follow the greedy way without a look at the tolerance, and take as much of it as holds, by bisection."""
        way = [found.history[0]]
        while (move := best_move(way[-1], found.options, {})) is not None:
            way.append({**way[-1], move.slot: move})
        low, high = 0, len(way)
        with tracked("looking for how far to go", max(len(way).bit_length(), 1)) as advance:
            while high - low > 1:
                middle = (low + high) // 2
                standing = self.stands(way[middle])
                low, high = (middle, high) if standing is not None and standing.holds else (low, middle)
                advance(1)
        found.history += way[1 : low + 1]

    def _step_by_step(self, found: Found) -> None:
        """Go on with single moves that hold, until none is left."""
        barred: dict[Slot, list[Option]] = {}
        with tracked("choosing the cheapest that holds") as advance:
            while (move := best_move(found.history[-1], found.options, barred)) is not None:
                state = {**found.history[-1], move.slot: move}
                standing = self.stands(state)
                if standing is not None and standing.holds:
                    found.history.append(state)
                else:
                    barred.setdefault(move.slot, []).append(move)
                    if standing is not None:
                        found.broke[move.slot, id(move)] = standing
                advance(1)


def sections(state: State) -> dict[str, Keys]:
    """Return the sections of a target's ``layers`` that a state stands for."""
    found: dict[str, dict[str, object]] = {}
    for (layer, part), option in state.items():
        if option.keys:
            found.setdefault(layer, {})[part] = option.keys
    return dict(found)


def best_move(
    state: State, options: Mapping[Slot, Sequence[Option]], barred: Mapping[Slot, Sequence[Option]]
) -> Option | None:
    """Return the cheaper option that saves most for its harm, None where none is left.

    What harms as much as an option of its slot that broke the tolerance before is left out.
    """
    moves: list[Option] = []
    for slot, some in options.items():
        limit = min((one.weighed for one in barred.get(slot, ())), default=math.inf)
        moves += [
            one
            for one in some
            if one.cost < state[slot].cost and one.weighed < limit and one not in barred.get(slot, ())
        ]
    return max(moves, key=partial(_worth, state), default=None)


def _worth(state: State, move: Option) -> float:
    """Return what a move saves for its harm."""
    now = state[move.slot]
    return (now.cost - move.cost) / max(move.weighed - now.weighed, LEAST_HARM)


def _noise(option: Option) -> tuple[float, float]:
    return option.noise, option.cost
