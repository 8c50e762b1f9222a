"""Reports as pandas tables, with columns whose types do not depend on what a run found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_type_hints

from hwsim.report.figures import CostFigures, LayerFigures, PointFigures, TensorFigures
from hwsim.report.ranking import LayerLoss, Loss, point_losses

if TYPE_CHECKING:
    import pandas as pd

    from hwsim.report.report import Report

Columns = Mapping[str, object]

_POINT_FIELDS = [
    "layer",
    "kind",
    "point",
    "kind_of_point",
    "format",
    "bits",
    "overflow",
    "rounding",
    "values",
    "low",
    "high",
    "hits",
    "hit_rate",
    "transient",
    "persistent",
    "minimum",
    "maximum",
    "bits_needed",
    "headroom",
    "proven",
    "clamp_rms_lsb",
    "clamp_rms_real",
    "inexact",
    "round_bias_lsb",
    "round_rms_lsb",
    "round_rms_real",
    "first",
    "unit",
]
_LAYER_FIELDS = [
    "kind",
    "format",
    "scale",
    "zero_point",
    "path",
    "sqnr_local_db",
    "sqnr_cumulative_db",
    "rmse_lsb",
    "max_error",
]
_TENSOR_FIELDS = ["layer", "tensor", "format", "scale", "low", "high", "values", "minimum", "maximum"]
_DERIVED: dict[str, object] = {
    "layer": str,
    "shape": str,
    "hits": int,
    "bound_low": int | None,
    "bound_high": int | None,
    "channels_hit": int,
    "clamping_loss_lsb": float,
    "round_off_loss_lsb": float,
    "worst_point": str,
    "worst_hit_rate": float,
    "inputs": str,
    "outside_share": float,
    "below_share": float,
}


def points_frame(report: Report) -> pd.DataFrame:
    """Return one row per truncation point; histograms and channels stay in the JSON form."""
    rows = [_point(loss) for loss in point_losses(report.layers, report.points)]
    return _frame(rows, [*_POINT_FIELDS, *list(_DERIVED)[3:8]], PointFigures)


def _point(loss: Loss) -> Columns:
    one = loss.figures
    low, high = (None, None) if one.bound is None else one.bound
    return {name: getattr(one, name) for name in _POINT_FIELDS} | {
        "bound_low": low,
        "bound_high": high,
        "channels_hit": sum(count > 0 for count in one.channel_hits),
        "clamping_loss_lsb": loss.clamping,
        "round_off_loss_lsb": loss.round_off,
    }


def layers_frame(report: Report) -> pd.DataFrame:
    """Return one row per layer, in the order of the network."""
    rows = [_layer(one) for one in report.layer_losses()]
    return _frame(rows, ["layer", "shape", *_LAYER_FIELDS, *list(_DERIVED)[6:11]], LayerFigures)


def _layer(one: LayerLoss) -> Columns:
    layer, worst = one.figures, one.worst_clamping
    return {name: getattr(layer, name) for name in _LAYER_FIELDS} | {
        "layer": layer.name,
        "shape": " x ".join(map(str, layer.shape)),
        "inputs": ", ".join(layer.inputs),
        "clamping_loss_lsb": one.clamping,
        "round_off_loss_lsb": one.round_off,
        "worst_point": "" if worst is None else worst.point,
        "worst_hit_rate": 0.0 if worst is None else worst.hit_rate,
    }


def costs_frame(report: Report) -> pd.DataFrame:
    """Return one row per layer and group of points, as they are ranked."""
    names = [one.name for one in fields(CostFigures)]
    rows = [{name: getattr(one, name) for name in names} | {"points": ", ".join(one.points)} for one in report.costs]
    return _frame(rows, names, CostFigures)


def tensors_frame(report: Report) -> pd.DataFrame:
    """Return one row per tensor of ``Report.tensors``, with what it loses as shares; counts stay in the JSON form."""
    rows = [_tensor(one) for one in report.tensors]
    return _frame(rows, [*_TENSOR_FIELDS, "outside_share", "below_share"], TensorFigures)


def _tensor(one: TensorFigures) -> Columns:
    return {name: getattr(one, name) for name in _TENSOR_FIELDS} | {
        "outside_share": one.outside / one.values if one.values else 0.0,
        "below_share": one.below / one.values if one.values else 0.0,
    }


def _frame(rows: Sequence[Columns], names: Sequence[str], record: type[Any]) -> pd.DataFrame:
    import pandas as pd

    hints = get_type_hints(record) | _DERIVED
    columns = {name: [row[name] for row in rows] for name in names}
    return pd.DataFrame(
        {name: pd.Series(values, dtype=_dtype(hints[name], values)) for name, values in columns.items()}
    )


def _dtype(hint: object, values: Sequence[Any]) -> Any:  # noqa: ANN401 (pandas takes names of types only as literals)
    """Return the type of a column; integers beyond 64 bits stay Python's own."""
    if hint in (float, float | None):
        return "float64"
    if hint in (int, int | None) and all(value is None or -(1 << 63) <= value < 1 << 63 for value in values):
        return "int64" if hint is int else "Int64"
    return "bool" if hint is bool else "object"
