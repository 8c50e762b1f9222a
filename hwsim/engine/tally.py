"""Where one operation on one part of the data counts what it drops, and keeps values that are to be traced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.ledger import Counts
from hwsim.engine.words import integers
from hwsim.program.records import IntOperation
from hwsim_kernels.counting import new_counts
from hwsim_kernels.fast.features import PLAIN

Ints = NDArray[np.int64]


@dataclass
class Tally:
    """Counters (points, COLUMNS, channels) and (points, BINS) for samples from ``first_sample`` on.

    ``index`` finds a point by its name. ``trace`` collects copies of intermediate values where it is not None. A tally
    that is not ``counted`` need not be kept. ``tier`` is that of the kernels to use.
    """

    counts: Ints
    histograms: Ints
    index: dict[str, int]
    first_sample: int
    trace: dict[str, NDArray[Any]] | None = None
    counted: bool = True
    tier: int = PLAIN

    @staticmethod
    def of(
        operation: IntOperation, first_sample: int, *, tier: int, trace: bool = False, counted: bool = True
    ) -> Tally:
        """Return counters at rest for an operation; of no meaning from the start, where they are not ``counted``."""
        fresh = Counts.of_run(operation, counted=counted)
        index = {point.name: number for number, point in enumerate(operation.points)}
        return Tally(fresh.counts, fresh.histograms, index, first_sample, {} if trace else None, counted, tier)

    def part(self, channels: int) -> Tally:
        """Return a tally at rest for other ``channels``; histograms and traces are shared."""
        fresh = new_counts(len(self.counts), channels)
        return Tally(fresh, self.histograms, self.index, self.first_sample, self.trace, self.counted, self.tier)

    def point(self, name: str) -> Ints:
        """Return the counters (COLUMNS, channels) of a point."""
        counts: Ints = self.counts[self.index[name]]
        return counts

    def note(self, name: str, values: Ints) -> None:
        """Keep a copy of intermediate values (words, rows, channels) if they are traced."""
        if self.trace is not None:
            self.trace[name] = integers(values)

    def rename(self, name: str, new: str) -> None:
        """Keep what was traced at a point that several inputs share under a name of its own."""
        if self.trace is not None and name in self.trace:
            self.trace[new] = self.trace.pop(name)
