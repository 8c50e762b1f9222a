"""Gates: what passes, what fails and in which words, and that nothing unknown passes."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report.synthetic import LAYER, NO_CLAMPING, OUTPUT, POINT
from typer.testing import CliRunner

import hwsim
from hwsim.cli import app
from hwsim.report import Report

REPORT = Report(
    network="net",
    target="npu",
    description="",
    samples=400,
    notes=(),
    import_error=3e-6,
    layers=(LAYER, replace(LAYER, name="conv2", sqnr_cumulative_db=19.5)),
    points=(
        replace(POINT, **NO_CLAMPING, layer="conv0"),
        POINT,
        replace(POINT, layer="conv2", point="bias_sum", kind_of_point="value", persistent=91, hit_rate=0.5),
        replace(POINT, layer="conv2", point="output", kind_of_point="value", persistent=1000, hit_rate=0.25),
    ),
    outputs=(OUTPUT, replace(OUTPUT, name="values", sqnr_db=30.0, top1_agreement=None, flip_count=0, flips=())),
)


def run(path: Path, *options: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["check", str(path), *options])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    REPORT.to_json(tmp_path / "report.json")
    return tmp_path / "report.json"


LIMITS: list[tuple[str, float, float, list[str]]] = [
    (
        "max_persistent_overflow",
        91,
        90,
        ["conv2 bias_sum: persistent overflow 91 sums is above the largest allowed, 90"],
    ),
    (
        "max_clamping",
        0.5,
        0.4999,
        ["conv2 bias_sum: share of clamped values 0.5 of 1 is above the largest allowed, 0.4999"],
    ),
    ("min_sqnr", 24.5, 24.6, ["result softmax: SQNR 24.5 dB is below the smallest allowed, 24.6 dB"]),
    ("min_layer_sqnr", 19.5, 20.0, ["conv2: cumulative SQNR 19.5 dB is below the smallest allowed, 20 dB"]),
    ("max_flips", 3, 2, ["result softmax: flips 3 samples is above the largest allowed, 2 samples"]),
    (
        "min_top1",
        0.9725,
        0.98,
        ["result softmax: top-1 agreement 0.9725 of 1 is below the smallest allowed, 0.98 of 1"],
    ),
    ("max_import_error", 3e-6, 2e-6, ["import: largest difference to Keras 3e-06 is above the largest allowed, 2e-06"]),
]


@pytest.mark.parametrize(("gate", "kept", "missed", "lines"), LIMITS)
def test_each_gate_at_its_limit_and_just_beyond(
    gate: str, kept: float, missed: float, lines: list[str], saved: Path
) -> None:
    option = "--" + gate.replace("_", "-")
    assert run(saved, option, str(kept)) == (0, "net on npu, 400 samples: all gates are kept\n", "")
    code, out, _ = run(saved, option, str(missed))
    assert code == 1
    *failed, verdict = out.splitlines()
    assert [line[: len(f"FAILED {start}")] for line, start in zip(failed, lines, strict=True)] == [
        f"FAILED {start}" for start in lines
    ]
    assert verdict == "net on npu, 400 samples: 1 of 1 gate failed"


def test_every_place_that_fails_has_a_line() -> None:
    found = hwsim.check(REPORT, max_persistent_overflow=0, min_sqnr=20, max_flips=0)
    assert [(one.gate, one.where, one.value, one.limit, one.unit) for one in found.failures] == [
        ("max_persistent_overflow", "conv1 accumulator", 90, 0, "sums"),
        ("max_persistent_overflow", "conv2 bias_sum", 91, 0, "sums"),
        ("max_flips", "result softmax", 3, 0, "samples"),
    ]
    assert str(found).splitlines()[-1] == "net on npu, 400 samples: 2 of 3 gates failed"


def test_json_is_strict_and_whole(saved: Path) -> None:
    worst = replace(REPORT, outputs=(replace(OUTPUT, sqnr_db=-math.inf),))
    assert json.loads(hwsim.check(worst, min_sqnr=0).to_json())["failures"][0]["value"] == "-inf"
    code, out, _ = run(saved, "--max-flips", "2", "--min-sqnr", "1", "--json")
    assert code == 1
    assert json.loads(out) == {
        "network": "net",
        "target": "npu",
        "samples": 400,
        "synthetic": False,
        "gates": {"min_sqnr": 1.0, "max_flips": 2},
        "failures": [
            {
                "gate": "max_flips",
                "figure": "flips",
                "where": "result softmax",
                "value": 3,
                "limit": 2,
                "unit": "samples",
            }
        ],
        "holds": False,
    }


def test_without_error_every_ratio_holds() -> None:
    assert hwsim.check(replace(REPORT, outputs=(replace(OUTPUT, sqnr_db=math.inf),)), min_sqnr=1e9).holds


UNMEASURED: list[tuple[str, dict[str, Any]]] = [
    ("max_persistent_overflow", {"points": ()}),
    ("max_clamping", {"points": ()}),
    ("min_sqnr", {"outputs": ()}),
    ("min_sqnr", {"outputs": (OUTPUT, replace(OUTPUT, name="second", sqnr_db=None))}),
    ("min_sqnr", {"outputs": (replace(OUTPUT, sqnr_db=math.nan),)}),
    ("min_layer_sqnr", {"layers": (LAYER, replace(LAYER, name="conv2", sqnr_cumulative_db=None))}),
    ("max_flips", {"outputs": (replace(OUTPUT, top1_agreement=None, flip_count=0),)}),
    ("min_top1", {"outputs": (replace(OUTPUT, top1_agreement=None, flip_count=0),)}),
    ("max_import_error", {"import_error": None}),
]


@pytest.mark.parametrize(("gate", "change"), UNMEASURED)
def test_what_is_unknown_does_not_pass(gate: str, change: dict[str, Any], tmp_path: Path) -> None:
    replace(REPORT, **change).to_json(tmp_path / "report.json")
    code, out, err = run(tmp_path / "report.json", "--" + gate.replace("_", "-"), "0")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {gate}: the report has no ")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "no gate was given"),
        (["--max-flips", "-1"], "max_flips: -1 is no limit; from 0 to inf samples"),
        (["--max-clamping", "5"], "max_clamping: 5.0 is no limit; from 0 to 1"),
        (["--min-sqnr", "nan"], "min_sqnr: nan is no limit"),
        (["--min-sqnr", "inf"], "min_sqnr: inf is no limit"),
        (["--max-flips", "few"], "--max-flips"),
        (["--max-flops", "5"], "No such option"),
    ],
)
def test_bad_usage_is_2(options: list[str], complaint: str, saved: Path) -> None:
    code, out, err = run(saved, *options)
    assert (code, out) == (2, "")
    assert complaint in err


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff\xfe", b"[" * 100_000, REPORT.to_json().replace('report": 1', 'report": 2').encode()]
)
def test_unreadable_files_are_2(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    code, out, err = run(path, "--max-flips", "5")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {path}: not a report")


def test_missing_file_is_2(tmp_path: Path) -> None:
    code, _, err = run(tmp_path / "none.json", "--max-flips", "5")
    assert code == 2
    assert "none.json" in err


def test_reports_without_import_error_stay_readable() -> None:
    document = json.loads(REPORT.to_json())
    del document["import_error"]
    assert Report.from_json(json.dumps(document)) == replace(REPORT, import_error=None)


def test_close_numbers_are_told_apart() -> None:
    (one,) = hwsim.check(replace(REPORT, import_error=0.1 + 0.2), max_import_error=0.3).failures
    assert str(one) == "import: largest difference to Keras 0.30000000000000004 is above the largest allowed, 0.3"


def test_names_cannot_break_a_line() -> None:
    report = replace(REPORT, network="n\nx", points=(replace(POINT, layer="a\nb\x1b[31m"),))
    assert str(hwsim.check(report, max_persistent_overflow=0)).splitlines()[0].startswith("FAILED a\\nb\\x1b[31m accum")
    assert len(str(hwsim.check(report, max_persistent_overflow=0)).splitlines()) == 2


def test_synthetic_samples_are_named() -> None:
    assert str(hwsim.check(replace(REPORT, synthetic=True), max_flips=9)).startswith(
        "net on npu, 400 synthetic samples: "
    )
