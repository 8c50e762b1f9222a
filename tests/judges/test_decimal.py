"""The ROUND_ modes of Python's decimal module, on exact quotients."""

from __future__ import annotations

import decimal

import pytest
from judges.coverage import judged
from judges.ours import VALUES, rounded

EXACT = decimal.Context(prec=150, traps=[decimal.Inexact])


@pytest.mark.parametrize(("name", "mode"), judged("decimal", "rounding"))
def test_rounding(name: str, mode: str) -> None:
    for shift in (1, 2, 8, 31, 62):
        quotients = {x: EXACT.divide(decimal.Decimal(x), decimal.Decimal(2**shift)) for x in VALUES}
        results = {x: int(quotient.to_integral_value(rounding=name)) for x, quotient in quotients.items()}
        assert [x for x in VALUES if rounded(x, shift, mode) != {results[x]}][:5] == [], shift
