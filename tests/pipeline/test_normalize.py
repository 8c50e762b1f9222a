"""No result of a normalisation exceeds the bound by which its steps are chosen, however coarse its numbers are."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hwsim.formats import Rounding
from hwsim.program.normalize import bound_of
from hwsim_kernels.counting import new_counts
from hwsim_kernels.normalize import normalize

STEADY = [mode for mode in Rounding if not mode.stochastic]


@settings(max_examples=150, deadline=None)
@example([1], False, 6, 1, 0, Rounding.CEIL)
@given(
    st.lists(st.integers(-20, 20), min_size=1, max_size=6),
    st.booleans(),
    st.integers(0, 6),
    st.integers(0, 10),
    st.integers(0, 4),
    st.sampled_from(STEADY),
)
def test_no_result_exceeds_the_bound(
    values: list[int], centered: bool, fine: int, reciprocal_bits: int, result_bits: int, rounding: Rounding
) -> None:
    result_bits = min(result_bits, reciprocal_bits)
    codes = np.array(values, np.int64).reshape(1, 1, 1, -1)
    out, counts = np.empty(codes.shape, np.int64), new_counts(5 if centered else 4, len(values))
    field = np.array([fine, reciprocal_bits, result_bits, rounding.code, 0], np.int64)
    normalize(codes, 0, False, centered, 0, field, out, counts)
    most = 2 * max(map(abs, values)) << fine
    assert np.abs(out).max() <= bound_of(len(values), most, reciprocal_bits, result_bits)
