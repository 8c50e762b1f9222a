"""Records as a pandas table and as HTML; whatever a name holds stays text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from hwsim.report.wording import printable

if TYPE_CHECKING:
    import pandas as pd


def frame_of(
    record: type[Any], rows: Sequence[Any], instead: Mapping[str, Sequence[object]] | None = None
) -> pd.DataFrame:
    """Return one row for each record, its fields as columns; ``instead`` gives columns their values or adds columns."""
    import pandas as pd

    columns = {field.name: [getattr(one, field.name) for one in rows] for field in fields(record)}
    return pd.DataFrame(columns | {name: list(values) for name, values in (instead or {}).items()})


def html_of(title: str, frame: pd.DataFrame, notes: Sequence[str] = ()) -> str:
    """Return a heading, lines of notes and a table for a notebook."""
    lines = "".join(f"<p>{escape(printable(one))}</p>" for one in notes)
    shown = frame.map(_shown)
    body: str = shown.to_html(index=False, escape=True, na_rep="", border=0, float_format="{:.4g}".format)
    return f"<div><h4>{escape(printable(title))}</h4>{lines}{body}</div>"


def _shown(value: object) -> object:
    return printable(value) if isinstance(value, str) else value
