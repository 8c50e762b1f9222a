"""`hwsim explain`: a walk through why a model scores badly on a target, each step an experiment and what it found."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hwsim.data import Data
from hwsim.pipeline import PlanSource, Result, run
from hwsim.process.attribution import Attributed, Attribution, attributed
from hwsim.process.case import Case, case_of
from hwsim.process.trials import SAMPLES, Criterion
from hwsim.report.attribution import (
    advice_lines,
    costs_table,
    folded,
    left_real,
    waterfall_table,
)
from hwsim.report.columns import paragraph, table
from hwsim.report.figures import CostFigures, LayerFigures, WaterfallFigures
from hwsim.report.text import verdict
from hwsim.report.verdict import HELD_TOP1, verdict_of
from hwsim.report.wording import agreement, counted, decibel, percent
from hwsim.target import Target
from hwsim.trial import Bench

MOST_LAYERS = 5
WRONG_IMPORT = 1e-3
"""Of the largest output: an import that differs by more is wrong, not rounded otherwise."""

ALIKE = 2.0**-18
"""Values of equal samples differ by less than this share of the largest: float rounds otherwise in another batch."""

ONE_SIDED = 0.95
"""From this share of samples in one class on, decisions say little."""

WIDE, NARROW = 1.05, 0.25
"""Beyond so much of its range an input is clipped; within so little it wastes two bits."""

LITTLE_DB = 1.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the walk: its question, and the lines that answer it. ``alarm`` says that something is wrong here."""

    question: str
    lines: tuple[str, ...]
    alarm: bool = False

    def __str__(self) -> str:
        return "\n".join([self.question, *self.lines])


@dataclass(frozen=True, kw_only=True, repr=False)
class Explanation:
    """The whole walk, and what it ran: ``result``, whose report holds the ``attribution``, too."""

    steps: tuple[Step, ...]
    result: Result
    attribution: Attribution

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.steps))

    def to_json(self) -> str:
        """Return the steps and the report as JSON."""
        steps = [{"question": one.question, "alarm": one.alarm, "lines": list(one.lines)} for one in self.steps]
        return json.dumps({"steps": steps, "report": json.loads(self.result.report.to_json())}, indent=1)


def explain(  # noqa: PLR0913  one argument for each choice
    model: object,
    target: str | Path | Target,
    data: Data | None = None,
    *,
    calibration: Data | None = None,
    plan: PlanSource | None = None,
    criterion: Criterion | None = None,
    samples: int = SAMPLES,
    quick: bool = False,
    say: Callable[[str], object] | None = print,
) -> Explanation:
    """Walk through why a model scores badly on a target, and say at each step what its experiment found.

    Import and data; which part of the target; which layers; which points; what helps.

    model, target, data, calibration, plan: as for ``hwsim.run``. criterion, samples, quick: as for ``hwsim.attribute``.
    say: is given each step as text when it is done; None keeps silent.

    Raises HwsimError for whatever is wrong with the target, the model, the data or the plan.
    """
    result = run(model, target, data, calibration=calibration, plan=plan)
    case = case_of(result, None, None)
    steps: list[Step] = []
    with attributed(result, case, criterion, samples, quick=quick) as trials:
        for step in _steps(result, case, trials):
            steps.append(step)
            if say is not None:
                say(f"{step}\n")
        attribution = trials.attribution()
    report = attribution.add_to(result.report)
    return Explanation(steps=tuple(steps), result=replace(result, report=report), attribution=attribution)


def _steps(result: Result, case: Case, trials: Attributed) -> Iterator[Step]:
    yield _sanity(result, case, trials.bench)
    yield _parts(trials.waterfall, trials.bench.count)
    yield _layers(result.report.layers)
    yield _points(trials.costs)
    yield _help(trials)


def _sanity(result: Result, case: Case, bench: Bench) -> Step:
    """Look at what has nothing to do with integers: the import, the data, its ranges, and what float decides."""
    found = [*_import(result, bench), *_data(result), *_ranges(case, bench), *_decisions(result)]
    report = result.report
    holds = verdict_of(report)
    lines = [line for text, _ in found for line in paragraph(text, "  ", first="- ")]
    lines += [line for one in report.outputs for line in paragraph(verdict(one), "  ", first="- ")]
    lines += paragraph(holds.sentence, "  ", first="- ") if holds else []
    question = "1. Is the model read right, and is the data what the network is for?"
    return Step(question=question, lines=tuple(lines), alarm=any(alarm for _, alarm in found))


def _import(result: Result, bench: Bench) -> Iterator[tuple[str, bool]]:
    error = result.network.import_error
    if error is None:
        yield "import: not compared with Keras, as the model did not come from it", False
        return
    largest = max(float(np.abs(one).max(initial=0.0)) for one in bench.reference.values())
    wrong = error > WRONG_IMPORT * max(largest, 1e-30)
    words = "WRONG: look there first" if wrong else "right"
    yield f"import: {words}; float differs from Keras by {error:.2g}, results reach {largest:.3g}", wrong


def _data(result: Result) -> Iterator[tuple[str, bool]]:
    report = result.report
    if report.synthetic:
        yield f"data: {report.samples} SYNTHETIC samples; whatever follows says little of real ones: give --data", True
    else:
        yield f"data: {counted(report.samples, 'sample')}", False


def _ranges(case: Case, bench: Bench) -> Iterator[tuple[str, bool]]:
    """Hold what the inputs are against what their formats hold."""
    for one in case.network.inputs:
        entry = case.plan.tensors.get(one.name)
        if entry is None or one.indices:
            continue
        low, high = (entry.scale * (code - entry.zero_point) for code in (entry.format.minimum, entry.format.maximum))
        if entry.levels:
            low, high = entry.scale * entry.levels[0], entry.scale * entry.levels[-1]
        seen = bench.ranges[one.name]
        text = f"input {one.name}: values from {seen[0]:.4g} to {seen[1]:.4g}, its format holds {low:.4g} to {high:.4g}"
        beyond = seen[0] < low * WIDE - entry.scale or seen[1] > high * WIDE + entry.scale
        used = max(seen[1], -seen[0]) / max(high, -low, 1e-300)
        if beyond:
            many = np.concatenate([part.reshape(-1) for part in _inputs(bench, case, one.name)])
            share = float(np.mean((many < low - entry.scale / 2) | (many > high + entry.scale / 2)))
            text += f": {percent(share)} % are CLIPPED; calibrate on data like this, or scale it as in training"
        elif used < NARROW:
            text += f": only {percent(used)} % of it are used; is the data scaled as in training?"
        yield text, beyond or used < NARROW


def _inputs(bench: Bench, case: Case, name: str) -> Iterator[np.ndarray]:
    for one, values in zip(case.network.inputs, bench.samples, strict=True):
        if one.name == name:
            yield values


def _decisions(result: Result) -> Iterator[tuple[str, bool]]:
    """Look whether float decides at all, and whether the integers do."""
    reference, outputs = (
        one if isinstance(one, dict) else {result.network.outputs[0]: one} for one in (result.reference, result.outputs)
    )
    for one in result.report.outputs:
        if one.top1_agreement is None:
            continue
        for what, values in (("float", reference[one.name]), ("integers", outputs[one.name])):
            classes, counts = np.unique(values.argmax(axis=-1), return_counts=True)
            share = float(counts.max() / counts.sum())
            if share >= ONE_SIDED and counts.sum() > 1:
                text = f"{one.name}: {what} put {percent(share)} % of samples into class {classes[counts.argmax()]}"
                yield f"{text}; decisions say little then", True
        values = reference[one.name].reshape(len(reference[one.name]), -1)
        spread, largest = float(np.ptp(values, axis=0).max()), float(np.abs(values).max())
        if spread <= ALIKE * largest and result.report.samples > 1:
            yield f"{one.name}: float gives the same for every sample; is the data scaled as in training?", True


def _parts(steps: Sequence[WaterfallFigures], samples: int) -> Step:
    """Name the part of the target that takes most."""
    lines = [f"on the first {counted(samples, 'sample')}:", *waterfall_table(steps), *left_real(steps)]
    named = {"weights": "weights", "activations": "feature maps", "accumulator": "accumulators", "rounding": "rounding"}
    flips = {one.step: one.flips - before.flips for before, one in zip(steps, steps[1:], strict=False)}
    noise = {one.step: _noise(one) - _noise(before) for before, one in zip(steps, steps[1:], strict=False)}
    worst = max(noise, key=lambda step: noise[step])
    if noise[worst] <= 0:
        return Step(question=_PARTS, lines=(*lines, "No part of the target takes anything."))
    share = noise[worst] / max(_noise(steps[-1]), 1e-300)
    text = f"The {named[worst]} put in {percent(min(share, 1.0))} % of the error's energy"
    if steps[-1].top1 is not None:
        text += f", and {counted(flips[worst], 'flip')}" if flips[worst] > 0 else ", and no flip"
    top1 = steps[-1].top1
    return Step(question=_PARTS, lines=(*lines, *paragraph(text + ".")), alarm=top1 is not None and top1 < HELD_TOP1)


_PARTS = "2. Weights, feature maps, accumulators or rounding? One after another as the target has it:"


def _noise(step: WaterfallFigures) -> float:
    return 10 ** (-step.sqnr_db / 10) if step.sqnr_db > -math.inf else math.inf


def _layers(layers: Sequence[LayerFigures]) -> Step:
    """Name the layers that lose most by themselves."""
    question = "3. Which layers lose most by themselves (fed float's input)?"
    known = [one for one in layers if one.sqnr_local_db is not None and one.sqnr_local_db < math.inf]
    worst = sorted(known, key=lambda one: one.sqnr_local_db or 0.0)[:MOST_LAYERS]
    if not worst:
        return Step(question=question, lines=("No layer loses anything.",))
    rows = [[one.name, one.kind, decibel(one.sqnr_local_db), decibel(one.sqnr_cumulative_db)] for one in worst]
    lines = table(("layer", "kind", "SQNR dB\nlocal", "SQNR dB\ncumul."), rows, names=(24, 12))
    median = float(np.median([one.sqnr_local_db or 0.0 for one in known]))
    first = worst[0].sqnr_local_db or 0.0
    text = f"{worst[0].name} is the worst, {decibel(median - first)} dB below the middle of the layers"
    even = "All layers lose about the same." if median - first < 6 * LITTLE_DB else f"{text}."
    return Step(question=question, lines=(*lines, *paragraph(even)))


def _points(costs: Sequence[CostFigures]) -> Step:
    """Name the points that cost most."""
    question = "4. Which truncation points?"
    lines = [*costs_table(costs), *folded(costs)]
    return Step(question=question, lines=tuple(lines))


def _help(trials: Attributed) -> Step:
    """Say what helps, and sum up."""
    question = "5. What helps?"
    lines = [line for line in advice_lines(trials.advice)[1:] if line]
    if not lines:
        return Step(question=question, lines=("Nothing that was tried helps by half a dB or a decision.",))
    best, whole = trials.advice[0], trials.trials.whole
    text = f"In short: {best.text} takes the run from {decibel(whole.sqnr_db)} to {decibel(best.sqnr_db)} dB"
    if best.top1 is not None and best.top1_before is not None:
        text += f", top-1 from {agreement(best.top1_before)} to {agreement(best.top1)} %"
    return Step(question=question, lines=(*lines, *paragraph(f"{text}.")))
