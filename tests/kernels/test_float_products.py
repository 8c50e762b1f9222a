"""Exact sums by NumPy's product of float64 against sums of Python integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from kernels.fast.datapaths import Case, dense
from kernels.fast.test_sums import EXACT, cases
from kernels.plain import examples

from hwsim_kernels import float_products
from hwsim_kernels.float_products import write_products


def sums_of(case: Case) -> list[list[int]]:
    """Return the sums (positions, channels) of a case."""
    out = np.zeros((case.positions, case.path.channels), np.int64)
    write_products(case.path, case.codes, out)
    found: list[list[int]] = out.tolist()
    return found


@examples(60)
@given(st.one_of(cases(), cases(depthwise=True)), st.sampled_from([1, 100, 5000, float_products.OPERANDS]))
def test_sums_of_layers_are_exact(case: Case, together: int) -> None:
    assume(case.most < EXACT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(float_products, "OPERANDS", together)
        assert sums_of(case) == case.sums()


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_next_to_the_limit_of_float64_are_exact(sign: int) -> None:
    steps = 1 << 10
    codes = np.full((2, steps), sign * 32767, np.int16)
    codes[1, ::2] *= -1
    weights = np.full((steps, 3), (1 << 28) - 1, np.int64)
    weights[-1] = [1, 2, 3]
    case = dense(codes, weights, [5, 6, 7])
    assert EXACT // 2 < case.most < EXACT
    assert sums_of(case) == case.sums()


def test_windows_beyond_all_codes_see_what_lies_outside() -> None:
    taps = np.array([(row, column, 0) for row in (-9, 9) for column in (-9, 9)], np.int64)
    codes = np.arange(12, dtype=np.int8).reshape(1, 3, 4, 1)
    case = Case(codes, np.ones((1, 4, 1), np.int64), taps, [0], shape=(3, 4), zero_point=3, outside=2)
    assert sums_of(case) == [[8]] * 12 == case.sums()
