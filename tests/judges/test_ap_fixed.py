"""AP_ modes as AMD's headers compute them, and sums that are rounded and fitted at every addition."""

from __future__ import annotations

import pytest
from judges.compiled import Program
from judges.coverage import judged
from judges.ours import VALUES, Case, check, fitted, refused, rounded
from judges.sums import INPUTS, SUMS, WEIGHTS, Json, check_sums, fit

from hwsim.aliases import NAMES

ROUNDING, OVERFLOW = NAMES["rounding"]["ap_fixed"], NAMES["overflow"]["ap_fixed"]


@pytest.mark.parametrize(("name", "mode"), judged("ap_fixed", "rounding"))
def test_rounding(name: str, mode: str, ap_fixed: Program) -> None:
    check((Case(*map(int, row)) for row in ap_fixed(name, VALUES)), mode, "error", at_least=20_000)


@pytest.mark.parametrize(("name", "mode"), judged("ap_fixed", "overflow"))
def test_overflow(name: str, mode: str, ap_fixed: Program) -> None:
    cases = (Case(*map(int, row)) for row in ap_fixed(name, VALUES))
    check((case for case in cases if not refused(case, mode)), "floor", mode, at_least=25_000)


def test_rounding_comes_before_overflow(ap_fixed: Program) -> None:
    rows = ap_fixed("both", range(-512, 512))
    for rounding, overflow in {(row[0], row[1]) for row in rows}:
        cases = [Case(*map(int, row[2:])) for row in rows if row[:2] == [rounding, overflow]]
        for number, case in enumerate(cases):
            if looks_before_rounding(case, ROUNDING[rounding], overflow):
                cases[number] = case._replace(result=~case.result)
        check(cases, ROUNDING[rounding], OVERFLOW[overflow], at_least=2048)
    assert {(row[0], row[1]) for row in rows} == {(q, o) for q in ROUNDING for o in OVERFLOW}


def looks_before_rounding(case: Case, rounding: str, overflow: str) -> bool:
    """Whether the headers' AP_WRAP_SM with n = 0 differs from ours.

    It looks at the first bit above the format in the value before rounding, ours in the value after it. Where rounding
    carries into that bit, one of the two inverts all bits and the other does not.
    """
    [after] = rounded(case.value, case.shift, rounding)
    carried = (after ^ (case.value >> case.shift)) >> case.bits & 1 == 1
    outside = fitted(after, case.bits, True, "saturate") != {after}
    return overflow == "AP_WRAP_SM" and case.saturated_bits == 0 and carried and outside


# --- sums ---------------------------------------------------------------------------------------------


def test_sums(ap_fixed: Program) -> None:
    """Both of `sum += a * b` and `sum += Sum(a * b)`, fitted after every term."""
    values = [value for row in INPUTS for pair in zip(row, WEIGHTS, strict=True) for value in pair]
    rows = ap_fixed("accumulate", values)
    datapaths = [rows[first : first + SUMS] for first in range(0, len(rows), SUMS)]
    assert len(datapaths) == 24
    for datapath in datapaths:
        product, adder = sections(*datapath[0][:-1])
        check_sums(product, adder, [int(row[-1]) for row in datapath])


def sections(rounding: str, overflow: str, *numbers: str) -> tuple[Json | None, Json]:
    """Return the product and the adder of a target that stand for one of the headers' sums."""
    shift, bits, saturated_bits, cast = map(int, numbers)
    narrow = fit(bits, OVERFLOW[overflow], saturated_bits, shift, ROUNDING[rounding])
    return (narrow, fit(bits, OVERFLOW[overflow], saturated_bits)) if cast else (None, narrow)
