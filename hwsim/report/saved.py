"""Reports from wherever they are: as they are, or from the JSON file of one."""

from __future__ import annotations

from pathlib import Path

from hwsim.errors import HwsimError
from hwsim.report.report import Report


def read_report(source: Report | str | Path) -> Report:
    """Return a report, read from its JSON file if ``source`` is a path.

    Raises HwsimError, which names the file, if that is no report of this version; OSError if it cannot be read.
    """
    if isinstance(source, Report):
        return source
    path = Path(source)
    try:
        return Report.from_json(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise HwsimError(f"{path}: not a report: not UTF-8 ({error})") from error
    except HwsimError as error:
        raise HwsimError(f"{path}: {error}") from error
