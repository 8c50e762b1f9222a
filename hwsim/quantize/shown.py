"""Statistics as text, as a table of pandas, and as HTML with small histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from markupsafe import escape
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

NAME = 34
"""Columns of a name in a table of text."""

QUANTILES = (0.001, 0.01, 0.5, 0.99, 0.999)
OUTLYING = 4.0
"""Standard deviations from the mean beyond which a value is an outlier."""

BARS, WIDTH, HEIGHT = 48, 144, 28
"""Of a small histogram; sizes in pixels."""


class Statistical(Protocol):
    """What is told of some values."""

    count: int
    minimum: float
    maximum: float

    @property
    def mean(self) -> float: ...
    @property
    def deviation(self) -> float: ...
    @property
    def zeros(self) -> float: ...
    @property
    def spread(self) -> float: ...
    @property
    def values(self) -> tuple[Reals, Ints]: ...
    def quantile(self, share: float) -> float:
        """Return the value below which a share of all values lie."""
        ...

    def outliers(self, deviations: float = OUTLYING) -> float:
        """Return the share of values far from the mean."""
        ...


Rows = Sequence[tuple[str, Statistical]]
HEADERS = ("values", "minimum", "maximum", "mean", "deviation", "zeros %", "beyond 4 dev. %", "spread bits")


def figures(one: Statistical) -> list[str]:
    """Return the figures of a row, as text."""
    reals = [f"{value:.4g}" for value in (one.minimum, one.maximum, one.mean, one.deviation)]
    return [str(one.count), *reals, f"{100 * one.zeros:.1f}", f"{100 * one.outliers():.3f}", f"{one.spread:.1f}"]


def summary(rows: Rows) -> str:
    """Return a table of text, 112 columns wide."""
    widths = (11, 9, 9, 9, 9, 7, 9, 6)
    upper = ("", "", "", "", "", "zeros", "beyond", "spread")
    lower = ("values", "min", "max", "mean", "dev.", "%", "4 dev. %", "bits")
    lines = [
        f"{'':{NAME}} " + " ".join(f"{text:>{width}}" for text, width in zip(upper, widths, strict=True)),
        f"{'tensor':{NAME}} " + " ".join(f"{text:>{width}}" for text, width in zip(lower, widths, strict=True)),
    ]
    for name, one in rows:
        shown = "".join(letter if letter.isprintable() else "?" for letter in name)
        cells = " ".join(f"{text:>{width}}" for text, width in zip(figures(one), widths, strict=True))
        lines.append(f"{shown if len(shown) <= NAME else '…' + shown[1 - NAME :]:{NAME}} {cells}")
    return "\n".join(lines)


def frame(rows: Rows) -> pd.DataFrame:
    """Return one row for each tensor, by its name."""
    import pandas as pd

    found = [
        {
            "values": one.count,
            "minimum": one.minimum,
            "maximum": one.maximum,
            "mean": one.mean,
            "deviation": one.deviation,
            "zeros": one.zeros,
            "outliers": one.outliers(),
            "spread_bits": one.spread,
            **{f"quantile_{share:g}": one.quantile(share) for share in QUANTILES},
        }
        for _, one in rows
    ]
    return pd.DataFrame(found, index=pd.Index([name for name, _ in rows], name="tensor"))


def html(rows: Rows) -> str:
    """Return a table with a small histogram for each row; names are escaped."""
    head = "".join(f"<th>{text}</th>" for text in ("", *HEADERS, "how often, log."))
    body = "".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(f"<td style='text-align:right'>{text}</td>" for text in figures(one))
        + f"<td>{small_histogram(*one.values)}</td></tr>"
        for name, one in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def small_histogram(values: Reals, counts: Ints) -> str:
    """Return an SVG of how often values occur, from the smallest to the largest, on a logarithmic scale."""
    if values.size == 0:
        return ""
    edges = np.linspace(values[0], values[-1], BARS + 1)
    heights = np.histogram(values, edges, weights=counts)[0] if values[0] < values[-1] else np.full(BARS, counts.sum())
    sizes = np.log1p(heights) / np.log1p(heights.max()) * HEIGHT
    step = WIDTH / BARS
    bars = "".join(
        f"<rect x='{number * step:.1f}' y='{HEIGHT - size:.1f}' width='{step:.1f}' height='{size:.1f}'/>"
        for number, size in enumerate(sizes.tolist())
        if size > 0
    )
    zero = -values[0] / (values[-1] - values[0]) * WIDTH if values[0] < 0 < values[-1] else None
    axis = "" if zero is None else f"<path d='M{zero:.1f} 0V{HEIGHT}' stroke='#c33'/>"
    return f"<svg width='{WIDTH}' height='{HEIGHT}' fill='#469'>{bars}{axis}</svg>"
