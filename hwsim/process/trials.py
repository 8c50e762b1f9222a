"""Lifts of a case's truncation points, on samples of its data: what `negligible` and `attribute` have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.engine import Ledger
from hwsim.errors import HwsimError
from hwsim.process.case import Case
from hwsim.report.wording import counted, percent
from hwsim.trial import Bench, Figures, Lift, Outputs, Reach, apply_all, lifts

SAMPLES = 64
"""How many samples decide by default."""


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """When a point may be ignored: lifting it moves the results by at most ``error`` times the energy of the run's
    whole error, and flips at most ``flips`` decisions (top-1) on the samples.
    """

    error: float = 0.1
    flips: int = 0

    def __post_init__(self) -> None:
        """Raise HwsimError for limits below 0."""
        if not self.error >= 0 or self.flips < 0:
            raise HwsimError(f"a criterion has limits of 0 or more, not error={self.error!r}, flips={self.flips!r}")

    def met(self, change: Figures, whole: Figures) -> bool:
        """Whether a change is within the limits, beside the ``whole`` error."""
        return change.noise <= self.error * whole.noise and change.flips <= self.flips

    def __str__(self) -> str:
        flips = "no decision" if not self.flips else f"at most {counted(self.flips, 'decision')}"
        return f"moves the results by at most {percent(self.error)} % of the error's energy and flips {flips}"


class Trials:
    """The lifts of one case, beside its run as it is: ``base``, whose error is ``whole``."""

    def __init__(self, case: Case, bench: Bench, criterion: Criterion) -> None:
        self.case = case
        self.bench = bench
        self.criterion = criterion
        self.program = bench.lower(case.plan, case.target)
        self.base, self.ledger = bench.start(self.program)
        self.whole = bench.against_float(self.base)
        self.lossy = lossy_points(self.ledger)
        reach = reach_of(self.ledger, bench)
        self.lifts = list(lifts(case.network, self.program, case.target, reach))

    def loses(self, one: Lift) -> bool:
        """Whether a bit was lost at the points of a lift."""
        return not self.lossy.isdisjoint((one.layer, point) for point in one.points)

    def lifted(self, group: Sequence[Lift]) -> Outputs:
        """Return the results with some points lifted. Raises HwsimError where they cannot be."""
        plan, target = apply_all(group, self.case.network, self.case.plan, self.case.target)
        return self.bench.run(self.bench.lower(plan, target))


def reach_of(ledger: Ledger, bench: Bench) -> Reach:
    """Return the range of each tensor: of the float run, and of what came to the tensor's format in the integer run."""
    reach = dict(bench.ranges)
    for row in ledger:
        if row.point.name not in ("input", "output", "constant") or row.seen is None or row.layer not in reach:
            continue
        unit = float(np.max(row.point.unit))
        low, high = (unit * (value - row.point.zero_point) for value in row.seen)
        reach[row.layer] = min(reach[row.layer][0], low), max(reach[row.layer][1], high)
    return reach


def lossy_points(ledger: Ledger) -> frozenset[tuple[str, str]]:
    """Return the (layer, point) pairs at which a run lost a bit."""
    return frozenset((row.layer, row.point.name) for row in ledger if row.hits or row.inexact)


def by_name(group: Sequence[Lift]) -> Iterator[tuple[str, list[Lift]]]:
    """Yield the names of points in the order of their first occurrence, each with its lifts."""
    for name in dict.fromkeys(one.name for one in group):
        yield name, [one for one in group if one.name == name]
