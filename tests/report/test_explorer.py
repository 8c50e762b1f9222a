"""Files for Model Explorer: its documented keys, edges to layers that exist, the page's colours, strict JSON."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import validate
from report.synthetic import reports, synthetic_report

from hwsim.report import Report
from hwsim.report.page.explorer import GRAPH, colour, explorer_files
from hwsim.report.page.shades import SHADES

TEXT = {"type": "string"}


def exactly(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object that has these keys and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def many(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


# what graph_builder.py and node_data_builder.py of Model Explorer define, as far as it is used here
PAIRS = many(exactly(key=TEXT, value=TEXT))
EDGE = exactly(sourceNodeId=TEXT, sourceNodeOutputId=TEXT, targetNodeInputId=TEXT)
NODE = exactly(
    id=TEXT,
    label=TEXT,
    namespace=TEXT,
    attrs=PAIRS,
    incomingEdges=many(EDGE),
    outputsMetadata=many(exactly(id=TEXT, attrs=PAIRS)),
)
COLLECTION = exactly(label=TEXT, graphs=many(exactly(id=TEXT, nodes=many(NODE))))
COLOUR = {"type": "string", "pattern": "^#[0-9a-f]{6}$"}
RESULT = exactly(value={"type": "number"}, bgColor=COLOUR, textColor=COLOUR)
NODE_DATA = exactly(results={"type": "object", "additionalProperties": RESULT})


def refuse(token: str) -> None:
    raise AssertionError(f"{token} is no JSON")


@given(reports())
@settings(deadline=None)
def test_any_report_gives_files_of_the_format(report: Report) -> None:
    for name, text in explorer_files(report).items():
        validate(json.loads(text, parse_constant=refuse), COLLECTION if name == GRAPH else NODE_DATA)


def test_edges_and_figures_are_those_of_the_report() -> None:
    report = synthetic_report(9)
    files = {name: json.loads(text) for name, text in explorer_files(report).items()}
    nodes = files[GRAPH]["graphs"][0]["nodes"]
    assert [one["id"] for one in nodes] == [one.name for one in report.layers]
    assert [[edge["sourceNodeId"] for edge in one["incomingEdges"]] for one in nodes] == [
        list(one.inputs) for one in report.layers
    ]
    found = {name: one["value"] for name, one in files["sqnr_cumulative_db.json"]["results"].items()}
    assert found == {one.name: one.sqnr_cumulative_db for one in report.layers}
    losses = {one.figures.name: one.clamping for one in report.layer_losses()}
    assert {name: one["value"] for name, one in files["clamping_lsb.json"]["results"].items()} == losses


def test_what_was_not_measured_or_has_no_error_is_left_out() -> None:
    report = synthetic_report(3)
    layers = tuple(replace(one, sqnr_local_db=db) for one, db in zip(report.layers, (None, math.inf, 7.5), strict=True))
    results = json.loads(explorer_files(replace(report, layers=layers))["sqnr_local_db.json"])["results"]
    assert list(results) == [layers[2].name]


def test_colours_are_those_of_the_page() -> None:
    css = (Path(__file__).parents[2] / "hwsim" / "report" / "page" / "network.css").read_text()
    shade = SHADES[0]
    for step, value in enumerate((40, 30, 20, 10, 0, -1)):
        found = re.search(rf"\.s{step} {{ fill-opacity: ([.0-9]+)", css)
        assert found is not None and shade.step(value) == step
        red = 255 + float(found.group(1)) * (0x7A - 255)
        assert int(colour(shade, value)[1:3], 16) == pytest.approx(red, abs=0.5)


def test_files_are_written(tmp_path: Path) -> None:
    synthetic_report(2).to_model_explorer(tmp_path / "new")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {GRAPH} | {f"{one.key}.json" for one in SHADES}
