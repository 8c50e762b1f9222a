"""What docs/kernels.md shows works as it stands there, and it names everything that there is."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hwsim_kernels

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "kernels.md"


def test_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # they write files
    # doctest would take the fence behind an output for a part of it; lines keep their numbers
    text = re.sub(r"^```.*$", "", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    copy = tmp_path / PAGE.name
    copy.write_text(text, encoding="utf-8")
    failed, tried = doctest.testfile(str(copy), module_relative=False, encoding="utf-8")
    assert tried > 30
    assert failed == 0


def test_every_function_is_named() -> None:
    named = set(re.findall(r"`(\w+)", PAGE.read_text(encoding="utf-8")))
    constants = {name for name in hwsim_kernels.__all__ if name.isupper()} - {"ROUNDINGS", "OVERFLOWS"}
    assert set(hwsim_kernels.__all__) - constants <= named


def test_numpy_and_numba_alone_are_loaded() -> None:
    code = (
        "import sys, hwsim_kernels\n"
        "unwanted = {'hwsim', 'tensorflow', 'keras', 'pandas', 'pydantic', 'matplotlib', 'jinja2', 'rich'}\n"
        "sys.exit(str(unwanted & set(sys.modules)) if unwanted & set(sys.modules) else 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "kernels", capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
