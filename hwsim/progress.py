"""A progress bar for long work: on a terminal or in a notebook only, and not before two seconds have passed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

PATIENCE_S = 2.0
"""Work that takes no longer shows no bar."""


@contextmanager
def tracked(description: str, total: int | None = None) -> Generator[Callable[[int], None]]:
    """Yield ``advance(n)``, to be called after every n of ``total`` pieces of work; None if their number is not known.

    The bar stands on stderr and goes away with the work. Where nobody looks, nothing is written.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not (console.is_jupyter or (console.is_terminal and not console.is_dumb_terminal)):
        yield _nothing
        return
    bar = _Bar(console, description, total)
    try:
        yield bar.advance
    finally:
        bar.stop()


def _nothing(_done: int) -> None:
    """Advance no bar."""


class _Bar:
    """A rich progress bar that comes late: by a timer on a terminal, with the next advance in a notebook."""

    def __init__(self, console: Console, description: str, total: int | None) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console, transient=True)
        self._task = self._progress.add_task(description, total=total)
        self._due = time.monotonic() + PATIENCE_S
        self._lock = threading.Lock()
        self._state = "waiting"
        self._timer = threading.Timer(PATIENCE_S, self._start)
        self._timer.daemon = True
        if not console.is_jupyter:
            self._timer.start()

    def advance(self, done: int) -> None:
        """Note that ``done`` more pieces are finished."""
        self._progress.advance(self._task, done)
        if self._state == "waiting" and time.monotonic() >= self._due:
            self._start()

    def stop(self) -> None:
        """Take the bar away, or see to it that it never comes."""
        self._timer.cancel()
        with self._lock:
            if self._state == "shown":
                self._progress.stop()
            self._state = "over"

    def _start(self) -> None:
        with self._lock:
            if self._state == "waiting":
                self._state = "shown"
                self._progress.start()
