"""What the README shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import hwsim
from hwsim.target import Target

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def first_block(language: str) -> str:
    """Return the README's first block of code in a language ("" for plain text)."""
    found = re.search(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_target_is_valid() -> None:
    assert Target.from_dict(yaml.safe_load(first_block("yaml"))).name == "my-npu"


def test_the_three_lines_give_a_report_of_the_form_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    exec(first_block("python"), {})
    printed = capsys.readouterr().out
    # figures may move in their last digit with the machine's floats; names, columns and proofs may not
    shown = re.search(r"^```\n(softmax: .*?)^```", README, re.MULTILINE | re.DOTALL)
    assert shown is not None
    for line in shown[1].splitlines():
        start = line.split("  ")[0][:24]
        assert start in printed, line
    assert "2 of 8 accumulators are proved never to overflow" in printed


def test_the_arguments_named_are_those_of_run() -> None:
    for name in re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE):
        known = name in hwsim.run.__annotations__ or name in hwsim.Result.__dataclass_fields__
        assert known, f"the README speaks of {name!r}"
