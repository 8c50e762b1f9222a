"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report.synthetic import synthetic_report
from typer.testing import CliRunner

import hwsim
from hwsim.cli import app
from hwsim.errors import DataError
from hwsim.report import Report

RUNNER = CliRunner()


class Artefact:
    """Stands for a plan or a program."""

    def save(self, path: Path) -> None:
        path.write_text("saved")


@dataclass
class FakeResult:
    """What ``hwsim.run`` gives, as far as the command line looks."""

    report: Report
    outputs: Any
    codes: Any
    reference: Any
    plan = Artefact()
    program = Artefact()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("model.keras", "x.npz", "plan.json"):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replace ``hwsim.run`` and return the list that its calls go to."""
    seen: list[dict[str, Any]] = []

    def run(model: object, target: object, data: object, **options: Any) -> FakeResult:
        seen.append({"model": model, "target": target, "data": data, **options})
        scores = np.eye(3)
        return FakeResult(synthetic_report(2), outputs=scores, codes={"a": scores, "b": scores}, reference=None)

    monkeypatch.setattr(hwsim, "run", run, raising=False)
    return seen


def test_a_tier_that_is_not_there_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = Path(hwsim.__path__[0]) / "demo"
    monkeypatch.setenv("HWSIM_TIER", "fastest")
    done = RUNNER.invoke(
        app,
        ["run", str(demo / "digits.keras"), "-t", "generic-int8", "--data", str(demo / "digits.npz"), "--no-reference"],
    )
    assert done.exit_code != 0
    assert done.stderr.splitlines()[-1].startswith("error: HWSIM_TIER=fastest: there is no such tier; known are plain")
    assert isinstance(done.exception, SystemExit)


def test_run_prints_the_report(files: Path, calls: list[dict[str, Any]]) -> None:
    done = RUNNER.invoke(app, ["run", str(files / "model.keras"), "--target", "generic-int8"])
    assert done.exit_code == 0
    assert done.stdout == f"{synthetic_report(2)}\n"
    assert calls == [
        {
            "model": files / "model.keras",
            "target": "generic-int8",
            "data": None,
            "calibration": None,
            "plan": None,
            "reference": True,
            "batch_size": 32,
            "techniques": (),
            "tensors": False,
        }
    ]


def test_run_passes_its_options_on(files: Path, calls: list[dict[str, Any]]) -> None:
    x, plan = files / "x.npz", files / "plan.json"
    options = ["--data", str(x), "--calibration", str(x), "--plan", str(plan), "--batch-size", "7", "--no-reference"]
    done = RUNNER.invoke(app, ["run", str(files / "model.keras"), "-t", "t.yaml", *options])
    assert done.exit_code == 0
    expected = {"data": x, "calibration": x, "plan": plan, "batch_size": 7, "reference": False}
    assert calls[0] | expected == calls[0]


def test_run_prints_json_only(files: Path, calls: list[dict[str, Any]]) -> None:
    done = RUNNER.invoke(app, ["run", str(files / "model.keras"), "-t", "x", "--json", "--out", str(files / "out")])
    assert Report.from_json(done.stdout) == synthetic_report(2)
    assert "written to" in done.stderr
    assert len(calls) == 1


def test_run_writes_everything(files: Path, calls: list[dict[str, Any]]) -> None:
    out = files / "new" / "out"
    done = RUNNER.invoke(app, ["run", str(files / "model.keras"), "-t", "x", "--out", str(out)])
    assert done.exit_code == 0, done.output
    names = ["model_explorer", "outputs.npz", "plan.json", "program.hwsim", "report.csv", "report.html", "report.json"]
    assert sorted(path.name for path in out.iterdir()) == names
    with np.load(out / "outputs.npz") as arrays:
        assert sorted(arrays) == ["codes/a", "codes/b", "outputs"]
    assert len(calls) == 1


@pytest.mark.parametrize("option", ["--data", "--calibration", "--plan"])
def test_missing_file_is_an_error_before_anything_runs(option: str, files: Path, calls: list[dict[str, Any]]) -> None:
    done = RUNNER.invoke(app, ["run", str(files / "model.keras"), "-t", "x", option, str(files / "none.npz")])
    assert (done.exit_code, done.stdout, calls) == (2, "", [])
    assert done.stderr == f"error: {files / 'none.npz'}: no such file\n"


def test_error_is_printed_without_traceback(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> None:
        raise DataError("the data is empty: it holds no sample")

    monkeypatch.setattr(hwsim, "run", run, raising=False)
    done = RUNNER.invoke(app, ["run", str(files / "model.keras"), "-t", "x"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: the data is empty: it holds no sample\n"


def test_unwritable_folder_is_an_error(files: Path, calls: list[dict[str, Any]]) -> None:
    done = RUNNER.invoke(app, ["run", str(files / "model.keras"), "-t", "x", "--out", str(files / "x.npz" / "out")])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert len(calls) == 1


def test_targets_are_listed() -> None:
    done = RUNNER.invoke(app, ["targets"])
    assert done.exit_code == 0
    assert "generic-int8" in done.stdout and "edge-npu-acc20" in done.stdout
    listed = json.loads(RUNNER.invoke(app, ["targets", "--json"]).stdout)
    assert {"name", "description"} == set(listed[0])


def test_target_is_explained() -> None:
    assert "accumulator" in RUNNER.invoke(app, ["targets", "generic-int8"]).stdout
    assert json.loads(RUNNER.invoke(app, ["targets", "generic-int8", "--json"]).stdout)["name"] == "generic-int8"


def test_unknown_target_is_an_error() -> None:
    done = RUNNER.invoke(app, ["targets", "generic-int9"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "did you mean 'generic-int8'?" in done.stderr


def test_schema_is_json() -> None:
    assert json.loads(RUNNER.invoke(app, ["targets", "--schema"]).stdout)["title"] == "hwsim target"


def test_validation_says_what_is_wrong(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("name: fine\n")
    bad.write_text("name: bad\nwaits: {bits: 8}\nweights: {bits: 80}\n")
    done = RUNNER.invoke(app, ["targets", "--validate", str(good)])
    assert (done.exit_code, done.stdout) == (0, f"{good}: valid, target 'fine'\n")
    done = RUNNER.invoke(app, ["targets", "--validate", str(bad)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("error: ") == 2
    assert RUNNER.invoke(app, ["targets", "--validate", str(tmp_path / "none.yaml")]).exit_code == 1


def test_only_one_question_about_targets_at_a_time() -> None:
    assert RUNNER.invoke(app, ["targets", "generic-int8", "--schema"]).exit_code == 2


def test_version() -> None:
    assert RUNNER.invoke(app, ["--version"]).stdout == f"hwsim {hwsim.__version__}\n"


@pytest.mark.parametrize("command", [["--help"], ["targets", "--json"], ["targets", "generic-int8"]])
def test_quick_commands_import_nothing_heavy(command: list[str]) -> None:
    code = (
        "import sys; from hwsim.cli import app\n"
        f"try: app({command!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'pandas', 'matplotlib', 'jinja2'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_demo_shows_a_target_that_hurts(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["demo", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "right in float 99.50 %, in integers 99.50 %" in done.stdout
    assert "Where it hurts, the worst first:" in done.stdout
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".html", ".html", ".json", ".json"]


def test_a_profile_is_printed_and_written(tmp_path: Path) -> None:
    folder, out = Path(hwsim.__file__).parent / "demo", tmp_path / "p.npz"
    command = ["profile", str(folder / "digits.keras"), "--data", str(folder / "digits.npz"), "--accumulators"]
    done = RUNNER.invoke(app, [*command, "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["tensor"]: row for row in json.loads(done.stdout)}
    saved = hwsim.Profile.load(out)
    assert list(rows) == [name for name, _ in saved.rows()]
    assert rows["stem"]["mean"] == saved.tensors["stem"].mean
    assert rows["stem"]["minimum"] == 0 > rows["stem (accumulator)"]["minimum"]
    refused = RUNNER.invoke(app, [*command, "--weights"])
    assert refused.exit_code == 2
    assert "--weights stands without" in refused.stderr


def test_profiles_and_analyses() -> None:
    folder = Path(hwsim.__file__).parent / "demo"
    digits, images = str(folder / "digits.keras"), str(folder / "digits.npz")
    weights = RUNNER.invoke(app, ["profile", digits, "--weights"])
    assert weights.exit_code == 0
    assert "block2_conv" in weights.stdout
    analysed = RUNNER.invoke(app, ["analyse", digits, "--target", "generic-int8", "--data", images])
    assert analysed.exit_code == 0
    assert "nearest distribution" in analysed.stdout
    wrong = RUNNER.invoke(app, ["analyse", digits, "--target", "generic-int9"])
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "did you mean 'generic-int8'?" in wrong.stderr
