"""A comparison of two reports as plain text for a terminal of 100 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from hwsim.report.columns import paragraph, table
from hwsim.report.comparison import LayerChange, PointChange, ReportDiff, ResultChange
from hwsim.report.report import Report
from hwsim.report.wording import NOTHING, agreement, counted, decibel, lsb, percent, short_count

MOST_LAYERS = 20
MOST_POINTS = 20
MOST_SETTINGS = 10
MOST_NAMED = 8

SETTINGS = ("format", "overflow", "rounding")

_LAYER_HEADERS = (
    *("layer", "format", "SQNR dB\nlocal A", "\nB", "SQNR dB\ncumul. A", "\nB", "RMSE\nA", "\nB"),
    *("clamped %\nA", "\nB", "round-off\nA", "\nB"),
)
_LAYER_NAMES = (20, 6)
_POINT_HEADERS = (
    *("layer", "point", "format", "clamped %\nA", "\nB", "persistent\nA", "\nB", "loss\nA", "\nB", "\nchange"),
)
_POINT_NAMES = (20, 11, 6)


def text_of(diff: ReportDiff, *, everything: bool = False) -> str:
    """Return the whole comparison as text; with ``everything`` no table is cut and what is equal is named."""
    return "\n".join("\n".join(part) for part in _parts(diff, everything=everything) if part)


def _parts(diff: ReportDiff, *, everything: bool) -> Iterator[list[str]]:
    yield paragraph(headline(diff), "  ")
    if len(diff.results) > 1:
        yield [line for one in diff.results for line in paragraph(result_text(one), "    ", first="  ")]
    yield [line for text in sources(diff) for line in paragraph(text, "    ", first="  ")]
    yield [line for text in diff.warnings for line in paragraph(f"note: {text}", "    ", first="  ")]
    yield [line for one in diff.results for text in flips(one) for line in paragraph(text, "    ", first="  ")]
    if diff.equal:
        return
    yield [line for text in where(diff) for line in paragraph(text, "    ", first="  ")]
    settings = settings_of(diff)
    if settings:
        yield ["", "Settings that differ:"]
        most = len(settings) if everything else MOST_SETTINGS
        yield [line for text in settings[:most] for line in paragraph(text, "    ", first="  ")]
        yield [f"  and {counted(len(settings) - most, 'more')[:-1]}"] if len(settings) > most else []
    yield from _layers(diff, everything=everything)
    yield from _points(diff, everything=everything)


def headline(diff: ReportDiff, arrow: str = "->") -> str:
    """Say in a line whether B is better or worse than A, and by how much."""
    if diff.equal:
        return "equal: no figure differs"
    if not diff.results:
        return "the two reports share no result"
    if len(diff.results) != 1:
        counts = {word: sum(one.verdict == word for one in diff.results) for word in _WORDS}
        said = ", ".join(f"{count} {_WORDS[word]}" for word, count in counts.items() if count)
        return f"{_WORDS[diff.verdict]}: of {counted(len(diff.results), 'result')} {said}"
    text = result_text(diff.results[0], arrow)
    return f"{text}; other figures differ" if diff.verdict == "equal" else text


_WORDS = {"better": "better", "worse": "worse", "mixed": "mixed", "equal": "equal", "unknown": "not comparable"}


def result_text(one: ResultChange, arrow: str = "->") -> str:
    """Say how a result changed: ``better: softmax: SQNR 22.14 -> 31.02 dB (+8.88), flips 140 -> 3``."""
    parts = [sqnr_change(one.a.sqnr_db, one.b.sqnr_db, arrow)]
    if one.a.top1_agreement is not None and one.b.top1_agreement is not None:
        parts += [
            f"top-1 {agreement(one.a.top1_agreement)} {arrow} {agreement(one.b.top1_agreement)} %",
            f"flips {one.a.flip_count:,} {arrow} {one.b.flip_count:,}",
        ]
    return f"{_WORDS[one.verdict]}: {one.name}: {', '.join(parts)}"


def sqnr_change(a: float | None, b: float | None, arrow: str = "->") -> str:
    """Return two ratios and their difference.

    >>> sqnr_change(22.14, 31.02), sqnr_change(22.14, float("inf")), sqnr_change(None, 3.0)
    ('SQNR 22.14 -> 31.02 dB (+8.88)', 'SQNR 22.14 dB -> exact', 'SQNR - -> 3.00 dB')
    """
    if a is None or b is None or not (math.isfinite(a) and math.isfinite(b)):
        return f"SQNR {_ratio(a)} {arrow} {_ratio(b)}"
    return f"SQNR {a:.2f} {arrow} {b:.2f} dB ({b - a:+.2f})"


def _ratio(value: float | None) -> str:
    return f"{value:.2f} dB" if value is not None and math.isfinite(value) else decibel(value)


def sources(diff: ReportDiff) -> list[str]:
    """Say what A and B are."""
    return [source("A", diff.a, diff.name_a), source("B", diff.b, diff.name_b)]


def source(side: str, report: Report, name: str) -> str:
    """Say what one side is."""
    noun = "synthetic sample" if report.synthetic else "sample"
    file = f" ({name})" if name else ""
    return f"{side}: {report.network} on {report.target}, {counted(report.samples, noun)}{file}"


def flips(one: ResultChange) -> list[str]:
    """Say which samples flip in one run alone."""
    texts = []
    for samples, words in (
        (one.broken, "in B alone"),
        (one.mended, "in A alone"),
        (one.otherwise, "in both, to different classes"),
    ):
        if samples:
            texts.append(f"{counted(len(samples), 'sample')} of {one.name} flip{'s' * (len(samples) == 1)} {words}: ")
            texts[-1] += _listed([str(sample) for sample in samples])
    if one.known_to is not None:
        texts.append(f"reports list the first 1,000 flips; of {one.name} nothing is known after sample {one.known_to}")
    return texts


def _listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def where(diff: ReportDiff, arrow: str = "->") -> list[str]:
    """Say where the change is largest, and what stands in one report alone."""
    texts = []
    worst = next(iter(diff.points), None)
    if worst is not None and worst.change:
        change = f"{lsb(worst.loss_a)} {arrow} {lsb(worst.loss_b)} LSB ({signed(worst.change)})"
        texts.append(f"largest change: {worst.name}, which puts {change} into an output")
    for names, what in (
        (diff.results_only_a, "result in A alone"),
        (diff.results_only_b, "result in B alone"),
        (diff.layers_only_a, "layer in A alone"),
        (diff.layers_only_b, "layer in B alone"),
        (diff.points_only_a, "point in A alone"),
        (diff.points_only_b, "point in B alone"),
    ):
        if names:
            noun, rest = what.split(" ", 1)
            texts.append(f"{counted(len(names), noun)} {rest}: {_listed(names)}")
    return texts


def settings_of(diff: ReportDiff, arrow: str = "->") -> list[str]:
    """Say which formats and modes differ, equal changes of a point's kind together."""
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for one in diff.points:
        for name in SETTINGS:
            a, b = getattr(one.a.figures, name), getattr(one.b.figures, name)
            if a != b:
                groups.setdefault((one.a.figures.point, name, a or "none", b or "none"), []).append(one.a.figures.layer)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [
        f"{point}: {name} {a} {arrow} {b} in {counted(len(layers), 'layer')}: {_listed(layers, 4)}"
        for (point, name, a, b), layers in ordered
    ]


def _layers(diff: ReportDiff, *, everything: bool) -> Iterator[list[str]]:
    shown = diff.layers if everything else diff.layers[:MOST_LAYERS]
    if shown:
        yield [
            "",
            *paragraph(
                "Layers, the largest change of the layer's own noise (local SQNR) first. RMSE and round-off are in LSB "
                "of A's output, for B too."
            ),
        ]
        yield table(_LAYER_HEADERS, [_layer_row(one) for one in shown], names=_LAYER_NAMES)
    yield _rest(len(diff.layers) - len(shown), diff.equal_layers, "layer", everything=everything)


def _layer_row(one: LayerChange) -> list[str]:
    a, b = one.a.figures, one.b.figures
    clamped = [loss.worst_clamping for loss in (one.a, one.b)]
    return [
        a.name,
        changed(a.format, b.format),
        *(decibel(value) for value in (a.sqnr_local_db, b.sqnr_local_db)),
        *(decibel(value) for value in (a.sqnr_cumulative_db, b.sqnr_cumulative_db)),
        *(lsb(value) for value in (a.rmse_lsb, None if b.rmse_lsb is None else b.rmse_lsb * one.lsb_ratio)),
        *("0" if worst is None else percent(worst.hit_rate) for worst in clamped),
        *(lsb(value) for value in (one.a.round_off, one.b.round_off * one.lsb_ratio)),
    ]


def changed(a: str, b: str, arrow: str = ">") -> str:
    """Return one text where both are equal, else both.

    >>> changed("s16", "s16"), changed("s16", "s32")
    ('s16', 's16>s32')
    """
    return a or NOTHING if a == b else f"{a or NOTHING}{arrow}{b or NOTHING}"


def _points(diff: ReportDiff, *, everything: bool) -> Iterator[list[str]]:
    shown = diff.points if everything else diff.points[:MOST_POINTS]
    if shown:
        yield [
            "",
            *paragraph(
                "Truncation points, the largest change first. Loss is the RMS error that the point puts into one "
                "output of the layer, in LSB of A's output (weights: of A's weight)."
            ),
        ]
        yield table(_POINT_HEADERS, [_point_row(one) for one in shown], names=_POINT_NAMES)
    yield _rest(len(diff.points) - len(shown), diff.equal_points, "point", everything=everything)


def _point_row(one: PointChange) -> list[str]:
    a, b = one.a.figures, one.b.figures
    return [
        a.layer,
        a.point,
        changed(a.format, b.format),
        *(percent(each.hit_rate) if each.hits else "0" for each in (a, b)),
        *(short_count(each.persistent) for each in (a, b)),
        *(lsb(value) for value in (one.loss_a, one.loss_b)),
        signed(one.change),
    ]


def signed(change: float) -> str:
    """Return a change in LSB with its sign.

    >>> signed(0.25), signed(-3.0), signed(0.0)
    ('+0.250', '-3.00', '0')
    """
    return f"+{lsb(change)}" if change > 0 else lsb(change)


def _rest(hidden: int, equal: Sequence[str], noun: str, *, everything: bool) -> list[str]:
    texts = [f"{counted(hidden, noun)} more, which change less (--all shows them)"] if hidden else []
    if equal:
        names = f": {', '.join(equal)}" if everything else ""
        texts.append(f"{counted(len(equal), noun)} {'is' if len(equal) == 1 else 'are'} equal{names}")
    return [line for text in texts for line in paragraph(text, "  ")]
