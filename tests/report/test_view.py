"""The network view: each figure's steps, what a box says, and what is not drawn."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from report.synthetic import LAYER, NO_CLAMPING, POINT, synthetic_report

from hwsim.report.figures import CostFigures
from hwsim.report.page.shades import SHADES, Shade, headroom
from hwsim.report.page.view import MOST_LAYERS, sources, view_of
from hwsim.report.ranking import LayerLoss, layer_losses

BY_KEY = {one.key: one for one in SHADES}


CSS = Path(__file__).parents[2] / "hwsim" / "report" / "page"
Colour = tuple[float, ...]


def colours(name: str, *, dark: bool) -> dict[str, Colour]:
    """Return the variables of a style sheet that hold colours, on a light screen or on a dark one."""
    text = (CSS / name).read_text()
    begin = text.index("prefers-color-scheme: dark") if dark else 0
    block = text[begin : text.index("}", begin)]
    found = re.findall(r"--([a-z-]+): #([0-9a-f]{6})[; ]", block)
    return {one: tuple(int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)) for one, code in found}


def luminance(colour: Colour) -> float:
    """Return the relative luminance of WCAG 2."""
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_names_can_be_read_on_every_colour(dark: bool) -> None:
    """WCAG 2 wants a contrast of 4.5."""
    page, shades = colours("page.css", dark=dark), colours("network.css", dark=dark)
    strengths = re.findall(r"\.shade \.s\d { fill-opacity: ([.0-9]+)", (CSS / "network.css").read_text())
    assert len(shades) == 3 and len(strengths) == 6
    for hue in shades.values():
        for strength in map(float, strengths):
            mixed = tuple(under + strength * (over - under) for under, over in zip(page["paper"], hue, strict=True))
            low, high = sorted((luminance(mixed), luminance(page["ink"])))
            assert (high + 0.05) / (low + 0.05) >= 4.5


def layer(**changes: object) -> LayerLoss:
    return LayerLoss(figures=replace(LAYER, **changes), points=(), clamping=0.0, round_off=0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "values", "steps"),
    [
        (
            "sqnr_cumulative_db",
            (float("inf"), 40, 39.9, 30, 20, 10, 0, -0.1, float("-inf")),
            (0, 0, 1, 1, 2, 3, 4, 5, 5),
        ),
        ("rmse_lsb", (0.0, 0.289, 0.3, 0.31, 0.6, 1.5, 3.0, 4.1), (0, 0, 0, 1, 2, 3, 4, 5)),
        ("headroom_bits", (9, 3, 2, 1, 0, -1, -2, -3), (0, 0, 1, 2, 3, 4, 4, 5)),
        ("hit_rate_percent", (0, 1e-9, 0.01, 0.1, 1, 10, 100), (0, 1, 1, 2, 3, 4, 5)),
    ],
)
def test_steps(key: str, values: tuple[float, ...], steps: tuple[int, ...]) -> None:
    assert tuple(BY_KEY[key].step(value) for value in values) == steps
    assert BY_KEY[key].step(None) is None
    assert BY_KEY[key].step(float("nan")) is None


@pytest.mark.parametrize("shade", SHADES)
def test_there_are_words_for_each_step(shade: Shade) -> None:
    assert len(shade.steps()) == len(shade.bounds) + 1 == 6
    assert list(shade.bounds) == sorted(shade.bounds, reverse=not shade.rising)


def test_words_of_steps() -> None:
    assert BY_KEY["sqnr_local_db"].steps() == ("≥ 40", "to 30", "to 20", "to 10", "to 0", "< 0")
    assert BY_KEY["clamping_lsb"].steps() == ("≤ 0", "to 0.01", "to 0.1", "to 1", "to 10", "> 10")


def test_headroom_is_that_of_the_tightest_accumulator() -> None:
    wide = replace(POINT, **NO_CLAMPING, headroom=3)
    proved = replace(POINT, **NO_CLAMPING, headroom=None, bits_needed=None, bound=(-(1 << 17), (1 << 17) - 1))
    output = replace(POINT, point="output", kind_of_point="value", headroom=-4)
    [tight, loose, none] = (
        layer_losses([LAYER], points)[0] for points in ((wide, proved, output), (wide, output), (output,))
    )
    assert (headroom(tight), headroom(loose), headroom(none)) == (2, 3, None)


def test_only_what_was_measured_can_be_picked() -> None:
    report = synthetic_report(5)
    every = view_of(report.layer_losses())
    assert every is not None and [one.key for one in every.shades] == list(BY_KEY)
    unmeasured = {"sqnr_local_db": None, "sqnr_cumulative_db": None, "rmse_lsb": None, "max_error": None}
    layers = tuple(replace(one, **unmeasured) for one in report.layers)  # type: ignore[arg-type]
    some = view_of(replace(report, layers=layers).layer_losses())
    assert some is not None
    assert [one.key for one in some.shades] == [
        "clamping_lsb", "hit_rate_percent", "headroom_bits", "round_off_lsb"
    ]  # fmt: skip


def test_a_box_says_its_figures() -> None:
    report = synthetic_report(3)
    view = view_of(report.layer_losses())
    assert view is not None
    node = view.nodes[2]
    figures = report.layers[2]
    assert node.number == 3
    assert node.title.splitlines()[0] == f"3 {figures.name} (dense)"
    assert f"SQNR cumulative: {figures.sqnr_cumulative_db:.1f} dB" in node.title
    assert node.texts[0] == f"{figures.sqnr_cumulative_db:.1f}"
    assert len(node.steps) == len(node.texts) == len(view.shades)
    assert view.css(node) == f"s{node.steps[0]}"


def test_costs_come_first_where_they_were_attributed() -> None:
    report = synthetic_report(3)
    names = [one.name for one in report.layers]
    cost = CostFigures(layer=names[0], kind="conv2d", point="accumulator", points=("accumulator",), state="matters")
    costs = [replace(cost, cost=0.2), replace(cost, point="output", cost=0.07), replace(cost, layer=names[1])]
    view = view_of(report.layer_losses(), costs)
    assert view is not None and view.shades[0].key == "cost_percent"
    assert [one.texts[0] for one in view.nodes] == ["27", "-", "-"]
    assert [one.steps[0] for one in view.nodes] == ["4", "-", "-"]


def test_sources_are_layers_before() -> None:
    layers = [
        layer(name="a", inputs=("b", "x")),
        layer(name="b", inputs=("a", "b")),
        layer(name="c", inputs=("b", "a")),
    ]
    assert sources(layers) == [[], [0], [1, 0]]


def test_reports_of_older_versions_and_huge_networks_are_not_drawn() -> None:
    assert view_of([layer()]) is None
    assert view_of([layer(inputs=("x",))] * (MOST_LAYERS + 1)) is None
