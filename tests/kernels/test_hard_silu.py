"""``x * relu6(x + 3) / 6`` in fixed point against the oracle, and near the real function."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.plain import examples

from hwsim_kernels.hard_silu import hard_silu
from oracle import hard_silu as plain

scales = st.floats(2.0**-12, 4.0) | st.integers(-12, 8).map(lambda power: 2.0**power)


def within(distance: int, scale: float, output_scale: float) -> int:
    """Return the kernel's entry inside the limits of all entries."""
    return min(max(hard_silu(distance, scale, output_scale), -(2**30)), 2**30)


@examples(60)
@given(scales, scales)
def test_every_code(scale: float, output_scale: float) -> None:
    for distance in range(-255, 256):
        assert within(distance, scale, output_scale) == plain.hard_silu(distance, scale, output_scale)


@pytest.mark.parametrize("scale", [1e-15, 2.0**-20, 1 - 2.0**-25, 3 / 2**8, 1.0, 1e15])
@pytest.mark.parametrize("output_scale", [1e-15, 2.0**-20, 2.0**-7, 1 - 2.0**-25, 1e15])
def test_extreme_scales(scale: float, output_scale: float) -> None:
    for distance in (-255, -1, 0, 1, 255):
        assert within(distance, scale, output_scale) == plain.hard_silu(distance, scale, output_scale)


@examples(60)
@given(st.floats(2.0**-7, 2.0**-4), st.integers(-255, 255))
def test_it_is_near_the_function(scale: float, distance: int) -> None:
    x = distance * scale
    wanted = x * min(max(x + 3, 0), 6) / 6
    assert abs(hard_silu(distance, scale, scale) - wanted / scale) < 1.5


def test_by_hand() -> None:
    # beyond 3 the input itself, below -3 nothing, and -1.5 * 1.5 / 6 = -0.375
    assert [hard_silu(d, 1 / 16, 1 / 16) for d in (-64, -48, -24, 0, 64, 127)] == [0, 0, -6, 0, 64, 127]
