"""The table of rows, and what becomes of measurements; nothing is measured here."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bench.figures import Figure, Missing, Outcome, Unit, Wrong
from bench.measure import Entry, Setup, Turn, contest, figure
from bench.report import show, write
from bench.row import By, Line, Row, everywhere
from bench.session import attempted
from bench.table import ROWS

SECONDS = Unit(operations=2e9)


def nothing(setup: Setup) -> Outcome:
    """An experiment that is never run."""
    raise Missing("not installed: peer")


def row(by: By = By.COST, goal: float | None = 2.0) -> Row:
    return Row(
        number=1,
        name="made",
        work="[some] work",
        experiment=nothing,
        peer="peer",
        by=by,
        goals=everywhere(goal) if goal else {},
        beyond=0.5,
    )


def line(ours: float, peer: float | None, by: By = By.COST, goal: float | None = 2.0) -> Line:
    """Return a line of synthetic figures."""
    figures: dict[str, Figure | Missing] = {"ours": Figure(value=ours, unit=SECONDS, samples=(ours,))}
    if peer is not None:
        figures["peer"] = Figure(value=peer, unit=SECONDS)
    return Line.of(row(by, goal), "vnni", Outcome(figures=figures, notes=["a note"]))


def setup_in(folder: Path, *wanted: str) -> Setup:
    return Setup(threads=1, rounds=1, budget_s=0, folder=folder, wanted=frozenset(wanted))


def test_the_table_has_every_goal_once() -> None:
    assert len({one.name for one in ROWS}) == len(ROWS)
    assert len({(one.experiment, one.ours, one.peer, one.by) for one in ROWS}) == len(ROWS)
    assert {one.number for one in ROWS} == set(range(1, 16))
    assert {one.number for one in ROWS if one.goals} == {*range(1, 10), *range(11, 15)}
    assert [one.name for one in ROWS if one.beyond] == ["inception-int8-tflite", "inception-acc20-tensorflow"]
    assert [one.number for one in ROWS] == sorted(one.number for one in ROWS)


@pytest.mark.parametrize(
    ("by", "ratio", "met"), [(By.COST, 0.25, True), (By.SPEED, 4, True), (By.SHARE, 4, True), (By.VALUE, 0.5, True)]
)
def test_ratios(by: By, ratio: float, met: bool) -> None:
    measured = line(0.5, 2.0, by)
    assert (measured.ratio, measured.met(measured.goal)) == (ratio, met)
    assert line(40.0, 2.0, by).met(2.0) is not met


def test_without_figures_or_goals_nothing_is_met() -> None:
    missing, aimless = line(0.5, None), line(0.5, 2.0, goal=None)
    assert (missing.ratio, missing.met(missing.goal)) == (None, None)
    assert (aimless.ratio, aimless.goal, aimless.met(aimless.goal)) == (0.25, None, None)


def test_the_file_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "made" / "bench.json"
    write(path, {"cpu": "made"}, [line(0.5, 2.0)])
    written = json.loads(path.read_text())
    assert written["machine"] == {"cpu": "made"}
    [found] = written["rows"]
    assert found["ours"] == {"name": "ours", "value": 0.5, "unit": "s", "text": "500 ms, 4.00 GOPS", "samples": [0.5]}
    assert (found["ratio"], found["goal"], found["met"], found["beyond_met"]) == (0.25, 2.0, True, True)

    def fail(self: Path, target: Path) -> Path:
        raise OSError(f"no space left for {target}")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write(path, {}, [])
    assert json.loads(path.read_text()) == written
    assert list(path.parent.iterdir()) == [path]


def test_the_screen_shows_figures_reasons_and_notes() -> None:
    screen = Console(file=io.StringIO(), width=190)
    show({"cpu": "made", "versions": {"numpy": None}}, [line(0.5, 2.0), line(0.5, None), line(9.0, 2.0)], screen)
    assert isinstance(screen.file, io.StringIO)
    text = screen.file.getvalue()
    for words in ("[some] work", "0.250x", "≤ 2.00x met", "not met", "not measured", "1: a note", "numpy None"):
        assert words in text


def test_disturbed_turns_count_only_where_there_are_no_others() -> None:
    turns = [Turn(1.0, False), Turn(9.0, True), Turn(3.0, False)]
    assert (figure(turns, SECONDS).value, figure(turns[1:2], SECONDS).value) == (2.0, 9.0)


def test_what_fails_is_a_reason(tmp_path: Path) -> None:
    def broken(setup: Setup) -> Outcome:
        raise ValueError("broken")

    setup = setup_in(tmp_path)
    missing = attempted(nothing, setup, frozenset({"ours"})).figures["ours"]
    assert (str(missing), isinstance(missing, Wrong)) == ("not installed: peer", False)
    failed = attempted(broken, setup, frozenset({"ours"})).figures["ours"]
    assert (str(failed), isinstance(failed, Wrong)) == ("ValueError: broken", True)


def test_a_contest_checks_results_and_skips_who_is_not_wanted(tmp_path: Path) -> None:
    right = np.arange(3)
    entries = [
        Entry(name="right", prepare=lambda: lambda: right, expected=right),
        Entry(name="wrong", prepare=lambda: lambda: right + 1, expected=right),
        Entry(name="unwanted", prepare=lambda: lambda: right),
    ]
    figures = contest(setup_in(tmp_path, "right", "wrong"), SECONDS, entries).figures
    assert set(figures) == {"right", "wrong"}
    assert isinstance(figures["right"], Figure)
    assert str(figures["wrong"]) == "wrong: 3 values differ"
