"""The table on the screen, and the same in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bench.figures import Figure, Missing, Wrong
from bench.row import By, Line
from hwsim.files import write_whole

WIDTH = 190
"""Columns where the output is no terminal."""


def show(machine: Mapping[str, Any], lines: Sequence[Line], console: Console | None = None) -> None:
    """Print the machine, the table and the notes."""
    screen = console or Console(width=None if sys.stdout.isatty() else WIDTH)
    for name, value in machine.items():
        words = ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, Mapping) else str(value)
        screen.print(f"{name:9} {words}", highlight=False, markup=False)
    screen.print(table(lines))
    for note in dict.fromkeys((line.row.number, note) for line in lines for note in line.notes):
        screen.print(f"{note[0]:2}: {note[1]}", highlight=False, markup=False)


def table(lines: Sequence[Line]) -> Table:
    """Return the rows."""
    made = Table()
    for heading in ("row", "work", "ours", "peer", "its figure", "ratio", "goal", "beyond"):
        made.add_column(heading, justify="right" if heading in ("row", "ratio") else "left")
    previous = lines[0].row.number if lines else 0
    for line in lines:
        if line.row.number != previous:
            made.add_section()
        previous = line.row.number
        made.add_row(
            str(line.row.number),
            escape(line.row.work),
            cell(line.ours),
            escape(line.row.peer),
            cell(line.peer),
            "" if line.ratio is None else line.row.by.text(line.ratio),
            against(line, line.goal),
            against(line, line.row.beyond),
        )
    return made


def cell(figure: Figure | Missing) -> str:
    """Return a figure, or why there is none."""
    if isinstance(figure, Figure):
        return escape(str(figure))
    return f"[{'bold red' if isinstance(figure, Wrong) else 'dim'}]{escape(str(figure))}[/]"


def against(line: Line, bound: float | None) -> str:
    """Return a bound and whether it is met."""
    if bound is None:
        return ""
    words = f"{'≥' if line.row.by.at_least else '≤'} {line.row.by.text(bound)}"
    return words + {None: "", True: " [green]met[/]", False: " [red]not met[/]"}[line.met(bound)]


def markdown(machine: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """Return the table for a page."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    facts = f"{machine['cpu']}, {machine['threads']} threads, tier {machine['tier']}, {versions}"
    heads = ("row", "work", "ours", "peer", "its figure", "ratio", "goal")
    rows = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for line in lines:
        ratio = "" if line.ratio is None else line.row.by.text(line.ratio)
        goal = Text.from_markup(against(line, line.goal)).plain
        cells = (line.row.number, line.row.work, line.ours, line.row.peer, line.peer, ratio, goal)
        rows.append("| " + " | ".join(str(one).replace("|", "/") for one in cells) + " |")
    return "\n".join([f"Measured on: {facts}.", "", *rows])


def insert(page: Path, text: str, *, name: str) -> None:
    """Put text between the marks of a page that are called ``name``, whole or not at all."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(start)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{page}: has no marks {start} and {end}")
    write_whole(page, f"{before}{start}\n{text}\n{end}{after}".encode())


def write(path: Path, machine: Mapping[str, Any], lines: Sequence[Line]) -> None:
    """Write everything as JSON, whole or not at all."""
    whole = {
        "machine": machine,
        "ratios": {one.name: one.value for one in By},
        "rows": [one.as_json() for one in lines],
    }
    write_whole(path, (json.dumps(whole, indent=2, ensure_ascii=False) + "\n").encode())
