"""Which losses are the worst: every truncation point's error brought to one measure.

A point's loss is the root mean square error that it puts into **one output value of its layer**, in LSB of that output
and, by which points are ranked, relative to the root mean square of the output in the reference. A point before the sum
errs many times in each output, and in its own, often much finer, unit: its energy is scaled by how many of its values,
or of a stage's sums, go into one output, as if the errors were independent. Weights are not in the unit of the output:
they count in LSB of their own, and relative to the weights of their channel, the mean over all channels.

This is a local measure. It sees neither what later layers make of an error, nor what no point counts: ratios of scales
that a multiplier of few bits misses, the curvature between the entries of a table, and that errors of one sign add up.
``hwsim.attribute`` measures what each point does to the results.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hwsim.report.figures import LayerFigures, PointFigures

MOST_DB = 6000.0
"""Ratios beyond this have no float64, and are as good as infinite."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A point with the RMS errors, in LSB of its layer's output, that clamping and rounding put into one output.

    ``relative`` is both together by the root mean square of the layer's output in the reference; None without one.
    """

    figures: PointFigures
    clamping: float
    round_off: float
    relative: float | None = None

    @property
    def total(self) -> float:
        """Both together."""
        return math.hypot(self.clamping, self.round_off)

    @property
    def anything(self) -> bool:
        """Whether the point lost a bit at all."""
        return self.figures.hits > 0 or self.figures.inexact > 0


@dataclass(frozen=True, kw_only=True)
class LayerLoss:
    """A layer with what its points lost; the sums leave out weights, which are not in the unit of the output."""

    figures: LayerFigures
    points: tuple[Loss, ...]
    clamping: float
    round_off: float

    @property
    def total(self) -> float:
        """Clamping and round-off together."""
        return math.hypot(self.clamping, self.round_off)

    @property
    def worst_clamping(self) -> PointFigures | None:
        """The point whose clamping costs most (of equal ones, the largest share of values), None if none clamped."""
        clamped = [one for one in self.points if one.figures.hits]
        worst = max(clamped, key=lambda one: (one.clamping, one.figures.hit_rate), default=None)
        return None if worst is None else worst.figures


def layer_losses(layers: Sequence[LayerFigures], points: Sequence[PointFigures]) -> tuple[LayerLoss, ...]:
    """Return every layer with its losses, in the order of the network."""
    grouped = _by_layer(points)
    return tuple(_layer_loss(one, grouped.get(one.name, [])) for one in layers)


def point_losses(layers: Sequence[LayerFigures], points: Sequence[PointFigures]) -> tuple[Loss, ...]:
    """Return every point with its loss, in the order given."""
    by_name = {one.name: one for one in layers}
    losses = {name: iter(_losses(by_name.get(name), own)) for name, own in _by_layer(points).items()}
    return tuple(next(losses[one.layer]) for one in points)


def worst_first(layers: Sequence[LayerFigures], points: Sequence[PointFigures]) -> tuple[Loss, ...]:
    """Return the points that lost something, the largest loss first; equal ones in the order given.

    Losses are compared relative to the outputs of their layers where there is a reference, else in LSB of the outputs.
    """
    return tuple(sorted((one for one in point_losses(layers, points) if one.anything), key=_badness))


def _badness(loss: Loss) -> tuple[bool, float, float, bool, float]:
    unknown, relative = loss.relative is None, float(f"{loss.relative or 0.0:.4g}")
    return unknown, -relative, -round(loss.total, 4), loss.figures.point == "weight", -loss.figures.hit_rate


def _by_layer(points: Iterable[PointFigures]) -> dict[str, list[PointFigures]]:
    grouped: dict[str, list[PointFigures]] = defaultdict(list)
    for one in points:
        grouped[one.layer].append(one)
    return grouped


def _layer_loss(layer: LayerFigures, points: Sequence[PointFigures]) -> LayerLoss:
    losses = _losses(layer, points)
    counted = [one for one in losses if one.figures.point != "weight"]
    return LayerLoss(
        figures=layer,
        points=losses,
        clamping=math.hypot(*(one.clamping for one in counted)),
        round_off=math.hypot(*(one.round_off for one in counted)),
    )


def _losses(layer: LayerFigures | None, points: Sequence[PointFigures]) -> tuple[Loss, ...]:
    scale = layer.scale if layer is not None else None
    signal = signal_rms_lsb(layer) if layer is not None else None
    outputs = max((one.values for one in points if one.point == "output"), default=points[-1].values if points else 0)
    return tuple(_loss(one, scale, signal, outputs) for one in points)


def signal_rms_lsb(layer: LayerFigures) -> float | None:
    """Return the root mean square of a layer's output in the reference, in LSB; None where that was not measured.

    It follows from the output's error and how far that is below the signal; infinite for an output without error.
    """
    if layer.rmse_lsb is None or layer.sqnr_cumulative_db is None:
        return None
    if not layer.rmse_lsb or layer.sqnr_cumulative_db > MOST_DB:
        return math.inf
    return layer.rmse_lsb * 10.0 ** (layer.sqnr_cumulative_db / 20) if layer.sqnr_cumulative_db > -math.inf else 0.0


def _loss(point: PointFigures, scale: float | None, signal: float | None, outputs: int) -> Loss:
    if point.point == "weight" or not scale:
        return Loss(
            figures=point,
            clamping=point.clamp_rms_lsb,
            round_off=point.round_rms_lsb,
            relative=None if signal is None else point.relative_error,
        )
    sums = (point.sums or outputs) if point.kind_of_point == "stage" else point.values
    once = point.kind_of_point == "once" or not outputs
    clamped, rounded = (1.0, 1.0) if once else (math.sqrt(sums / outputs), math.sqrt(point.values / outputs))
    clamping, round_off = point.clamp_rms_real / scale * clamped, point.round_rms_real / scale * rounded
    relative = None if signal is None else _ratio(math.hypot(clamping, round_off), signal)
    return Loss(figures=point, clamping=clamping, round_off=round_off, relative=relative)


def _ratio(error: float, signal: float) -> float:
    return error / signal if signal else math.inf if error else 0.0
