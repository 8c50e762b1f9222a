"""A comparison for a terminal, as plain text, and for a notebook."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from markupsafe import escape
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hwsim.divergence.result import Compared, Diff
from hwsim.report.columns import WIDTH
from hwsim.report.wording import counted, percent, printable

MOST_ROWS = 20
MOST_NAMED = 10

HEADERS = ("tensor", "shape", "differ", "%", "largest", "first n/y,x/c", "A", "B")


def plain_text(diff: Diff) -> str:
    """Return a comparison as text of at most WIDTH columns."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, legacy_windows=False)
    console.print(diff)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def parts(diff: Diff) -> Iterator[RenderableType]:
    """Yield what a terminal shows: the verdict, the causes, then the tensors that differ."""
    yield Text(verdict(diff), style="bold green" if diff.equal else "bold red")
    if diff.causes:
        yield Text("What explains it, the most convincing first:")
        for number, one in enumerate(diff.causes, start=1):
            text = Text(f"{number}. ").append(printable(one.says))
            if one.explained:
                text.append(f" ({one.extent})", "dim")
            yield Padding(text, (0, 0, 0, 2), expand=False)
    for note in remarks(diff):
        yield Padding(Text(note, style="dim"), (0, 0, 0, 2), expand=False)
    if diff.differing:
        yield Text()
        yield _table(diff.differing)


def _table(rows: Sequence[Compared]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in HEADERS:
        left = name in ("tensor", "shape", "first n/y,x/c")
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=not left)
    for one in rows[:MOST_ROWS]:
        table.add_row(*(Text(cell) for cell in cells(one)))
    if len(rows) > MOST_ROWS:
        table.add_row(Text(f"{len(rows) - MOST_ROWS} more"))
    return table


def cells(one: Compared) -> list[str]:
    """Return a row of the table."""
    shape = "x".join(map(str, one.shape))
    if one.first is None:
        return [printable(one.name), shape, "-", "-", "-", "not comparable", "-", "-"]
    return [
        printable(one.name),
        shape,
        f"{one.count:,}",
        percent(one.share),
        str(one.largest),
        f"{one.first.sample}/{','.join(map(str, one.first.position)) or '-'}/{one.first.channel}",
        str(one.first.a),
        str(one.first.b),
    ]


def verdict(diff: Diff) -> str:
    """Say in a sentence whether anything differs, and where first."""
    pairs = f"{counted(len(diff.tensors), 'tensor')} matched by {diff.matched}"
    first = diff.first
    if first is None:
        return f"equal: {pairs}, every value is the same"
    name = printable(first.name)
    if first.first is None:
        return f"different, first in {name}: {first.problem} ({pairs})"
    at = first.first
    return (
        f"different, first in {name} at {at}: {at.a} in A, {at.b} in B; "
        f"{first.count:,} of its {first.values:,} values ({percent(first.share)} %), by {first.largest} at most; "
        f"{len(diff.differing)} of {pairs} differ"
    )


def remarks(diff: Diff) -> list[str]:
    """Return what else is to be known: what was not compared, and how the rest was laid side by side."""
    found = [f"A is {diff.a}, B is {diff.b}"] if (diff.a, diff.b) != ("A", "B") else []
    if diff.matched == "order":
        found.append("no two tensors have one name, so they were matched by order and size")
    for side, names in (("A", diff.only_a), ("B", diff.only_b)):
        if names:
            found.append(f"only in {side}, not compared: {listed(names)}")
    noted: dict[str, list[str]] = {}
    for one in diff.tensors:
        for note in one.notes:
            noted.setdefault(note, []).append(one.name)
    found += [f"{listed(names)}: {note}" for note, names in noted.items()]
    return [printable(line) for line in [*found, *diff.notes]]


def listed(names: Sequence[str]) -> str:
    """Return names as a list, the first of many."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def html(diff: Diff) -> str:
    """Return a comparison as a fragment of a page."""
    causes = "".join(f"<li>{escape(printable(one.says))} ({escape(one.extent)})</li>" for one in diff.causes)
    notes = "".join(f"<p>{escape(line)}</p>" for line in remarks(diff))
    head = "".join(f"<th>{escape(name)}</th>" for name in HEADERS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells(one)) + "</tr>"
        for one in diff.differing[:MOST_ROWS]
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    return f"<div><h4>{escape(verdict(diff))}</h4>{f'<ol>{causes}</ol>' if causes else ''}{notes}{table}</div>"
