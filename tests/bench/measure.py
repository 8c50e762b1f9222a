"""Measure contestants side by side in one process: A B C A B C …, medians, everyone's threads at rest in between."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.figures import Failed, Figure, Missing, Outcome, Unit, Wrong
from bench.machine import others_busy

Array = NDArray[Any]
Call = Callable[[], Any]

REST_S = 0.04
MOST_RESTS = 50
IDLE = 0.1
"""Threads of OpenBLAS and the like spin after their work, for 0.1 s and more, in the way of whoever comes next. So a
turn begins when a rest went by in which this process kept less than this of a processor busy."""

TURN_S = 0.1
"""How long a contestant's turn should last at least: short calls are repeated."""

MOST_CALLS = 50
DISTURBED = "DISTURBED by other processes all the time"
MOST_DISTURBANCE = 0.5
"""How many processors other processes may keep busy before a measurement counts as disturbed."""

COMPILED_S = 1.0
"""First calls that last longer are not repeated only to learn how long a call lasts."""

LONG_S = 0.2
"""Calls that last longer need no call before them that wakes threads and fills caches."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How to measure: threads, most rounds and seconds of an experiment, a folder for files, the wanted contestants."""

    threads: int
    rounds: int
    budget_s: float
    folder: Path
    wanted: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A contestant: ``prepare`` gives the call to be timed, which does ``work`` items and returns ``expected``."""

    name: str
    prepare: Callable[[], Call]
    work: float = 1
    expected: Array | None = None


class Watch:
    """Looks how busy other processes are from now on."""

    def __init__(self) -> None:
        self.started, self.others = time.perf_counter(), others_busy()

    def disturbed(self) -> bool:
        """Whether they kept too many processors busy so far."""
        return others_busy() - self.others > MOST_DISTURBANCE * (time.perf_counter() - self.started)


class Turn(NamedTuple):
    """The seconds of one item, and whether other processes were in the way."""

    seconds: float
    disturbed: bool


@dataclass(frozen=True)
class Contestant:
    """A prepared entry and how often it is called in a turn."""

    entry: Entry
    call: Call
    repeats: int
    warm: bool

    @staticmethod
    def of(entry: Entry) -> Contestant:
        """Prepare and try an entry; raise Missing if it cannot run here, Wrong if it gives something else."""
        call, started = entry.prepare(), time.perf_counter()
        check(entry, call())
        seconds = time.perf_counter() - started
        if seconds < COMPILED_S:
            seconds = timed(call, 1)
        return Contestant(entry, call, min(max(round(TURN_S / seconds), 1), MOST_CALLS), seconds < LONG_S)

    def turn(self) -> Turn:
        """Measure once."""
        rest()
        if self.warm:
            self.call()
        watch = Watch()
        return Turn(timed(self.call, self.repeats) / self.entry.work, watch.disturbed())


def rest() -> None:
    """Wait until no thread of this process works or spins, or for two seconds."""
    for _ in range(MOST_RESTS):
        spent = time.process_time()
        time.sleep(REST_S)
        if time.process_time() - spent < IDLE * REST_S:
            return


def check(entry: Entry, result: Any) -> None:
    """Raise Wrong unless a result is what the entry should give."""
    if entry.expected is None:
        return
    found = np.asarray(result)
    if found.shape != entry.expected.shape:
        raise Wrong(f"{entry.name}: shape {found.shape} instead of {entry.expected.shape}")
    if differing := np.count_nonzero(found != entry.expected):
        raise Wrong(f"{entry.name}: {differing} values differ")


def timed(call: Call, repeats: int) -> float:
    """Return the seconds of one of ``repeats`` calls in a row."""
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - started) / repeats


def contest(setup: Setup, unit: Unit, entries: Sequence[Entry]) -> Outcome:
    """Let the wanted entries compete until each had its rounds undisturbed, or time is up."""
    figures: dict[str, Figure | Missing] = {}
    contestants: list[Contestant] = []
    for entry in entries:
        if entry.name in setup.wanted:
            try:
                contestants.append(Contestant.of(entry))
            except Missing as reason:
                figures[entry.name] = reason
            except Exception as error:  # noqa: BLE001  the others are worth measuring all the same
                figures[entry.name] = Failed.of(error)
    turns: list[list[Turn]] = [[] for _ in contestants]
    started = time.perf_counter()
    while contestants and min(map(calm, turns)) < setup.rounds:
        for contestant, mine in zip(contestants, turns, strict=True):
            mine.append(contestant.turn())
        if time.perf_counter() - started > setup.budget_s:
            break
    for contestant, mine in zip(contestants, turns, strict=True):
        figures[contestant.entry.name] = figure(mine, unit)
    disturbed = [one.entry.name for one, mine in zip(contestants, turns, strict=True) if not calm(mine)]
    return Outcome(figures=figures, notes=[f"{DISTURBED}: {', '.join(disturbed)}"] if disturbed else [])


def calm(turns: Sequence[Turn]) -> int:
    """Return how many turns nobody disturbed."""
    return sum(not one.disturbed for one in turns)


def figure(turns: Sequence[Turn], unit: Unit) -> Figure:
    """Return the median of the turns that nobody disturbed, or of all if there is none."""
    samples = tuple(one.seconds for one in turns if not one.disturbed or not calm(turns))
    return Figure(value=statistics.median(samples), unit=unit, samples=samples)
