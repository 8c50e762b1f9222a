"""The channels of the layers as a heat map: where hits gather, where words are too narrow, where bits lie idle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from hwsim.report.figures import PointFigures
from hwsim.report.page.shades import CLAMPING, ROUNDING
from hwsim.report.ranking import LayerLoss
from hwsim.report.wording import counted, percent

CELLS = 128
"""Channels of a wider layer share cells, which show the worst of them."""


@dataclass(frozen=True, kw_only=True)
class Map:
    """A figure of channels; the strips of the layers where it says anything, and how many others there are."""

    name: str
    meaning: str
    css: str
    steps: tuple[str, ...]
    strips: tuple[Strip, ...]
    others: int


@dataclass(frozen=True, kw_only=True)
class Strip:
    """The channels of a layer at one point: ``width`` cells, and the strokes over those of each step but 0."""

    number: int
    layer: str
    point: str
    channels: int
    width: int
    paths: tuple[tuple[int, str], ...]
    said: str


@dataclass(frozen=True, kw_only=True)
class _Figure:
    name: str
    meaning: str
    css: str
    bounds: tuple[float, ...]
    steps: tuple[str, ...]
    values: Callable[[PointFigures], Sequence[float]]
    text: Callable[[float], str]

    def step(self, value: float) -> int:
        return sum(value > one for one in self.bounds)


def hit_rates(point: PointFigures) -> Sequence[float]:
    """Return the percentage of values that came from outside, channel by channel; nothing without hits.

    Nor of weights and biases, of which a channel has few, so that a single one would outshine all sums.
    """
    if point.kind_of_point == "once":
        return []
    each = point.values / max(len(point.channel_hits), 1)
    return [100 * hits / each if each else 0.0 for hits in point.channel_hits]


def missing_bits(point: PointFigures) -> Sequence[float]:
    """Return the bits by which each channel needs more than the format has; nothing where none does."""
    return [] if point.bits is None else [max(bits - point.bits, 0) for bits in point.channel_bits]


def idle_bits(point: PointFigures) -> Sequence[float]:
    """Return the bits of weights and outputs that each channel does not use; accumulators are to have some."""
    if point.bits is None or point.point not in ("weight", "output"):
        return []
    return [max(point.bits - bits, 0) if bits else 0 for bits in point.channel_bits]


_FIGURES = (
    _Figure(
        name="hit rate, %",
        meaning="share of a channel's values outside range",
        css=CLAMPING,
        bounds=(0, 0.01, 0.1, 1, 10),
        steps=("> 0", "> 0.01", "> 0.1", "> 1", "> 10"),
        values=hit_rates,
        text=lambda value: f"{percent(value / 100)} %",
    ),
    _Figure(
        name="missing bits",
        meaning="by which the largest value of a channel is too wide for the word",
        css=CLAMPING,
        bounds=(0, 1, 2, 3, 4),
        steps=("1", "2", "3", "4", "5 and more"),
        values=missing_bits,
        text=lambda value: counted(round(value), "bit"),
    ),
    _Figure(
        name="idle bits",
        meaning="bits of weights and outputs that no value of the channel uses: it is coarser than need be",
        css=ROUNDING,
        bounds=(0, 1, 2, 3, 4),
        steps=("1", "2", "3", "4", "5 and more"),
        values=idle_bits,
        text=lambda value: counted(round(value), "bit"),
    ),
)


def maps_of(layers: Sequence[LayerLoss]) -> tuple[Map, ...]:
    """Return a map for each figure that says anything."""
    found = []
    for figure in _FIGURES:
        strips = tuple(_strips(figure, layers))
        known = sum(any(len(figure.values(point.figures)) > 0 for point in layer.points) for layer in layers)
        if strips:
            found.append(
                Map(
                    name=figure.name,
                    meaning=figure.meaning,
                    css=figure.css,
                    steps=figure.steps,
                    strips=strips,
                    others=known - len({one.number for one in strips}),
                )
            )
    return tuple(found)


def _strips(figure: _Figure, layers: Sequence[LayerLoss]) -> Iterator[Strip]:
    """Yield, for each layer, the strip of the point where the figure is largest."""
    for number, layer in enumerate(layers, start=1):
        values = [(figure.values(one.figures), one.figures) for one in layer.points]
        worst, point = max(values, key=lambda pair: max(pair[0], default=0), default=((), None))
        if point is None or max(worst, default=0) <= figure.bounds[0]:
            continue
        cells, width = binned(worst)
        steps = [figure.step(one) for one in cells]
        yield Strip(
            number=number,
            layer=point.layer,
            point=point.point,
            channels=len(worst),
            width=len(cells),
            paths=tuple(_paths(steps)),
            said=_said(figure, worst) + (f"; {width} channels in a cell" if width > 1 else ""),
        )


def _said(figure: _Figure, values: Sequence[float]) -> str:
    worst = max(range(len(values)), key=values.__getitem__)
    some = sum(value > figure.bounds[0] for value in values)
    return f"{some} of {len(values)}; worst: channel {worst}, {figure.text(values[worst])}"


def binned(values: Sequence[float]) -> tuple[list[float], int]:
    """Return the largest of each so many neighbours, CELLS at most, and how many that is.

    >>> binned([1.0, 2.0]), binned([0.0] * 300 + [5.0])[0][-1], binned([0.0] * 301)[1]
    (([1.0, 2.0], 1), 5.0, 3)
    """
    each = -(-len(values) // CELLS)
    return [max(values[first : first + each]) for first in range(0, len(values), each)], each


def _paths(steps: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield each step but 0 with the path over its cells."""
    runs, place = [], 0
    for step, run in groupby(steps):
        length = len(list(run))
        runs.append((step, f"M{place} .5h{length}"))
        place += length
    for step in sorted({step for step, _ in runs} - {0}):
        yield step, "".join(path for own, path in runs if own == step)
