"""AC_ modes as the headers of Algorithmic C compute them."""

from __future__ import annotations

import pytest
from judges.compiled import Program
from judges.coverage import judged
from judges.ours import VALUES, Case, check, refused

from hwsim.aliases import NAMES

ROUNDING, OVERFLOW = NAMES["rounding"]["ac_fixed"], NAMES["overflow"]["ac_fixed"]


@pytest.mark.parametrize(("name", "mode"), judged("ac_fixed", "rounding"))
def test_rounding(name: str, mode: str, ac_fixed: Program) -> None:
    check((Case(*map(int, row)) for row in ac_fixed(name, VALUES)), mode, "error", at_least=20_000)


@pytest.mark.parametrize(("name", "mode"), judged("ac_fixed", "overflow"))
def test_overflow(name: str, mode: str, ac_fixed: Program) -> None:
    cases = (Case(*map(int, row)) for row in ac_fixed(name, VALUES))
    check((case for case in cases if not refused(case, mode)), "floor", mode, at_least=25_000)


def test_rounding_comes_before_overflow(ac_fixed: Program) -> None:
    rows = ac_fixed("both", range(-512, 512))
    for rounding, overflow in {(row[0], row[1]) for row in rows}:
        cases = (Case(*map(int, row[2:])) for row in rows if row[:2] == [rounding, overflow])
        check(cases, ROUNDING[rounding], OVERFLOW[overflow], at_least=2048)
    assert {(row[0], row[1]) for row in rows} == {(q, o) for q in ROUNDING for o in OVERFLOW}
