"""The drawings of how values lie about the codes: by bit weight with the word, and by size with range and density."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hwsim.quantize.distributions import fit_distributions
from hwsim.report.figures import FINEST, LayerFigures, PointFigures, TensorFigures
from hwsim.report.page.plots import BELOW, INSIDE, OUTSIDE, PLOT_WIDTH, Tick, power
from hwsim.report.wording import percent

HEIGHT = 52
"""Of each of the two drawings, in pixels."""
GRID = 100
"""Steps of height: places and heights are whole numbers, which the drawing scales."""

LEAST = 3
"""Height of the smallest share that is not zero."""

NONE = "zero"
"""The class of values that are 0, or as good as that."""

NEAREST, FARTHEST = 1e-60, 1e60
"""Values that are all smaller or larger in LSB have no density: their moments leave float64."""

MANY_ZEROS = 0.02
"""A larger share of zeros is left out of the density: most are made by an activation, not by the distribution."""

Reals = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Bars of one colour: the strokes of a path, as wide as ``width``; bar i stands at x = i."""

    css: str
    path: str
    width: float


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A tensor's two drawings, and what is said of it. ``word`` is where the word begins and ends, by bit weight.

    ``range`` is where the format begins and ends, by size; ``density`` is the path of the nearest distribution.
    ``weights_at`` and ``sizes_at`` place the bars: the transformations of their whole numbers.
    """

    figures: TensorFigures
    number: int
    weights: tuple[Bars, ...]
    weights_at: str
    word: tuple[float, float]
    sizes: tuple[Bars, ...]
    sizes_at: str
    range: tuple[float, float]
    ends: tuple[str, str]
    density: str
    unit: str
    losses: str
    nearest: str

    @property
    def lost(self) -> bool:
        """Whether any value seen lies outside."""
        return self.figures.outside > 0


@dataclass(frozen=True, kw_only=True)
class Spreads:
    """The drawings of all tensors, and the axis of bit weights that they share."""

    shown: tuple[Spread, ...]
    ticks: tuple[Tick, ...]


def spreads(
    tensors: Sequence[TensorFigures], layers: Sequence[LayerFigures], points: Sequence[PointFigures]
) -> Spreads:
    """Return the drawings of all tensors but those that are only moved."""
    numbers = {one.name: number for number, one in enumerate(layers, start=1)}
    computed = {one.layer for one in points}
    shown = [one for one in tensors if one.layer in numbers and one.layer in computed and one.values]
    bins = max((max(len(one.bits), _word(one) + FINEST + 1) for one in shown), default=0)
    ticks = [(j, power(j - 1 - FINEST)) for j in range(1 + FINEST % 4, bins, 4 if bins < 36 else 16)]
    return Spreads(
        shown=tuple(_spread(one, numbers[one.layer], bins) for one in shown),
        ticks=tuple(Tick(at=round((bins - j - 0.5) * PLOT_WIDTH / bins, 1), text=text) for j, text in ticks),
    )


def _word(one: TensorFigures) -> int:
    """Return how many bits the largest magnitude of the format has."""
    return max(abs(one.low), abs(one.high)).bit_length()


def _spread(one: TensorFigures, number: int, bins: int) -> Spread:
    step = PLOT_WIDTH / bins
    word = _word(one)
    low, high = min(one.minimum, one.low), max(one.maximum, one.high)
    scale = PLOT_WIDTH / (high - low) if high > low else 0.0
    each = (one.maximum - one.minimum) * scale / len(one.counts)
    density, nearest = _density(one)
    return Spread(
        figures=one,
        number=number,
        weights=tuple(_by_weight(one, word, bins)),
        weights_at=_placed(step / 2, step),
        word=(round((bins - 1 - word - FINEST) * step, 1), round((bins - 1 - FINEST) * step, 1)),
        sizes=tuple(_by_size(one, each)),
        sizes_at=_placed((one.minimum - low) * scale + each / 2, each),
        range=(round((one.low - low) * scale, 1), round((one.high - low) * scale, 1)),
        ends=(_end(one, one.low), _end(one, one.high)),
        density=density,
        unit="each channel has an LSB of its own" if one.scale is None else f"1 LSB = {one.scale:.4g}",
        losses=_losses(one),
        nearest=nearest,
    )


def _placed(left: float, each: float) -> str:
    return f"translate({left:.2f}) scale({each:.4g} {HEIGHT / GRID:g})"


def _end(one: TensorFigures, code: int) -> str:
    return f"{float(code) * (1.0 if one.scale is None else one.scale):.3g}"


def _losses(one: TensorFigures) -> str:
    shares = [f"{percent(one.outside / one.values)} % outside range" if one.outside else ""]
    shares += [f"{percent(one.below / one.values)} % below precision" if one.below else ""]
    return ", ".join(filter(None, shares)) or "nothing outside range or below precision"


def _by_weight(one: TensorFigures, word: int, bins: int) -> Iterator[Bars]:
    """Return bars by bit weight, the most significant left; the last is for 0 and what is as good as that."""
    tallest = max(one.bits)
    colours = [
        NONE if j == 0 else BELOW if j < FINEST else OUTSIDE if j > word + FINEST else INSIDE
        for j in range(len(one.bits))
    ]
    marks = zip(one.bits, colours, strict=True)
    yield from _bars([(bins - 1 - j, count / tallest, css) for j, (count, css) in enumerate(marks)], 0.9)


def _by_size(one: TensorFigures, each: float) -> Iterator[Bars]:
    """Return bars by size, their heights logarithmic, ``each`` so many pixels wide but drawn no narrower than one."""
    tallest = math.log1p(max(one.counts))
    inside = [one.low - 0.5 <= middle <= one.high + 0.5 for middle in _middles(one).tolist()]
    marks = [
        (place, math.log1p(count) / tallest, INSIDE if held else OUTSIDE)
        for place, (count, held) in enumerate(zip(one.counts, inside, strict=True))
    ]
    yield from _bars(marks, 1.0 if each >= 1 or not each else round(1 / each, 2))


def _bars(marks: Sequence[tuple[int, float, str]], width: float) -> Iterator[Bars]:
    for css in dict.fromkeys(css for _, height, css in marks if height):
        path = "".join(
            f"M{place} {GRID}V{GRID - max(round(height * GRID), LEAST)}"
            for place, height, own in marks
            if own == css and height
        )
        yield Bars(css=css, path=path, width=width)


def _middles(one: TensorFigures) -> Reals:
    edges = np.linspace(one.minimum, one.maximum, len(one.counts) + 1)
    return (edges[1:] + edges[:-1]) / 2


def _density(one: TensorFigures) -> tuple[str, str]:
    """Return the path of the distribution nearest to the values, over their bins, and its name."""
    if len(one.counts) == 1 or not one.minimum < one.maximum:
        return "", "all values are equal"
    if not NEAREST < max(-one.minimum, one.maximum) < FARTHEST:
        return "", ""
    middles, counts = _middles(one), np.array(one.counts, np.float64)
    without = one.bits[0] > MANY_ZEROS * one.values and one.minimum <= 0 <= one.maximum
    if without:
        width = (one.maximum - one.minimum) / len(counts)
        place = min(int(-one.minimum / width), len(counts) - 1)
        counts[place] = max(counts[place] - one.bits[0], 0)
    if np.count_nonzero(counts) < 2:
        return "", ""
    best = fit_distributions(middles[counts > 0], counts[counts > 0])[0]
    half = (one.maximum - one.minimum) / len(counts) / 2
    expected = (best.cdf(middles + half) - best.cdf(middles - half)) * counts.sum()
    heights = np.minimum(np.log1p(expected) / math.log1p(max(one.counts)), 1.0) * GRID
    path = "M" + "L".join(f"{place} {GRID - height:.0f}" for place, height in enumerate(heights.tolist()))
    return path, f"nearest{' but for zeros' if without else ''}: {best.name} (KS {best.distance:.2f})"
