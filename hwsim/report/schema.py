"""The JSON Schema of a report, made of the records whose fields it has."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from hwsim.report.document import LATER, TABLES, VERSION, WORDS, unmeasured
from hwsim.report.report import Report

Schema = dict[str, Any]

_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"anyOf": [{"type": "number"}, {"enum": list(WORDS)}]},
    type(None): {"type": "null"},
}


def json_schema() -> Schema:
    """Return the schema of what ``Report.to_json`` writes, as JSON Schema of 2020-12 has it.

    Fields that came later are not required: older reports stay valid.
    """
    report = _record(Report)
    tables = {name: {"type": "array", "items": {"$ref": f"#/$defs/{one.__name__}"}} for name, one in TABLES.items()}
    report["properties"] = {"hwsim_report": {"const": VERSION}} | report["properties"] | tables
    report["required"] = ["hwsim_report", *(name for name in report["required"] if name not in LATER)]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "hwsim report"}
    return head | report | {"$defs": {one.__name__: _record(one) for one in TABLES.values()}}


def _record(record: Any) -> Schema:  # noqa: ANN401
    """Return the schema of an object that has the fields of a record and no others."""
    hints = get_type_hints(record)
    names = [one.name for one in fields(record)]
    return {
        "description": _text(record),
        "type": "object",
        "properties": {name: _value(hints[name]) for name in names if name not in TABLES or record is not Report},
        "required": [name for name in names if name not in unmeasured(record)],
        "additionalProperties": False,
    }


def _text(record: object) -> str:
    """Return a record's description: its docstring without examples, on one line."""
    text = inspect.getdoc(record) or ""
    return " ".join(text.split(">>>")[0].replace("``", "`").split())


def _value(hint: Any) -> Schema:  # noqa: ANN401
    """Return the schema of a field of a type."""
    inner = get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if type(None) in inner:
        return {"anyOf": [_value(one) for one in inner]}
    if Ellipsis in inner:
        return {"type": "array", "items": _value(inner[0])}
    return {"type": "array", "items": _value(inner[0]), "minItems": len(inner), "maxItems": len(inner)}
