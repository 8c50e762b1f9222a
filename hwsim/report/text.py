"""A report as plain text for a terminal of 100 columns; the full tables are in the page, the CSV and the JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hwsim.report.attribution import lines_of as attributed
from hwsim.report.attribution import menders
from hwsim.report.columns import paragraph, table
from hwsim.report.figures import OutputFigures, PointFigures
from hwsim.report.ranking import LayerLoss, Loss
from hwsim.report.verdict import verdict_of
from hwsim.report.wording import NOTHING, agreement, counted, decibel, lsb, percent, short_count

if TYPE_CHECKING:
    from hwsim.report.report import Report

MOST_LAYERS = 30
MOST_POINTS = 20
MOST_FIRSTS = 5
MOST_FLIPS = 8

_LAYER_HEADERS = (
    "layer",
    "kind",
    "format",
    "clamped\nworst at",
    "clamped\n%",
    "clamping\nloss",
    "round-off\nloss",
    "SQNR dB\nlocal",
    "SQNR dB\ncumul.",
)
_LAYER_NAMES = (24, 12, 6, 11)
_POINT_HEADERS = (
    "layer",
    "point",
    "format",
    "bits\nneeded",
    "clamped %\nlow/high",
    "transient/\npersistent",
    "clamping\nRMS",
    "round-off\nRMS",
    "\nbias",
    "\nloss",
)
_POINT_NAMES = (20, 11)


def text_of(report: Report) -> str:
    """Return the whole report as text."""
    return "\n".join("\n".join(part) for part in _parts(report) if part)


def _parts(report: Report) -> Iterator[list[str]]:
    yield _head(report)
    holds = verdict_of(report)
    yield paragraph(holds.sentence, "  ") if holds else []
    yield [line for one in report.outputs for line in paragraph(verdict(one), "  ")]
    if report.attributed is not None:
        found = report.waterfall, report.costs, report.advice
        head = f"Where the error comes from, on the first {counted(report.attributed, 'sample')}"
        yield ["", *attributed(head, found, report.attribution_notes), ""]
    if report.flips:
        yield ["", *_flips(report)]
    if report.layers:
        yield ["", *_layers(report.layer_losses())]
    if report.points:
        yield ["", *_points(report)]


def _flips(report: Report) -> list[str]:
    """Return the first samples that decide otherwise, with their margins."""
    lines = paragraph(
        "Samples that decide otherwise. A margin is the largest value less the second largest; 0 is a tie."
    )
    rows = [
        [
            one.result,
            *([] if report.attributed is None else [menders(one)]),
            str(one.sample),
            f"{one.before} to {one.after}",
            f"{one.margin_before:.3g}",
            f"{one.margin_after:.3g}",
        ]
        for one in report.flips[:MOST_FLIPS]
    ]
    names = ["result"] if report.attributed is None else ["result", "mended by lifting"]
    lines += table([*names, "sample", "class", "margin\nfloat", "margin\ninteger"], rows, names=(20, 28)[: len(names)])
    if len(report.flips) > MOST_FLIPS:
        lines += [f"and {counted(len(report.flips) - MOST_FLIPS, 'sample')} more in the page and the JSON"]
    return lines


def _head(report: Report) -> list[str]:
    lines = paragraph(f"{report.network} on {report.target}: {sizes(report)}", "  ")
    for text in (report.description, *report.notes):
        lines += paragraph(text, "  ") if text else []
    return lines


def sizes(report: Report) -> str:
    """Say how large a run was."""
    noun = "SYNTHETIC sample" if report.synthetic else "sample"
    counts = (report.samples, noun), (len(report.layers), "layer"), (len(report.points), "truncation point")
    return ", ".join(counted(count, noun) for count, noun in counts)


def verdict(output: OutputFigures) -> str:
    """Say in a sentence how far a result is from float.

    >>> print(verdict(OutputFigures(
    ...     name="softmax", sqnr_db=31.26, max_error=0.04, top1_agreement=0.9725, flip_count=2, flips=(7, 31))))
    softmax: SQNR 31.3 dB, largest error 0.04; top-1 agrees on 97.25 %, 2 samples flip: 7, 31
    """
    if output.sqnr_db is None:
        return f"{output.name}: not compared with float"
    ratio = "no error at all" if output.sqnr_db == float("inf") else f"SQNR {decibel(output.sqnr_db)} dB"
    largest = "" if output.max_error is None else f", largest error {output.max_error:.3g}"
    return f"{output.name}: {ratio}{largest}{_agreement(output)}"


def _agreement(output: OutputFigures) -> str:
    if output.top1_agreement is None:
        return ""
    text = f"; top-1 agrees on {agreement(output.top1_agreement)} %"
    if not output.flip_count:
        return text + ", no sample flips"
    named = ", ".join(map(str, output.flips[:MOST_FLIPS]))
    more = ", …" if output.flip_count > MOST_FLIPS else ""
    return (
        f"{text}, {counted(output.flip_count, 'sample')} {'flips' if output.flip_count == 1 else 'flip'}: {named}{more}"
    )


def _layers(losses: Sequence[LayerLoss]) -> list[str]:
    worst = sorted(range(len(losses)), key=lambda index: -losses[index].total)[:MOST_LAYERS]
    shown = [losses[index] for index in sorted(worst)]
    lines = table(_LAYER_HEADERS, [_layer_row(one) for one in shown], names=_LAYER_NAMES)
    if len(shown) < len(losses):
        more = counted(len(losses) - len(shown), "layer")
        lines += paragraph(f"{more} more, which lose less, are in the page, the CSV and the JSON")
    return lines


def _layer_row(one: LayerLoss) -> list[str]:
    layer, worst = one.figures, one.worst_clamping
    clamping = (NOTHING, "0") if worst is None else (worst.point, percent(worst.hit_rate))
    losses = (lsb(one.clamping), lsb(one.round_off))
    ratios = (decibel(layer.sqnr_local_db), decibel(layer.sqnr_cumulative_db))
    return [layer.name, layer.kind, layer.format, *clamping, *losses, *ratios]


def _points(report: Report) -> list[str]:
    worst = report.worst_points()
    lines = paragraph(proofs(report.points))
    if not worst:
        return [*lines, "No bit was lost."]
    lines += paragraph(
        "Where bits are lost, the worst first. RMS and bias are in LSB of the point. Loss is the RMS error that "
        "the point puts into one output of the layer, in LSB of that output (weights: in LSB of the weight)."
    )
    lines += table(_POINT_HEADERS, [_point_row(one) for one in worst[:MOST_POINTS]], names=_POINT_NAMES)
    if len(worst) > MOST_POINTS:
        lines += [
            f"{counted(len(worst) - MOST_POINTS, 'point')} more, which lose less, are in the page, the CSV and the JSON"
        ]
    return [*lines, *_firsts(worst)]


def _point_row(one: Loss) -> list[str]:
    point = one.figures
    needed = NOTHING if point.bits_needed is None else str(point.bits_needed)
    clamped, sums = clamped_text(point), f"{short_count(point.transient)}/{short_count(point.persistent)}"
    errors = [lsb(value) for value in (point.clamp_rms_lsb, point.round_rms_lsb, point.round_bias_lsb)]
    return [
        point.layer,
        point.point,
        point.format or NOTHING,
        needed,
        clamped,
        sums if point.hits else NOTHING,
        *errors,
        lsb(one.total),
    ]


def clamped_text(point: PointFigures) -> str:
    """Return the shares of a point's values that came from below and from above, in percent."""
    if not point.hits:
        return NOTHING
    return "/".join(percent(count / point.values if point.values else 0.0) for count in (point.low, point.high))


def _firsts(worst: Sequence[Loss]) -> list[str]:
    """Say where the worst points that clamped did so first."""
    clamped = [one.figures for one in worst[:MOST_POINTS] if one.figures.first][:MOST_FIRSTS]
    lines = ["First values from outside (hwsim locate shows their operands):"] if clamped else []
    for one in clamped:
        lines += paragraph(f"{one.layer} {one.point}: {one.first}", "    ", first="  ")
    return lines


def story(loss: Loss) -> str:
    """Say in a sentence what happened at a point that clamped."""
    one = loss.figures
    parts = [f"{percent(one.hit_rate)} % of {counted(one.values, 'value')} came from outside the range"]
    if one.bits is not None and one.bits_needed is not None and one.bits_needed > one.bits:
        parts.append(f"{one.bits_needed} bits are needed, {one.format} has {one.bits}")
    if one.kind_of_point == "stage":
        parts.append(f"{counted(one.persistent, 'sum')} outside in the end, {one.transient:,} only on the way")
    channels = hit_channels(one)
    parts += [f"in {channels}"] if channels else []
    parts.append(f"this puts {lsb(loss.clamping)} LSB into an output")
    return f"{one.layer} {one.point}: " + "; ".join(parts)


def hit_channels(point: PointFigures) -> str:
    """Say how many channels were hit, nothing if none was."""
    hit = sum(count > 0 for count in point.channel_hits)
    return f"{hit} of {counted(len(point.channel_hits), 'channel')}" if hit else ""


def proofs(points: Sequence[PointFigures]) -> str:
    """Say how many sums cannot overflow whatever the input, and how the others did.

    >>> proofs(())
    'No layer sums anything up.'
    """
    stages = [one for one in points if one.kind_of_point == "stage"]
    if not stages:
        return "No layer sums anything up."
    proven = sum(one.proven for one in stages)
    hit = sum(one.hits > 0 for one in stages)
    rest = [f"{hit} left their range"] if hit else []
    clean = len(stages) - proven - hit
    rest += [f"{clean} stayed in range on these samples"] if clean > 0 else []
    said = (
        f"{proven} of {counted(len(stages), 'accumulator')} {'is' if proven == 1 else 'are'} proved never to overflow"
    )
    return "; ".join([said, *rest]) + "."
