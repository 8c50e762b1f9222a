"""The flip ledger: which samples decide otherwise, by which margins, in every form of the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from report.synthetic import synthetic_report

import hwsim
from hwsim.report import FlipFigures, Report
from hwsim.report.measure import margin

FLIP = FlipFigures(result="<script>x", sample=7, before=3, after=5, margin_before=0.125, margin_after=0.0)
REPORT = replace(synthetic_report(2), flips=(FLIP,) * 9)


def test_margins_with_ties_and_extremes() -> None:
    assert margin(np.array([1, 4, 4])) == 0
    assert margin(np.array([-128, 127], np.int8)) == 255
    assert margin(np.array([0.5, -1.0, 0.25])) == 0.25


def test_the_flips_of_a_run_are_those_of_its_outputs() -> None:
    folder = Path(hwsim.__file__).parent / "demo"
    images = np.load(folder / "digits.npz")["images"][:200]
    result = hwsim.run(folder / "digits.keras", "narrow-acc16-saturate", images, batch_size=37)
    exact, found = result.reference.tolist(), result.outputs.tolist()
    expected = []
    for sample, (before, after) in enumerate(zip(exact, found, strict=True)):
        if before.index(max(before)) != after.index(max(after)):
            margins = [sorted(one)[-1] - sorted(one)[-2] for one in (before, after)]
            expected.append((sample, before.index(max(before)), after.index(max(after)), *margins))
    assert expected
    flips = result.report.flips
    assert [(f.sample, f.before, f.after, f.margin_before, f.margin_after) for f in flips] == expected
    assert {one.result for one in flips} == {result.report.outputs[0].name}


def test_json_keeps_flips_and_reads_reports_without() -> None:
    text = REPORT.to_json()
    assert Report.from_json(text) == REPORT
    document = json.loads(text)
    assert document["flips"][0] == {
        "result": "<script>x",
        "sample": 7,
        "before": 3,
        "after": 5,
        "margin_before": 0.125,
        "margin_after": 0.0,
        "mended_by": None,
    }
    del document["flips"][0]["mended_by"]  # as older reports have it
    assert Report.from_json(json.dumps(document)) == REPORT
    del document["flips"]
    assert Report.from_json(json.dumps(document)) == replace(REPORT, flips=())


def test_text_shows_the_first_flips() -> None:
    lines = str(REPORT).splitlines()
    assert lines.count("<script>x       7  3 to 5   0.125        0") == 8
    assert "and 1 sample more in the page and the JSON" in lines


def test_page_has_a_row_for_each_flip_and_escapes(tmp_path: Path) -> None:
    REPORT.to_html(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("<tr><td>&lt;script&gt;x</td><td>7</td><td>3</td><td>5</td><td>0.125</td><td>0</td></tr>") == 9
    assert "<script>x" not in page
