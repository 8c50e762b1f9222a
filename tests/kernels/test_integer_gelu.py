"""The GELU by a parabola in integers against the oracle, and near the real function."""

from __future__ import annotations

from math import erf, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.plain import examples

from hwsim.formats import Rounding
from hwsim_kernels.integer_gelu import gelu
from oracle import integer_gelu as plain

MODES = [mode for mode in Rounding if not mode.value.startswith("stochastic")]
SCALES = st.sampled_from([2.0**-40, 2.0**-5, 1.0, 1.769 * sqrt(2), 100.0, 2.0**40]) | st.floats(2.0**-20, 16.0)
CODES = st.sampled_from([-32768, -128, -1, 0, 1, 127, 32767]) | st.integers(-128, 128)


@pytest.mark.parametrize("mode", MODES)
@examples(100)
@given(st.integers(-32768, 32767) | CODES, SCALES, SCALES)
def test_any_code(mode: Rounding, code: int, scale: float, output: float) -> None:
    assert gelu(code, scale, output, mode.code) == plain.gelu(code, scale, output, mode.value)


def test_ties() -> None:
    """Beyond the parabola's end the value is the code: half of it is a tie."""
    for code in (7, 9):
        found = {mode: gelu(code, 1.769 * sqrt(2), 2 * 1.769 * sqrt(2), mode.code) for mode in MODES}
        wanted = {mode: plain.gelu(code, 1.769 * sqrt(2), 2 * 1.769 * sqrt(2), mode.value) for mode in MODES}
        assert found == wanted
    assert len(set(found.values())) > 1


@pytest.mark.parametrize("scale", [4 / 128, 8 / 32768])
def test_it_is_near_the_function(scale: float) -> None:
    """The paper gives 0.018 as the largest distance; the floors of b and c add what the scale makes of them."""
    for code in range(-128, 128):
        x = code * scale
        assert (
            abs(gelu(code, scale, 2.0**-20, Rounding.HALF_AWAY.code) * 2.0**-20 - x / 2 * (1 + erf(x / sqrt(2)))) < 0.03
        )
