"""A comparison of reports as rows: for data frames, JSON and the page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hwsim.report.comparison import LayerChange, PointChange, ReportDiff, ResultChange
from hwsim.report.report import Report

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1

_RESULT_FIELDS = ("sqnr_db", "max_error", "top1_agreement", "flip_count")
_LAYER_FIELDS = ("format", "sqnr_local_db", "sqnr_cumulative_db")
_POINT_FIELDS = (
    *("format", "overflow", "rounding", "values", "hit_rate", "transient", "persistent", "bits_needed"),
    *("clamp_rms_real", "round_rms_real"),
)
_TEXTS = {"layer", "point", "format", "overflow", "rounding", "differs"}
_INTEGERS = {"values", "transient", "persistent", "bits_needed"}


def _pairs(names: Sequence[str]) -> list[str]:
    return [f"{name}_{side}" for name in names for side in "ab"]


LAYER_COLUMNS = [
    "layer",
    *_pairs((*_LAYER_FIELDS, "rmse_lsb", "clamped", "clamping_loss_lsb", "round_off_loss_lsb")),
    *("lsb_ratio", "differs"),
]
POINT_COLUMNS = ["layer", "point", *_pairs((*_POINT_FIELDS, "loss_lsb")), "loss_change_lsb", "lsb_ratio", "differs"]


def result_row(one: ResultChange) -> dict[str, Any]:
    """Return a result: figures of both, and which samples flip where."""
    row: dict[str, Any] = {"result": one.name, "verdict": one.verdict}
    for name in _RESULT_FIELDS:
        row |= {f"{name}_a": getattr(one.a, name), f"{name}_b": getattr(one.b, name)}
    sets = ("mended", "broken", "both", "otherwise")
    return (
        row
        | {name: list(getattr(one, name)) for name in sets}
        | {"known_to": one.known_to, "differs": list(one.differs)}
    )


def layer_row(one: LayerChange) -> dict[str, Any]:
    """Return a layer; what is in LSB of its output is in LSB of A's for both."""
    row: dict[str, Any] = {"layer": one.name}
    for side, loss, ratio in (("a", one.a, 1.0), ("b", one.b, one.lsb_ratio)):
        worst, rmse = loss.worst_clamping, loss.figures.rmse_lsb
        row |= {f"{name}_{side}": getattr(loss.figures, name) for name in _LAYER_FIELDS}
        row |= {
            f"rmse_lsb_{side}": None if rmse is None else rmse * ratio,
            f"clamped_{side}": 0.0 if worst is None else worst.hit_rate,
            f"clamping_loss_lsb_{side}": loss.clamping * ratio,
            f"round_off_loss_lsb_{side}": loss.round_off * ratio,
        }
    return row | {"lsb_ratio": one.lsb_ratio, "differs": ", ".join(one.differs)}


def point_row(one: PointChange) -> dict[str, Any]:
    """Return a truncation point; losses are in LSB of A's output for both, RMS errors in real units."""
    row: dict[str, Any] = {"layer": one.a.figures.layer, "point": one.a.figures.point}
    for name in _POINT_FIELDS:
        row |= {f"{name}_a": getattr(one.a.figures, name), f"{name}_b": getattr(one.b.figures, name)}
    losses = {"loss_lsb_a": one.loss_a, "loss_lsb_b": one.loss_b, "loss_change_lsb": one.change}
    return row | losses | {"lsb_ratio": one.lsb_ratio, "differs": ", ".join(one.differs)}


def frame(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> pd.DataFrame:
    """Return rows as a table whose columns have types that do not depend on what they hold."""
    import pandas as pd

    columns = {name: [row[name] for row in rows] for name in names}
    return pd.DataFrame(
        {name: pd.Series(values, dtype=_dtype(name, values)) for name, values in columns.items()},
    )


def _dtype(name: str, values: Sequence[Any]) -> Any:  # noqa: ANN401 (pandas takes names of types only as literals)
    bare = name.removesuffix("_a").removesuffix("_b")
    if bare in _TEXTS:
        return "object"
    if bare not in _INTEGERS:
        return "float64"
    held = all(value is None or -(1 << 63) <= value < 1 << 63 for value in values)
    return ("Int64" if bare == "bits_needed" else "int64") if held else "object"


def document(diff: ReportDiff) -> str:
    """Return a comparison as JSON; floats that are no numbers of JSON stand as text, as in a report."""
    alone = ("results_only_a", "results_only_b", "layers_only_a", "layers_only_b", "points_only_a", "points_only_b")
    head = {
        "hwsim_report_diff": VERSION,
        "a": _source(diff.a, diff.name_a),
        "b": _source(diff.b, diff.name_b),
        "equal": diff.equal,
        "verdict": diff.verdict,
        "headline": diff.headline,
        "warnings": list(diff.warnings),
        "equal_layers": list(diff.equal_layers),
        "equal_points": list(diff.equal_points),
    }
    tables = {
        "results": [result_row(one) for one in diff.results],
        "layers": [layer_row(one) | {"differs": list(one.differs)} for one in diff.layers],
        "points": [point_row(one) | {"differs": list(one.differs)} for one in diff.points],
    }
    lines = [f" {_dumps(name)}: {_dumps(value)}" for name, value in head.items()]
    lines += [f" {_dumps(name)}: {_dumps(list(getattr(diff, name)))}" for name in alone]
    lines += [f" {_dumps(name)}: {_rows(rows)}" for name, rows in tables.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _source(report: Report, name: str) -> dict[str, Any]:
    facts = ("network", "target", "samples", "synthetic")
    return {"file": name} | {fact: getattr(report, fact) for fact in facts}


def _rows(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"  {_dumps({name: _plain(value) for name, value in row.items()})}" for row in rows]
    return "[\n" + ",\n".join(lines) + "\n ]" if lines else "[]"


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "infinity" if value > 0 else "-infinity"
    return value


def _dumps(value: object) -> str:
    return json.dumps(value, allow_nan=False)
