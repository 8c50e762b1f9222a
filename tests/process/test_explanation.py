"""The walk of `hwsim explain`, and attribution from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pipeline.tiny import DIGITS, IMAGES, digits, narrow_target, target_with
from process.cases import network, samples
from typer.testing import CliRunner

import hwsim
from hwsim.cli import app

RUNNER = CliRunner()


def test_walk_says_each_step_when_it_is_done() -> None:
    said: list[str] = []
    found = hwsim.explain(network(), narrow_target(12), samples(), say=said.append)
    assert [text.split(".")[0] for text in said] == ["1", "2", "3", "4", "5"]
    assert "\n\n".join(text.rstrip("\n") for text in said) == str(found)
    assert max(map(len, str(found).splitlines())) <= 100
    assert "accumulators put in" in str(found.steps[1])
    assert "accumulator" in str(found.steps[3])
    assert "In short" in str(found.steps[4])
    assert found.result.report.costs == found.attribution.costs
    assert json.loads(found.to_json())["report"]["attributed"] == 24


def test_walk_sees_data_that_is_scaled_otherwise() -> None:
    small, data = network(), samples()
    clipped = hwsim.explain(small, target_with(), data * 6, calibration=data, say=None).steps[0]
    assert clipped.alarm and "CLIPPED" in str(clipped)
    tiny = hwsim.explain(small, target_with(), data / 100, calibration=data, say=None).steps[0]
    assert tiny.alarm and "scaled as in training" in str(tiny)
    right = hwsim.explain(small, target_with(), data, calibration=data, say=None).steps[0]
    assert "CLIPPED" not in str(right) and "are used" not in str(right)


def test_walk_sees_synthetic_data_and_decisions_of_one_class() -> None:
    found = hwsim.explain(network(), target_with(), say=None).steps[0]
    assert found.alarm and "SYNTHETIC" in str(found)
    same = hwsim.explain(network(), target_with(), np.repeat(samples(1), 8, axis=0), say=None).steps[0]
    assert same.alarm and "for every sample" in str(same) and "into class" in str(same)


def test_command_line_attributes_and_explains(tmp_path: Path) -> None:
    images, _ = digits()
    np.save(tmp_path / "few.npy", images[:6])
    asked = [str(DIGITS), "--target", "narrow-acc16-saturate", "--data", str(tmp_path / "few.npy")]
    shown = RUNNER.invoke(
        app, ["run", *asked, "--attribute", "--samples", "4", "--quick", "--json", "--out", str(tmp_path)]
    )
    assert shown.exit_code == 0, shown.output
    report = hwsim.Report.from_json(shown.stdout)
    assert report.attributed == 4 and report.waterfall
    assert hwsim.Report.from_json((tmp_path / "report.json").read_text()) == report
    assert "What costs most" in (tmp_path / "report.html").read_text()
    walked = RUNNER.invoke(app, ["explain", *asked, "--samples", "4", "--quick"])
    assert walked.exit_code == 0, walked.output
    assert "5. What helps?" in walked.stdout
    assert IMAGES.exists()


@pytest.mark.parametrize("option", ["--attribute"])
def test_plain_run_has_no_attribution(option: str) -> None:
    shown = RUNNER.invoke(app, ["run", "--help"])
    assert option in shown.stdout
