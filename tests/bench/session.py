"""One run of the benchmarks: from the rows that were asked for to lines, a table and a file."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from fnmatch import fnmatch
from multiprocessing import get_context
from pathlib import Path

from bench.figures import Failed, Missing, Outcome, Wrong
from bench.machine import features, tier
from bench.measure import Setup
from bench.report import insert, markdown, show, write
from bench.row import Experiment, Line, Row
from bench.table import ROWS
from hwsim_kernels.fast.features import ENVIRONMENT

ROUNDS, BUDGET_S = 9, 12.0
QUICK_ROUNDS, QUICK_BUDGET_S = 3, 4.0


def run(pattern: str, threads: int, *, quick: bool, path: Path | None, page: Path | None = None) -> int:
    """Measure the rows that ``pattern`` names, print and write them; return 1 if one failed."""
    rows = [row for row in ROWS if pattern == str(row.number) or fnmatch(row.name, pattern)]
    if not rows:
        print(f"no row is called {pattern!r}; there are:\n  " + "\n  ".join(row.name for row in ROWS), file=sys.stderr)
        return 1
    machine = features(threads)
    rounds, budget = (QUICK_ROUNDS, QUICK_BUDGET_S) if quick else (ROUNDS, BUDGET_S)
    with tempfile.TemporaryDirectory(prefix="hwsim-bench-") as folder:
        setup = Setup(threads=threads, rounds=rounds, budget_s=budget, folder=Path(folder), wanted=frozenset())
        lines = measured(rows, setup)
    show(machine, lines)
    if path is not None:
        write(path, machine, lines)
    if page is not None:
        insert(page, markdown(machine, lines), name=f"bench-{machine['tier']}")
    return int(any(isinstance(figure, Wrong) for line in lines for figure in (line.ours, line.peer)))


def measured(rows: Sequence[Row], setup: Setup) -> list[Line]:
    """Run every experiment once, for all its rows, and return the rows' lines in their order.

    Each has a process of its own: what libraries of another leave behind, threads above all, is in nobody's way.
    """
    experiments = dict.fromkeys(row.experiment for row in rows)
    outcomes: dict[Experiment, Outcome] = {}
    for number, experiment in enumerate(experiments, 1):
        mine = [row for row in rows if row.experiment is experiment]
        names = frozenset(name for row in mine for name in (row.ours, row.peer))
        started = time.perf_counter()
        print(f"[{number}/{len(experiments)}] {mine[0].work} …", end="", file=sys.stderr, flush=True)
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            outcomes[experiment] = process.submit(of_row, ROWS.index(mine[0]), setup, names).result()
        print(f" {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return [Line.of(row, tier(), outcomes[row.experiment]) for row in rows]


def of_row(index: int, setup: Setup, names: frozenset[str]) -> Outcome:
    """Return what the experiment of a row gives; experiments themselves cannot be sent to a process.

    The tier is forced, since small networks would otherwise be measured while the engine spares itself the compiler.
    """
    os.environ.setdefault(ENVIRONMENT, tier())
    return attempted(ROWS[index].experiment, setup, names)


def attempted(experiment: Experiment, setup: Setup, names: frozenset[str]) -> Outcome:
    """Return what an experiment gives for the contestants in ``names``; a failure is a reason without figures."""
    try:
        return experiment(replace(setup, wanted=names))
    except Missing as reason:
        return Outcome(figures=dict.fromkeys(names, reason))
    except Exception as error:  # noqa: BLE001  the other rows are worth measuring all the same
        return Outcome(figures=dict.fromkeys(names, Failed.of(error)))
