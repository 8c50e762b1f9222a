"""The softmax in fixed point: its functions against the oracle, its longest lines, and what it skips."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.plain import examples
from kernels.softmaxes import FIXED, TINY

from hwsim_kernels import counting, softmax
from oracle.fixed_softmax import exponential, reciprocal


@pytest.mark.parametrize("scale", [TINY, 0.1, 1e30])
@pytest.mark.parametrize("rest", [-128, 126, 127])
def test_the_longest_lines(scale: float, rest: int) -> None:
    """Sums of 4095 powers fill their 32 bits but do not leave them."""
    codes = np.full((1, softmax.MOST_VALUES, 1), rest, np.int8)
    codes[0, 7] = 127
    FIXED.agrees(codes, scale, 1, softmax.MOST_VALUES)
    largest = FIXED.run(codes, scale, 1)[1][1, counting.MAXIMUM, 0]
    assert 1 << 19 <= largest <= softmax.MOST_VALUES << 19 < 1 << 31
    assert rest != 127 or largest == softmax.MOST_VALUES << 19


@pytest.mark.parametrize("scale", [1.0, 1.9, 3.999, 15.5, 31.0, 1e30])
def test_what_is_skipped_loses_nothing(scale: float) -> None:
    """A skipped code would have added 0 to the sum, and its output would have been -128 all the same."""
    codes = np.array([127, *range(-128, 127)], np.int8).reshape(1, -1, 1)
    out, counts, _ = FIXED.run(codes, scale, 1)
    taken = int(counts[0, counting.VALUES, 0])
    skipped = int(counts[3, counting.VALUES, 0]) - taken
    assert skipped > 0
    assert counts[1, counting.VALUES, 0] == counts[2, counting.VALUES, 0] == taken
    largest = codes[0, 1 : 1 + skipped, 0].max()  # the skipped one next to those that take part
    z = -round((127 - int(largest)) * min(scale, 32) * 2**26)
    assert round(exp(z / 2**26) * 2**19) == 0
    assert round(exp(z / 2**26) * 2**8) == 0
    assert (out[0, 1 : 1 + skipped, 0] == -128).all()


@examples(300)
@given(st.integers(0, 31 << 26) | st.integers(0, 31).map(lambda bit: min(1 << bit, 31 << 26)), st.integers(-2, 2))
def test_exponential(distance: int, off: int) -> None:
    z = -min(max(distance + off, 0), 31 << 26)
    assert int(softmax.exponential(np.int64(z))) == exponential(z)


@examples(300)
@given(st.integers(0, 2**31 - 1) | st.integers(0, 30).map(lambda bit: 1 << bit) | st.sampled_from([2**31 - 1]))
def test_reciprocal(a: int) -> None:
    assert int(softmax.reciprocal(np.int64(a))) == reciprocal(a)


@pytest.mark.parametrize("shift", [1, 12, 34])
@pytest.mark.parametrize("offset", [-1, 0, 1])
@pytest.mark.parametrize("whole", [-3, -1, 0, 1, 2])
def test_ties_go_away_from_0(shift: int, offset: int, whole: int) -> None:
    x = (2 * whole + 1) * 2 ** (shift - 1) + offset
    exact = abs(x) + 2 ** (shift - 1)
    assert int(softmax.halved(np.int64(x), shift)) == (exact // 2**shift) * (1 if x >= 0 else -1)


def test_multipliers() -> None:
    found: list[Any] = [softmax.multiplier_of_scale(scale) for scale in (TINY, 2.0**-25, 0.5, 1e30)]
    assert found == [(2**30, 1), (2**30, 2), (2**30, 26), (2**31 - 1, 31)]
