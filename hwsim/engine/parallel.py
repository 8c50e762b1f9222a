"""Run single operations on parts of the data in threads. The result depends neither on the parts nor on the threads."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeVar

from numpy.typing import NDArray

from hwsim.engine.crew import Crew
from hwsim.engine.ledger import Counts, Row, positions_of, unmet
from hwsim.engine.operations import RUN
from hwsim.engine.pace import Pace
from hwsim.engine.processors import permitted
from hwsim.engine.storage import storage
from hwsim.engine.tally import Tally
from hwsim.errors import DatapathOverflow
from hwsim.formats import Overflow
from hwsim.program.records import IntOperation
from hwsim_kernels.fast.features import tier as fastest
from hwsim_kernels.fast.memory import unset

Array = NDArray[Any]
Traces = dict[str, dict[str, list[Array]]]
T = TypeVar("T")
R = TypeVar("R")
W = TypeVar("W")


def threads() -> int:
    """Return how many threads a run may use: HWSIM_THREADS, else the processors this process may run on."""
    wanted = os.environ.get("HWSIM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(permitted()) or os.cpu_count() or 1


class Engine:
    """Runs operations on at most ``batch_size`` samples at a time, so that memory does not grow with the data.

    ``trace`` names the layers whose intermediate values are kept in ``traces`` (layer, point, batches). An engine that
    is not ``counted`` need not count what is lost. ``tier`` is that of its kernels, by default the fastest.
    """

    def __init__(
        self, batch_size: int, trace: Collection[str] = (), *, counted: bool = True, tier: int | None = None
    ) -> None:
        self.batch_size = batch_size
        self.tier = fastest() if tier is None else tier
        self.counted = counted
        self.trace = frozenset(trace)
        self.traces: Traces = {}
        self._threads = threads()
        self._crew = Crew(self._threads)

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._crew.close()

    def silent(self) -> Engine:
        """Return an engine that shares the threads but traces and counts nothing."""
        quiet = copy.copy(self)
        quiet.trace, quiet.traces, quiet.counted = frozenset(), {}, False
        return quiet

    def run(self, one: IntOperation, inputs: Sequence[Array], first_sample: int) -> tuple[Array, Counts]:
        """Return the result (n, …) of an operation and what it dropped; ``inputs`` start at ``first_sample``.

        Raises DatapathOverflow where a value left a format whose overflow mode is ``error``.
        """
        samples = len(inputs[0])
        out = unset((samples, *one.output.shape), storage(one.output.format))

        def work(part: slice) -> Tally:
            return self._count(one, [array[part] for array in inputs], first_sample + part.start, out[part])

        return out, self.joined(one, self.share(work, self.parts(samples)))

    def parts(self, samples: int) -> list[slice]:
        """Return the parts into which so many samples are cut for the threads."""
        return cut(samples, min(self.batch_size, -(-samples // self._threads)))

    def shares(self, things: int) -> list[slice]:
        """Return the parts into which so many things are cut, one for each thread."""
        return cut(things, -(-things // self._threads))

    def share(self, work: Callable[[T], R], parts: Sequence[T]) -> list[R]:
        """Return what ``work`` makes of each part, in their order, in threads."""
        return self._crew.share(work, parts)

    def paced(
        self, source: Iterator[T], runners: Sequence[W], work: Callable[[W, T], R]
    ) -> Generator[tuple[T, list[R]]]:
        """Yield each item with what ``work`` makes of it for every runner, in threads, as ``Pace`` does."""
        return iter(Pace(self._threads, source, runners, work))

    def run_part(self, one: IntOperation, inputs: Sequence[Array], first_sample: int) -> tuple[Array, Tally]:
        """Return the result of an operation for a part of the samples, and what it counted; threads may call this."""
        out = unset((len(inputs[0]), *one.output.shape), storage(one.output.format))
        return out, self._count(one, inputs, first_sample, out)

    def _count(self, one: IntOperation, inputs: Sequence[Array], first_sample: int, out: Array) -> Tally:
        """Write the result of an operation for a part of the samples to ``out``, and return what it counted."""
        # where an overflow is an error, hits must be seen
        counted = self.counted or refuses(one)
        tally = Tally.of(one, first_sample, tier=self.tier, trace=one.layer in self.trace, counted=counted)
        RUN[type(one)](one, inputs, tally, out)
        return tally

    def joined(self, one: IntOperation, tallies: Sequence[Tally]) -> Counts:
        """Return what an operation dropped in all parts, and keep what was traced.

        Raises DatapathOverflow where a value left a format whose overflow mode is ``error``.
        """
        counts = Counts(tallies[0].counts, tallies[0].histograms)
        for number, tally in enumerate(tallies):
            if number and tally.counted:
                counts.merge(Counts(tally.counts, tally.histograms), unmet(one))
            self._keep(one.layer, tally)
        refuse_overflow(one, counts)
        return counts

    def _keep(self, layer: str, tally: Tally) -> None:
        for point, values in (tally.trace or {}).items():
            self.traces.setdefault(layer, {}).setdefault(point, []).append(values)


def cut(things: int, size: int) -> list[slice]:
    """Return parts of a size; the last one may be smaller.

    >>> cut(5, 3)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    size = max(1, size)
    return [slice(start, min(start + size, things)) for start in range(0, things, size)]


def refuses(one: IntOperation) -> bool:
    """Whether an overflow is an error at some point of an operation."""
    return any(point.overflow is Overflow.ERROR for point in one.points)


def refuse_overflow(one: IntOperation, counts: Counts) -> None:
    """Raise DatapathOverflow if a value came from outside a format whose overflow mode is ``error``."""
    for index, point in enumerate(one.points):
        if point.overflow is not Overflow.ERROR or point.once:
            continue
        row = Row(one.layer, one.kind, point, counts.counts[index], counts.histograms[index], positions_of(one))
        if row.hits and point.format is not None:
            raise DatapathOverflow(
                f"{one.layer}: {point.name} left {point.format} "
                f"({point.format.minimum} to {point.format.maximum}) first at "
                f"{row.first}; values seen there reach from {row.seen[0] if row.seen else 0} to "
                f"{row.seen[1] if row.seen else 0}, {row.bits_needed} bits"
            )
