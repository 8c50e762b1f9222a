"""The figures by which a network is coloured: what each says of a layer, and the steps of its scale.

The steps are the same for every report, so that a colour means the same in two of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hwsim.formats import bits_needed
from hwsim.report.figures import CostFigures, PointFigures
from hwsim.report.ranking import LayerLoss
from hwsim.report.wording import decibel, lsb, percent

MIXED, CLAMPING, ROUNDING = "mixed", "outside", "below"
"""What a figure speaks of, which gives its colour: both losses, values outside range, bits below precision."""


@dataclass(frozen=True, kw_only=True)
class Shade:
    """A figure of a layer. ``bounds`` are the limits between its steps, from harmless to bad.

    ``rising`` says that larger is worse. ``value`` is None where nothing was measured.
    """

    key: str
    name: str
    meaning: str
    unit: str
    css: str
    bounds: tuple[float, ...]
    rising: bool
    value: Callable[[LayerLoss], float | None]
    text: Callable[[float], str]

    def step(self, value: float | None) -> int | None:
        """Return the step of a value, 0 for harmless, None for what was not measured; a bound is of the milder step."""
        if value is None or math.isnan(value):
            return None
        return sum(value > one if self.rising else value < one for one in self.bounds)

    def steps(self) -> tuple[str, ...]:
        """Return the words for each step."""
        at = [f"{one:g}" for one in self.bounds]
        first, last = ("≤ {}", "> {}") if self.rising else ("≥ {}", "< {}")
        return (first.format(at[0]), *(f"to {one}" for one in at[1:]), last.format(at[-1]))


def headroom(layer: LayerLoss) -> float | None:
    """Return the bits that the tightest accumulator of a layer has left, as measured, or else as proved."""
    left = [_headroom(one.figures) for one in layer.points if one.figures.kind_of_point == "stage"]
    return min((one for one in left if one is not None), default=None)


def _headroom(point: PointFigures) -> float | None:
    if point.headroom is not None or point.bound is None or point.bits is None:
        return point.headroom
    return point.bits - bits_needed(*point.bound, signed=point.format.startswith("s"))


def _hit_rate(layer: LayerLoss) -> float | None:
    if not layer.points:
        return None
    worst = layer.worst_clamping
    return 0.0 if worst is None else worst.hit_rate


def _clamping(layer: LayerLoss) -> float | None:
    return layer.clamping if layer.points else None


def _round_off(layer: LayerLoss) -> float | None:
    return layer.round_off if layer.points else None


SHADES = (
    Shade(
        key="sqnr_cumulative_db",
        name="SQNR cumulative",
        meaning="output against float, with what was lost before; 6 dB are one bit",
        unit="dB",
        css=MIXED,
        bounds=(40, 30, 20, 10, 0),
        rising=False,
        value=lambda layer: layer.figures.sqnr_cumulative_db,
        text=decibel,
    ),
    Shade(
        key="sqnr_local_db",
        name="SQNR local",
        meaning="output against float, fed the float input: what this layer alone loses",
        unit="dB",
        css=MIXED,
        bounds=(40, 30, 20, 10, 0),
        rising=False,
        value=lambda layer: layer.figures.sqnr_local_db,
        text=decibel,
    ),
    Shade(
        key="rmse_lsb",
        name="RMSE",
        meaning="cumulative error in LSB of the output; one rounding to nearest costs 0.289",
        unit="LSB",
        css=MIXED,
        bounds=(0.3, 0.5, 1, 2, 4),
        rising=True,
        value=lambda layer: layer.figures.rmse_lsb,
        text=lsb,
    ),
    Shade(
        key="clamping_lsb",
        name="clamping",
        meaning="RMS error of values outside range, in LSB of the output",
        unit="LSB",
        css=CLAMPING,
        bounds=(0, 0.01, 0.1, 1, 10),
        rising=True,
        value=_clamping,
        text=lsb,
    ),
    Shade(
        key="hit_rate_percent",
        name="hit rate",
        meaning="share of values outside range, at the point of the layer where that costs most",
        unit="%",
        css=CLAMPING,
        bounds=(0, 0.01, 0.1, 1, 10),
        rising=True,
        value=lambda layer: None if (rate := _hit_rate(layer)) is None else 100 * rate,
        text=lambda value: percent(value / 100),
    ),
    Shade(
        key="headroom_bits",
        name="headroom",
        meaning="bits that the tightest accumulator has left; negative: so many are missing",
        unit="bits",
        css=CLAMPING,
        bounds=(3, 2, 1, 0, -2),
        rising=False,
        value=headroom,
        text=lambda value: f"{value:.0f}",
    ),
    Shade(
        key="round_off_lsb",
        name="round-off",
        meaning="RMS error of bits below precision, in LSB of the output",
        unit="LSB",
        css=ROUNDING,
        bounds=(0, 0.3, 0.5, 1, 2),
        rising=True,
        value=_round_off,
        text=lsb,
    ),
)


def shades_of(costs: Sequence[CostFigures]) -> tuple[Shade, ...]:
    """Return all figures; first what layers cost, if that was attributed (``hwsim.attribute``)."""
    return (_cost(costs), *SHADES) if costs else SHADES


def _cost(costs: Sequence[CostFigures]) -> Shade:
    """Return the share of the run's error that goes with the points of a layer; it can be negative."""
    sums: dict[str, float] = {}
    for one in costs:
        if one.cost is not None:
            sums[one.layer] = sums.get(one.layer, 0.0) + one.cost
    return Shade(
        key="cost_percent",
        name="cost",
        meaning="share of the results' error that goes with the layer's points, lifted and alone",
        unit="%",
        css=MIXED,
        bounds=(1, 5, 10, 25, 50),
        rising=True,
        value=lambda layer: None if (cost := sums.get(layer.figures.name)) is None else 100 * cost,
        text=lambda value: f"{value:.3g}",
    )
