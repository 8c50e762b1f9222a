"""The table of how far implementations are from each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lite.judge import codes_for
from lite.test_interpreter import ran
from typer.testing import CliRunner

import hwsim
from hwsim.cli import app
from hwsim.errors import ModelError
from hwsim.lite import IMPLEMENTATIONS
from hwsim.network import Input, Network


def test_rows_count_the_codes_that_differ(small: dict[str, Path]) -> None:
    path = small["multiply by channel"]
    codes = codes_for(path, 70)
    found = hwsim.compare_implementations(path, codes)
    base = ran(path, codes, "tflite-int8").codes
    assert (found.samples, found.targets) == (70, IMPLEMENTATIONS[1:])
    assert {row.layer for row in found.rows} == set(base) - {one.name for one in hwsim.load(path).inputs}
    for row in found.rows:
        gap = np.abs(ran(path, codes, row.target).codes[row.layer].astype(int) - base[row.layer].astype(int))
        assert (row.codes, row.differing, row.largest) == (gap.size, int(np.count_nonzero(gap)), int(gap.max()))
    assert any(row.differing for row in found.rows)
    assert len(found.to_frame()) == len(found.rows)


def test_the_command(small: dict[str, Path], tmp_path: Path) -> None:
    path = small["dense"]
    np.save(tmp_path / "x.npy", codes_for(path, 500))
    arguments = ["lite", str(path), "--data", str(tmp_path / "x.npy"), "--against", "tflite-micro-int8"]
    text = CliRunner().invoke(app, arguments).stdout
    assert "codes that differ from tflite-micro-int8, 500 samples" in text
    data = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert data["targets"] == [name for name in IMPLEMENTATIONS if name != "tflite-micro-int8"]
    counts = [str(row["differing"]) for row in data["rows"]]
    assert text.splitlines()[-1].split()[-4:] == counts
    assert int(counts[0]) > 0


def test_what_is_no_file_of_8_bits_is_refused() -> None:
    network = Network(name="plain", operations=(Input(name="x", shape=(3,)),), outputs=("x",))
    with pytest.raises(ModelError, match="plain: is no quantised .tflite file"):
        hwsim.compare_implementations(network)
