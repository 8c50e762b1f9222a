"""Find the values that lost bits at a truncation point, by running a program again up to there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.data import Data, Samples
from hwsim.engine import Engine, Row
from hwsim.engine.ledger import positions_of
from hwsim.engine.tiers import tier_for
from hwsim.errors import HwsimError, ProgramError
from hwsim.location.chains import ChainFinder
from hwsim.location.elements import ElementFinder
from hwsim.location.found import Finder, Found
from hwsim.location.location import Kind, Location, Locations
from hwsim.location.once import real_values
from hwsim.location.passage import StepFinder
from hwsim.location.products import SumFinder
from hwsim.location.reals import InputFinder, Reals
from hwsim.network import Network
from hwsim.pipeline import Result
from hwsim.program import Program
from hwsim.program.records import (
    IntOperation,
    MatrixProduct,
    MultiplyAccumulate,
    Point,
    PoolAverage,
    Product,
    Quantize,
    Sum,
)
from hwsim.progress import tracked
from hwsim.quantize import Plan

Array = NDArray[Any]

BLOCK = 16
"""How many samples run together."""

KINDS: tuple[Kind, ...] = ("clamping", "round-off")


def locate(  # noqa: PLR0913  one argument for each choice
    source: Result | Program | str | Path,
    data: Data | None,
    layer: str,
    point: str,
    *,
    number: int = 5,
    kind: Kind | None = None,
    worst: bool = False,
    samples: int | None = None,
    network: Network | None = None,
    plan: Plan | None = None,
) -> Locations:
    """Return values that lost bits at a truncation point: where, of which operands, and Python that shows it.

    source: what ``hwsim.run`` gave, a program, or the path of one.
    data: as ``hwsim.run`` takes it; None will do for weights and biases. layer, point: as the report names them.
    number: how many values at most, the first ones in the order of sample, position, step and channel; with ``worst``
        those with the largest errors, for which all samples are looked at.
    kind: `clamping` (outside the format) or `round-off` (low bits dropped); by default clamping at points that have a
        format, if any value left it, else round-off.
    samples: how many samples to look at, at most; by default all.
    network, plan: what a program was made of: it holds integers alone, but weights and biases were real numbers.

    A value is an output of the layer at this point, whatever number of additions in it left the format: ``hits`` says
    how many. Raises HwsimError for a layer or a point that is not there, and where a point cannot be looked into.
    """
    if number < 1 or (samples is not None and samples < 1):
        raise HwsimError(f"number and samples must be at least 1, not {number if number < 1 else samples}")
    if kind is not None and kind not in KINDS:
        raise HwsimError(f"kind {kind!r}: it must be one of {', '.join(KINDS)}")
    if isinstance(source, Result):
        network, plan = source.network, source.plan
    program = program_of(source)
    one, found = point_of(program, layer, point)
    if found.once:
        reals = real_values(one, found, network, plan)

        def look(which: Kind) -> Locations:
            return _of_reals(reals, one, found, Asked(number, which, worst, samples))
    else:
        if data is None:
            raise HwsimError(f"{layer} {point}: give the data: what is lost there depends on it")
        finder_of(one, found, "clamping")  # refuses before anything runs

        def look(which: Kind) -> Locations:
            return _of_values(program, one, found, data, Asked(number, which, worst, samples))

    told = look(kind or ("round-off" if found.format is None else "clamping"))
    if kind is None and not told.found and told.kind == "clamping" and not isinstance(data, Iterator):
        other = look("round-off")
        told = other if other.found else told
    return replace(told, network=program.network, target=program.target)


@dataclass(frozen=True)
class Asked:
    """What is asked for: how many values, of which kind, the worst of all, in how many samples at most."""

    number: int
    kind: Kind
    worst: bool
    samples: int | None


def program_of(source: Result | Program | str | Path) -> Program:
    """Return the program of a source."""
    if isinstance(source, Result):
        return source.program
    return source if isinstance(source, Program) else Program.load(source)


def point_of(program: Program, layer: str, point: str) -> tuple[IntOperation, Point]:
    """Return the operation and the point of that name; raises ProgramError with the nearest name for another."""
    mine = [one for one in program.operations if one.layer == layer]
    if not mine:
        near = get_close_matches(layer, {one.layer for one in program.operations}, n=1)
        raise ProgramError(f"the program has no layer {layer!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    points = [(one, each) for one in mine for each in one.points]
    for one, each in points:
        if each.name == point:
            return one, each
    names = list(dict.fromkeys(each.name for _, each in points))
    near = get_close_matches(point, names, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    has = f"it has {', '.join(names)}" if names else "it loses nothing and has none"
    raise ProgramError(f"{layer} has no truncation point {point!r}; {meant}{has}")


def finder_of(one: IntOperation, point: Point, kind: Kind) -> Finder:
    """Return what looks at a point; raises HwsimError where hwsim cannot look into an operation."""
    steps = getattr(one, "steps", ()), *getattr(one, "input_steps", ())
    if isinstance(one, Quantize) and point.name == "input":
        return InputFinder(one, point, kind)
    if isinstance(one, MultiplyAccumulate | MatrixProduct) and (point.stage or point.name == "product"):
        return SumFinder.of(one, point, kind)
    if isinstance(one, Sum) and point.stage:
        return ChainFinder(one, point, kind)
    if isinstance(one, PoolAverage) and (point.stage or point.name == "division"):
        return ChainFinder(one, point, kind)
    if isinstance(one, Product) and point.name == "product":
        return ElementFinder(one, point, kind)
    finder = StepFinder(one, point, kind)
    if any(finder.meets(each) for each in steps):
        return finder
    raise HwsimError(
        f"{one.layer}: hwsim cannot look into {point.name!r} of an operation of kind {one.kind!r}; the report says "
        "where the first value came from outside"
    )


def _of_reals(reals: Reals, one: IntOperation, point: Point, asked: Asked) -> Locations:
    every = reals.survey(asked.kind)
    chosen = every.chosen(asked.number, worst=asked.worst)
    found = [
        replace(
            reals.describe(one.layer, point, asked.kind, (None, int(position), int(channel))),
            hits=1,
            error=float(error),
        )
        for position, channel, error in zip(chosen.position, chosen.channel, chosen.error, strict=True)
    ]
    return _told(one, point, asked, 0, len(every), found)


def _of_values(program: Program, one: IntOperation, point: Point, data: Data, asked: Asked) -> Locations:
    finder = finder_of(one, point, asked.kind)
    found: list[Location] = []
    looked, affected = 0, 0
    for first, inputs, rows in _reaching(program, one, point, data, asked.samples):
        looked = first + len(rows)
        lossy = [at for at, row in enumerate(rows) if (row.hits if asked.kind == "clamping" else row.inexact)]
        for at, every in _surveyed(finder, inputs, first, lossy, together=asked.worst):
            affected += len(every)
            chosen = every.chosen(asked.number, worst=asked.worst)
            for n in range(len(chosen)):
                error = float(chosen.error[n])
                if asked.worst and len(found) == asked.number and abs(error) <= abs(found[-1].error):
                    break
                own = [codes[at] for codes in inputs]
                told = finder.describe(own, first + at, int(chosen.position[n]), int(chosen.channel[n]))
                found.append(replace(told, hits=int(chosen.hits[n]), error=error))
                if asked.worst:
                    found = sorted(found, key=lambda each: -abs(each.error))[: asked.number]
                elif len(found) == asked.number:
                    return _told(one, point, asked, first + at + 1, affected, found)
    return _told(one, point, asked, looked, affected, found)


def _surveyed(
    finder: Finder, inputs: Sequence[Array], first: int, lossy: Sequence[int], *, together: bool
) -> Iterator[tuple[int, Found]]:
    """Yield what is found in the samples of a block, one by one, or looked at ``together``."""
    for group in [lossy] if together else [[at] for at in lossy]:
        own = [[codes[at] for codes in inputs] for at in group]
        yield from zip(group, finder.surveys(own, [first + at for at in group]), strict=True)


def _told(
    one: IntOperation, point: Point, asked: Asked, samples: int, affected: int, found: Sequence[Location]
) -> Locations:
    return Locations(
        network="",
        target="",
        layer=one.layer,
        point=point.name,
        kind=asked.kind,
        worst=asked.worst,
        samples=samples,
        affected=affected,
        found=tuple(found),
    )


def _reaching(
    program: Program, one: IntOperation, point: Point, data: Data, limit: int | None
) -> Iterator[tuple[int, list[Array], list[Row]]]:
    """Yield, block by block, the first sample, the inputs (n, …) of ``one``, and of each sample the point's row.

    Only what ``one`` needs runs. An overflow that the target makes an error is none here: it is looked for.
    """
    samples = Samples(data, program.inputs)
    path = _needed(program, one)
    index, first = one.points.index(point), 0
    total = samples.count if limit is None or samples.count is None else min(limit, samples.count)
    with (
        Engine(BLOCK, tier=tier_for(program, samples.count)) as engine,
        tracked(f"looking into {one.layer} {point.name}", total) as advance,
    ):
        for block in samples.blocks(BLOCK, limit):
            tensors: dict[str, Array] = {each.name: values for each, values in zip(program.inputs, block, strict=True)}
            for each in path:
                tensors[each.output.name] = _run(engine, each, tensors, first)
            inputs = [tensors[name] for name in one.inputs]
            rows = []
            for sample in range(len(block[0])):
                own = [codes[sample : sample + 1] for codes in inputs]
                _, tally = engine.run_part(one, own, first + sample)
                counts, histogram = tally.counts[index], tally.histograms[index]
                rows.append(Row(one.layer, one.kind, point, counts, histogram, positions_of(one)))
            yield first, inputs, rows
            first += len(block[0])
            advance(len(block[0]))


def _run(engine: Engine, one: IntOperation, tensors: dict[str, Array], first: int) -> Array:
    inputs = [tensors[name] for name in one.inputs]

    def work(part: slice) -> Array:
        return engine.run_part(one, [codes[part] for codes in inputs], first + part.start)[0]

    return np.concatenate(engine.share(work, engine.parts(len(inputs[0]))))


def _needed(program: Program, one: IntOperation) -> list[IntOperation]:
    """Return the operations before ``one`` that it needs, in order."""
    wanted, path = set(one.inputs), []
    for each in reversed(program.operations[: program.operations.index(one)]):
        if each.output.name in wanted:
            wanted |= set(each.inputs)
            path.append(each)
    return path[::-1]
