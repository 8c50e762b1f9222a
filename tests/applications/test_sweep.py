"""The sweep at full size: its table, and that it goes on where it was stopped."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from applications import sweep
from applications.networks import NAMES

PAGE = Path(__file__).parents[2] / "docs" / "applications.md"

TARGET = {
    "run_seconds": 3.0,
    "seconds": 0.25,
    "sqnr_db": 20.0,
    "top1": 0.5,
    "worst_layer_db": 30.0,
    "clamped": 1e-6,
    "round_off": 0.289,
    "peak": 2_000_000_000,
}
FIGURES: dict[str, Any] = {
    "network": "VGG16",
    "input": 224,
    "images": 2,
    "parameters": 138_000_000,
    "float_seconds": 12.3,
    "macs": 15_400_000_000,
    "targets": {"generic-int8": TARGET, "16 bits": TARGET},
}


def test_the_table_has_all_figures_and_a_dash_for_what_did_not_run() -> None:
    _, rule, first, second, missing = sweep.table_of([FIGURES, {"network": "VGG19"}]).splitlines()
    figures = " | 0.25 | 20.0 | 30.0 | 50 % | <0.01 | 0.29 | 2.0 |"
    assert first == "| VGG16 | 224² | 138.0 | 15.40 | 12 | generic-int8" + figures
    assert second == "|  |  |  |  |  | 16 bits" + figures
    assert missing == "| VGG19" + " | –" * 12 + " |"
    assert rule.count("|") == first.count("|") == missing.count("|")


def test_what_is_there_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "VGG16.json").write_text(json.dumps(FIGURES))
    page = tmp_path / "page.md"
    page.write_text(f"before\n{sweep.START}\nold\n{sweep.END}\nafter\n")
    arguments = ["sweep.py", "--out", str(tmp_path), "--only", "VGG16", "--page", str(page)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert sweep.main() == 0
    text = page.read_text()
    assert text == f"before\n{sweep.START}\n{(tmp_path / 'table.md').read_text()}{sweep.END}\nafter\n"
    assert "| VGG16 | 224² |" in text


def test_the_page_lists_every_network() -> None:
    table = PAGE.read_text().split(sweep.START)[1].split(sweep.END)[0]
    names = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[3:]]
    assert [name for name in names if name.strip()] == list(NAMES)
