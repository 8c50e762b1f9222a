"""JSON, CSV and frames: strict JSON, nothing lost on the way, one row per point."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator, ValidationError, validate
from report.synthetic import LAYER, reports, synthetic_report

from hwsim.errors import HwsimError
from hwsim.report import Report

PUBLISHED = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text())


def refuse(token: str) -> None:
    raise AssertionError(f"{token} is no JSON")


@given(reports())
@settings(deadline=None)
def test_round_trip_through_strict_json(report: Report) -> None:
    text = report.to_json()
    assert json.loads(text, parse_constant=refuse)["hwsim_report"] == 1
    assert Report.from_json(text) == report


def test_infinite_ratios_are_words_and_missing_ones_null() -> None:
    layers = tuple(replace(LAYER, name=str(db), sqnr_local_db=db) for db in (math.inf, -math.inf, None))
    report = replace(synthetic_report(1), layers=layers)
    kept = json.loads(report.to_json())["layers"]
    assert [one["sqnr_local_db"] for one in kept] == ["infinity", "-infinity", None]
    assert Report.from_json(report.to_json()) == report


def test_layer_named_infinity_stays_a_name() -> None:
    report = replace(synthetic_report(1), layers=(replace(LAYER, name="infinity"),))
    assert Report.from_json(report.to_json()).layers[0].name == "infinity"


def test_written_file_is_the_returned_text(tmp_path: Path) -> None:
    report = synthetic_report(3)
    text = report.to_json(tmp_path / "new" / "report.json")
    assert (tmp_path / "new" / "report.json").read_text() == text
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.json"]


@given(reports())
@settings(max_examples=40, deadline=None)
def test_every_report_is_valid_by_the_published_schema(report: Report) -> None:
    validate(json.loads(report.to_json()), PUBLISHED)


def test_published_schema_is_that_of_the_code() -> None:
    assert Report.json_schema() == PUBLISHED
    Draft202012Validator.check_schema(PUBLISHED)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (None, {"hwsim_report": 2}),
        (None, {"samples": "many"}),
        (None, {"extra": 0}),
        ("layers", {"sqnr_local_db": "much"}),
        ("layers", {"inputs": [1]}),
        ("points", {"bound": [1, 2, 3]}),
        ("points", {"hit_rate": None}),
        ("points", {"unknown": 1}),
        ("tensors", {"bits": [0.5]}),
    ],
)
def test_schema_refuses_what_is_no_report(table: str | None, change: dict[str, Any]) -> None:
    changed = document()
    (changed if table is None else changed[table][0]).update(change)
    with pytest.raises(ValidationError):
        validate(changed, PUBLISHED)


def test_older_reports_are_valid() -> None:
    older = document()
    for name in ("flips", "tensors", "import_error"):
        del older[name]
    for one in older["points"]:
        del one["channel_bits"]
    validate(older, PUBLISHED)
    Report.from_json(json.dumps(older))


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(synthetic_report(1).to_json())
    return loaded


def test_documents_without_later_fields_are_read() -> None:
    older = document()
    for one in older["layers"]:
        del one["inputs"]
    assert [one.inputs for one in Report.from_json(json.dumps(older)).layers] == [()]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"hwsim_report": 2}, "hwsim_report is 2, not 1"),
        ({"samples": "many"}, "report.samples cannot be 'many'"),
        ({"samples": True}, "report.samples cannot be True"),
        ({"notes": [1]}, "report.notes cannot be"),
        ({"extra": 0}, "report must have the keys"),
        ({"layers": {}}, "layers must be a list"),
        ({"points": [{}]}, r"points\[0\] must have the keys"),
    ],
)
def test_wrong_documents_are_refused(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(HwsimError, match=complaint):
        Report.from_json(json.dumps(document() | change))


def test_reports_without_an_attribution_stay_readable() -> None:
    older = document()
    for name in ("attributed", "attribution_notes", "waterfall", "costs", "advice", "flips"):
        del older[name]
    assert Report.from_json(json.dumps(older)) == synthetic_report(1)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"hwsim_report": 1, "samples": NaN}'])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(HwsimError, match="not a report"):
        Report.from_json(text)


@given(reports())
@settings(deadline=None)
def test_frames_have_a_row_per_point_and_per_layer(report: Report) -> None:
    points, layers, tensors = report.to_frame(), report.layers_frame(), report.tensors_frame()
    assert list(points["layer"]) == [one.layer for one in report.points]
    assert list(points["hits"]) == [one.hits for one in report.points]
    assert list(layers["layer"]) == [one.name for one in report.layers]
    assert list(report.costs_frame()["layer"]) == [one.layer for one in report.costs]
    assert list(layers["inputs"]) == [", ".join(one.inputs) for one in report.layers]
    assert list(tensors["minimum"]) == [one.minimum for one in report.tensors]


def test_types_of_columns_do_not_depend_on_the_figures() -> None:
    full, empty = synthetic_report(3), replace(synthetic_report(1), layers=(), points=(), tensors=())
    assert dict(full.to_frame().dtypes) == dict(empty.to_frame().dtypes)
    assert dict(full.tensors_frame().dtypes) == dict(empty.tensors_frame().dtypes)
    assert dict(full.layers_frame().dtypes) == dict(empty.layers_frame().dtypes)
    assert str(full.to_frame().dtypes["bits_needed"]) == "Int64"
    assert str(full.costs_frame().dtypes["flips_alone"]) == "Int64"


def test_csv_has_a_line_per_point(tmp_path: Path) -> None:
    report = synthetic_report(2)
    report = replace(report, points=(replace(report.points[0], layer='a,"b"\nc\ud800'), *report.points[1:]))
    report.to_csv(tmp_path / "report.csv")
    with (tmp_path / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert rows[0]["layer"] == 'a,"b"\nc\\ud800'
    assert rows[1]["format"] == "s20"
