"""Rounding in the kernels and in the oracle, and that each mode is written down wherever it must be."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernels.plain import STEADY, aligned, code_of, integers

import hwsim_kernels as kernels
from hwsim.formats import Overflow, Rounding
from hwsim_kernels.rounding import float_fraction
from oracle import overflow, rounding

ARITHMETIC = (Path(__file__).parents[2] / "docs" / "arithmetic.md").read_text()

LIMIT = 2.0**62

modes = st.sampled_from([mode.value for mode in Rounding])


@st.composite
def draws(draw: st.DrawFn) -> tuple[int, int]:
    """Return (draw, bits) of a generator of any width: often at an end or beside the middle."""
    bits = draw(st.integers(2, 20))
    half = 1 << (bits - 1)
    return draw(st.sampled_from([0, 1, half - 1, half, 2 * half - 1]) | st.integers(0, 2 * half - 1)), bits


# --- every mode has its place everywhere --------------------------------------------------------------


def section(number: int) -> str:
    """Return a section of docs/arithmetic.md."""
    return re.split(r"^## \d+\. ", ARITHMETIC, flags=re.MULTILINE)[number]


@pytest.mark.parametrize("mode", Rounding)
def test_every_rounding_is_known_everywhere(mode: Rounding) -> None:
    assert type(getattr(kernels, mode.name)) is int
    assert mode.name in kernels.__all__
    assert mode.value in rounding.UP
    assert re.search(rf"^\| `{mode.value}` \|", section(1), flags=re.MULTILINE)


def test_no_rounding_is_known_to_one_alone() -> None:
    written = re.findall(r"^\| `(\w+)` \|", section(1), flags=re.MULTILINE)
    assert [mode.value for mode in Rounding] == written == list(rounding.UP)
    assert len({mode.code for mode in Rounding}) == len(Rounding)


@pytest.mark.parametrize("mode", Overflow)
def test_every_overflow_is_known_everywhere(mode: Overflow) -> None:
    assert type(getattr(kernels, mode.name)) is int
    assert mode.name in kernels.__all__
    assert -8 <= overflow.fit(100, 4, True, mode.value) <= 7  # the oracle raises ValueError for one that it lacks
    assert re.search(rf"^\| `{mode.value}`(,[^|]*)? \|", section(2), flags=re.MULTILINE)


def test_no_overflow_is_known_to_one_alone() -> None:
    written = dict.fromkeys(re.findall(r"^\| `(\w+)`(?:,[^|]*)? \|", section(2), flags=re.MULTILINE))
    assert {mode.value for mode in Overflow} == set(written)
    assert len({mode.code for mode in Overflow}) == len(Overflow)
    with pytest.raises(ValueError, match="overflow 'none_such'"):
        overflow.fit(100, 4, True, "none_such")


def test_no_two_roundings_are_the_same() -> None:
    tables = {
        mode: tuple(int(kernels.round_shift(value, 2, mode.code, draw)) for value in range(-8, 8) for draw in DRAWN)
        for mode in Rounding
    }
    assert len(set(tables.values())) == len(Rounding)


DRAWN = (aligned(1, 2), aligned(3, 2))

# --- tables -------------------------------------------------------------------------------------------

QUARTERS = {
    "half_up": [-1, -1, -1, 0, 0, 0, 1, 1, 1, 2],
    "half_away": [-2, -1, -1, -1, 0, 0, 1, 1, 1, 2],
    "half_even": [-2, -1, -1, 0, 0, 0, 0, 1, 1, 2],
    "half_toward_zero": [-1, -1, -1, 0, 0, 0, 0, 1, 1, 1],
    "half_down": [-2, -1, -1, -1, 0, 0, 0, 1, 1, 1],
    "toward_zero": [-1, -1, 0, 0, 0, 0, 0, 0, 1, 1],
    "floor": [-2, -2, -1, -1, -1, 0, 0, 0, 1, 1],
}
"""x / 4 for the ten x below, as measured on hardware models."""


@pytest.mark.parametrize("mode", QUARTERS)
def test_quarters(mode: str) -> None:
    values, code = (-6, -5, -3, -2, -1, 1, 2, 3, 5, 6), code_of(mode)
    assert [kernels.round_shift(x, 2, code) for x in values] == QUARTERS[mode]
    assert [kernels.round_divide(x, 4, code) for x in values] == QUARTERS[mode]
    assert [kernels.round_float(x / 4, code) for x in values] == QUARTERS[mode]


@pytest.mark.parametrize("mode", STEADY)
def test_all_small_values(mode: str) -> None:
    code = code_of(mode)
    for shift in range(7):
        for value in range(-64, 65):
            wanted = rounding.round_fraction(Fraction(value, 1 << shift), mode)
            assert kernels.round_divide(value, 1 << shift, code) == wanted, (value, shift)
            assert kernels.round_float(value / (1 << shift), code) == wanted, (value, shift)
            assert kernels.round_shift(value, shift, code) == (wanted if shift else value), (value, shift)


@pytest.mark.parametrize("mode", STEADY)
def test_all_small_divisors(mode: str) -> None:
    code = code_of(mode)
    for divisor in (1, 2, 3, 5, 6, 7, 9, 49):
        for value in range(-100, 101):
            assert kernels.round_divide(value, divisor, code) == rounding.round_divide(value, divisor, mode)


@pytest.mark.parametrize("mode", ["stochastic_weighted", "stochastic_equal"])
def test_all_draws_of_four_bits(mode: str) -> None:
    code = code_of(mode)
    for value in range(-20, 21):
        for draw in range(16):
            wanted = rounding.round_shift(value, 3, mode, draw, 4)
            assert kernels.round_shift(value, 3, code, aligned(draw, 4)) == wanted, (value, draw)


# --- extremes -----------------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None)
@given(integers(63), st.integers(0, 62), modes, draws())
@example(1 - 2**63, 62, "half_away", (0, 2))
@example(2**63 - 1, 1, "jam", (0, 2))
@example(-1, 62, "stochastic_weighted", (1, 20))
def test_round_shift(value: int, shift: int, mode: str, drawn: tuple[int, int]) -> None:
    wanted = rounding.round_shift(value, shift, mode, *drawn)
    assert kernels.round_shift(value, shift, code_of(mode), aligned(*drawn)) == wanted


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 62), st.integers(-1, 1), integers(62), modes, draws())
def test_round_shift_beside_ties(shift: int, offset: int, quotient: int, mode: str, drawn: tuple[int, int]) -> None:
    quotient >>= shift
    value = (quotient << shift) + (1 << shift >> 1) + offset
    wanted = rounding.round_shift(value, shift, mode, *drawn)
    assert kernels.round_shift(value, shift, code_of(mode), aligned(*drawn)) == wanted


@settings(max_examples=300, deadline=None)
@given(integers(62), st.integers(1, 2**31 - 1) | st.integers(1, 300), modes, draws())
@example(2**62, 1, "jam", (0, 2))
@example(-(2**62), 2**31 - 1, "half_even", (0, 2))
def test_round_divide(value: int, divisor: int, mode: str, drawn: tuple[int, int]) -> None:
    wanted = rounding.round_divide(value, divisor, mode, *drawn)
    assert kernels.round_divide(value, divisor, code_of(mode), aligned(*drawn)) == wanted


@pytest.mark.parametrize("divisor", [1, 2, 3, 2**31 - 1])
@pytest.mark.parametrize("value", [1 - 2**63, 2**63 - 1])
def test_round_divide_at_the_ends(value: int, divisor: int) -> None:
    for mode in STEADY:
        assert kernels.round_divide(value, divisor, code_of(mode)) == rounding.round_divide(value, divisor, mode)


def clipped(value: float) -> Fraction:
    """Return exactly what is rounded."""
    return Fraction(min(max(value, -LIMIT), LIMIT))


NEAR_TIES = [
    one for tie in (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5) for one in (math.nextafter(tie, -9), tie, math.nextafter(tie, 9))
]
TINY = [1e-300, 5e-324, 2.0**-33, 2.0**-32, 2.0**-65, 0.5 - 2.0**-54, 0.5 + 2.0**-53, 1 - 2.0**-53, 1.5 - 2.0**-52]
LARGE = [2.0**51 + 0.5, 2.0**52 + 1, 2.0**53, 2.0**62, math.nextafter(2.0**62, 0), 2.0**63, 1e300, math.inf]
REALS = [*NEAR_TIES, 0.0, *TINY, *LARGE, *(-one for one in (0.0, *TINY, *LARGE))]
"""Reals at which a rounding of floating-point numbers can go wrong."""


@pytest.mark.parametrize("mode", Rounding)
def test_round_float_at_the_edges(mode: Rounding) -> None:
    for value in REALS:
        for drawn in ((0, 3), (3, 3), (4, 3), (7, 3), (1, 20), (2**20 - 1, 20)):
            wanted = rounding.round_fraction(clipped(value), mode.value, *drawn)
            assert kernels.round_float(value, mode.code, aligned(*drawn)) == wanted, (value, drawn)


@settings(max_examples=400, deadline=None)
@given(
    st.floats(-LIMIT, LIMIT) | st.floats(-8, 8) | st.builds(math.ldexp, st.floats(-1, 1), st.integers(-80, 62)),
    modes,
    draws(),
)
def test_round_float(value: float, mode: str, drawn: tuple[int, int]) -> None:
    wanted = rounding.round_fraction(Fraction(value), mode, *drawn)
    assert kernels.round_float(value, code_of(mode), aligned(*drawn)) == wanted


def parts(exact: Fraction) -> tuple[int, int, int]:
    """Return (floor, first 32 bits of the fraction, whether any bit behind them is set)."""
    whole = math.floor(exact)
    scaled = (exact - whole) * 2**32
    return whole, math.floor(scaled), int(scaled != math.floor(scaled))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([one for one in REALS if abs(one) <= LIMIT]) | st.floats(-LIMIT, LIMIT) | st.floats(-2, 2))
def test_parts_of_floats(value: float) -> None:
    assert float_fraction(value) == parts(Fraction(value))


@settings(max_examples=500, deadline=None)
@given(st.data(), st.integers(0, 62), st.sampled_from([0, 1, 2**30, 2**31 - 1]) | st.integers(0, 2**31 - 1))
def test_multiply_shift(data: st.DataObject, shift: int, multiplier: int) -> None:
    most = min(2**62, ((1 << (62 + shift)) // max(multiplier, 1)))  # what the caller proves: the quotient fits
    value = data.draw(
        st.integers(-most, most) | st.sampled_from([-most, most, 0, -1]) | integers(most.bit_length() - 1)
    )
    assert kernels.multiply_shift(value, multiplier, shift) == parts(Fraction(value * multiplier, 1 << shift))
