"""The ratio of an element-wise product in float32, against exact fractions rounded by the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.errors import PlanError
from hwsim.program.ratio import float_ratio
from oracle.rescale import product_unit

SCALES = st.floats(2.0**-150, 2.0**127) | st.floats(1e-3, 10) | st.integers(-149, 127).map(lambda bit: 2.0**bit)


@settings(max_examples=500, deadline=None)
@given(SCALES, SCALES, SCALES, st.integers(0, 40))
def test_float_ratio(first: float, second: float, output: float, dropped: int) -> None:
    try:
        (found,) = float_ratio("layer", first, second, np.array([output]), dropped).tolist()
    except PlanError as error:
        assert str(error).startswith("layer: the ratio of the scales")
        found = None
    try:
        wanted = product_unit(first, second, dropped).ratio(output, "float_ratio")
    except (OverflowError, ZeroDivisionError):
        wanted = None
    if not wanted:  # 0 leaves nothing to multiply by
        assert found is None
    else:
        assert found == wanted


@pytest.mark.parametrize(
    ("first", "second", "output", "ratio"),
    [
        (1.0, 1.0, 3.0, 11184811 / 2**25),  # the quotient has 24 bits
        (1 + 2.0**-23, 1 + 2.0**-23, 1.0, 1 + 2.0**-22),  # the last bit of the product is dropped
        (1 + 2.0**-24, 1.0, 1.0, 1.0),  # a tie of a scale goes to the even one
        (2.0**-100, 2.0**-49, 2.0**-149, 1.0),  # numbers below the normal ones
    ],
)
def test_float_ratio_by_hand(first: float, second: float, output: float, ratio: float) -> None:
    assert float_ratio("layer", first, second, np.array([output]), 0).tolist() == [ratio]
    assert float_ratio("layer", first, second, np.array([output]), 3).tolist() == [8 * ratio]
