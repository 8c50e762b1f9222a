"""Drawings by matplotlib, as SVG text; nothing of pyplot's state is touched."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Curve = tuple[str, Callable[[Reals], Reals]]

BINS = 80


def densities(title: str, values: Reals, counts: NDArray[np.int64], curves: Sequence[Curve]) -> str:
    """Return an SVG: how densely ``values``, which occur ``counts`` times, lie, with named densities over it."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.4), layout="constrained")
    canvas, axes = FigureCanvasSVG(figure), figure.add_subplot()
    axes.hist(values, bins=BINS, weights=counts, density=True, color="0.8")
    top = axes.get_ylim()[1]
    places = np.linspace(values[0], values[-1], 400)
    for name, density in curves:
        axes.plot(places, np.minimum(density(places), 1.05 * top), lw=1.2, label=name)
    axes.set_ylim(0, 1.05 * top)
    # a dollar sign would begin a formula
    axes.set_title(title.replace("$", r"\$"), fontsize=9)
    axes.set_yticks([])
    if curves:
        axes.legend(fontsize=8)
    text = io.StringIO()
    canvas.print_svg(text, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return text.getvalue()[text.getvalue().index("<svg") :]
