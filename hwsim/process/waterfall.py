"""How the error of a run builds up: float, then one part of the target after another as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

from hwsim.process.trials import Trials
from hwsim.report.figures import WaterfallFigures
from hwsim.trial import Figures, Ideal, Lift, Part, idealised

PARTS: tuple[Part, ...] = get_args(Part)
"""What becomes real, in this order."""


def nested(trials: Trials, some: Sequence[Lift]) -> Ideal:
    """Return the program with some points lifted, all others real."""
    case = trials.case
    return idealised(some, case.network, case.plan, case.target, trials.bench.lower)


def waterfall(trials: Trials, ideal: Ideal, advance: Callable[[int], None]) -> tuple[WaterfallFigures, ...]:
    """Return the steps from all ideal to the run as it is; each lifts what the one before it did, but for one part.

    ``advance`` is told of each step.
    """
    figures = trials.bench.against_float(trials.bench.run(ideal.program))
    steps = [_step("ideal", figures, _kept(ideal, trials, PARTS))]
    for number, part in enumerate(PARTS[:-1], start=1):
        others = PARTS[number:]
        made = nested(trials, [one for one in trials.lifts if one.part in others])
        figures = trials.bench.against_float(trials.bench.run(made.program))
        advance(1)
        steps.append(_step(part, figures, _kept(made, trials, others)))
    return (*steps, _step(PARTS[-1], trials.whole, ()))


def _kept(ideal: Ideal, trials: Trials, parts: Sequence[Part]) -> tuple[str, ...]:
    """Name the points that lost bits and are not ideal where they should be."""
    return tuple(f"{one.layer} {one.name}" for one, _ in ideal.refused if one.part in parts and trials.loses(one))


def _step(name: str, figures: Figures, not_ideal: tuple[str, ...]) -> WaterfallFigures:
    return WaterfallFigures(
        step=name, sqnr_db=figures.sqnr_db, flips=figures.flips, top1=figures.top1, not_ideal=not_ideal
    )
