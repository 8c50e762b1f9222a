"""The page: whole in itself, small, and safe against whatever a layer is called."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from report.synthetic import LAYER, NO_CLAMPING, POINT, reports, synthetic_report

from hwsim.report import Report
from hwsim.report.page.html import excerpt_of, page_of
from hwsim.report.page.plots import histograms, magnitude_bits, rmse_chart, sqnr_chart
from hwsim.report.page.shades import SHADES
from hwsim.report.ranking import point_losses

EVIL = "</title></script><script>document.body.dataset.owned = 1</script><img src=x onerror=alert(1)>\"'&"
GEOMETRY = {"x", "y", "cx", "cy", "r", "height"}
VOID = {"meta", "input", "br", "img"}
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


class Tags(HTMLParser):
    """Collects tags with their attributes, and fails where they do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags_of(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return parser.seen


def evil_report() -> Report:
    report = synthetic_report(6)
    layers = tuple(
        replace(one, name=EVIL + str(i), kind=EVIL, format=EVIL, path=EVIL) for i, one in enumerate(report.layers)
    )
    points = tuple(
        replace(
            one, layer=EVIL + str(i // 4), point=EVIL, format=EVIL, overflow=EVIL, rounding=EVIL, first=EVIL, kind=EVIL
        )
        for i, one in enumerate(report.points)
    )
    outputs = tuple(replace(one, name=EVIL) for one in report.outputs)
    return Report(
        network=EVIL,
        target=EVIL,
        description=EVIL,
        samples=1,
        notes=(EVIL,),
        layers=layers,
        points=points,
        outputs=outputs,
    )


def test_names_stay_text() -> None:
    tags = tags_of(page_of(evil_report()))
    assert [tag for tag, _ in tags].count("script") == 1
    assert not [tag for tag, _ in tags if tag == "img"]
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert not [tag for tag, _ in tags_of(excerpt_of(evil_report())) if tag in ("script", "img")]


@given(reports())
@settings(max_examples=40, deadline=None)
def test_any_figures_make_a_page(report: Report) -> None:
    for _, attributes in tags_of(page_of(report)):
        for name in GEOMETRY & attributes.keys():
            assert math.isfinite(float(attributes[name] or "nan")), attributes
        if "data-v" in attributes:
            float(attributes["data-v"] or "")
        for name in ("d", "transform", "viewBox"):
            assert not re.search("nan|inf", attributes.get(name) or ""), attributes
    tags_of(excerpt_of(report))


def test_nothing_is_loaded_from_anywhere() -> None:
    page = page_of(synthetic_report(12))
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page.split("<script>")[0])
    assert not re.search(r"https?:|fetch|XMLHttp|import", page.split("<script>")[1])
    assert not [attributes for _, attributes in tags_of(page) if {"src", "srcset", "action"} & attributes.keys()]
    links = [attributes.get("href") or "" for tag, attributes in tags_of(page) if tag == "a"]
    assert links and all(link.startswith("#") for link in links)


def test_links_inside_the_page_lead_somewhere() -> None:
    for layers in (0, 1, 12):
        tags = tags_of(page_of(synthetic_report(layers)))
        places = {attributes.get("id") for _, attributes in tags}
        assert all((attributes["href"] or "")[1:] in places for tag, attributes in tags if tag == "a")


def test_only_the_page_own_script_may_run() -> None:
    page = page_of(synthetic_report(1))
    script = page.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in page or f"script-src 'sha256-{digest}'" in page


def test_page_of_a_large_network_is_small(tmp_path: Path) -> None:
    """InceptionV3 has 313 layers in Keras, and only 95 of them have weights; here all have."""
    synthetic_report(313).to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 5_000_000


def test_accumulators_that_cost_most_come_first_and_the_rest_is_folded() -> None:
    report = synthetic_report(70)
    stages = [one for one in point_losses(report.layers, report.points) if one.figures.point == "accumulator"]
    worst = sorted((one for one in stages if one.figures.hits), key=lambda one: -one.clamping)
    assert len(worst) == 14
    page = page_of(report)
    section = page[page.index('<section id="accumulators">') :]
    section = section[: section.index("</section>")]
    shown, folded = section.split("<summary>2 more, which cost less</summary>")
    names = [re.findall(r"<figcaption><b>(.*?)</b>", part) for part in (shown, folded)]
    assert names[0] == [one.figures.layer for one in worst[:12]]
    assert names[1][:2] == [one.figures.layer for one in worst[12:]]


def test_tooltips_name_the_kind_of_loss() -> None:
    page = page_of(synthetic_report(12))
    assert 'title="outside range' in page
    assert 'title="below precision' in page


def test_histogram_draws_the_word_over_the_values() -> None:
    counts = (10, 0, 5, 85, 0, 4, *[0] * 59)
    point = replace(POINT, format="s4", bits=4, histogram=counts, bound=(-20, 7))
    [drawn] = histograms([point], [LAYER])
    assert [bar.css for bar in drawn.bars] == ["inside", "inside", "inside", "outside"]
    assert [round(bar.x / drawn.step) for bar in drawn.bars] == [6, 4, 3, 1]
    assert round(drawn.word_x / drawn.step) == 3
    assert drawn.bound_x is not None and round(drawn.bound_x / drawn.step) == 1
    assert drawn.bars[-1].title == "2⁴ to 2⁵ − 1 LSB: 3.85 % of values, outside range"


def test_lowest_code_of_a_word_is_in_range() -> None:
    point = replace(POINT, **NO_CLAMPING, format="s4", bits=4, histogram=(0, 0, 0, 5, 1, *[0] * 60))
    assert {bar.css for bar in histograms([point], [])[0].bars} == {"inside"}


@pytest.mark.parametrize(
    ("form", "zero_point", "bits"), [("s8", None, 7), ("s8", 0, 7), ("s8", -128, 8), ("u8", 0, 8), ("u8", 128, 8)]
)
def test_word_of_an_output_is_shifted_by_its_zero_point(form: str, zero_point: int | None, bits: int) -> None:
    point = replace(POINT, point="output", kind_of_point="value", format=form, bits=8)
    assert magnitude_bits(point, zero_point) == bits


def test_chart_breaks_its_lines_where_nothing_was_measured() -> None:
    layers = [replace(LAYER, sqnr_local_db=db) for db in (30.0, None, 40.0, float("inf"), float("-inf"))]
    chart = sqnr_chart(layers)
    assert chart is not None
    local = chart.lines[0]
    assert [run.count("L") for run in local.runs] == [0, 2]
    assert [dot.y for dot in local.dots] == [50.0, 0.0, 0.0, 200.0]
    assert sqnr_chart([replace(LAYER, sqnr_local_db=None, sqnr_cumulative_db=None)]) is None


def test_rmse_stands_beside_the_error_of_one_rounding() -> None:
    layers = [replace(LAYER, rmse_lsb=one) for one in (1 / math.sqrt(12), 10.0, None, 0.1, 0.0, 1e-30)]
    chart = rmse_chart(layers)
    assert chart is not None and chart.mark is not None
    # from 10 down to 1e-12 LSB, 200 pixels
    assert [dot.y for dot in chart.lines[0].dots] == [chart.mark, 0.0, pytest.approx(2 / 13 * 200, abs=0.1), 200.0]
    assert chart.lines[0].dots[1].title == "2 conv1: 10 LSB"
    assert rmse_chart([replace(LAYER, rmse_lsb=None)]) is None


SELF_TEST = """
window.addEventListener("load", () => {
  const table = document.getElementById("points-table");
  const head = Array.from(table.tHead.rows[0].cells).find((cell) => cell.textContent.trim() === "values");
  const column = () => Array.from(table.tBodies[0].rows, (row) => Number(row.cells[head.cellIndex].dataset.v));
  const shown = () => Array.from(table.tBodies[0].rows).filter((row) => !row.hidden).length;
  head.querySelector("button").click();
  const down = column();
  const sorted = head.getAttribute("aria-sort");
  head.querySelector("button").click();
  const result = { down, up: column(), sorted, lossy: shown(), rows: table.tBodies[0].rows.length };
  document.getElementById("only-lossy").click();
  result.all = shown();
  const wanted = document.getElementById("wanted");
  wanted.value = "accumulator";
  wanted.dispatchEvent(new Event("input"));
  result.found = shown();
  const drawing = document.getElementById("network-drawing");
  const nodes = Array.from(drawing.querySelectorAll("a"));
  const shade = document.getElementById("shade");
  result.figures = Array.from(shade.options, (option) => option.textContent);
  result.boxes = result.figures.map((_, index) => {
    shade.selectedIndex = index;
    shade.dispatchEvent(new Event("change"));
    const boxOf = (node) => node.querySelector("rect").getAttribute("class");
    const seen = nodes.map((node) => [node.querySelector(".figure").textContent, boxOf(node)]);
    const legends = Array.from(document.querySelectorAll("#network .legend")).filter((one) => !one.hidden);
    return { seen, legends: legends.length, hue: drawing.getAttribute("class") };
  });
  nodes[4].dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, view: window }));
  const target = document.querySelector("tr:target");
  result.target = [location.hash, target && target.cells[1].textContent];
  nodes[0].focus();
  const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const after = (key) => { press(key); return document.activeElement.id; };
  result.walk = ["ArrowDown", "ArrowDown", "ArrowUp", "End", "Home"].map(after);
  result.tabs = nodes.filter((node) => node.getAttribute("tabindex") === "0").length;
  result.said = document.getElementById("network-said").textContent;
  const columns = {
    layers: { "SQNR local": "sqnr_local_db", "SQNR cumul.": "sqnr_cumulative_db", "RMSE LSB": "rmse_lsb",
              "max error": "max_error", scale: "scale", "zero point": "zero_point" },
    points: { transient: "transient", persistent: "persistent", "bits needed": "bits_needed", headroom: "headroom",
              "clamping RMS": "clamp_rms_lsb", "round-off RMS": "round_rms_lsb", bias: "round_bias_lsb",
              "clamping RMS, real": "clamp_rms_real", "round-off RMS, real": "round_rms_real", LSB: "unit",
              values: "values", minimum: "minimum", maximum: "maximum", "clamped %": "hit_rate" },
  };
  result.figures_shown = {};
  for (const [name, keys] of Object.entries(columns)) {
    const one = document.getElementById(name + "-table");
    const heads = Array.from(one.tHead.rows[0].cells, (cell) => cell.textContent.trim());
    const rows = Array.from(one.tBodies[0].rows);
    rows.sort((a, b) => a.cells[0].dataset.v - b.cells[0].dataset.v);
    result.figures_shown[name] = rows.map((row) => Object.fromEntries(
      Object.entries(keys).map(([head, key]) => [key, row.cells[heads.indexOf(head)].dataset.v])));
  }
  const folds = Array.from(document.querySelectorAll("details"));
  const before = folds.map((one) => one.open);
  window.dispatchEvent(new Event("beforeprint"));
  result.unfolded = folds.every((one) => one.open);
  window.dispatchEvent(new Event("afterprint"));
  result.folded_again = folds.every((one, index) => one.open === before[index]) && before.some((one) => !one);
  result.wide = document.documentElement.scrollWidth > window.innerWidth;
  document.title = JSON.stringify(result) + (document.body.dataset.owned ? "OWNED" : "");
});
window.addEventListener("error", (event) => { document.title = "ERROR " + event.message; });
document.addEventListener("securitypolicyviolation", (event) => { document.title = "ERROR " + event.blockedURI; });
"""


def in_browser(report: Report, folder: Path) -> str:
    """Return the title that the self-test leaves; its own digest joins the page's policy.

    Fails where anything is written to the console.
    """
    assert CHROMIUM is not None
    digest = base64.b64encode(hashlib.sha256(SELF_TEST.encode()).digest()).decode()
    page = page_of(report).replace("script-src '", f"script-src 'sha256-{digest}' '")
    page = page.replace("<style>", f"<script>{SELF_TEST}</script><style>", 1)
    (folder / "page.html").write_text(page, encoding="utf-8")
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-gpu"]
    quiet += ["--enable-logging=stderr", "--log-level=0"]
    command = [CHROMIUM, "--headless", "--no-sandbox", *quiet, f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*command, (folder / "page.html").as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert not [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None
    return title.group(1)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium found")
def test_table_sorts_and_narrows_in_a_browser(tmp_path: Path) -> None:
    result = json.loads(in_browser(synthetic_report(12), tmp_path))
    assert result["down"] == sorted(result["down"], reverse=True)
    assert result["up"] == sorted(result["up"])
    assert result["sorted"] == "descending"
    assert result["rows"] == result["all"] == 48
    assert result["lossy"] < 48
    assert result["found"] == 12
    assert result["unfolded"] and result["folded_again"]
    assert not result["wide"]


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium found")
def test_network_is_coloured_and_walked_in_a_browser(tmp_path: Path) -> None:
    report = synthetic_report(12)
    result = json.loads(in_browser(report, tmp_path))
    losses = report.layer_losses()
    assert result["figures"] == [f"{one.name}, {one.unit}" for one in SHADES]
    for shade, boxes in zip(SHADES, result["boxes"], strict=True):
        values = [shade.value(one) for one in losses]
        assert boxes["seen"] == [
            ["-", "unknown"] if value is None else [shade.text(value), f"s{shade.step(value)}"] for value in values
        ]
        assert (boxes["legends"], boxes["hue"]) == (1, f"shade {shade.css}")
    assert result["target"] == ["#layer-5", report.layers[4].name]
    assert result["walk"] == ["node-2", "node-3", "node-2", "node-12", "node-1"]
    assert result["tabs"] == 1
    assert result["said"].startswith(f"1 {report.layers[0].name}")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium found")
def test_figures_on_the_page_equal_the_json(tmp_path: Path) -> None:
    report = synthetic_report(12)
    shown = json.loads(in_browser(report, tmp_path))["figures_shown"]
    saved = json.loads(report.to_json())
    exact = {"-1e999": None, "1e999": "infinity"}
    for name, rows in shown.items():
        assert len(rows) == len(saved[name])
        for row, one in zip(rows, saved[name], strict=True):
            for key, text in row.items():
                assert (exact[text] if text in exact else float(text)) == one[key], (name, key)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium found")
def test_names_do_nothing_in_a_browser(tmp_path: Path) -> None:
    title = in_browser(evil_report(), tmp_path)
    assert title.startswith("{") and title.endswith("}")
