"""The commands of the process: what they print and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pipeline.tiny import DIGITS, IMAGES
from typer.testing import CliRunner

import hwsim
from hwsim.cli import app
from hwsim.process import candidates
from hwsim.process.candidates import BITS

RUNNER = CliRunner()
TARGET = ["--target", "generic-int8"]


def test_points() -> None:
    shown = RUNNER.invoke(app, ["points", str(DIGITS), *TARGET])
    assert shown.exit_code == 0
    assert "block2_conv" in shown.stdout
    rows = json.loads(RUNNER.invoke(app, ["points", str(DIGITS), *TARGET, "--json"]).stdout)
    assert {row["point"] for row in rows} >= {"input", "weight", "bias", "accumulator", "requantize", "output"}


def test_negligible() -> None:
    asked = ["negligible", str(DIGITS), *TARGET, "--data", str(IMAGES), "--samples", "8"]
    shown = RUNNER.invoke(app, asked)
    assert shown.exit_code == 0
    assert "can be ignored" in shown.stdout
    rows = json.loads(RUNNER.invoke(app, [*asked, "--json"]).stdout)
    assert {row["state"] for row in rows} <= {"matters", "matters jointly", "negligible", "nothing lost", "not lifted"}


def test_decide_writes_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    shown = RUNNER.invoke(app, ["decide", str(DIGITS), *TARGET, "--data", str(IMAGES), "--out", str(path)])
    assert shown.exit_code == 0
    assert hwsim.Plan.load(path).tensors["stem"].bits == 8


@pytest.mark.slow
def test_propose_writes_a_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BITS, "weights", (4,))
    monkeypatch.setitem(BITS, "activations", ())
    path = tmp_path / "proposal.yaml"
    asked = ["propose", str(DIGITS), *TARGET, "--data", str(IMAGES), "--samples", "16"]
    shown = RUNNER.invoke(app, [*asked, "--top1", "0.98", "--out", str(path)])
    assert shown.exit_code == 0
    assert "layers:" in shown.stdout
    result = hwsim.run(DIGITS, path, IMAGES)
    assert np.mean(result.outputs.argmax(-1) == result.reference.argmax(-1)) >= 0.98
    assert any(one.bits == 4 for one in result.plan.weights.values())


def test_propose_says_what_is_missing_or_impossible() -> None:
    asked = ["propose", str(DIGITS), "--data", str(IMAGES), "--samples", "2", "--target", "narrow-acc16-saturate"]
    shown = RUNNER.invoke(app, asked)
    assert shown.exit_code == 2
    assert "top1" in shown.stderr


def test_candidates_say_only_what_differs() -> None:
    network = hwsim.load(DIGITS)
    target = hwsim.load_target("generic-int8")
    operation = network.by_name["stem"]
    found = list(candidates(operation, target.settings(operation.kind, operation.name)))
    assert len({(one.part, str(one.keys)) for one in found}) == len(found)
    assert all(one.keys for one in found)
    assert not any(one.keys.get("granularity") == "output_channel" for one in found)  # the target says so already
