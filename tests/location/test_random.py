"""On random networks and targets of every mode: what is located is what the ledger counted, and every line runs."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from pipeline.test_oracle_agreement import SLOW_DRAWS, Case, cases

import hwsim
from hwsim.engine import Row, execute
from hwsim.errors import HwsimError
from hwsim.location import Location
from hwsim.location.location import Kind

EVERY = 10**9


def printed(recipe: str) -> list[str]:
    """Return what a line of Python prints, word by word."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(recipe, {})  # noqa: S102
    return out.getvalue().split()


def check_line(one: Location) -> None:
    assert "'" not in one.recipe
    result, exact = printed(one.recipe)
    assert result == str(one.result), one
    assert exact == one.exact or float(exact) == float(one.exact), one
    if one.sum_recipe:
        assert len(printed(one.sum_recipe)) == 2


def check(case: Case, row: Row, kind: Kind) -> None:
    everything = hwsim.locate(
        case.program,
        case.data,
        row.layer,
        row.point.name,
        number=EVERY,
        kind=kind,
        network=case.network,
        plan=case.plan,
    )
    wanted = row.hits if kind == "clamping" else row.inexact
    assert sum(one.hits for one in everything) == wanted, row.point
    assert everything.affected == len(everything)
    channels = np.zeros(row.counts.shape[1], np.int64)
    for one in everything:
        channels[one.channel] += one.hits
    columns = (1, 2) if kind == "clamping" else None
    if columns is not None and row.kind != "concatenate":
        assert channels.tolist() == row.counts[list(columns)].sum(axis=0).tolist()
    places = [(one.sample or 0, one.position, one.step, one.channel) for one in everything]
    assert places == sorted(places)
    if kind == "clamping" and row.first is not None:
        first = everything[0]
        assert (first.sample, first.channel, first.step) == (row.first.sample, row.first.channel, row.first.step)
    worst = hwsim.locate(
        case.program,
        case.data,
        row.layer,
        row.point.name,
        number=3,
        kind=kind,
        worst=True,
        network=case.network,
        plan=case.plan,
    )
    errors = sorted((abs(one.error) for one in everything), reverse=True)
    assert [abs(one.error) for one in worst] == errors[:3]
    for one in (*everything.found[:3], *everything.found[-2:]):
        if one.recipe:
            check_line(one)
        else:
            assert one.note


def check_all(case: Case) -> None:
    ledger = execute(case.program, case.data, batch_size=case.batch_size).ledger
    for row in ledger:
        kinds: list[tuple[Kind, int]] = [("clamping", row.hits), ("round-off", row.inexact)]
        for kind, lost in kinds:
            if not lost:
                continue
            try:
                check(case, row, kind)
            except HwsimError as error:
                assert "cannot" in str(error) or "hwsim locates" in str(error), error


@given(cases())
@settings(max_examples=12, deadline=None, suppress_health_check=SLOW_DRAWS)
def test_what_is_located_is_what_the_ledger_counted(case: Case) -> None:
    check_all(case)


@pytest.mark.slow
@given(cases())
@settings(max_examples=250, deadline=None, suppress_health_check=SLOW_DRAWS)
def test_what_is_located_is_what_the_ledger_counted_at_length(case: Case) -> None:
    check_all(case)
