"""The network as a drawing: a box for each layer, coloured by a figure that the reader picks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwsim.report.figures import CostFigures
from hwsim.report.page import layout
from hwsim.report.page.shades import Shade, shades_of
from hwsim.report.ranking import LayerLoss
from hwsim.report.wording import NOTHING, printable, shortened

PAGE_WIDTH = 1188.0
"""Pixels that a page has for the drawing before it scrolls."""

MOST_LAYERS = 2000
"""Larger networks (long loops, unrolled) are not drawn."""

NAME_WIDTH = 20
"""Letters that fit into a box."""

UNKNOWN = "-"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A layer: where its box is, and of each figure its step (a digit, or ``-``) and its text."""

    number: int
    x: float
    y: float
    name: str
    title: str
    steps: str
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class View:
    """The drawing, and the figures that it can show: those that were measured for any layer."""

    nodes: tuple[Node, ...]
    edges: tuple[str, ...]
    width: float
    height: float
    columns: int
    shades: tuple[Shade, ...]

    def css(self, node: Node) -> str:
        """Return the class of a box while the first figure is shown."""
        return "unknown" if node.steps[:1] in ("", UNKNOWN) else f"s{node.steps[0]}"


def view_of(layers: Sequence[LayerLoss], costs: Sequence[CostFigures] = ()) -> View | None:
    """Return the drawing of a network, or None where it is unknown what takes from what, or too large."""
    if len(layers) > MOST_LAYERS or not any(one.figures.inputs for one in layers):
        return None
    shades = tuple(one for one in shades_of(costs) if any(one.step(one.value(layer)) is not None for layer in layers))
    drawing = layout.drawn(sources(layers), PAGE_WIDTH)
    places = zip(layers, drawing.nodes, strict=True)
    return View(
        nodes=tuple(_node(number, layer, place, shades) for number, (layer, place) in enumerate(places, start=1)),
        edges=drawing.edges,
        width=drawing.width,
        height=drawing.height,
        columns=drawing.columns,
        shades=shades,
    )


def sources(layers: Sequence[LayerLoss]) -> list[list[int]]:
    """Return for each layer the numbers of those that it takes from, as far as they stand before it."""
    seen: dict[str, int] = {}
    found = []
    for number, layer in enumerate(layers):
        found.append([seen[name] for name in layer.figures.inputs if name in seen])
        seen[layer.figures.name] = number
    return found


def _node(number: int, layer: LayerLoss, place: tuple[float, float], shades: Sequence[Shade]) -> Node:
    values = [(shade, shade.value(layer)) for shade in shades]
    steps = [shade.step(value) for shade, value in values]
    texts = tuple(
        NOTHING if value is None or step is None else shade.text(value)
        for (shade, value), step in zip(values, steps, strict=True)
    )
    lines = [f"{number} {layer.figures.name} ({layer.figures.kind})"]
    lines += [_line(shade, text) for shade, text in zip(shades, texts, strict=True) if text != NOTHING]
    return Node(
        number=number,
        x=place[0],
        y=place[1],
        name=shortened(printable(layer.figures.name), NAME_WIDTH),
        title="\n".join(map(printable, lines)),
        steps="".join(UNKNOWN if step is None else str(step) for step in steps),
        texts=texts,
    )


def _line(shade: Shade, text: str) -> str:
    return f"{shade.name}: {text}" + ("" if text == "exact" else f" {shade.unit}")
