"""Files for Google's Model Explorer: the network as a graph, and one overlay of node data for each figure.

Formats: ``GraphCollection`` of its ``graph_builder.py`` and ``GraphNodeData`` of its ``node_data_builder.py``. Results
are found by the names of nodes or of their output tensors, so overlays also fit a .tflite file that is opened there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hwsim.report.figures import LayerFigures
from hwsim.report.page.shades import CLAMPING, MIXED, ROUNDING, Shade, shades_of
from hwsim.report.ranking import LayerLoss

if TYPE_CHECKING:
    from hwsim.report.report import Report

GRAPH = "graph.json"

_HUES = {MIXED: (0x7A, 0x4F, 0xB5), CLAMPING: (0xC3, 0x37, 0x2C), ROUNDING: (0xB9, 0x89, 0x00)}
_STRENGTHS = (0.04, 0.14, 0.26, 0.4, 0.54, 0.68)
_INK = "#1b232d"


def explorer_files(report: Report) -> dict[str, str]:
    """Return the text of each file by its name: the graph, and ``FIGURE.json`` for what was measured of any layer."""
    losses = report.layer_losses()
    overlays = {f"{shade.key}.json": _results(shade, losses) for shade in shades_of(report.costs)}
    return {GRAPH: _dumps(_collection(report))} | {
        name: _dumps({"results": results}) for name, results in overlays.items() if results
    }


def _dumps(value: object) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def _results(shade: Shade, losses: Sequence[LayerLoss]) -> dict[str, Any]:
    """Return value and colour of each layer; what was not measured, or is infinite (no error at all), has none."""
    values = {one.figures.name: shade.value(one) for one in losses}
    return {
        name: {"value": value, "bgColor": colour(shade, value), "textColor": _INK}
        for name, value in values.items()
        if value is not None and math.isfinite(value)
    }


def colour(shade: Shade, value: float) -> str:
    """Return the colour that the page has for a value on white paper."""
    step = shade.step(value)
    assert step is not None
    strength = _STRENGTHS[step]
    return "#" + "".join(f"{round(255 + strength * (part - 255)):02x}" for part in _HUES[shade.css])


def _collection(report: Report) -> dict[str, Any]:
    known = {one.name for one in report.layers}
    return {
        "label": report.network,
        "graphs": [
            {"id": report.network, "nodes": [_node(one, number, known) for number, one in enumerate(report.layers, 1)]}
        ],
    }


def _node(layer: LayerFigures, number: int, known: set[str]) -> dict[str, Any]:
    facts = {
        "number": number,
        "kind": layer.kind,
        "format": layer.format,
        "scale": layer.scale,
        "zero point": layer.zero_point,
        "sums": layer.path,
    }
    return {
        "id": layer.name,
        "label": layer.name,
        "namespace": "",
        "attrs": _pairs(facts),
        "incomingEdges": [
            {"sourceNodeId": name, "sourceNodeOutputId": "0", "targetNodeInputId": str(place)}
            for place, name in enumerate(layer.inputs)
            if name in known
        ],
        "outputsMetadata": [
            {"id": "0", "attrs": _pairs({"tensor_name": layer.name, "shape": " x ".join(map(str, layer.shape))})}
        ],
    }


def _pairs(facts: Mapping[str, object]) -> list[dict[str, str]]:
    return [{"key": key, "value": str(value)} for key, value in facts.items() if value not in (None, "")]
