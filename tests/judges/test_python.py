"""Python's own functions, on exact fractions."""

from __future__ import annotations

import builtins
import math
from fractions import Fraction

import pytest
from judges.coverage import judged
from judges.ours import VALUES, rounded


@pytest.mark.parametrize(("name", "mode"), judged("python", "rounding"))
def test_rounding(name: str, mode: str) -> None:
    function = getattr(math, name, None) or getattr(builtins, name)
    for shift in (1, 2, 8, 31, 62):
        wrong = [x for x in VALUES if rounded(x, shift, mode) != {function(Fraction(x, 2**shift))}]
        assert wrong[:5] == [], shift
