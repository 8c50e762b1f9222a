"""What docs/report.md shows of comparisons and of locations is what the commands print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import hwsim
from hwsim.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
DATA = "hwsim/demo/digits.npz"


def without_digits(line: str) -> str:
    """Return a line as it stands whatever the machine's floats."""
    return re.sub(r"\s+", " ", re.sub(r"[<+-]?[\d,.]+k?", "#", line)).strip()


def test_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hwsim").symlink_to(ROOT / "hwsim")
    monkeypatch.chdir(tmp_path)
    results = {}
    for folder, target in (("narrow", "narrow-acc16-saturate"), ("wide", "generic-int8")):
        results[folder] = hwsim.run("hwsim/demo/digits.keras", target, DATA)
        results[folder].report.to_json(Path(folder) / "report.json")
    results["narrow"].program.save(Path("narrow") / "program.hwsim")
    shown = re.search(r"^```\n(better: .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    command = re.search(r"^hwsim (diff narrow.*)$", PAGE, re.MULTILINE)
    assert shown is not None and command is not None
    done = CliRunner().invoke(app, command[1].split())
    printed = [without_digits(line) for line in done.stdout.splitlines()]
    for line in shown[1].splitlines():
        assert line == "…" or without_digits(line) in printed, line
    located = re.search(r"^```\n(block2_conv accumulator: .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    command = re.search(r"^hwsim (locate narrow.*)$", PAGE, re.MULTILINE)
    assert located is not None and command is not None
    done = CliRunner().invoke(app, command[1].split())
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == len(located[1].splitlines())
    assert without_digits(done.stdout.splitlines()[0]) == without_digits(located[1].splitlines()[0])
    code = re.search(r"^```python\n(found = .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert code is not None
    exec(code[1], {"hwsim": hwsim, "result": results["narrow"], "data": DATA})


def test_the_options_named_are_those_of_locate() -> None:
    help_text = CliRunner().invoke(app, ["locate", "--help"]).stdout
    for name in re.findall(r"^\| `(--[a-z]+)` \| [a-z`]", PAGE.split("## Locating a loss")[1], re.MULTILINE):
        assert name in help_text
