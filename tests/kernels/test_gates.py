"""Sigmoid and tanh of 16 bits in fixed point against the oracle, and near the real functions."""

from __future__ import annotations

from math import exp, tanh

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.plain import examples

from hwsim_kernels import gates
from oracle import gates as plain

CODES = sorted({*range(-32768, 32768, 97), *range(-1100, 1100, 7), -32768, -1, 0, 1, 32767})
POWERS = [2.0**power for power in range(-20, 2)]


@pytest.mark.parametrize("scale", [*POWERS, 1e-9, 1e-4, 1e-3, 0.01, 2.7, 2.0**-12 * (1 + 2.0**-30)])
def test_codes_of_all_sizes(scale: float) -> None:
    for code in CODES:
        assert gates.sigmoid(code, scale) == plain.sigmoid(code, scale)
        assert gates.tanh(code, scale) == plain.tanh(code, scale)


@examples(300)
@given(st.integers(-32768, 32767), st.floats(2.0**-30, 4.0))
def test_any_code(code: int, scale: float) -> None:
    assert gates.sigmoid(code, scale) == plain.sigmoid(code, scale)
    assert gates.tanh(code, scale) == plain.tanh(code, scale)


@examples(200)
@given(st.integers(-32768, 32767), st.sampled_from([2.0**-13, 2.0**-12, 3e-4]))
def test_they_are_near_the_functions(code: int, scale: float) -> None:
    x = code * scale
    assert abs(gates.sigmoid(code, scale) - 32768 / (1 + exp(-x))) < 16
    assert abs(gates.tanh(code, scale) - 32768 * tanh(x)) < 32


def test_the_table_is_the_oracles() -> None:
    assert list(gates.TABLE) == plain.table()
