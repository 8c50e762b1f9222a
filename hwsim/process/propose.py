"""Decide by itself: per layer the cheapest strategy that keeps the network's results within a tolerance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwsim.data import Data
from hwsim.pipeline import Result, run
from hwsim.process.candidates import Part, Recipe, candidates, words
from hwsim.process.case import case_of
from hwsim.process.pasted import layers_yaml
from hwsim.process.search import Choices, Found, Option, Search, Slot, State
from hwsim.process.storage import Cost, stored_bits, total
from hwsim.process.table import frame_of, html_of
from hwsim.process.tolerance import Standing, Tolerance
from hwsim.report.columns import paragraph, table
from hwsim.report.measure import classified
from hwsim.report.wording import counted, percent
from hwsim.target import Target
from hwsim.trial import Bench, Outputs, compare

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = 128
"""How many samples the search runs on by default; the proposal is verified on all."""


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """One strategy for the weights or the output of one layer, measured with all other layers as the target has them.

    ``saved`` is what it saves of the whole cost. ``state`` is "chosen", "possible" (the search took another), "breaks
    alone", "breaks together" (with what else was chosen then) or "refused". ``why`` has the figures or the reason.
    """

    layer: str
    part: Part
    strategy: str
    saved: float
    sqnr_db: float | None
    top1: float | None
    state: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is proposed for the weights or the output of one layer, and the reason in a sentence."""

    layer: str
    part: Part
    keys: Recipe
    strategy: str
    saved: float
    reason: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Proposal:
    """The cheapest target that was found to keep a tolerance.

    ``target`` is the whole target with the proposal in its ``layers``. ``result`` is the real run on all data that
    verified it, ``standing`` how that run stands; ``standing_before`` is how the target as it is stands on the
    ``samples`` of the search. ``holds`` says whether the tolerance is kept: if not, nothing that was tried keeps it,
    and the proposal is the best found. ``cost`` and ``cost_before`` are of all layers together.
    """

    network: str
    target: Target
    tolerance: Tolerance
    holds: bool
    standing: Standing
    standing_before: Standing
    cost: float
    cost_before: float
    samples: int
    choices: tuple[Choice, ...]
    alternatives: tuple[Alternative, ...]
    result: Result
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the proposal as plain text, no line longer than 100 columns."""
        changed = [one for one in self.choices if one.keys]
        rows = [[one.layer, one.part, one.strategy, _amount(one.saved)] for one in changed]
        lines = [*self._verdict(), ""]
        lines += table(["layer", "of", "strategy", "saves"], rows, names=[24, 11, 40]) if rows else []
        lines += ["", "Why:"]
        for one in self.choices:
            lines += paragraph(one.reason, "    ", first="  ")
        lines += ["", *paragraph(f"{len(self.alternatives)} strategies were measured; to_frame() has their figures.")]
        return "\n".join([*lines, "", "To paste into the target, in place of its `layers`:", "", self.to_yaml()])

    def _verdict(self) -> list[str]:
        head = f"{self.network} on {self.target.name}: {self.tolerance}"
        share = 1 - self.cost / self.cost_before if self.cost_before else 0.0
        said = f"kept, with {self.standing} on {counted(self.result.report.samples, 'sample')}"
        if not self.holds:
            said = f"NOT KEPT by anything that was tried; the best found has {self.standing}"
        cost = f"cost {_amount(self.cost)} instead of {_amount(self.cost_before)}, {percent(max(share, 0))} % saved"
        lines = paragraph(head, "  ") + paragraph(f"{said}; {cost}.", "  ", first="  ")
        lines += [line for note in self.notes for line in paragraph(note, "    ", first="  ")]
        return lines + paragraph(
            f"The target as it is has {self.standing_before} on the {counted(self.samples, 'sample')} of the search.",
            "    ",
            first="  ",
        )

    def to_yaml(self) -> str:
        """Return the ``layers`` section of the proposed target; put into the target's file it gives the same result."""
        return layers_yaml(self.target)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each alternative of each layer, with its figures and whether it was chosen."""
        return frame_of(Alternative, self.alternatives)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the verdict, the reasons and all alternatives."""
        notes = [" ".join(self._verdict()), *(one.reason for one in self.choices)]
        return html_of(f"Proposal for {self.network} on {self.target.name}", self.to_frame(), notes)


def propose(
    model: object,
    target: str | Path | Target,
    data: Data | None = None,
    *,
    tolerance: Tolerance,
    calibration: Data | None = None,
    cost: Cost = stored_bits,
    choices: Choices = candidates,
    samples: int = SAMPLES,
) -> Proposal:
    """Propose per layer the cheapest strategy that keeps the results within a tolerance of float.

    model, target, data, calibration: as for ``hwsim.run``; the data is read several times.
    tolerance: what the results must keep to.
    cost: what a layer's ``Storage`` costs; by default the bits that it stores.
    choices: what a layer can do: takes an operation and its settings, yields ``Candidate``s.
    samples: how many samples the search runs on, the first of the data. The proposal is verified on all, by
        ``hwsim.run``; where it breaks the tolerance there, the last choices are taken back until it holds.

    Raises HwsimError for whatever is wrong with the target, the model, the data or the tolerance.
    """
    case = case_of(model, target, data, calibration)
    with Bench(case.network, case.blocks(samples)) as bench:
        search = Search(case, bench, tolerance, cost)
        found = search.run(choices)
        verify = Verification(search, data, calibration)
        state, (result, standing) = verify.fall_back(found)
        chosen, plan = search.made(state)
        return Proposal(
            network=case.network.name,
            target=chosen,
            tolerance=tolerance,
            holds=standing.holds,
            standing=standing,
            standing_before=found.own_standing,
            cost=total(cost, case.network, plan),
            cost_before=search.base_cost,
            samples=bench.count,
            choices=tuple(chosen_of(found, state, slot) for slot in found.options),
            alternatives=tuple(alternatives(found, state)),
            result=result,
            notes=case.notes,
        )


class Verification:
    """Real runs of states on all data."""

    def __init__(self, search: Search, data: Data | None, calibration: Data | None) -> None:
        self.search = search
        self.data = data
        self.calibration = calibration

    def run(self, state: State) -> tuple[Result, Standing]:
        """Run a state as a user would, and judge it."""
        target, _ = self.search.made(state)
        network = self.search.case.network
        result = run(network, target, self.data, calibration=self.calibration)
        reference, outputs = (_named(one, network.outputs) for one in (result.reference, result.outputs))
        deciding = [name for name, decides in classified(network).items() if decides]
        figures = compare(reference, outputs, deciding)
        return result, self.search.tolerance.judge(figures, reference, outputs)

    def fall_back(self, found: Found) -> tuple[State, tuple[Result, Standing]]:
        """Return the last state that keeps the tolerance on all data, by steps back that double; else the best."""
        last, step = len(found.history) - 1, 1
        while True:
            state = found.history[last]
            outcome = self.run(state)
            if outcome[1].holds or last == 0:
                break
            last, step = max(last - step, 0), 2 * step
        if not outcome[1].holds and state is not found.own:
            own = self.run(found.own)
            if own[1].holds or own[1].figures.noise < outcome[1].figures.noise:
                return found.own, own
        return state, outcome


def _named(values: object, names: Sequence[str]) -> Outputs:
    return {names[0]: values} if isinstance(values, np.ndarray) else values  # type: ignore[return-value]


def chosen_of(found: Found, state: State, slot: Slot) -> Choice:
    """Return what a state has for a slot, and why."""
    option, own = state[slot], found.own[slot]
    return Choice(
        layer=slot[0],
        part=slot[1],
        keys=option.keys,
        strategy=words(option.keys) or "as the target says",
        saved=own.cost - option.cost,
        reason=reason(found, state, slot),
    )


def reason(found: Found, state: State, slot: Slot) -> str:
    """Say in a sentence why a slot has what it has."""
    option, own = state[slot], found.own[slot]
    what = f"{slot[0]} {slot[1]}"
    if option is own:
        text = f"{what} stay as the target says"
    else:
        saved = own.cost - option.cost
        effect = (
            f"saves {_amount(saved)}"
            if saved > 0
            else "costs the same"
            if not saved
            else f"costs {_amount(-saved)} more"
        )
        text = f"{what}: {words(option.keys)} {effect}; alone it leaves {option.standing}"
    if not found.holds:
        return f"{text}; of all that was tried this errs least."
    return f"{text}; {_limit(found, state, slot)}."


def _limit(found: Found, state: State, slot: Slot) -> str:
    """Say why a slot does not go further down."""
    cheaper = [one for one in found.options[slot] if one.cost < state[slot].cost]
    if not cheaper:
        return "nothing that was tried is cheaper"
    nearest = min(cheaper, key=lambda one: one.weighed)
    standing = _broke(found, nearest)
    if standing is not None:
        return f"{words(nearest.keys)} would break the tolerance together with the rest: {standing}"
    if nearest.standing is not None and not nearest.standing.holds:
        return f"{words(nearest.keys)} would break the tolerance by itself: {nearest.standing}"
    return f"{words(nearest.keys)} would harm more than the tolerance leaves beside the rest"


def _broke(found: Found, option: Option) -> Standing | None:
    return found.broke.get((option.slot, id(option)))


def alternatives(found: Found, state: State) -> Iterator[Alternative]:
    """Yield every option of every slot with what became of it."""
    for slot, options in found.options.items():
        for one in options:
            figures = None if one.standing is None else one.standing.figures
            what, why = _fate(found, state, one)
            yield Alternative(
                layer=slot[0],
                part=slot[1],
                strategy=words(one.keys) or "as the target says",
                saved=0.0 if one.standing is None else found.own[slot].cost - one.cost,
                sqnr_db=None if figures is None else figures.sqnr_db,
                top1=None if figures is None else figures.top1,
                state=what,
                why=why,
            )


def _fate(found: Found, state: State, option: Option) -> tuple[str, str]:
    if option.refused:
        return "refused", option.refused
    if state[option.slot] is option:
        return "chosen", ""
    standing = _broke(found, option)
    if standing is not None:
        return "breaks together", str(standing)
    if option.standing is not None and not option.standing.holds:
        return "breaks alone", str(option.standing)
    return "possible", ""


def _amount(cost: float) -> str:
    """Return a cost as a number that reads easily: whole ones with commas."""
    return f"{cost:,.0f}" if float(cost).is_integer() else f"{cost:,.4g}"
