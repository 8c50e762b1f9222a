"""Gates for continuous integration: limits on the figures of a report, and which of them it does not keep."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hwsim.errors import HwsimError
from hwsim.report.report import Report
from hwsim.report.saved import read_report
from hwsim.report.wording import counted, printable

Found = Iterator[tuple[str, float | None]]
"""Places and their figures, None where nothing was measured."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A figure that does not keep its gate. ``gate`` is a keyword of ``check``, ``where`` a layer, point or result."""

    gate: str
    figure: str
    where: str
    value: float
    limit: float
    unit: str

    def __str__(self) -> str:
        """Return the failure as one line, its two numbers told apart however close they are."""
        value, limit = f"{self.value:.6g}", f"{self.limit:.6g}"
        if value == limit:
            value, limit = repr(self.value), repr(self.limit)
        side = "above the largest allowed" if self.gate.startswith("max") else "below the smallest allowed"
        unit = f" {self.unit}" if self.unit else ""
        return f"{printable(self.where)}: {self.figure} {value}{unit} is {side}, {limit}{unit}"


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What became of the gates: ``gates`` are the limits asked for, ``failures`` stand gate by gate."""

    network: str
    target: str
    samples: int
    synthetic: bool
    gates: dict[str, float]
    failures: tuple[Failure, ...]

    @property
    def holds(self) -> bool:
        """Whether every gate is kept."""
        return not self.failures

    def __str__(self) -> str:
        """Return a line for each failure, and one that sums up."""
        failed = len({one.gate for one in self.failures})
        noun = "synthetic sample" if self.synthetic else "sample"
        verdict = f"{failed} of {counted(len(self.gates), 'gate')} failed" if failed else "all gates are kept"
        about = f"{printable(self.network)} on {printable(self.target)}, {counted(self.samples, noun)}"
        return "\n".join([*(f"FAILED {one}" for one in self.failures), f"{about}: {verdict}"])

    def to_json(self) -> str:
        """Return the same as JSON; values that are no numbers of JSON stand as text."""
        rows = [
            {
                name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
                for name, value in row
            }
            for row in (asdict(one).items() for one in self.failures)
        ]
        return json.dumps(asdict(self) | {"failures": rows, "holds": self.holds}, indent=2, allow_nan=False)


def check(  # noqa: PLR0913  one argument for each gate
    report: Report | str | Path,
    *,
    max_persistent_overflow: int | None = None,
    max_clamping: float | None = None,
    min_sqnr: float | None = None,
    min_layer_sqnr: float | None = None,
    max_flips: int | None = None,
    min_top1: float | None = None,
    max_import_error: float | None = None,
) -> Checked:
    """Hold a report, or the JSON file of one, against limits; a figure that equals its limit keeps it.

    max_persistent_overflow: sums of each accumulator (stages and ``bias_sum``) outside their format in the end.
    max_clamping: share of values from outside the format, 0 to 1, at each truncation point.
    min_sqnr, min_layer_sqnr: SQNR in dB of each result, and of each layer's output (cumulative).
    max_flips: samples of each result whose largest value moved; min_top1: share of decisions as in the reference,
        0 to 1. Results that decide nothing are left out.
    max_import_error: largest difference between Keras and the imported network in float.

    Raises HwsimError if there is no gate, a limit is out of its range, the file is no report, or a figure that a gate
    needs was not measured: what is unknown does not pass. Raises OSError if the file cannot be read.

    >>> facts = {"network": "net", "target": "npu", "description": "", "samples": 1, "notes": ()}
    >>> report = Report(**facts, import_error=0.5, layers=(), points=(), outputs=())
    >>> print(check(report, max_import_error=0.25))
    FAILED import: largest difference to Keras 0.5 is above the largest allowed, 0.25
    net on npu, 1 sample: 1 of 1 gate failed
    """
    asked = {
        "max_persistent_overflow": max_persistent_overflow,
        "max_clamping": max_clamping,
        "min_sqnr": min_sqnr,
        "min_layer_sqnr": min_layer_sqnr,
        "max_flips": max_flips,
        "min_top1": min_top1,
        "max_import_error": max_import_error,
    }
    limits = {name: limit for name, limit in asked.items() if limit is not None}
    if not limits:
        raise HwsimError(f"no gate was given; there are {', '.join(asked)}")
    for name, limit in limits.items():
        _check_limit(name, limit)
    read = read_report(report)
    return Checked(
        network=read.network,
        target=read.target,
        samples=read.samples,
        synthetic=read.synthetic,
        gates=limits,
        failures=tuple(one for name, limit in limits.items() for one in _failures(read, name, limit)),
    )


def _check_limit(name: str, limit: float) -> None:
    smallest = -math.inf if name in {"min_sqnr", "min_layer_sqnr"} else 0
    largest = 1 if name in {"max_clamping", "min_top1"} else math.inf
    if not math.isfinite(limit) or not smallest <= limit <= largest:
        unit = _GATES[name][1]
        raise HwsimError(f"{name}: {limit} is no limit; from {smallest} to {largest}{f' {unit}' if unit else ''}")


def _failures(report: Report, name: str, limit: float) -> Iterator[Failure]:
    figure, unit, find = _GATES[name]
    found = list(find(report))
    unknown = [where for where, value in found if value is None or math.isnan(value)]
    if unknown or not found:
        where = f" of {printable(unknown[0])}" if unknown else ""
        raise HwsimError(f"{name}: the report has no {figure}{where}; {_WHY[name]}")
    for where, value in found:
        if value is not None and (value > limit if name.startswith("max") else value < limit):
            yield Failure(gate=name, figure=figure, where=where, value=value, limit=limit, unit=unit)


def _overflow(report: Report) -> Found:
    for one in report.points:
        sums = one.kind_of_point == "stage" or one.point == "bias_sum"
        yield f"{one.layer} {one.point}", one.persistent if sums else 0


def _clamping(report: Report) -> Found:
    return ((f"{one.layer} {one.point}", one.hit_rate) for one in report.points)


def _sqnr(report: Report) -> Found:
    return ((f"result {one.name}", one.sqnr_db) for one in report.outputs)


def _layer_sqnr(report: Report) -> Found:
    return ((one.name, one.sqnr_cumulative_db) for one in report.layers)


def _flips(report: Report) -> Found:
    return ((f"result {one.name}", one.flip_count) for one in report.outputs if one.top1_agreement is not None)


def _top1(report: Report) -> Found:
    return ((f"result {one.name}", one.top1_agreement) for one in report.outputs if one.top1_agreement is not None)


def _import(report: Report) -> Found:
    yield "import", report.import_error


_GATES = {
    "max_persistent_overflow": ("persistent overflow", "sums", _overflow),
    "max_clamping": ("share of clamped values", "of 1", _clamping),
    "min_sqnr": ("SQNR", "dB", _sqnr),
    "min_layer_sqnr": ("cumulative SQNR", "dB", _layer_sqnr),
    "max_flips": ("flips", "samples", _flips),
    "min_top1": ("top-1 agreement", "of 1", _top1),
    "max_import_error": ("largest difference to Keras", "", _import),
}
"""Figure, unit and where it stands, for each gate."""

_LEDGER = "it holds no truncation points"
_REFERENCE = "was the run without a reference?"
_DECISION = "no result decides between classes, or the run was without a reference"

_WHY = {
    "max_persistent_overflow": _LEDGER,
    "max_clamping": _LEDGER,
    "min_sqnr": _REFERENCE,
    "min_layer_sqnr": _REFERENCE,
    "max_flips": _DECISION,
    "min_top1": _DECISION,
    "max_import_error": "the network did not come from Keras, or the report is older than this figure",
}
