"""The report: all figures of a run as one value, which prints itself and is saved in several forms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.files import write_whole
from hwsim.report.figures import (
    AdviceFigures,
    CostFigures,
    FlipFigures,
    LayerFigures,
    OutputFigures,
    PointFigures,
    TensorFigures,
    WaterfallFigures,
)
from hwsim.report.ranking import LayerLoss, Loss, layer_losses, worst_first

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run lost, and where. ``synthetic`` says that the samples are random numbers of hwsim's own.

    ``notes`` are its first lines: where the data came from, how well the import fits. ``import_error`` is the largest
    difference of the imported network, in float, to Keras; None where it did not come from Keras. ``flips`` are the
    first samples of each result that decide otherwise than the reference (at most 1000), with their margins.
    ``tensors`` say how real values lie about the codes: weights, and outputs of layers where there is a reference.

    ``waterfall``, ``costs`` (ranked) and ``advice`` say where the error comes from and what helps, as measured on the
    first ``attributed`` samples; empty, and None, where ``hwsim.attribute`` did not add them. ``attribution_notes``
    are what to know of them.

    >>> facts = {"network": "net", "target": "npu", "description": "", "samples": 1, "notes": ()}
    >>> report = Report(**facts, layers=(), points=(), outputs=())
    >>> print(report)
    net on npu: 1 sample, 0 layers, 0 truncation points
    >>> Report.from_json(report.to_json()) == report
    True
    """

    network: str
    target: str
    description: str
    samples: int
    synthetic: bool = False
    notes: tuple[str, ...]
    import_error: float | None = None
    layers: tuple[LayerFigures, ...]
    points: tuple[PointFigures, ...]
    outputs: tuple[OutputFigures, ...]
    flips: tuple[FlipFigures, ...] = ()
    tensors: tuple[TensorFigures, ...] = ()
    attributed: int | None = None
    attribution_notes: tuple[str, ...] = ()
    waterfall: tuple[WaterfallFigures, ...] = ()
    costs: tuple[CostFigures, ...] = ()
    advice: tuple[AdviceFigures, ...] = ()

    def worst_points(self) -> tuple[Loss, ...]:
        """Return the truncation points that lost something, the largest loss first (see ``hwsim.report.ranking``)."""
        return worst_first(self.layers, self.points)

    def layer_losses(self) -> tuple[LayerLoss, ...]:
        """Return every layer with what its points lost, in the order of the network."""
        return layer_losses(self.layers, self.points)

    def __str__(self) -> str:
        """Return the report as plain text, no line longer than 100 columns."""
        from hwsim.report.text import text_of

        return text_of(self)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per truncation point; ``docs/ledger.md`` defines the figures."""
        from hwsim.report.frame import points_frame

        return points_frame(self)

    def layers_frame(self) -> pd.DataFrame:
        """Return one row per layer: its output against the float reference, and what its points lost together."""
        from hwsim.report.frame import layers_frame

        return layers_frame(self)

    def costs_frame(self) -> pd.DataFrame:
        """Return one row per layer and group of points, what costs most first; none where nothing was attributed."""
        from hwsim.report.frame import costs_frame

        return costs_frame(self)

    def tensors_frame(self) -> pd.DataFrame:
        """Return one row per tensor of ``tensors``: its range, that of its format, and the shares that are lost."""
        from hwsim.report.frame import tensors_frame

        return tensors_frame(self)

    def to_csv(self, path: str | Path) -> None:
        """Write ``to_frame`` as CSV, whole or not at all."""
        text: str = self.to_frame().to_csv(index=False, lineterminator="\n")
        write_whole(Path(path), text.encode("utf-8", "backslashreplace"))

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the report as JSON, one layer or point to a line, and write it if a path is given."""
        from hwsim.report.document import encode

        text = encode(self)
        if path is not None:
            write_whole(Path(path), text.encode())
        return text

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Return the JSON Schema of what ``to_json`` writes, which is also ``docs/report.schema.json``."""
        from hwsim.report.schema import json_schema

        return json_schema()

    @staticmethod
    def from_json(text: str) -> Report:
        """Return the report that ``to_json`` gave as ``text``; raises HwsimError if it is none."""
        from hwsim.report.document import decode

        return decode(text)

    def to_html(self, path: str | Path) -> None:
        """Write the report as one page of HTML that needs nothing else, whole or not at all."""
        from hwsim.report.page.html import page_of

        write_whole(Path(path), page_of(self).encode("utf-8", "backslashreplace"))

    def to_model_explorer(self, folder: str | Path) -> None:
        """Write files for Google's Model Explorer into a folder: the network, and an overlay for each figure.

        ``graph.json`` is the network; every other file is node data of one figure (``docs/report.md`` names them). They
        fit this graph, and a .tflite file of the same tensors.
        """
        from hwsim.report.page.explorer import explorer_files

        for name, text in explorer_files(self).items():
            write_whole(Path(folder) / name, text.encode())

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the verdict and the worst points; ``to_html`` writes the whole."""
        from hwsim.report.page.html import excerpt_of

        return excerpt_of(self)
