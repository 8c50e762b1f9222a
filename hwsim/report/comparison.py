"""Two reports side by side: whether the second run is better or worse, and where they differ."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from hwsim.files import write_whole
from hwsim.report.figures import FlipFigures, OutputFigures
from hwsim.report.ranking import LayerLoss, Loss, point_losses
from hwsim.report.report import Report
from hwsim.report.saved import read_report

if TYPE_CHECKING:
    import pandas as pd

Row = TypeVar("Row")
Verdict = Literal["equal", "better", "worse", "mixed", "unknown"]

_FINE = 300.0
"""Decibels beyond which a layer's noise is none."""


@dataclass(frozen=True, kw_only=True)
class ResultChange:
    """A result of the network in both runs, with the samples that flip.

    ``mended`` are samples that flip in A alone, ``broken`` in B alone, ``both`` in both; ``otherwise`` are those of
    ``both`` that come to different classes. Reports list the first 1000 samples that flip, so nothing is known of
    samples after ``known_to`` if that is not None.
    """

    a: OutputFigures
    b: OutputFigures
    mended: tuple[int, ...]
    broken: tuple[int, ...]
    both: tuple[int, ...]
    otherwise: tuple[int, ...]
    known_to: int | None
    differs: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the result; both where they differ."""
        return self.a.name if self.a.name == self.b.name else f"{self.a.name} / {self.b.name}"

    @property
    def verdict(self) -> Verdict:
        """Whether B is nearer to its reference: in SQNR and in flips, ``mixed`` if these disagree."""
        if self.a.sqnr_db is None or self.b.sqnr_db is None:
            return "unknown"
        words: dict[int, Verdict] = {0: "equal", 1: "better", -1: "worse"}
        gains = {_sign(self.a.sqnr_db, self.b.sqnr_db)}
        if self.a.top1_agreement is not None and self.b.top1_agreement is not None:
            gains.add(_sign(self.b.flip_count, self.a.flip_count))
        return _joined(words[gain] for gain in gains)


@dataclass(frozen=True, kw_only=True)
class LayerChange:
    """A layer of both networks. Figures of B in LSB of its output stand here in LSB of A's (times ``lsb_ratio``)."""

    a: LayerLoss
    b: LayerLoss
    lsb_ratio: float
    differs: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the layer."""
        return self.a.figures.name

    @property
    def change(self) -> float:
        """By how much of its signal's energy the layer's own noise grew (local SQNR); 0 where it was not measured."""
        return _noise(self.b.figures.sqnr_local_db) - _noise(self.a.figures.sqnr_local_db)

    @property
    def loss_change(self) -> float:
        """By how much the RMS loss of the layer's points grew, in LSB of A's output."""
        return self.b.total * self.lsb_ratio - self.a.total


@dataclass(frozen=True, kw_only=True)
class PointChange:
    """A truncation point of both runs; the loss of B is in the unit of A's (times ``lsb_ratio``)."""

    a: Loss
    b: Loss
    lsb_ratio: float
    differs: tuple[str, ...]

    @property
    def name(self) -> str:
        """Layer and point."""
        return f"{self.a.figures.layer} {self.a.figures.point}"

    @property
    def loss_a(self) -> float:
        """The RMS error that the point puts into one output of A, in LSB of that (weights: of the weight)."""
        return self.a.total

    @property
    def loss_b(self) -> float:
        """The same of B, in LSB of A."""
        return self.b.total * self.lsb_ratio

    @property
    def change(self) -> float:
        """By how much the loss grew, in LSB of A."""
        return self.loss_b - self.loss_a


@dataclass(frozen=True, kw_only=True)
class ReportDiff:
    """Two reports, A (before) and B (after): what both have is matched by name, and listed where any figure differs.

    ``layers`` and ``points`` that differ stand with the largest change first; ``equal_layers`` and ``equal_points``
    count those in which no figure differs at all. ``*_only_*`` are names that have no partner; of layers without
    one, points are not listed. ``warnings`` say what makes the two hard to compare.
    """

    a: Report
    b: Report
    name_a: str
    name_b: str
    warnings: tuple[str, ...]
    results: tuple[ResultChange, ...]
    layers: tuple[LayerChange, ...]
    points: tuple[PointChange, ...]
    equal_layers: tuple[str, ...]
    equal_points: tuple[str, ...]
    results_only_a: tuple[str, ...]
    results_only_b: tuple[str, ...]
    layers_only_a: tuple[str, ...]
    layers_only_b: tuple[str, ...]
    points_only_a: tuple[str, ...]
    points_only_b: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether no figure of results, layers, points and flips differs; names of target and network may."""
        alone = (
            *(self.results_only_a, self.results_only_b, self.layers_only_a, self.layers_only_b),
            *(self.points_only_a, self.points_only_b),
        )
        changed = any(one.differs or one.otherwise for one in self.results) or self.layers or self.points
        return self.a.samples == self.b.samples and not any(alone) and not changed

    @cached_property
    def verdict(self) -> Verdict:
        """Whether the results of B are nearer to the reference than those of A."""
        return _joined(one.verdict for one in self.results) if self.results else "unknown"

    @property
    def headline(self) -> str:
        """The whole in a line: better or worse, and the figures of the result."""
        from hwsim.report.comparison_text import headline

        return headline(self)

    def __str__(self) -> str:
        """Return the comparison as plain text, no line longer than 100 columns."""
        from hwsim.report.comparison_text import text_of

        return text_of(self)

    def to_text(self, *, everything: bool = False) -> str:
        """Return the text; with ``everything`` all layers and points, the equal ones too."""
        from hwsim.report.comparison_text import text_of

        return text_of(self, everything=everything)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each truncation point that differs, the largest change first."""
        from hwsim.report.comparison_columns import POINT_COLUMNS, frame, point_row

        return frame([point_row(one) for one in self.points], POINT_COLUMNS)

    def layers_frame(self) -> pd.DataFrame:
        """Return one row for each layer that differs, the largest change first."""
        from hwsim.report.comparison_columns import LAYER_COLUMNS, frame, layer_row

        return frame([layer_row(one) for one in self.layers], LAYER_COLUMNS)

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the comparison as JSON, and write it if a path is given. ``docs/report.md`` lists its keys."""
        from hwsim.report.comparison_columns import document

        text = document(self)
        if path is not None:
            write_whole(Path(path), text.encode())
        return text

    def to_html(self, path: str | Path) -> None:
        """Write the comparison as one page of HTML that needs nothing else, whole or not at all."""
        from hwsim.report.page.comparison import page_of

        write_whole(Path(path), page_of(self).encode("utf-8", "backslashreplace"))

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the text."""
        from hwsim.report.page.comparison import excerpt_of

        return excerpt_of(self)


def compare_reports(a: Report | str | Path, b: Report | str | Path) -> ReportDiff:
    """Compare two reports, A (before) and B (after), each a report or the JSON file of one.

    They may be of two targets, two networks, or two versions of either. Raises HwsimError if a file is no report of
    this version, OSError if it cannot be read.

    >>> facts = {"network": "net", "target": "npu", "description": "", "samples": 1, "notes": ()}
    >>> report = Report(**facts, layers=(), points=(), outputs=())
    >>> compare_reports(report, report).equal
    True
    """
    first, second = read_report(a), read_report(b)
    results, results_a, results_b = _matched(first.outputs, second.outputs, lambda one: one.name)
    if len(first.outputs) == len(second.outputs) == 1:
        results, results_a, results_b = [(first.outputs[0], second.outputs[0])], [], []
    layers, layers_a, layers_b = _matched(first.layer_losses(), second.layer_losses(), lambda one: one.figures.name)
    compared = [_layer(*pair) for pair in layers]
    points, points_a, points_b = _matched(
        point_losses(first.layers, first.points),
        point_losses(second.layers, second.points),
        lambda one: (one.figures.layer, one.figures.point),
    )
    ratios = {one.name: one.lsb_ratio for one in compared}
    looked = [_point(one, other, ratios) for one, other in points]
    return ReportDiff(
        a=first,
        b=second,
        name_a="" if isinstance(a, Report) else str(a),
        name_b="" if isinstance(b, Report) else str(b),
        warnings=tuple(_warnings(first, second, shared=bool(layers))),
        results=tuple(_result(first, second, *pair) for pair in results),
        layers=tuple(sorted((one for one in compared if one.differs), key=_layer_order)),
        points=tuple(sorted((one for one in looked if one.differs), key=_point_order)),
        equal_layers=tuple(one.name for one in compared if not one.differs),
        equal_points=tuple(one.name for one in looked if not one.differs),
        results_only_a=tuple(one.name for one in results_a),
        results_only_b=tuple(one.name for one in results_b),
        layers_only_a=tuple(one.figures.name for one in layers_a),
        layers_only_b=tuple(one.figures.name for one in layers_b),
        points_only_a=_names(points_a, layers_a),
        points_only_b=_names(points_b, layers_b),
    )


def _matched(
    a: Sequence[Row], b: Sequence[Row], key: Callable[[Row], object]
) -> tuple[list[tuple[Row, Row]], list[Row], list[Row]]:
    """Return pairs of equal keys in the order of ``a``, and what has no partner; repeated keys match in order."""
    partners = dict(zip(_numbered(b, key), b, strict=True))
    pairs, alone = [], []
    for name, one in zip(_numbered(a, key), a, strict=True):
        if name in partners:
            pairs.append((one, partners.pop(name)))
        else:
            alone.append(one)
    return pairs, alone, list(partners.values())


def _numbered(rows: Iterable[Row], key: Callable[[Row], object]) -> list[tuple[object, int]]:
    seen: Counter[object] = Counter()
    names = []
    for row in rows:
        name = key(row)
        names.append((name, seen[name]))
        seen[name] += 1
    return names


def _names(alone: Sequence[Loss], layers: Sequence[LayerLoss]) -> tuple[str, ...]:
    """Return the names of points without a partner whose layer has one."""
    missing = {one.figures.name for one in layers}
    return tuple(f"{one.figures.layer} {one.figures.point}" for one in alone if one.figures.layer not in missing)


def _differing(a: object, b: object) -> tuple[str, ...]:
    """Return the names of the fields in which two records of one class differ."""
    return tuple(
        one.name
        for one in fields(a)  # type: ignore[arg-type]
        if not _same(getattr(a, one.name), getattr(b, one.name))
    )


def _same(a: Any, b: Any) -> bool:  # noqa: ANN401
    return bool(a == b) or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))


def _result(first: Report, second: Report, a: OutputFigures, b: OutputFigures) -> ResultChange:
    cut = [one.flips[-1] for one in (a, b) if one.flips and one.flip_count > len(one.flips)]
    known_to = min(cut) if cut else None
    flips_a, flips_b = ({one for one in each.flips if known_to is None or one <= known_to} for each in (a, b))
    both = sorted(flips_a & flips_b)
    rows_a, rows_b = _rows(first.flips, a.name), _rows(second.flips, b.name)
    listed = [(rows_a[one], rows_b[one]) for one in both if one in rows_a and one in rows_b]
    margins = any(_margins(one) != _margins(other) for one, other in listed)
    return ResultChange(
        a=a,
        b=b,
        mended=tuple(sorted(flips_a - flips_b)),
        broken=tuple(sorted(flips_b - flips_a)),
        both=tuple(both),
        otherwise=tuple(one.sample for one, other in listed if one.after != other.after),
        known_to=known_to,
        differs=(*_differing(a, b), *(("margins",) if margins else ())),
    )


def _rows(flips: Sequence[FlipFigures], name: str) -> dict[int, FlipFigures]:
    return {one.sample: one for one in flips if one.result == name}


def _margins(one: FlipFigures) -> tuple[float, float]:
    return one.margin_before, one.margin_after


def _layer(a: LayerLoss, b: LayerLoss) -> LayerChange:
    return LayerChange(a=a, b=b, lsb_ratio=_ratio(a.figures.scale, b.figures.scale), differs=_differing_layer(a, b))


def _differing_layer(a: LayerLoss, b: LayerLoss) -> tuple[str, ...]:
    losses = [name for name in ("clamping", "round_off") if not _same(getattr(a, name), getattr(b, name))]
    return (*_differing(a.figures, b.figures), *losses)


def _point(a: Loss, b: Loss, ratios: dict[str, float]) -> PointChange:
    ratio = ratios.get(a.figures.layer, 1.0)
    if a.figures.point == "weight" or a.figures.layer not in ratios:
        ratio = _ratio(a.figures.unit, b.figures.unit)
    return PointChange(a=a, b=b, lsb_ratio=ratio, differs=_differing(a.figures, b.figures))


def _ratio(a: float | None, b: float | None) -> float:
    """Return the LSB of B in LSB of A, 1 where one of them has none."""
    return b / a if a and b else 1.0


def _layer_order(one: LayerChange) -> tuple[float, float, float]:
    """Sort the largest change of a layer's own noise first, of equal ones the largest change of loss."""
    return -round(abs(one.change), 12), -_size(one.loss_change), -one.change


def _point_order(one: PointChange) -> tuple[float, float, float]:
    rates = abs(one.b.figures.hit_rate - one.a.figures.hit_rate)
    return -_size(one.change), -rates, -one.change if one.change == one.change else 0.0


def _size(change: float) -> float:
    return math.inf if math.isnan(change) else abs(change)


def _noise(sqnr_db: float | None) -> float:
    """Return noise as a share of its signal, both as energies; at most 10**30."""
    if sqnr_db is None or math.isnan(sqnr_db):
        return 0.0
    return math.pow(10.0, -min(max(sqnr_db, -_FINE), _FINE) / 10)


def _sign(a: float, b: float) -> int:
    return (b > a) - (b < a)


def _joined(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of several: equal ones do not count, opposite ones are mixed."""
    found = set(verdicts) - {"equal"}
    if len(found) > 1:
        return "unknown" if found == {"unknown"} else "mixed"
    return found.pop() if found else "equal"


def _warnings(a: Report, b: Report, *, shared: bool) -> Iterable[str]:
    if a.network != b.network:
        yield f"the networks bear different names: {a.network} in A, {b.network} in B"
    if a.samples != b.samples:
        yield f"A ran on {a.samples:,} samples, B on {b.samples:,}: counts, flips and largest errors do not compare"
    if a.synthetic != b.synthetic:
        yield f"{'A' if a.synthetic else 'B'} ran on synthetic samples, the other did not"
    measured = tuple(any(one.sqnr_db is not None for one in each.outputs) for each in (a, b))
    if measured[0] != measured[1]:
        yield f"{'B' if measured[0] else 'A'} was not compared with a reference"
    references = [next((note for note in each.notes if note.startswith("reference:")), "float") for each in (a, b)]
    if references[0] != references[1]:
        said = [note.removeprefix("reference: ") for note in references]
        yield f"the references differ: A was measured against {said[0]}; B against {said[1]}"
    decided = [{(one.result, one.sample): one.before for one in each.flips} for each in (a, b)]
    if any(decided[1].get(key, before) != before for key, before in decided[0].items()):
        yield "the references decide differently on some samples: other data, or another network"
    if (a.layers or b.layers) and not shared:
        yield "no layer bears the same name in both"
