"""Where the error of a run comes from, in words and tables: the waterfall, what costs most, what would help."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.report.columns import paragraph, table
from hwsim.report.figures import AdviceFigures, CostFigures, FlipFigures, WaterfallFigures
from hwsim.report.wording import NOTHING, agreement, counted, decibel, percent, printable

STEPS = {
    "ideal": "all as good as ideal",
    "weights": "weights as stored",
    "activations": "+ feature maps as stored",
    "accumulator": "+ accumulators",
    "rounding": "+ target rounding = the run",
}
"""The steps of a waterfall in words."""

MOST_COSTS = 12
MOST_NAMES = 5
MOST_SHOWN = 9999.5
"""Larger figures are shown with an exponent."""

Found = tuple[Sequence[WaterfallFigures], Sequence[CostFigures], Sequence[AdviceFigures]]


def lines_of(head: str, found: Found, notes: Sequence[str] = ()) -> list[str]:
    """Return lines of text, none longer than 100 columns; ``head`` says what this is, and of how many samples."""
    waterfall, costs, advice = found
    lines = paragraph(head, "  ")
    for note in notes:
        lines += paragraph(note, "  ")
    lines += ["", *waterfall_table(waterfall), *left_real(waterfall), ""]
    lines += costs_table(costs)
    lines += folded(costs)
    return lines + advice_lines(advice)


def waterfall_table(steps: Sequence[WaterfallFigures]) -> list[str]:
    """Return the waterfall, each step with what it costs in dB."""
    rows = []
    for before, one in zip((None, *steps), steps, strict=False):
        lost = NOTHING if before is None else loss(before.sqnr_db, one.sqnr_db)
        top1 = NOTHING if one.top1 is None else agreement(one.top1)
        rows.append([STEPS.get(one.step, one.step), decibel(one.sqnr_db), lost, top1, count(one.flips)])
    return table(("real so far", "SQNR\ndB", "loses\ndB", "top-1\n%", "\nflips"), rows, names=(30,))


def left_real(steps: Sequence[WaterfallFigures]) -> list[str]:
    """Name what lost bits and could not be made ideal."""
    names = steps[0].not_ideal if steps else ()
    if not names:
        return []
    return paragraph(f"not ideal in any step, since it cannot be lifted: {some(names)}", "  ")


def costs_table(costs: Sequence[CostFigures]) -> list[str]:
    """Return the points that matter, what costs most first."""
    shown = [one for one in costs if not one.folded]
    tried = [one for one in shown if one.cost is not None]
    rows = [
        [
            one.layer,
            one.point,
            percent_of(one.cost),
            signed(one.gain_db),
            count(one.mended),
            decibel(one.sqnr_alone_db),
            count(one.flips_alone),
        ]
        for one in tried[:MOST_COSTS]
    ]
    if not rows:
        return ["No single point matters."]
    lines = paragraph(
        "What costs most. Lifted: the point loses nothing, all else as it is. Alone: the point as it is, all else "
        "ideal. Cost: its share of the error's energy, as the mean of both."
    )
    headers = ("layer", "point", "cost\n%", "lifted\ngains dB", "flips\nmended", "alone\nSQNR dB", "alone\nflips")
    lines += table(headers, rows, names=(24, 12))
    if len(tried) > MOST_COSTS:
        lines += [f"and {counted(len(tried) - MOST_COSTS, 'point')} more that matter, in the page and the JSON"]
    return lines


def folded(costs: Sequence[CostFigures]) -> list[str]:
    """Say how many points are folded away, and which were not measured."""
    quiet = sum(one.folded for one in costs)
    lines = paragraph(f"{counted(quiet, 'point')} can be ignored, each by itself.") if quiet else []
    untried = [f"{one.layer} {one.point}" for one in costs if one.state == "not tried"]
    if untried:
        lines += paragraph(f"not tried, since their layers lose less: {some(untried)}", "  ")
    reasons: dict[str, list[str]] = {}
    for one in costs:
        if one.state == "not lifted":
            reasons.setdefault(one.note, []).append(f"{one.layer} {one.point}")
    for why, names in reasons.items():
        lines += paragraph(f"not lifted: {some(names)}: {why}", "  ")
    return lines


def advice_lines(advice: Sequence[AdviceFigures]) -> list[str]:
    """Return what would help, with what to paste."""
    lines: list[str] = []
    for one in advice:
        lines += ["", *paragraph(f"{one.text}: {gains(one)}")]
        lines += [f"    {line}" for line in pasted(one).split("\n") if line]
    return ["", "What would help, as measured on these samples:", *lines[1:]] if lines else []


def pasted(one: AdviceFigures) -> str:
    """Return what to paste: into the target file, or on the command line."""
    text = one.yaml or (f"--technique {one.technique}" if one.technique else "")
    return "\n".join(map(printable, text.split("\n")))


def gains(one: AdviceFigures) -> str:
    """Say what a change gives."""
    text = f"{signed(one.gain_db)} dB, to {decibel(one.sqnr_db)} dB"
    if one.top1 is None or one.top1_before is None:
        return text
    if one.flips == one.flips_before:
        return f"{text}; no decision more is float's"
    shares = f"top-1 {agreement(one.top1_before)} to {agreement(one.top1)} %"
    return f"{text}; {shares}, flips {one.flips_before} to {one.flips}"


def some(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """Return the first of some names, and how many more there are.

    >>> some(["a", "b", "c", "d", "e", "f", "g"])
    'a, b, c, d, e and 2 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def loss(before: float, after: float) -> str:
    """Return by how many dB a ratio falls."""
    return "0.0" if before == after else decibel(before - after) if before - after < float("inf") else NOTHING


def signed(value: float | None) -> str:
    """Return a gain with its sign.

    >>> signed(1.25), signed(-0.04), signed(None)
    ('+1.2', '-0.0', '-')
    """
    return NOTHING if value is None else f"{value:+.1f}" if abs(value) < MOST_SHOWN else f"{value:+.1e}"


def count(value: int | None) -> str:
    """Return a count, or what stands for none."""
    return NOTHING if value is None else f"{value:,}" if abs(value) < 10**6 else f"{value:.1e}"


def percent_of(value: float | None) -> str:
    """Return a share of an energy in percent; it can be negative or beyond 100."""
    if value is None:
        return NOTHING
    if 0 <= value <= 1:
        return percent(value)
    share = value * 100
    return f"{share:.1f}" if abs(share) < 100 else f"{share:.0f}" if abs(share) < MOST_SHOWN else f"{share:.1e}"


def menders(flip: FlipFigures) -> str:
    """Name the points each of which, lifted, mends a flip."""
    if flip.mended_by is None:
        return "not tried"
    return some(flip.mended_by, 1) or "no single point"
