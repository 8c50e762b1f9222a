"""What a comparison prints, draws and exits with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diff.planted import IMAGES, clean, clean_run, run_with, with_step
from pipeline.tiny import DIGITS
from typer.testing import CliRunner

import hwsim
from hwsim.cli import app
from hwsim.formats import Rounding
from hwsim.program.records import ScaleFixed

RUNNER = CliRunner()
EVIL = "<script>alert(1)</script>\x1b[31m[red]"


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    clean_run().save_tensors(tmp_path / "a.npz")
    run_with(with_step("logits", ScaleFixed, rounding=Rounding.FLOOR)).save_tensors(tmp_path / "b.npz")
    clean().save(tmp_path / "p.hwsim")
    return tmp_path


def test_exit_codes_and_text(dumps: Path) -> None:
    a, b = str(dumps / "a.npz"), str(dumps / "b.npz")
    same = RUNNER.invoke(app, ["diff", a, a])
    assert (same.exit_code, same.stderr) == (0, "")
    assert same.stdout.startswith("equal: 8 tensors matched by name, every value is the same")
    other = RUNNER.invoke(app, ["diff", a, b, "--program", str(dumps / "p.hwsim")])
    assert other.exit_code == 1
    said = " ".join(other.stdout.split())
    assert "different, first in logits at sample 0, channel" in said
    assert (
        "1. rounding: the rounding of 'requantize' is floor, not half_up as in the program; that gives B exactly"
        in said
    )
    unknown = RUNNER.invoke(app, ["diff", a, b])
    assert unknown.exit_code == 1
    assert "whether only ties differ is unknown" in " ".join(unknown.stdout.split())


def test_json(dumps: Path) -> None:
    shown = RUNNER.invoke(app, ["diff", str(dumps / "a.npz"), str(dumps / "b.npz"), "--json"])
    assert shown.exit_code == 1
    found = json.loads(shown.stdout)
    assert found["equal"] is False
    assert found["first"] == "logits"
    logits = next(one for one in found["tensors"] if one["name"] == "logits")
    assert logits["count"] == int(
        np.count_nonzero(np.load(dumps / "a.npz")["logits"] != np.load(dumps / "b.npz")["logits"])
    )
    assert logits["first"]["a"] - logits["first"]["b"] == 1
    assert found["causes"][0]["kind"] == "rounding"
    assert found["causes"][0]["whole"] is True
    assert found["histogram"] == [[-1, logits["count"]]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.npz", "gone.hex"], "error: gone.npz: no such file\ngone.hex: no such file\n"),
        (["a.npz", "bad.hex"], "error: bad.hex, line 2: xx has digits that are unknown (x) or not driven (z)\n"),
        (["a.npz", "b.npz", "--program", "a.npz"], "is no hwsim program, or damaged"),
        (["a.npz", "b.npz", "--shape", "3,0"], "--shape takes sizes above 0"),
        (["a.npz", "b.npz", "--shape", "3,q"], "--shape takes sizes above 0"),
        (["a.npz", "b.npz", "--bits", "63"], "less than or equal to 62"),
    ],
)
def test_bad_input_exits_with_2(dumps: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str) -> None:
    monkeypatch.chdir(dumps)
    (dumps / "bad.hex").write_text("00\nxx\n")
    done = RUNNER.invoke(app, ["diff", *arguments])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert said in done.stderr


def test_hex_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.array([[[1, -2], [3, -4]]]))
    Path("x.hex").write_text("01 0e 03 0c")
    options = ["--bits", "4", "--signed", "--shape", "1,2,2"]
    assert RUNNER.invoke(app, ["diff", "x.npy", "x.hex", *options]).exit_code == 0
    assert RUNNER.invoke(app, ["diff", "x.npy", "x.hex", "--bits", "4", "--unsigned"]).exit_code == 1


def test_run_writes_tensors(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 8, 8, 1), np.float32))
    asked = ["run", str(DIGITS), "--target", "generic-int8", "--data", str(tmp_path / "x.npy"), "--no-reference"]
    for name in ("a.npz", "b.npz"):
        done = RUNNER.invoke(app, [*asked, "--tensors", str(tmp_path / name)])
        assert done.exit_code == 0
        assert done.stderr.endswith(f"written to {tmp_path / name}\n")
    assert RUNNER.invoke(app, ["diff", str(tmp_path / "a.npz"), str(tmp_path / "b.npz")]).exit_code == 0


def differing() -> Any:
    a = np.random.default_rng(0).integers(-50, 50, (3, 4))
    return hwsim.diff({EVIL: a, "y": a}, {EVIL: a + (a > 30), "y": a + (a > 10)})


def test_names_stay_text() -> None:
    html = differing()._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    text = str(differing())
    assert "\x1b" not in text
    assert "\\x1b[31m[red]" in "".join(text.split())
    assert repr(differing()).startswith("<Diff of 2 tensors: first difference in ")


def test_text_keeps_within_its_width_and_order() -> None:
    many = {f"{'layer' * 9}{number}": np.zeros((2, 100), np.int16) for number in range(30)}
    other = {name: values + number for number, (name, values) in enumerate(many.items())}
    result = hwsim.diff(many, other)
    assert max(map(len, str(result).splitlines())) <= 100
    assert "9 more" in str(result)
    a = np.zeros((4, 100), np.int8)
    changes = {name: a + (np.arange(100) < size) for name, size in (("one", 1), ("two", 20), ("three", 50))}
    assert [one.name for one in hwsim.diff(dict.fromkeys(changes, a), changes).differing] == ["one", "three", "two"]


def test_an_equal_pair_draws_itself() -> None:
    html = hwsim.diff(clean_run(), clean().run(IMAGES, tensors=True))._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert "equal: 8 tensors" in html
    assert "<table>" not in html
