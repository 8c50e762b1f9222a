"""What would help: changes of the target for the points that cost most, each measured by running it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from hwsim.errors import HwsimError
from hwsim.improve import TECHNIQUES, improve
from hwsim.pipeline import drafted
from hwsim.process.pasted import layers_yaml
from hwsim.process.remedies import Needed, Remedy, remedies
from hwsim.process.trials import Trials
from hwsim.program import lower
from hwsim.quantize import collect, decide
from hwsim.report.figures import AdviceFigures, CostFigures
from hwsim.target import Target
from hwsim.target.override import overridden
from hwsim.trial import Figures, apply_all

MOST = 3
"""How many changes are named."""

MOST_POINTS = 8
"""For how many points, those that cost most, changes are tried; a quick estimate tries half as many."""

LEAST_DB = 0.5
"""A change that gains less, and mends no flip, is not worth naming."""

NEAR = 0.9
"""Of changes that take off as much of the error's energy, or nearly, down to this share, the cheapest is named."""

QUICK_TECHNIQUES = ("equalise", "correct_bias")
"""Techniques that are tried where weights or feature maps cost: those that take no search."""


def advice(
    trials: Trials, costs: Sequence[CostFigures], *, quick: bool, advance: Callable[[int], None]
) -> tuple[AdviceFigures, ...]:
    """Return at most three changes that help, the one that gains most first; one for each part of the target."""
    most = MOST_POINTS // 2 if quick else MOST_POINTS
    costly = [one for one in costs if one.state in ("matters", "not lifted")][:most]
    found: dict[str, list[tuple[Remedy, Figures, Target]]] = {}
    for remedy in _tried(trials, costly, quick=quick):
        advance(1)
        try:
            figures, target = _measured(trials, remedy)
        except HwsimError:
            continue  # what the target's rules, or the plan, do not allow
        if _helps(trials.whole, figures):
            found.setdefault(remedy.theme, []).append((remedy, figures, target))
    best = [_smallest(trials.whole, some) for some in found.values()]
    best.sort(key=lambda one: one[1].noise)
    return tuple(_figures(trials.whole, *one) for one in best[:MOST])


def _tried(trials: Trials, costly: Sequence[CostFigures], *, quick: bool) -> Iterator[Remedy]:
    case = trials.case
    if not costly:
        return
    yield from remedies(costly, case.network, case.target, needed_bits(trials))
    parts = {one.point for one in costly}
    if case.calibration is not None and _clips(trials, costly):
        yield Remedy(theme="calibration", text="calibrate on data like this: its ranges hold it", data=True)
    if parts & {"input", "output", "weight"} and not quick:
        for name in QUICK_TECHNIQUES:
            yield Remedy(theme="technique", text=f"{name}: {TECHNIQUES[name].summary}", technique=name)


def _clips(trials: Trials, costly: Sequence[CostFigures]) -> bool:
    """Whether one of the costly tensors is clipped: the calibration may have seen less than the data holds."""
    places = {(one.layer, point) for one in costly if one.point in ("input", "output") for point in one.points}
    return any(row.hits for row in trials.ledger if (row.layer, row.point.name) in places)


def needed_bits(trials: Trials) -> Needed:
    """Return the bits that would have held what came to each point: in the run, and with all sums lifted."""
    case, found = trials.case, dict[tuple[str, str], int]()
    wide = [one for one in trials.lifts if one.part == "accumulator" and not one.obstacle and one.name != "bias"]
    ledgers = [trials.ledger]
    try:
        program = trials.bench.lower(*apply_all(wide, case.network, case.plan, case.target))
        ledgers.append(trials.bench.start(program)[1])
    except HwsimError:
        pass  # the run's own ledger has to do
    for ledger in ledgers:
        for row in ledger:
            place = row.layer, row.point.name
            found[place] = max(found.get(place, 0), row.bits_needed or 0)
    return found


def _measured(trials: Trials, remedy: Remedy) -> tuple[Figures, Target]:
    """Run a change and return its figures and its target. Raises HwsimError where it is not possible."""
    case, bench = trials.case, trials.bench
    if remedy.technique:
        return _improved(trials, remedy.technique)
    if remedy.data:
        statistics = collect(case.network, [bench.samples])
        plan = decide(case.network, statistics, case.target)
        return bench.against_float(bench.run(bench.lower(plan, case.target))), case.target
    layers = remedy.layers or {}
    target = overridden(case.target, layers)
    plan = case.plan
    if any({"weights", "activations"} & keys.keys() for keys in layers.values()):
        plan = decide(case.network, case.statistics, target, case.plan, layers.keys())
    return bench.against_float(bench.run(bench.lower(plan, target))), target


def _improved(trials: Trials, name: str) -> tuple[Figures, Target]:
    """Run a technique as `hwsim.run` would; one that comes before the plan has a plan of its own."""
    case, bench = trials.case, trials.bench
    plan = None if TECHNIQUES[name].before_plan else case.plan
    draft = improve(drafted(case.network, case.target, case.samples, (case.calibration, plan), [], looks=True), [name])
    return bench.against_float(bench.run(lower(draft.network, draft.decision(), draft.target))), case.target


def _helps(before: Figures, after: Figures) -> bool:
    """Whether a change is worth naming: it gains in dB and costs no decision, or it mends decisions."""
    gain = after.sqnr_db - before.sqnr_db
    return after.flips <= before.flips and (gain >= LEAST_DB or (after.flips < before.flips and gain > -LEAST_DB))


def _smallest(before: Figures, some: Iterable[tuple[Remedy, Figures, Target]]) -> tuple[Remedy, Figures, Target]:
    """Return the change that takes off most of the error, or one that costs less and does about as well.

    Decisions that a change mends do not choose: on few samples they are luck.
    """
    ordered = list(some)
    least = min(figures.noise for _, figures, _ in ordered)
    limit = max(least, before.noise - NEAR * (before.noise - least))
    near = [one for one in ordered if one[1].noise <= limit]
    return min(near or ordered, key=lambda one: (one[0].stores_more, one[0].size, one[1].noise))


def _figures(before: Figures, remedy: Remedy, after: Figures, target: Target) -> AdviceFigures:
    return AdviceFigures(
        text=remedy.text,
        yaml=layers_yaml(target) if remedy.layers else "",
        technique=remedy.technique,
        sqnr_db=after.sqnr_db,
        gain_db=after.sqnr_db - before.sqnr_db,
        flips=after.flips,
        flips_before=before.flips,
        top1=after.top1,
        top1_before=before.top1,
    )
