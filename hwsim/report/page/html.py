"""A report as one page of HTML: nothing is loaded from anywhere, and whatever a name holds stays text."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from hwsim.report import attribution, wording
from hwsim.report.causes import causes_of
from hwsim.report.page import layout, plots
from hwsim.report.page.channels import maps_of
from hwsim.report.page.spread_plots import HEIGHT, spreads
from hwsim.report.page.view import view_of
from hwsim.report.ranking import Loss, point_losses
from hwsim.report.text import clamped_text, hit_channels, proofs, sizes, story, verdict
from hwsim.report.verdict import verdict_of

if TYPE_CHECKING:
    from jinja2 import Environment

    from hwsim.report.report import Report

MOST_STORIES = 5
EXCERPT_POINTS = 10
MOST_OVERFLOWED = 12
MOST_CUT = 9
STYLES = ("page.css", "network.css", "spread.css")
SCRIPTS = ("page.js", "network.js")


def page_of(report: Report) -> str:
    """Return the whole page."""
    layers, points = report.layer_losses(), point_losses(report.layers, report.points)
    sums = plots.histograms([one for one in report.points if one.kind_of_point == "stage"], report.layers)
    results = plots.histograms([one for one in report.points if one.kind_of_point != "stage"], report.layers)
    script = "".join(map(text_of_file, SCRIPTS))
    end = plots.scale_end([one.clamping for one in layers] + [one.round_off for one in layers])
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            sizes=sizes(report),
            proofs=proofs(report.points),
            holds=verdict_of(report),
            causes=causes_of(report),
            layers=layers,
            points=_numbered_worst_first(report, points),
            stories=[story(one) for one in report.worst_points() if one.figures.hits][:MOST_STORIES],
            chart=plots.sqnr_chart(report.layers),
            rmse=plots.rmse_chart(report.layers),
            view=view_of(layers, report.costs),
            layout=layout,
            overflowed=_worst_first(sums, points),
            most=MOST_OVERFLOWED,
            kept=[one for one in sums if not one.figures.hits],
            results=[] if report.tensors else results,
            maps=maps_of(layers),
            HEIGHT=HEIGHT,
            **_tensors(report),
            end=end,
            plots=plots,
            style=Markup("".join(map(text_of_file, STYLES))),
            script=Markup(script),
            digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _worst_first(sums: Sequence[plots.Histogram], points: Sequence[Loss]) -> list[plots.Histogram]:
    """Return the accumulators that left their range, what costs most first."""
    cost = {id(one.figures): one.clamping for one in points}
    return sorted((one for one in sums if one.figures.hits), key=lambda one: -cost[id(one.figures)])


def _tensors(report: Report) -> dict[str, object]:
    """Return the tensors that reach outside their range, the worst first, and the other weights and outputs."""
    every = spreads(report.tensors, report.layers, report.points)
    worst = sorted((one for one in every.shown if one.lost), key=lambda one: -one.figures.outside / one.figures.values)
    rest = [one for one in every.shown if one not in worst[:MOST_CUT]]
    return {
        "ticks": every.ticks,
        "cut": worst[:MOST_CUT],
        "all_cut": len(worst) <= MOST_CUT,
        "weights": [one for one in rest if one.figures.tensor == "weight"],
        "outputs": [one for one in rest if one.figures.tensor != "weight"],
    }


def excerpt_of(report: Report) -> str:
    """Return a fragment for a notebook: the verdict and the worst points."""
    worst = report.worst_points()
    return (
        environment()
        .get_template("excerpt.html.j2")
        .render(
            report=report,
            sizes=sizes(report),
            proofs=proofs(report.points),
            holds=verdict_of(report),
            causes=causes_of(report),
            verdicts=[verdict(one) for one in report.outputs],
            points=worst[:EXCERPT_POINTS],
            more=max(len(worst) - EXCERPT_POINTS, 0),
        )
    )


def _numbered_worst_first(report: Report, points: Sequence[Loss]) -> list[tuple[int, Loss]]:
    """Return the points, each with its place in the datapath: the worst first, then those that lost nothing."""
    numbers = {id(one.figures): number for number, one in enumerate(points, start=1)}
    lost = [(numbers[id(one.figures)], one) for one in report.worst_points()]
    return lost + [(number, one) for number, one in enumerate(points, start=1) if not one.anything]


def sort_key(value: float | None) -> str:
    """Return a figure as JavaScript reads it; what was not measured sorts lowest.

    >>> sort_key(0.25), sort_key(float("inf")), sort_key(None)
    ('0.25', '1e999', '-1e999')
    """
    if value is None or math.isnan(value):
        return "-1e999"
    return str(value) if math.isfinite(value) else "1e999" if value > 0 else "-1e999"


@cache
def environment() -> Environment:
    """Return templates that escape everything and refuse to leave anything out."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("hwsim", "report/page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(_filters())
    return made


def _filters() -> dict[str, Any]:
    return {
        "printable": wording.printable,
        "percent": wording.percent,
        "relative": wording.relative,
        "lsb": wording.lsb,
        "decibel": wording.decibel,
        "real": wording.real,
        "counted": wording.counted,
        "agreement": wording.agreement,
        "clamped": clamped_text,
        "bar": plots.bar_width,
        "key": sort_key,
        "channels": hit_channels,
        "share_of": attribution.percent_of,
        "signed": attribution.signed,
        "count_of": attribution.count,
        "menders": attribution.menders,
        "pasted": attribution.pasted,
    }


def text_of_file(name: str) -> str:
    """Return a file of this room."""
    return (files("hwsim") / "report" / "page" / name).read_text(encoding="utf-8")
