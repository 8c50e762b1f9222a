"""Progress bars: only where somebody looks, and only for long work."""

from __future__ import annotations

import io
import time
from functools import partial

import pytest
from rich.console import Console

from hwsim import progress
from hwsim.progress import tracked


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Let consoles write to a terminal that is only a text."""
    stream = io.StringIO()
    console = partial(Console, file=stream, force_terminal=True, force_jupyter=False, _environ={"TERM": "xterm"})
    monkeypatch.setattr("rich.console.Console", console)
    return stream


def test_nothing_is_written_where_nobody_looks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)
    with tracked("working", 10) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")


def test_short_work_shows_no_bar(terminal: io.StringIO) -> None:
    with tracked("working", 10) as advance:
        advance(10)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("total", [4, None])
def test_long_work_shows_a_bar_that_goes_away(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch, total: int | None
) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", 0.02)
    with tracked("working [bold]", total) as advance:
        for _ in range(4):
            time.sleep(0.05)
            advance(1)
    assert "working [bold]" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[1A\x1b[2K")


def test_work_without_an_advance_shows_a_bar_too(terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", 0.02)
    with tracked("thinking", 1):
        time.sleep(0.3)
    assert "thinking" in terminal.getvalue()


def test_an_error_takes_the_bar_away(terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", 0.02)
    with pytest.raises(ZeroDivisionError), tracked("failing", 1):
        time.sleep(0.2)
        raise ZeroDivisionError
    assert terminal.getvalue().endswith("\x1b[1A\x1b[2K")
