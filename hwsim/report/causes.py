"""The page's account of where the error comes from: bars of the waterfall, and what costs most in a sentence each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.report.attribution import STEPS, count, gains, loss, percent_of, signed, some
from hwsim.report.figures import AdviceFigures, CostFigures, PointFigures, WaterfallFigures
from hwsim.report.wording import NOTHING, agreement, counted, decibel, lsb, percent

if TYPE_CHECKING:
    from hwsim.report.report import Report

MOST_NAMED = 3
"""How many points the first screen names."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A step of the waterfall: what is left and what it took, as lengths in percent of the longest bar."""

    name: str
    left: float
    lost: float
    sqnr: str
    loses: str
    top1: str
    flips: str


@dataclass(frozen=True, kw_only=True)
class Culprit:
    """A point that costs much: its name, the cost in percent, and why."""

    name: str
    cost: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Causes:
    """What the page shows of an attribution."""

    heading: str
    bars: tuple[Bar, ...]
    not_ideal: str
    culprits: tuple[Culprit, ...]
    advice: tuple[tuple[AdviceFigures, str], ...]
    open: tuple[CostFigures, ...]
    folded: tuple[CostFigures, ...]


def causes_of(report: Report) -> Causes | None:
    """Return what a report holds of where its error comes from; None where it was not attributed."""
    if report.attributed is None:
        return None
    costly = [one for one in report.costs if not one.folded and (one.cost or 0.0) > 0]
    return Causes(
        heading=counted(report.attributed, "sample"),
        bars=bars_of(report.waterfall),
        not_ideal=some(report.waterfall[0].not_ideal) if report.waterfall else "",
        culprits=tuple(culprit(one, report.points) for one in costly[:MOST_NAMED]),
        advice=tuple((one, gains(one)) for one in report.advice),
        open=tuple(one for one in report.costs if not one.folded),
        folded=tuple(one for one in report.costs if one.folded),
    )


def bars_of(steps: Sequence[WaterfallFigures]) -> tuple[Bar, ...]:
    """Return a bar for each step; ratios below 0 dB have none, infinite ones the longest."""
    finite = [one.sqnr_db for one in steps if math.isfinite(one.sqnr_db)]
    longest = max([*finite, 1.0])
    lengths = [100 * min(max(one.sqnr_db, 0.0), longest) / longest for one in steps]
    bars = []
    for number, one in enumerate(steps):
        before = number and lengths[number - 1]
        loses = loss(steps[number - 1].sqnr_db, one.sqnr_db) if number else ""
        bars.append(
            Bar(
                name=STEPS.get(one.step, one.step),
                left=round(lengths[number], 1),
                lost=round(max(before - lengths[number], 0.0), 1),
                sqnr=decibel(one.sqnr_db),
                loses=loses,
                top1=NOTHING if one.top1 is None else agreement(one.top1),
                flips=f"{one.flips:,}",
            )
        )
    return tuple(bars)


def culprit(one: CostFigures, points: Sequence[PointFigures]) -> Culprit:
    """Say what a point costs and why."""
    parts = [fact(point) for point in points if point.layer == one.layer and point.point in one.points]
    facts = max(parts, key=len, default="")
    lifted = f"without its loss the run gains {signed(one.gain_db)} dB" if one.gain_db is not None else ""
    mended = f" and {counted(one.mended, 'flip')} {'is' if one.mended == 1 else 'are'} mended" if one.mended else ""
    alone = f"alone it leaves {decibel(one.sqnr_alone_db)} dB" if one.sqnr_alone_db is not None else ""
    flips = f" and flips {count(one.flips_alone)}" if alone and one.flips_alone else ""
    why = "; ".join(part for part in (facts, lifted + mended, alone + flips) if part)
    return Culprit(name=f"{one.layer} {one.point}", cost=percent_of(one.cost), why=why)


def fact(point: PointFigures) -> str:
    """Say in a few words what happens at a point."""
    if point.hits:
        needed = f", {point.bits_needed} bits needed" if (point.bits_needed or 0) > (point.bits or 0) else ""
        return f"{percent(point.hit_rate)} % of values outside {point.format}{needed}"
    if point.inexact:
        bias = (
            f", bias {lsb(point.round_bias_lsb)} LSB"
            if abs(point.round_bias_lsb) > abs(point.round_rms_lsb) / 4
            else ""
        )
        return f"round-off RMS {lsb(point.round_rms_lsb)} LSB{bias}"
    return ""
