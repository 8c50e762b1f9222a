"""The geometry of the page's drawings: plain numbers and texts; the template turns them into SVG and escapes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hwsim.report.figures import LayerFigures, PointFigures
from hwsim.report.wording import decibel, percent

OUTSIDE, INSIDE, BELOW = "outside", "inside", "below"
"""Classes of marks: outside range (red), in range (blue), below precision (yellow)."""

ROUNDING_FLOOR = 1 / math.sqrt(12)
"""RMS error, in LSB, of rounding to nearest where values lie evenly between codes."""

PLOT_WIDTH, PLOT_HEIGHT = 264.0, 72.0
CHART_WIDTH, CHART_HEIGHT = 960.0, 200.0
DECADES = 12
"""A logarithmic axis goes no further down or up."""
LEAST_MARK = 1.5
"""Height in pixels of the smallest share that is not zero."""

_MEANINGS = {
    "local": "fed the float input",
    "cumulative": "with what was lost before",
    "rmse": "cumulative error in LSB",
}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(exponent: int) -> str:
    """Return a power of two as it is written.

    >>> power(20)
    '2²⁰'
    """
    return "2" + str(exponent).translate(_SUPERSCRIPTS)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A bar or a dot, with the text that explains it."""

    x: float
    y: float
    height: float
    css: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A label on an axis."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """The shares of values by bit weight, most significant bit left, with the word as a band from ``word_x`` on.

    ``bound_x`` is where the proved bound ends, None if there is none within the drawing; ``top`` is the share of the
    tallest bar but zero.
    """

    figures: PointFigures
    bars: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    step: float
    word_x: float
    bound_x: float | None
    top: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """One figure over the layers: paths, broken where it is missing, and a dot for each layer."""

    name: str
    meaning: str
    runs: tuple[str, ...]
    dots: tuple[Mark, ...]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over the layers, and the labels of both axes; ``mark`` is where a line of reference stands."""

    lines: tuple[Line, ...]
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    mark: float | None = None


def magnitude_bits(point: PointFigures, zero_point: int | None) -> int:
    """Return how many bits the largest magnitude inside the word of a point has.

    The histogram of an output counts values before the zero point is added, so its word is shifted by that.
    """
    if point.bits is None:
        return 0
    signed = point.format.startswith("s")
    low, high = (-(1 << (point.bits - 1)), (1 << (point.bits - 1)) - 1) if signed else (0, (1 << point.bits) - 1)
    offset = zero_point or 0
    if point.kind_of_point == "stage" or not offset:
        return high.bit_length()
    return max(abs(low - offset), abs(high - offset)).bit_length()


def histograms(points: Sequence[PointFigures], layers: Iterable[LayerFigures]) -> tuple[Histogram, ...]:
    """Return a histogram for each point that keeps one, all on the same axis."""
    zero_points = {one.name: one.zero_point for one in layers}
    kept = [(one, magnitude_bits(one, zero_points.get(one.layer))) for one in points if any(one.histogram)]
    bins = max((max(word, top_bin(one)) for one, word in kept), default=0) + 1
    return tuple(_histogram(one, word, bins) for one, word in kept)


def top_bin(point: PointFigures) -> int:
    """Return the largest magnitude, in bits, that a point saw."""
    return max(j for j, count in enumerate(point.histogram) if count)


def _histogram(point: PointFigures, word: int, bins: int) -> Histogram:
    step = PLOT_WIDTH / (bins + 1)
    total, largest = sum(point.histogram), max(point.histogram[1:]) or point.histogram[0]
    bars = [
        _bar(point, j, word, ((bins - j) * step, PLOT_HEIGHT * min(count / largest, 1.0), count / total))
        for j, count in enumerate(point.histogram)
        if count
    ]
    reach = None if point.bound is None else max(map(abs, point.bound)).bit_length()
    return Histogram(
        figures=point,
        bars=tuple(bars),
        ticks=tuple(
            Tick(at=(bins - j + 0.5) * step, text=power(j - 1)) for j in range(1, bins + 1, 4 if bins < 20 else 8)
        ),
        step=step,
        word_x=(bins - word) * step,
        bound_x=None if reach is None or reach > bins else (bins - reach) * step,
        top=f"{percent(largest / total)} %",
        caption=_caption(point),
    )


def _bar(point: PointFigures, j: int, word: int, place: tuple[float, float, float]) -> Mark:
    x, height, share = place
    height = max(height, LEAST_MARK)
    if j == 0 and point.kind_of_point != "stage":
        css, words = BELOW, "zero or below precision"
    elif j > word and point.persistent:  # the lowest code of a signed word has one bit more than the others
        css, words = OUTSIDE, "outside range"
    else:
        css, words = INSIDE, "in range"
    span = "0" if j == 0 else f"{power(j - 1)} to {power(j)} − 1"
    return Mark(
        x=x, y=PLOT_HEIGHT - height, height=height, css=css, title=f"{span} LSB: {percent(share)} % of values, {words}"
    )


def _caption(point: PointFigures) -> str:
    needed = "" if point.bits_needed is None else f"needs {point.bits_needed} of {point.bits} bits"
    if point.proven:
        return f"{needed}, proved safe" if needed else "proved safe"
    if not point.hits:
        return needed or "nothing outside range"
    what = "of additions" if point.kind_of_point == "stage" else "of values"
    return f"{percent(point.hit_rate)} % {what} outside range; {needed}"


def bar_width(loss: float, most: float) -> float:
    """Return the length in percent of a bar on a logarithmic scale from 0.01 LSB to ``most``; anything at all shows.

    >>> bar_width(0.0, 100.0), bar_width(0.001, 100.0), bar_width(1.0, 100.0), bar_width(100.0, 100.0)
    (0.0, 1.0, 50.0, 100.0)
    """
    if not loss > 0:
        return 0.0
    return round(min(max(100 * (math.log10(loss) + 2) / (math.log10(most) + 2), 1.0), 100.0), 1)


def scale_end(losses: Iterable[float]) -> float:
    """Return the power of ten at which bars end: 10 LSB, or more if a loss is larger."""
    largest = max((one for one in losses if math.isfinite(one)), default=0.0)
    return 10.0 ** max(1, math.ceil(math.log10(largest))) if largest > 0 else 10.0


def sqnr_chart(layers: Sequence[LayerFigures]) -> Chart | None:
    """Return the course of the signal-to-quantisation-noise ratios, or None where nothing was measured."""
    local = [one.sqnr_local_db for one in layers]
    cumulative = [one.sqnr_cumulative_db for one in layers]
    finite = [one for one in (*local, *cumulative) if one is not None and math.isfinite(one)]
    if not finite:
        return None
    low, high = min(0, math.floor(min(finite) / 10) * 10), max(10, math.ceil(max(finite) / 10) * 10)
    lines = [
        _line(name, values, layers, (low, high)) for name, values in (("local", local), ("cumulative", cumulative))
    ]
    rung = 10 * max(1, math.ceil((high - low) / 80))
    return Chart(
        lines=tuple(lines),
        rows=tuple(Tick(at=_height(db, low, high), text=f"{db} dB") for db in range(low, high + 1, rung)),
        columns=tuple(Tick(at=_across(i, len(layers)), text=str(i + 1)) for i in _numbered(len(layers))),
    )


def rmse_chart(layers: Sequence[LayerFigures]) -> Chart | None:
    """Return the course of the cumulative error in LSB on a logarithmic axis, or None where nothing was measured.

    A row without text stands at ROUNDING_FLOOR.
    """
    values = [math.log10(one.rmse_lsb) if one.rmse_lsb and one.rmse_lsb > 0 else None for one in layers]
    finite = [one for one in values if one is not None and math.isfinite(one)]
    if not finite:
        return None
    low, high = max(min(-1, math.floor(min(finite))), -DECADES), min(max(1, math.ceil(max(finite))), DECADES)
    texts = [f"{one.rmse_lsb:.3g} LSB" if one.rmse_lsb else "" for one in layers]
    return Chart(
        lines=(_line("rmse", values, layers, (low, high), texts),),
        rows=tuple(Tick(at=_height(rung, low, high), text=f"{10.0**rung:g}") for rung in _decades(low, high)),
        columns=tuple(Tick(at=_across(i, len(layers)), text=str(i + 1)) for i in _numbered(len(layers))),
        mark=_height(math.log10(ROUNDING_FLOOR), low, high),
    )


def _decades(low: int, high: int) -> range:
    return range(low, high + 1, max(1, math.ceil((high - low) / 8)))


def _line(
    name: str,
    values: Sequence[float | None],
    layers: Sequence[LayerFigures],
    span: tuple[int, int],
    texts: Sequence[str] = (),
) -> Line:
    dots: list[Mark] = []
    runs = [""]
    for index, value in enumerate(values):
        if value is None or math.isnan(value):
            runs.append("")
            continue
        x, y = _across(index, len(values)), _height(min(max(value, span[0]), span[1]), *span)
        runs[-1] += f"{'L' if runs[-1] else 'M'}{x:.1f} {y:.1f}"
        said = texts[index] if texts else f"{decibel(value)}{' dB' if math.isfinite(value) else ''} {name}"
        title = f"{index + 1} {layers[index].name}: {said}"
        dots.append(Mark(x=x, y=y, height=0, css=name, title=title))
    return Line(name=name, meaning=_MEANINGS[name], runs=tuple(filter(None, runs)), dots=tuple(dots))


def _across(index: int, count: int) -> float:
    return round((index + 0.5) * CHART_WIDTH / count, 1)


def _height(value: float, low: int, high: int) -> float:
    return round(CHART_HEIGHT * (high - value) / (high - low), 1)


def _numbered(count: int) -> list[int]:
    """Return the layers whose number stands on the axis: all, or every tenth or so."""
    step = 1 if count <= 40 else 10 * math.ceil(count / 400)
    return [index for index in range(count) if (index + 1) % step == 0 or index == 0]
