"""Whether a target holds a network, in one sentence: by the decisions that stay as in float, else by the error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.report.figures import OutputFigures
from hwsim.report.wording import agreement, counted, decibel

if TYPE_CHECKING:
    from hwsim.report.report import Report

HELD_TOP1, NEARLY_TOP1 = 0.99, 0.95
"""Share of decisions as in float from which on a target holds a network, and from which on nearly."""

HELD_DB, NEARLY_DB = 20.0, 10.0
"""The same in SQNR, for networks that decide nothing."""

WORDS = ("holds", "nearly holds", "does not hold")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """``grade`` is 0 where the target holds the network, 1 where nearly, 2 where not; ``sentence`` says it with why."""

    grade: int
    sentence: str


def verdict_of(report: Report) -> Verdict | None:
    """Return the verdict on a run, by the worst of its results; None where nothing was compared with a reference."""
    graded = [(grade(one), one) for one in report.outputs if one.sqnr_db is not None]
    if not graded:
        return None
    worst, one = max(graded, key=lambda pair: (pair[0], -_decisive(pair[1])))
    why = _decisions(one, report.samples) if one.top1_agreement is not None else _error(one)
    noted = ". The samples are random numbers, which say little of real ones" if report.synthetic else ""
    return Verdict(grade=worst, sentence=f"This target {WORDS[worst]} this network: {why}{noted}.")


def grade(one: OutputFigures) -> int:
    """Return 0 where a result is held, 1 where nearly, 2 where not."""
    if one.top1_agreement is not None:
        return (one.top1_agreement < HELD_TOP1) + (one.top1_agreement < NEARLY_TOP1)
    sqnr = -math.inf if one.sqnr_db is None else one.sqnr_db
    return (sqnr < HELD_DB) + (sqnr < NEARLY_DB)


def _decisive(one: OutputFigures) -> float:
    return one.top1_agreement if one.top1_agreement is not None else (one.sqnr_db or 0.0)


def _decisions(one: OutputFigures, samples: int) -> str:

    share = f"{agreement(one.top1_agreement or 0.0)} % of decisions are float's"
    flips = f"{one.flip_count:,} of {counted(samples, 'sample')} {'flips' if one.flip_count == 1 else 'flip'}"
    limit = f" (held from {HELD_TOP1 * 100:g} % on)" if grade(one) else ""
    return f"{share}, {flips}{limit}; SQNR {_ratio(one.sqnr_db)}"


def _error(one: OutputFigures) -> str:
    limit = f" (held from {HELD_DB:g} dB on)" if grade(one) else ""
    return f"SQNR {_ratio(one.sqnr_db)} at {one.name}{limit}"


def _ratio(value: float | None) -> str:
    return "without end, no error at all" if value == math.inf else f"{decibel(value)} dB"
