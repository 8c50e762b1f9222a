"""Plain text in columns: tables and paragraphs that keep within a width, wide characters included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, chop_cells

from hwsim.report.wording import printable, shortened

WIDTH = 100
"""No line of a report is longer."""


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], names: Sequence[int]) -> list[str]:
    """Return lines of a table. Its first columns hold names, stand left and are shortened to fit, if possible not below
    the width that ``names`` has for each; the others hold figures and stand right.

    >>> print("\\n".join(table(["layer", "clamped\\n%"], [["conv1", "12.5"]], names=[20])))
           clamped
    layer        %
    conv1     12.5
    """
    stacks = [header.split("\n") for header in headers]
    height = max(map(len, stacks))
    head = [[*[""] * (height - len(stack)), *stack] for stack in stacks]
    body = [[printable(cell) for cell in row] for row in rows]
    lines = [*(list(line) for line in zip(*head, strict=True)), *body]
    widths = [max(cell_len(line[column]) for line in lines) for column in range(len(headers))]
    gap = _fit(widths, names)
    return [_line(line, widths, len(names), " " * gap) for line in lines]


def _fit(widths: list[int], names: Sequence[int]) -> int:
    """Narrow the columns of names until all fit, and return how many blanks stand between columns."""
    for gap, minima in ((2, names), (1, names), (1, [4] * len(names))):
        excess = sum(widths) + gap * (len(widths) - 1) - WIDTH
        room = [max(width - least, 0) for width, least in zip(widths, minima, strict=False)]
        if sum(room) >= excess:
            break
    while excess > 0 and sum(room) > 0:
        column = room.index(max(room))
        widths[column] -= 1
        room[column] -= 1
        excess -= 1
    return gap


def _line(cells: Sequence[str], widths: Sequence[int], names: int, gap: str) -> str:
    padded = [
        _padded(cell, width, left=column < names)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return gap.join(padded).rstrip()


def _padded(cell: str, width: int, *, left: bool) -> str:
    text = shortened(cell, width)
    blanks = " " * (width - cell_len(text))
    return text + blanks if left else blanks + text


def paragraph(text: str, indent: str = "", first: str = "") -> list[str]:
    """Return ``text`` as lines, later ones behind ``indent``; words too long for a line are broken."""
    return list(_wrapped(printable(" ".join(text.split())), indent, first))


def _wrapped(text: str, indent: str, first: str) -> Iterator[str]:
    line, begun = first, False
    for word in text.split(" "):
        for piece in chop_cells(word, WIDTH - len(indent) - len(first)) or [""]:
            longer = f"{line} {piece}" if begun else line + piece
            if cell_len(longer) > WIDTH:
                yield line
                longer = indent + piece
            line, begun = longer, True
    yield line
