"""Reports as JSON: keys are the names of the fields, and every number is one that any JSON reader takes.

JSON has no infinity, so floats that are none of its numbers stand as the strings "infinity", "-infinity" and "nan";
null means that nothing was measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from hwsim.errors import HwsimError
from hwsim.report.figures import (
    AdviceFigures,
    CostFigures,
    FlipFigures,
    LayerFigures,
    OutputFigures,
    PointFigures,
    TensorFigures,
    WaterfallFigures,
)
from hwsim.report.report import Report

VERSION = 1

TABLES = {
    "layers": LayerFigures,
    "points": PointFigures,
    "outputs": OutputFigures,
    "flips": FlipFigures,
    "tensors": TensorFigures,
    "waterfall": WaterfallFigures,
    "costs": CostFigures,
    "advice": AdviceFigures,
}
LATER = ("flips", "tensors", "attribution_notes", "waterfall", "costs", "advice")
"""What reports lack that were written before it was there."""

WORDS = {"infinity": math.inf, "-infinity": -math.inf, "nan": math.nan}


def encode(report: Report) -> str:
    """Return a report as JSON text; every row of its tables is one line."""
    head = {"hwsim_report": VERSION} | {name: getattr(report, name) for name in _heads()}
    lines = [f" {_dumps(name)}: {_dumps(_plain(value))}" for name, value in head.items()]
    lines += [f" {_dumps(name)}: {_rows(getattr(report, name))}" for name in TABLES]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _heads() -> list[str]:
    return [field.name for field in fields(Report) if field.name not in TABLES]


def _rows(rows: tuple[Any, ...]) -> str:
    names = [field.name for field in fields(rows[0])] if rows else []
    lines = [f"  {_dumps({name: _plain(getattr(row, name)) for name in names})}" for row in rows]
    return "[\n" + ",\n".join(lines) + "\n ]" if lines else "[]"


def _dumps(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "infinity" if value > 0 else "-infinity"
    return value


def decode(text: str) -> Report:
    """Return the report of JSON text; raises HwsimError naming what is wrong with it."""
    try:
        document = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise HwsimError(f"not a report: not JSON ({error})") from error
    if not isinstance(document, dict) or "hwsim_report" not in document:
        other = [key for key in document if key.startswith("hwsim_")] if isinstance(document, dict) else []
        raise HwsimError(f"not a report: it has no key hwsim_report{f' but {other[0]}' if other else ''}")
    version = document["hwsim_report"]
    if version != VERSION:
        raise HwsimError(f"not a report of this version: hwsim_report is {version!r}, not {VERSION}")
    del document["hwsim_report"]
    document = dict.fromkeys(LATER, []) | document
    for name, row in TABLES.items():
        rows: object = document.get(name)
        if not isinstance(rows, list):
            raise HwsimError(f"not a report: {name} must be a list")
        document[name] = [_record(row, one, f"{name}[{number}]") for number, one in enumerate(rows)]
    report: Report = _record(Report, document, "report")
    return report


def _no_number(token: str) -> object:
    raise ValueError(f"{token} is no JSON number")


def _record(record: Callable[..., Any], document: object, where: str) -> Any:  # noqa: ANN401
    """Return ``record`` made of an object that must hold exactly its fields, each of its type.

    Only a field that is None or empty unless given may be missing: reports written before it was there stay readable.
    """
    hints = _hints(record)
    if isinstance(document, dict):
        document = unmeasured(record) | document
    if not isinstance(document, dict) or document.keys() != hints.keys():
        raise HwsimError(f"not a report: {where} must have the keys {', '.join(hints)}")
    return record(**{name: _value(document[name], hint, f"{where}.{name}") for name, hint in hints.items()})


def _value(value: object, hint: Any, where: str) -> object:  # noqa: ANN401
    """Return a value as the type of its field has it."""
    options = get_args(hint) if type(None) in get_args(hint) else (hint,)
    for option in options:
        if option is float and isinstance(value, str):
            value = WORDS.get(value, value)
        if option is float and type(value) is int:
            value = float(value)
        if isinstance(value, list) and get_args(option)[:1] == (float,):
            value = [_value(one, float, where) for one in value]
        if isinstance(value, list) and _fits_tuple(value, option):
            return tuple(value)
    if not any(type(value) is option for option in options):
        raise HwsimError(f"not a report: {where} cannot be {value!r}")
    return value


def _fits_tuple(values: list[object], option: Any) -> bool:  # noqa: ANN401
    """Whether ``values`` are those of the tuple type ``option``: of any length, or exactly as many as it names."""
    inner = get_args(option)
    if get_origin(option) is not tuple or (Ellipsis not in inner and len(values) != len(inner)):
        return False
    return all(type(one) is inner[0] for one in values)


@cache
def unmeasured(record: Any) -> dict[str, list[object] | None]:  # noqa: ANN401
    """Return the fields that may be missing, as JSON has them where nothing was measured."""
    kept = {one.name: one.default for one in fields(record) if one.default in (None, ())}
    return {name: None if default is None else [] for name, default in kept.items()}


@cache
def _hints(record: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(record)
