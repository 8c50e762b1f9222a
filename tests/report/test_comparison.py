"""Two reports side by side: what is said to be better or worse, where, and that nothing that differs is left out."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import subprocess
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from report.synthetic import LAYER, NO_CLAMPING, OUTPUT, POINT, reports, synthetic_report
from report.test_html import CHROMIUM, EVIL, evil_report, tags_of
from rich.cells import cell_len
from typer.testing import CliRunner

import hwsim
from hwsim.cli import app
from hwsim.report import FlipFigures, LayerFigures, PointFigures, Report
from hwsim.report.columns import WIDTH
from hwsim.report.page.comparison import excerpt_of, page_of

WIDE: dict[str, Any] = {"format": "s32", "bits": 32, "overflow": "wrap", "bits_needed": 21, "headroom": 11}


def before() -> Report:
    """Return three layers of which the second's accumulator clamps."""
    names = ("conv1", "conv2", "logits")
    points = [
        replace(POINT, layer=name, point=point, **({} if (name, point) == ("conv2", "accumulator") else NO_CLAMPING))
        for name in names
        for point in ("accumulator", "output")
    ]
    return Report(
        network="net",
        target="acc20",
        description="",
        samples=400,
        notes=(),
        layers=tuple(replace(LAYER, name=name) for name in names),
        points=tuple(points),
        outputs=(replace(OUTPUT, sqnr_db=22.14, top1_agreement=0.985, flip_count=6, flips=(3, 5, 77, 80, 91, 391)),),
        flips=tuple(
            FlipFigures(result="softmax", sample=one, before=1, after=2, margin_before=0.1, margin_after=0.2)
            for one in (3, 5, 77, 80, 91, 391)
        ),
    )


def after() -> Report:
    """Return the same with a wide accumulator in the second layer: 77 and 91 still flip, 200 newly does."""
    first = before()
    points = [
        replace(one, **NO_CLAMPING, **WIDE) if (one.layer, one.point) == ("conv2", "accumulator") else one
        for one in first.points
    ]
    layers = [replace(one, sqnr_local_db=38.0) if one.name == "conv2" else one for one in first.layers]
    ends = {77: 2, 91: 7, 200: 2}
    return replace(
        first,
        target="acc32",
        layers=tuple(layers),
        points=tuple(points),
        outputs=(replace(first.outputs[0], sqnr_db=31.02, top1_agreement=0.9925, flip_count=3, flips=(77, 91, 200)),),
        flips=tuple(
            FlipFigures(result="softmax", sample=one, before=1, after=end, margin_before=0.1, margin_after=0.2)
            for one, end in ends.items()
        ),
    )


def test_the_first_line_says_whether_it_became_better() -> None:
    found = hwsim.compare_reports(before(), after())
    line = "softmax: SQNR 22.14 -> 31.02 dB (+8.88), top-1 98.50 -> 99.25 %, flips 6 -> 3"
    assert found.verdict == "better" and str(found).split("\n")[0] == f"better: {line}"
    back = hwsim.compare_reports(after(), before())
    assert back.headline == "worse: softmax: SQNR 31.02 -> 22.14 dB (-8.88), top-1 99.25 -> 98.50 %, flips 3 -> 6"


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ((20.0, 5), (20.0, 5), "equal"),
        ((20.0, 5), (21.0, 5), "better"),
        ((20.0, 5), (20.0, 4), "better"),
        ((20.0, 5), (math.inf, 0), "better"),
        ((math.inf, 0), (math.inf, 0), "equal"),
        ((20.0, 5), (-math.inf, 5), "worse"),
        ((20.0, 5), (21.0, 6), "mixed"),
        ((20.0, 4), (19.0, 3), "mixed"),
        ((None, 0), (21.0, 6), "unknown"),
    ],
)
def test_verdicts(a: tuple[float | None, int], b: tuple[float | None, int], verdict: str) -> None:
    sides = [replace(before(), outputs=(replace(OUTPUT, sqnr_db=db, flip_count=flips),)) for db, flips in (a, b)]
    assert hwsim.compare_reports(*sides).verdict == verdict


def test_several_results_are_summed_up() -> None:
    results = {"a": (20.0, 21.0), "b": (20.0, 20.0), "c": (20.0, 19.0)}
    sides = [
        replace(before(), outputs=tuple(replace(OUTPUT, name=name, sqnr_db=db[side]) for name, db in results.items()))
        for side in (0, 1)
    ]
    lines = str(hwsim.compare_reports(*sides)).split("\n")
    assert lines[0] == "mixed: of 3 results 1 better, 1 worse, 1 equal"
    assert [line.strip().split(" SQNR")[0] for line in lines[1:4]] == ["better: a:", "equal: b:", "worse: c:"]


def test_flips_are_told_apart() -> None:
    [one] = hwsim.compare_reports(before(), after()).results
    assert (one.broken, one.mended, one.both, one.otherwise) == ((200,), (3, 5, 80, 391), (77, 91), (91,))
    text = str(hwsim.compare_reports(before(), after()))
    assert "1 sample of softmax flips in B alone: 200\n" in text
    assert "4 samples of softmax flip in A alone: 3, 5, 80, 391\n" in text
    assert "1 sample of softmax flips in both, to different classes: 91\n" in text


def test_margins_alone_make_a_difference() -> None:
    first = before()
    flips = (replace(first.flips[0], margin_after=0.25), *first.flips[1:])
    found = hwsim.compare_reports(first, replace(first, flips=flips))
    assert not found.equal
    assert found.results[0].differs == ("margins",)
    assert found.headline.startswith("equal: softmax") and found.headline.endswith("; other figures differ")


def test_nothing_is_said_of_flips_that_a_report_does_not_list() -> None:
    cut = replace(OUTPUT, flip_count=1500, flips=(1, 4, 6))
    whole = replace(OUTPUT, flip_count=4, flips=(1, 5, 6, 9))
    [one] = hwsim.compare_reports(replace(before(), outputs=(cut,)), replace(before(), outputs=(whole,))).results
    assert (one.mended, one.broken, one.both, one.known_to) == ((4,), (5,), (1, 6), 6)


def test_what_differs_stands_with_the_largest_change_first() -> None:
    found = hwsim.compare_reports(before(), after())
    assert [one.name for one in found.layers] == ["conv2"]
    assert [one.name for one in found.points] == ["conv2 accumulator"]
    assert found.points[0].change == pytest.approx(-0.0321 / 0.02)
    assert set(WIDE) - {"bits_needed"} <= set(found.points[0].differs)
    assert (len(found.equal_layers), len(found.equal_points)) == (2, 5)
    text = str(found)
    assert "2 layers are equal" in text and "5 points are equal" in text
    assert "largest change: conv2 accumulator, which puts 1.60 -> 0 LSB (-1.60) into an output" in text
    assert "accumulator: format s20 -> s32 in 1 layer: conv2" in text
    assert "conv1" not in text and "conv1 accumulator" in found.to_text(everything=True)


def test_layers_are_ranked_by_the_noise_that_they_add() -> None:
    """60 to 90 dB is no change that anybody would notice, 5 to 10 dB is."""
    ratios = {"fine": (60.0, 90.0), "bad": (5.0, 10.0), "worse": (10.0, 4.0), "exact": (math.inf, 20.0)}
    sides = [
        replace(
            before(), points=(), layers=tuple(replace(LAYER, name=n, sqnr_local_db=db[i]) for n, db in ratios.items())
        )
        for i in (0, 1)
    ]
    noise = {name: abs(10 ** (-b / 10) - 10 ** (-a / 10)) for name, (a, b) in ratios.items()}
    found = hwsim.compare_reports(*sides).layers
    assert [one.name for one in found] == sorted(noise, key=lambda name: -noise[name])
    assert {one.name: one.change > 0 for one in found} == {"fine": False, "bad": False, "worse": True, "exact": True}


def test_errors_of_both_are_in_one_unit() -> None:
    """With an output LSB of a quarter, the same real error has four times the LSB; nothing changed."""
    coarse, fine = before(), before()
    layers = tuple(replace(one, scale=0.005, rmse_lsb=0.61 * 4) for one in fine.layers)
    points = tuple(replace(one, unit=POINT.unit / 4) for one in fine.points)
    found = hwsim.compare_reports(coarse, replace(fine, layers=layers, points=points))
    assert not found.equal and found.layers[0].lsb_ratio == 0.25
    assert [one.change for one in found.points] == [pytest.approx(0, abs=1e-12)] * 6
    row = found.layers_frame().iloc[0]
    assert row.rmse_lsb_b == pytest.approx(row.rmse_lsb_a)


def test_weights_are_in_lsb_of_the_first_weight() -> None:
    weight = replace(POINT, **NO_CLAMPING, point="weight", kind_of_point="once", round_rms_lsb=0.25, unit=0.5)
    other = replace(weight, unit=0.125)
    [one] = hwsim.compare_reports(replace(before(), points=(weight,)), replace(before(), points=(other,))).points
    assert (one.loss_a, one.loss_b) == (0.25, 0.0625)


def test_any_field_that_differs_is_seen() -> None:
    """Also those that no table shows: nothing that differs counts as equal."""
    for record, name in ((LayerFigures, "layers"), (PointFigures, "points")):
        for one in fields(record):
            if one.name in ("name", "layer", "point"):
                continue
            rows = list(getattr(before(), name))
            change: dict[str, Any] = {one.name: _other(getattr(rows[0], one.name))}
            table: dict[str, Any] = {name: (replace(rows[0], **change), *rows[1:])}
            found = hwsim.compare_reports(before(), replace(before(), **table))
            assert not found.equal, one.name
            changes: Any = getattr(found, name)
            assert one.name in changes[0].differs


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return (*value, 1)
    return f"{value}x" if isinstance(value, str) else (value or 0) + 1


def test_names_alone_do_not_make_reports_differ() -> None:
    other = replace(before(), network="renamed", target="renamed", description="new", notes=("plan: as given",))
    assert hwsim.compare_reports(before(), other).equal


def test_what_has_no_partner_is_listed() -> None:
    first, second = before(), before()
    layers = (*second.layers[:2], replace(second.layers[2], name="head"))
    points = (*second.points[:3], *(replace(one, layer="head") for one in second.points[4:]))
    found = hwsim.compare_reports(first, replace(second, layers=layers, points=points))
    assert (found.layers_only_a, found.layers_only_b) == (("logits",), ("head",))
    assert (found.points_only_a, found.points_only_b) == (("conv2 output",), ())
    assert not found.equal
    assert "1 layer in A alone: logits" in str(found)


def test_a_single_result_matches_whatever_it_is_called() -> None:
    other = replace(before(), outputs=(replace(before().outputs[0], name="softmax_1", sqnr_db=23.0),))
    [one] = hwsim.compare_reports(before(), other).results
    assert one.name == "softmax / softmax_1"
    assert not hwsim.compare_reports(before(), other).results_only_a


def test_notes_say_what_makes_them_hard_to_compare() -> None:
    other = replace(
        before(),
        network="other",
        samples=100,
        synthetic=True,
        notes=("reference: the same plan on the target 'x', not float",),
        outputs=(replace(OUTPUT, sqnr_db=None),),
        layers=(replace(LAYER, name="x"),),
        points=(),
        flips=(replace(before().flips[0], before=9),),
    )
    warnings = hwsim.compare_reports(before(), other).warnings
    assert [re.split(r"[ :]", one)[0:3] for one in warnings] == [
        ["the", "networks", "bear"],
        ["A", "ran", "on"],
        ["B", "ran", "on"],
        ["B", "was", "not"],
        ["the", "references", "differ"],
        ["the", "references", "decide"],
        ["no", "layer", "bears"],
    ]
    assert hwsim.compare_reports(before(), after()).warnings == ()


@given(reports(), reports())
@settings(max_examples=25, deadline=None)
def test_any_two_reports_compare(a: Report, b: Report) -> None:
    found = hwsim.compare_reports(a, b)
    for text in (str(found), found.to_text(everything=True)):
        for line in text.split("\n"):
            assert cell_len(line) <= WIDTH, line
            assert line.isprintable()
    document = json.loads(found.to_json(), parse_constant=pytest.fail)
    assert document["equal"] == found.equal
    assert len(found.to_frame()) == len(found.points) and len(found.layers_frame()) == len(found.layers)
    for _, attributes in tags_of(page_of(found)):
        if "data-v" in attributes:
            float(attributes["data-v"] or "")
    tags_of(excerpt_of(found))


@given(reports())
@settings(max_examples=25, deadline=None)
def test_a_report_equals_itself(report: Report) -> None:
    found = hwsim.compare_reports(report, Report.from_json(report.to_json()))
    assert found.equal and str(found).startswith("equal: no figure differs\n")


def test_frames_have_types_that_do_not_depend_on_what_they_hold() -> None:
    empty, full = hwsim.compare_reports(before(), before()), hwsim.compare_reports(before(), after())
    assert list(empty.to_frame().dtypes) == list(full.to_frame().dtypes)
    assert list(empty.layers_frame().dtypes) == list(full.layers_frame().dtypes)


def test_names_stay_text() -> None:
    other = replace(
        evil_report(), layers=evil_report().layers[1:], points=evil_report().points[::-1], target="x" + EVIL
    )
    for text in (page_of(hwsim.compare_reports(evil_report(), other)), page_of(hwsim.compare_reports(other, before()))):
        tags = tags_of(text)
        assert [tag for tag, _ in tags].count("script") == 1
        assert not [tag for tag, _ in tags if tag == "img"]
        assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
        places = {attributes.get("id") for _, attributes in tags}
        assert all((attributes["href"] or "")[1:] in places for tag, attributes in tags if tag == "a")


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["diff", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Path]:
    before().to_json(tmp_path / "a.json")
    after().to_json(tmp_path / "b.json")
    return tmp_path / "a.json", tmp_path / "b.json"


def test_command_line(saved: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = saved
    code, out, _ = run(a, b, "--html", tmp_path / "page" / "diff.html")
    assert (code, out.split(":")[0]) == (1, "better")
    assert f"A: net on acc20, 400 samples ({a}" in out.replace("\n    ", " ")
    assert (tmp_path / "page" / "diff.html").read_text().startswith("<!DOCTYPE html>")
    code, out, _ = run(a, b, "--json")
    assert code == 1 and json.loads(out)["verdict"] == "better"
    assert "conv1 accumulator" in run(a, b, "--all")[1]
    assert run(a, a)[0] == 0


def test_wrong_files_are_errors(saved: tuple[Path, Path], tmp_path: Path) -> None:
    a, _ = saved
    missing, plan, dump = tmp_path / "none.json", tmp_path / "plan.json", tmp_path / "x.npz"
    plan.write_text('{"hwsim_plan": 1}')
    dump.write_bytes(b"")
    assert run(a, missing) == (2, "", f"error: {missing}: no such file\n")
    expected = f"error: {plan}: not a report: it has no key hwsim_report but hwsim_plan\n"
    assert run(a, plan) == (2, "", expected)
    code, _, err = run(a, dump)
    assert code == 2 and f"{a} is a report, the other is not" in err
    code, _, err = run(a, a, "--bits", "8")
    assert code == 2 and "are for tensors, not for reports" in err
    code, _, err = run(dump, dump, "--all")
    assert code == 2 and "--html and --all are for two reports" in err


SELF_TEST = """
const byId = (id) => document.getElementById(id);
const valueOf = (cell) => cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
window.addEventListener("load", () => {
  const result = {};
  for (const id of ["layers-table", "points-table"]) {
    const table = byId(id);
    const head = Array.from(table.tHead.rows[0].cells).find((one) => one.textContent.trim() === "clamped % A");
    const rows = () => Array.from(table.tBodies[0].rows, (row) => Array.from(row.cells, valueOf));
    result[id] = rows();
    head.querySelector("button").click();
    result[id + "-sorted"] = rows().map((row) => row[head.cellIndex]);
  }
  byId("only-lossy").click();
  byId("wanted").value = "conv2";
  byId("wanted").dispatchEvent(new Event("input"));
  result.found = Array.from(byId("points-table").tBodies[0].rows).filter((row) => !row.hidden).length;
  result.headline = byId("headline").textContent;
  result.wide = document.documentElement.scrollWidth > window.innerWidth;
  document.title = JSON.stringify(result) + (document.body.dataset.owned ? "OWNED" : "");
});
window.addEventListener("error", (event) => { document.title = "ERROR " + event.message; });
"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium found")
def test_page_in_a_browser_shows_the_figures_of_the_json(tmp_path: Path) -> None:
    """With a layer called <script>, no error on the console, and a hostile name that does nothing."""
    renamed = {"conv1": "<script>document.body.dataset.owned = 1</script>"}
    first, second = (_renamed(one, renamed) for one in (before(), _all_changed(after())))
    found = hwsim.compare_reports(first, second)
    digest = base64.b64encode(hashlib.sha256(SELF_TEST.encode()).digest()).decode()
    page = page_of(found).replace("script-src '", f"script-src 'sha256-{digest}' '")
    (tmp_path / "page.html").write_text(page.replace("<style>", f"<script>{SELF_TEST}</script><style>", 1))
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-gpu"]
    log = ["--enable-logging=stderr", "--v=0"]
    command = [str(CHROMIUM), "--headless", "--no-sandbox", *quiet, *log, f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--dump-dom", (tmp_path / "page.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None and title.group(1).endswith("}")
    shown = json.loads(title.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    document = json.loads(found.to_json())
    assert shown["headline"] == document["headline"].replace("->", "→")
    layers, points = shown["layers-table"], shown["points-table"]
    assert [row[1] for row in layers] == [row["layer"] for row in document["layers"]]
    assert renamed["conv1"] in {row[1] for row in layers}
    for row, expected in zip(layers, document["layers"], strict=True):
        assert row[3:9] == [
            expected[f"{name}_{side}"] for name in ("sqnr_local_db", "sqnr_cumulative_db", "rmse_lsb") for side in "ab"
        ]
    for row, expected in zip(points, document["points"], strict=True):
        assert row[1:3] == [expected["layer"], expected["point"]]
        assert row[4:11] == [
            expected[name]
            for name in (
                "loss_change_lsb",
                "loss_lsb_a",
                "loss_lsb_b",
                "hit_rate_a",
                "hit_rate_b",
                "persistent_a",
                "persistent_b",
            )
        ]
    for name in ("layers-table-sorted", "points-table-sorted"):
        assert shown[name] == sorted(shown[name], reverse=True)
    assert shown["found"] == 2
    assert not shown["wide"]


def _all_changed(report: Report) -> Report:
    points = tuple(replace(one, round_rms_real=0.001 * number) for number, one in enumerate(report.points, start=1))
    layers = tuple(replace(one, rmse_lsb=0.1 * number) for number, one in enumerate(report.layers, start=1))
    return replace(report, points=points, layers=layers)


def _renamed(report: Report, names: dict[str, str]) -> Report:
    return replace(
        report,
        layers=tuple(replace(one, name=names.get(one.name, one.name)) for one in report.layers),
        points=tuple(replace(one, layer=names.get(one.layer, one.layer)) for one in report.points),
    )


def test_page_of_a_large_network_is_small() -> None:
    first = synthetic_report(120)
    page = page_of(hwsim.compare_reports(first, _all_changed(first)))
    assert len(page) < 1_000_000
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page.split("<script>")[0])
