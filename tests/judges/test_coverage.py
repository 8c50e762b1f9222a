"""The table of judges says what the tests do."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from judges.coverage import JUDGES, judged, judges_of

from hwsim.aliases import NAMES
from hwsim.formats import Overflow, Rounding


def parametrized(tool: str) -> Iterator[list[tuple[str, str]]]:
    """Return the names, with their modes, that the tests of a judge go through."""
    for test in vars(import_module(f"judges.test_{tool}")).values():
        for mark in getattr(test, "pytestmark", []):
            if mark.name == "parametrize" and mark.args[0] == ("name", "mode"):
                yield mark.args[1]


@pytest.mark.parametrize("tool", JUDGES)
def test_every_judge_is_heard(tool: str) -> None:
    assert list(parametrized(tool)) == [judged(tool, key) for key in NAMES if judged(tool, key)]


def test_every_test_is_of_a_judge() -> None:
    """A file bears the name of its tool, with more behind it where a tool has several."""
    files = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")} - {"coverage"}
    tools = {tool for tool in JUDGES for file in files if f"{file}_".startswith(f"{tool}_")}
    assert tools == {*JUDGES}
    assert all(any(f"{file}_".startswith(f"{tool}_") for tool in JUDGES) for file in files)


def test_all_names_of_a_judge_are_judged() -> None:
    left_out = {(tool, name) for tool, judge in JUDGES.items() for name in judge.left_out}
    assert left_out == {("apytypes", "STOCH_WEIGHTED"), ("apytypes", "STOCH_EQUAL")}
    for key, tools in NAMES.items():
        for tool in JUDGES.keys() & tools:
            assert {name for name, _ in judged(tool, key)} | {name for _, name in left_out} >= set(tools[tool])


def test_every_deterministic_mode_has_a_judge() -> None:
    alone = {mode.value for mode in Rounding if not judges_of("rounding", mode)}
    assert alone == {mode.value for mode in Rounding if mode.stochastic}
    assert {mode.value for mode in Overflow if not judges_of("overflow", mode)} == {"error"}
