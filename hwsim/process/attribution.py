"""Which truncation points make the error of a run: each one lifted, all else as it is, and each one alone.

A point that is *lifted* loses nothing, while everything else is as the target has it. A point that is *alone* is as the
target has it, while everything else is as good as ideal. Where two points hide each other, lifting one of them changes
little; alone each of them shows.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.data import Data
from hwsim.errors import HwsimError
from hwsim.improve.stored import with_stored_kernel
from hwsim.network import Weighted
from hwsim.pipeline import PlanSource, Result
from hwsim.process.advice import advice
from hwsim.process.case import Case, case_of
from hwsim.process.table import frame_of, html_of
from hwsim.process.trials import SAMPLES, Criterion, Trials, by_name
from hwsim.process.waterfall import PARTS, nested, waterfall
from hwsim.progress import tracked
from hwsim.quantize.decide import kernel_of
from hwsim.report import Report
from hwsim.report.attribution import lines_of
from hwsim.report.figures import AdviceFigures, CostFigures, WaterfallFigures
from hwsim.report.wording import counted
from hwsim.target import Target
from hwsim.trial import Bench, Figures, Ideal, Lift, Outputs

if TYPE_CHECKING:
    import pandas as pd

Sample = tuple[str, int]
"""A result of the network, and the number of a sample."""

QUICK_SAMPLES = 8
QUICK_POINTS = 12
"""How many samples a quick estimate looks at, and how many points it tries one by one, at most."""

STATES = ("matters", "not lifted", "not tried", "negligible", "nothing lost")
"""What becomes of a point, in the order of the ranking."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Attribution:
    """What each truncation point does to the results of a network, what mends the flips, and what would help.

    ``whole`` is the error of the run on the ``samples`` that were looked at, the first of the data. ``waterfall`` goes
    from all ideal to the run itself. ``costs`` are ranked, what costs most first. ``mended`` names for each sample that
    decides otherwise than float the points ("stem accumulator") each of which, lifted alone, brings float's class back.
    ``quick`` says that this is an estimate: of few samples, and of the points with the largest local loss alone.
    """

    network: str
    target: str
    samples: int
    quick: bool
    criterion: Criterion
    whole: Figures
    waterfall: tuple[WaterfallFigures, ...]
    costs: tuple[CostFigures, ...]
    mended: Mapping[Sample, tuple[str, ...]]
    advice: tuple[AdviceFigures, ...] = ()
    notes: tuple[str, ...] = ()

    def add_to(self, report: Report) -> Report:
        """Return a report of the same run that holds this, too."""
        return replace(
            report,
            attributed=self.samples,
            waterfall=self.waterfall,
            costs=self.costs,
            advice=self.advice,
            attribution_notes=tuple(note for note in self.notes if note not in report.notes),
            flips=tuple(
                replace(one, mended_by=self.mended.get((one.result, one.sample), ()))
                if one.sample < self.samples
                else one
                for one in report.flips
            ),
        )

    def __str__(self) -> str:
        """Return the attribution as plain text, no line longer than 100 columns."""
        head = f"{self.network} on {self.target}: where the error comes from, on the first "
        found = self.waterfall, self.costs, self.advice
        return "\n".join(lines_of(head + counted(self.samples, "sample"), found, self.notes))

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each layer and group of points, what costs most first."""
        return frame_of(CostFigures, self.costs, {"points": [", ".join(one.points) for one in self.costs]})

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return html_of(f"{self.network} on {self.target}: what costs most", self.to_frame(), self.notes)


def attribute(  # noqa: PLR0913  one argument for each choice
    model: object,
    target: str | Path | Target | None = None,
    data: Data | None = None,
    *,
    calibration: Data | None = None,
    plan: PlanSource | None = None,
    criterion: Criterion | None = None,
    samples: int = SAMPLES,
    quick: bool = False,
) -> Attribution:
    """Say which truncation points make the error of a run, whether it matters, and what would help.

    model, target, data, calibration, plan: as for ``hwsim.run``; ``model`` may also be a Result, whose plan counts, and
        whose target and data, where none are given.
    criterion: below what a point is negligible: lifted, and alone.
    samples: how many samples are looked at, the first of the data.
    quick: estimate: look at 8 samples, lift whole kinds of points first, and try one by one only the 12 points of those
        kinds that matter whose layers lose most by themselves.

    Raises HwsimError for whatever is wrong with the target, the model, the data or the plan.
    """
    case = case_of(model, target, data, calibration, plan)
    with attributed(model, case, criterion, samples, quick=quick) as found:
        return found.attribution()


@contextmanager
def attributed(
    model: object, case: Case, criterion: Criterion | None, samples: int, *, quick: bool
) -> Generator[Attributed]:
    """Yield the trials of a case; ``model`` is what it was made of."""
    blocks = case.blocks(min(samples, QUICK_SAMPLES) if quick else samples)
    count = sum(len(block[0]) for block in blocks)
    with Bench(case.network, blocks, reference=_reference(model, case.network.outputs, count)) as bench:
        found = Attributed(Trials(case, bench, criterion or Criterion()), quick=quick)
        if isinstance(model, Result) and model.measured not in ("float", ""):
            found.notes.append(f"attributed against float, not against {model.measured!r} as the run")
        yield found


def _reference(model: object, names: Sequence[str], count: int) -> Outputs | None:
    """Return the float results that a Result was measured by, which techniques do not change; None without them."""
    if not isinstance(model, Result) or model.reference is None or model.measured != "float":
        return None
    named: Any = model.reference if isinstance(model.reference, Mapping) else {names[0]: model.reference}
    return {name: values[:count] for name, values in named.items()}


class Attributed:
    """The trials of one case: the waterfall, point by point, and what helps, each when it is asked for."""

    def __init__(self, trials: Trials, *, quick: bool) -> None:
        self.trials = trials
        self.bench = trials.bench
        self.quick = quick
        self.flipped = flips_of(self.bench, trials.base)
        self.mended: dict[Sample, set[str]] = {one: set() for one in self.flipped}
        self.notes = [
            *trials.case.notes,
            f"a point can be ignored if lifting it {trials.criterion}; alone it adds no more",
        ]
        if quick:
            self.notes.append(f"an estimate: of {counted(self.bench.count, 'sample')}, and of few points one by one")

    def attribution(self) -> Attribution:
        """Run all trials that are left, and return what they found."""
        trials = self.trials
        return Attribution(
            network=trials.case.network.name,
            target=trials.case.target.name,
            samples=self.bench.count,
            quick=self.quick,
            criterion=trials.criterion,
            whole=trials.whole,
            waterfall=self.waterfall,
            costs=self.costs,
            advice=self.advice,
            mended={sample: self._menders(sample) for sample in self.flipped},
            notes=tuple(self.notes),
        )

    @cached_property
    def ideal(self) -> Ideal:
        """The program with everything lifted that can be."""
        return nested(self.trials, self.trials.lifts)

    @cached_property
    def waterfall(self) -> tuple[WaterfallFigures, ...]:
        """The steps from all ideal to the run as it is."""
        with tracked("making one part of the target after another real", len(PARTS)) as advance:
            return waterfall(self.trials, self.ideal, advance)

    @cached_property
    def costs(self) -> tuple[CostFigures, ...]:
        """The figures of all points, ranked."""
        trials = self.trials
        active = [one for one in trials.lifts if trials.loses(one)]
        chosen, settled = self._chosen(active) if self.quick else (active, {})
        rows = {id(one): self._blank(one, settled) for one in trials.lifts}
        with tracked("lifting points", len(chosen)) as advance:
            for one in chosen:
                rows[id(one)] = self._lifted(one, rows[id(one)])
                advance(1)
        outputs, _ = self.bench.start(self.ideal.program)
        measured = _Alone(self.bench, self.ideal, self.bench.against_float(outputs))
        with tracked("making points real alone", len(chosen)) as advance:
            for one in chosen:
                rows[id(one)] = self._alone(one, rows[id(one)], measured)
                advance(1)
        return tuple(sorted(rows.values(), key=_rank))

    @cached_property
    def advice(self) -> tuple[AdviceFigures, ...]:
        """What helps."""
        costs = self.costs
        with tracked("trying what could help") as advance:
            return advice(self.trials, costs, quick=self.quick, advance=advance)

    def _chosen(self, active: Sequence[Lift]) -> tuple[list[Lift], dict[int, str]]:
        """Return the points to try one by one, and the state of the others: whole kinds are lifted first."""
        trials, settled, open_ = self.trials, dict[int, str](), list[Lift]()
        for _, group in by_name(active):
            able = [one for one in group if not one.obstacle]
            open_ += [one for one in group if one.obstacle and one.jointly]
            try:
                change = self.bench.change(trials.base, trials.lifted(able)) if able else None
            except HwsimError:
                change = None
            quiet = change is not None and trials.criterion.met(change, trials.whole)
            for one in able:
                settled[id(one)] = "negligible" if quiet else "not tried"
            open_ += [] if quiet else able
        losses = local_losses(trials)
        worst = sorted(open_, key=lambda one: -max(losses.get((one.layer, point), 0.0) for point in one.points))
        chosen = {id(one) for one in worst[:QUICK_POINTS]}
        return [one for one in active if id(one) in chosen or (one.obstacle and not one.jointly)], settled

    def _blank(self, one: Lift, settled: Mapping[int, str]) -> CostFigures:
        """Return what is known of a point before it is tried."""
        state = settled.get(id(one), "nothing lost")
        return CostFigures(
            layer=one.layer,
            kind=self.trials.case.network.by_name[one.layer].kind,
            point=one.name,
            points=one.points,
            state=state,
            how=one.how,
            note="lifted in all layers at once" if state == "negligible" else "",
        )

    def _lifted(self, one: Lift, row: CostFigures) -> CostFigures:
        """Measure a point lifted, all else as it is."""
        trials = self.trials
        if one.obstacle:
            return replace(row, state="not lifted", how="", note=one.obstacle)
        try:
            outputs = trials.lifted([one])
        except HwsimError as error:
            return replace(row, state="not lifted", how="", note=str(error).splitlines()[0])
        change, figures = self.bench.change(trials.base, outputs), self.bench.against_float(outputs)
        left = flips_of(self.bench, outputs)
        for sample in self.flipped - left:
            self.mended[sample].add(_named(row))
        return replace(
            row,
            state="negligible" if trials.criterion.met(change, trials.whole) else "matters",
            cost=_share(trials.whole.noise - figures.noise, trials.whole),
            moves=_share(change.noise, trials.whole),
            gain_db=_gain(trials.whole, figures),
            changed=change.flips,
            mended=len(self.flipped - left),
            sqnr_lifted_db=figures.sqnr_db,
        )

    def _alone(self, one: Lift, row: CostFigures, measured: _Alone) -> CostFigures:
        """Measure a point alone, all else ideal."""
        try:
            figures, before, note = measured.figures(one)
        except HwsimError as error:
            return replace(row, note=row.note or f"not measured alone: {str(error).splitlines()[0]}")
        trials, whole = self.trials, self.trials.whole
        added = figures.noise - before.noise
        shares = [share for share in (row.cost, _share(added, whole)) if share is not None]
        loud = added > trials.criterion.error * whole.noise or figures.flips - before.flips > trials.criterion.flips
        state = "matters" if loud else "negligible" if row.state == "not lifted" else row.state
        return replace(
            row,
            state=state,
            cost=sum(shares) / len(shares) if shares else None,
            sqnr_alone_db=figures.sqnr_db,
            flips_alone=figures.flips,
            note=row.note or note,
        )

    def _menders(self, sample: Sample) -> tuple[str, ...]:
        return tuple(name for name in map(_named, self.costs) if name in self.mended[sample])


class _Alone:
    """Figures of points that are real alone, and of what has to be real with them."""

    def __init__(self, bench: Bench, ideal: Ideal, figures: Figures) -> None:
        self.bench = bench
        self.ideal = ideal
        self._known: dict[tuple[int, ...], Figures] = {(): figures}

    def figures(self, one: Lift) -> tuple[Figures, Figures, str]:
        """Return the figures of a point, those of what is real with it by itself, and what that is in words."""
        beside = self.ideal.beside(one)
        figures, key = self._run([one, *beside]), tuple(id(other) for other in beside)
        if key not in self._known:
            self._known[key] = self._run(beside)
        formats = ", ".join(other.layer for other in beside)
        return figures, self._known[key], f"alone: with the format of {formats}" if beside else ""

    def _run(self, real: Sequence[Lift]) -> Figures:
        return self.bench.against_float(self.bench.run(self.bench.lower(*self.ideal.without(real))))


def flips_of(bench: Bench, outputs: Outputs) -> frozenset[Sample]:
    """Return the results and samples that decide otherwise than float."""
    return frozenset(
        (name, int(sample))
        for name in sorted(bench.deciding)
        for sample in np.flatnonzero(bench.reference[name].argmax(axis=-1) != outputs[name].argmax(axis=-1))
    )


def local_losses(trials: Trials) -> dict[tuple[str, str], float]:
    """Return for each layer and point the energy of what was lost there, by that of the layer's float output.

    Weights count by the energy of the weights, channel by channel, and the mean of channels.
    """
    found: dict[tuple[str, str], float] = {}
    for row in trials.ledger:
        lost = row.clamp_energy_real + row.round_energy_real
        energy = trials.bench.energies.get(row.layer, 0.0)
        if row.point.name == "weight":
            lost, energy = _weight_loss(trials, row.layer), 1.0
        found[row.layer, row.point.name] = lost / energy if energy > 0 else math.inf if lost else 0.0
    return found


def _weight_loss(trials: Trials, layer: str) -> float:
    operation, case = trials.case.network.by_name[layer], trials.case
    if not isinstance(operation, Weighted):
        return 0.0
    exact = kernel_of(operation).astype(np.float64)
    stored = kernel_of(with_stored_kernel(operation, case.plan, case.target))
    axes = tuple(range(exact.ndim - 1))
    energy = np.square(exact).sum(axis=axes)
    return float(np.mean(np.square(exact - stored).sum(axis=axes) / np.where(energy > 0, energy, 1.0)))


def _share(energy: float, whole: Figures) -> float | None:
    return energy / whole.noise if 0 < whole.noise < math.inf else 0.0 if energy == 0 else None


def _gain(before: Figures, after: Figures) -> float:
    return 0.0 if before.sqnr_db == after.sqnr_db else after.sqnr_db - before.sqnr_db


def _named(row: CostFigures) -> str:
    return f"{row.layer} {row.point}"


def _rank(row: CostFigures) -> tuple[int, float]:
    return STATES.index(row.state), -(row.cost if row.cost is not None else -math.inf)
