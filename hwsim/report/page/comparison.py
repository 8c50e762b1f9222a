"""A comparison of two reports as one page of HTML: nothing is loaded from anywhere, names stay text."""

from __future__ import annotations

import base64
import hashlib
from functools import partial

from markupsafe import Markup, escape

from hwsim.report import comparison_text as words
from hwsim.report.comparison import ReportDiff, ResultChange
from hwsim.report.comparison_columns import layer_row, point_row
from hwsim.report.page.html import environment, text_of_file

_TONES = {"better": "inside", "worse": "outside", "mixed": "below", "equal": "", "unknown": ""}
"""Colours of a verdict, as classes of the page's keys."""


def page_of(diff: ReportDiff) -> str:
    """Return the whole page."""
    script = text_of_file("page.js")
    return (
        environment()
        .get_template("comparison.html.j2")
        .render(
            diff=diff,
            sources=words.sources(diff),
            headline=words.headline(diff, "→"),
            where=words.where(diff, "→"),
            settings=words.settings_of(diff, "→"),
            tone=_TONES[diff.verdict],
            results=[(one, _TONES[one.verdict], _flip_lists(one)) for one in diff.results],
            layers=[layer_row(one) for one in diff.layers],
            points=[point_row(one) for one in diff.points],
            changed=partial(words.changed, arrow=" → "),
            signed=words.signed,
            style=Markup(text_of_file("page.css")),
            script=Markup(script),
            digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _flip_lists(one: ResultChange) -> list[tuple[str, tuple[int, ...]]]:
    named = (("only in B", one.broken), ("only in A", one.mended), ("in both", one.both))
    return [
        *named,
        *([("in both, to different classes", one.otherwise)] if one.otherwise else []),
    ]


def excerpt_of(diff: ReportDiff) -> str:
    """Return a fragment for a notebook: the text, in columns."""
    return f'<pre style="line-height:1.3">{escape(diff)}</pre>'
