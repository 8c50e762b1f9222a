"""Rounding in the kernels and in the oracle, and that each mode is written down wherever it must be."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernels.plain import COMPILED, STEADY, aligned, code_of, examples, integers, pair, unpaired

import hwsim_kernels as kernels
from hwsim.formats import Overflow, Rounding
from hwsim_kernels import wide
from hwsim_kernels.rounding import (
    guarded,
    round_divide,
    round_float,
    round_floats,
    round_shift,
    round_up,
    shift_fraction,
)
from oracle import overflow, rounding

ARITHMETIC = (Path(__file__).parents[2] / "docs" / "arithmetic.md").read_text()

LIMIT = 2.0**120

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
        mode: tuple(int(round_shift(value, 2, mode.code, draw)) for value in range(-8, 8) for draw in DRAWN)
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


def float_rounded(value: float, mode: int, draw: int = 0) -> int:
    """Return what ``round_float`` makes of a value, as one integer."""
    return unpaired(*round_float(value, mode, draw))


def wide_rounded(value: int, shift: int, mode: int, draw: int = 0, guard_bits: int = 0) -> int:
    """Return value / 2**shift rounded as kernels do it in two words; a shift of 0 drops nothing."""
    if shift == 0:
        return value
    high, low, fraction, sticky = wide.shifted_right(*pair(value), shift)
    fraction, sticky = guarded(fraction, sticky, guard_bits)
    up = round_up(fraction, sticky, value < 0, bool(low & 1), mode, draw)
    return unpaired(*wide.plus(high, low, np.int64(0), up))


@pytest.mark.parametrize("mode", QUARTERS)
def test_quarters(mode: str) -> None:
    values, code = (-6, -5, -3, -2, -1, 1, 2, 3, 5, 6), code_of(mode)
    assert [round_shift(x, 2, code) for x in values] == QUARTERS[mode]
    assert [wide_rounded(x, 2, code) for x in values] == QUARTERS[mode]
    assert [round_divide(x, 4, code) for x in values] == QUARTERS[mode]
    assert [float_rounded(x / 4, code) for x in values] == QUARTERS[mode]


@pytest.mark.parametrize("mode", STEADY)
def test_all_small_values(mode: str) -> None:
    # as Python each shift is tried on every seventh value, another seventh for each mode
    code, step = code_of(mode), 1 if COMPILED else 7
    for shift in range(11):
        for value in range(-256 + (code + shift) % step, 257, step):
            wanted = rounding.round_fraction(Fraction(value, 1 << shift), mode)
            assert round_divide(value, 1 << shift, code) == wanted, (value, shift)
            assert float_rounded(value / (1 << shift), code) == wanted, (value, shift)
            assert round_shift(value, shift, code) == (wanted if shift else value), (value, shift)
            assert wide_rounded(value, shift, code) == (wanted if shift else value), (value, shift)


@pytest.mark.parametrize("mode", STEADY)
def test_all_small_divisors(mode: str) -> None:
    code = code_of(mode)
    for divisor in (1, 2, 3, 5, 6, 7, 9, 49):
        for value in range(-100, 101):
            assert round_divide(value, divisor, code) == rounding.round_divide(value, divisor, mode)


@pytest.mark.parametrize("mode", ["stochastic_weighted", "stochastic_equal"])
def test_all_draws_of_four_bits(mode: str) -> None:
    code = code_of(mode)
    for value in range(-20, 21):
        for draw in range(16):
            wanted = rounding.round_shift(value, 3, mode, draw, 4)
            assert round_shift(value, 3, code, aligned(draw, 4)) == wanted, (value, draw)


# --- a finite number of guard bits ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", STEADY)
def test_all_small_guards(mode: str) -> None:
    code = code_of(mode)
    for shift in range(1, 7):
        for guard in range(1, 8):
            for value in range(-65, 66):
                wanted = rounding.rounded_shift(value, shift, mode, guard_bits=guard).value
                assert round_shift(value, shift, code, 0, guard) == wanted, (value, shift, guard)


@pytest.mark.parametrize("mode", STEADY)
def test_as_many_guard_bits_as_are_dropped_change_nothing(mode: str) -> None:
    code = code_of(mode)
    for shift in range(1, 7):
        for value in range(-65, 66):
            assert round_shift(value, shift, code, 0, shift) == round_shift(value, shift, code)


@examples(600)
@given(integers(124), st.integers(0, 124), st.integers(1, 32), modes, draws())
def test_guard_bits(value: int, shift: int, guard: int, mode: str, drawn: tuple[int, int]) -> None:
    wanted = rounding.rounded_shift(value, shift, mode, *drawn, guard).value
    assert wide_rounded(value, shift, code_of(mode), aligned(*drawn), guard) == wanted
    if abs(value) < 2**63:
        assert round_shift(value, shift, code_of(mode), aligned(*drawn), guard) == wanted


def nvdla(value: int, shift: int) -> int:
    """Round as the accumulator of NVDLA does, which keeps 16 bits of the fraction (its register transfer level)."""
    seen = (value << 16) >> shift
    up = seen >> 15 & 1 == 1 and (value >= 0 or seen & 0x7FFF != 0)
    return (seen >> 16) + int(up)


@examples(400)
@given(integers(34), st.integers(1, 31))
@example(-65535, 17)
def test_guard_bits_of_nvdla(value: int, shift: int) -> None:
    assert round_shift(value, shift, kernels.HALF_AWAY, 0, 16) == nvdla(value, shift)


def test_a_guard_makes_a_tie_of_what_is_none() -> None:
    # -65535 / 2^17 is just above -1/2; of its fraction, 1/2 and one 2^17th, 16 bits are seen: a tie, away from 0
    assert round_shift(-65535, 17, kernels.HALF_AWAY) == 0
    assert round_shift(-65535, 17, kernels.HALF_AWAY, 0, 17) == 0
    assert round_shift(-65535, 17, kernels.HALF_AWAY, 0, 16) == -1


# --- extremes -----------------------------------------------------------------------------------------


@examples(500)
@given(integers(63), st.integers(0, 124), modes, draws())
@example(1 - 2**63, 62, "half_away", (0, 2))
@example(-(2**63), 63, "half_away", (0, 2))
@example(-(2**63), 64, "half_even", (0, 2))
@example(-(2**63), 124, "stochastic_equal", (1, 2))
@example(2**63 - 1, 1, "jam", (0, 2))
@example(-1, 62, "stochastic_weighted", (1, 20))
@example(-1, 124, "magnitude", (0, 2))
def test_round_shift(value: int, shift: int, mode: str, drawn: tuple[int, int]) -> None:
    wanted = rounding.round_shift(value, shift, mode, *drawn)
    assert round_shift(value, shift, code_of(mode), aligned(*drawn)) == wanted


@examples(500)
@given(integers(124), st.integers(0, 124), modes, draws())
@example(2**124 - 1, 124, "half_even", (0, 2))
@example(1 - 2**124, 62, "half_away", (0, 2))
@example(2**123, 124, "half_odd", (0, 2))
def test_round_shift_in_two_words(value: int, shift: int, mode: str, drawn: tuple[int, int]) -> None:
    wanted = rounding.round_shift(value, shift, mode, *drawn)
    assert wide_rounded(value, shift, code_of(mode), aligned(*drawn)) == wanted


@examples(500)
@given(st.integers(1, 123), st.integers(-1, 1), integers(123), modes, draws())
def test_round_shift_beside_ties(shift: int, offset: int, quotient: int, mode: str, drawn: tuple[int, int]) -> None:
    quotient >>= shift
    value = (quotient << shift) + (1 << shift >> 1) + offset
    wanted = rounding.round_shift(value, shift, mode, *drawn)
    assert wide_rounded(value, shift, code_of(mode), aligned(*drawn)) == wanted
    if abs(value) < 2**63:
        assert round_shift(value, shift, code_of(mode), aligned(*drawn)) == wanted


@examples(300)
@given(integers(62), st.integers(1, 2**31 - 1) | st.integers(1, 300), modes, draws())
@example(2**62, 1, "jam", (0, 2))
@example(-(2**62), 2**31 - 1, "half_even", (0, 2))
def test_round_divide(value: int, divisor: int, mode: str, drawn: tuple[int, int]) -> None:
    wanted = rounding.round_divide(value, divisor, mode, *drawn)
    assert round_divide(value, divisor, code_of(mode), aligned(*drawn)) == wanted


@pytest.mark.parametrize("divisor", [1, 2, 3, 2**31 - 1])
@pytest.mark.parametrize("value", [-(2**63) + 1, 2**63 - 1])
def test_round_divide_at_the_ends(value: int, divisor: int) -> None:
    for mode in STEADY:
        assert round_divide(value, divisor, code_of(mode)) == rounding.round_divide(value, divisor, mode)


def clipped(value: float) -> Fraction:
    """Return exactly what is rounded."""
    return Fraction(min(max(value, -LIMIT), LIMIT))


NEAR_TIES = [
    one for tie in (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5) for one in (math.nextafter(tie, -9), tie, math.nextafter(tie, 9))
]
TINY = [1e-300, 5e-324, 2.0**-33, 2.0**-32, 2.0**-65, 0.5 - 2.0**-54, 0.5 + 2.0**-53, 1 - 2.0**-53, 1.5 - 2.0**-52]
BESIDE = [math.nextafter(2.0**62, 0), math.nextafter(2.0**120, 0), 2.0**119, 2.0**120, 2.0**121]
LARGE = [2.0**51 + 0.5, 2.0**52 + 1, 2.0**53, 2.0**62, 2.0**63, *BESIDE, 1e300, math.inf]
REALS = [*NEAR_TIES, 0.0, *TINY, *LARGE, *(-one for one in (0.0, *TINY, *LARGE))]
"""Reals at which a rounding of floating-point numbers can go wrong."""


@pytest.mark.parametrize("mode", Rounding)
def test_round_float_at_the_edges(mode: Rounding) -> None:
    for value in REALS:
        for drawn in ((0, 3), (3, 3), (4, 3), (7, 3), (1, 20), (2**20 - 1, 20)):
            wanted = rounding.round_fraction(clipped(value), mode.value, *drawn)
            assert float_rounded(value, mode.code, aligned(*drawn)) == wanted, (value, drawn)


@pytest.mark.parametrize("mode", [mode for mode in Rounding if not mode.stochastic])
def test_round_floats(mode: Rounding) -> None:
    values = [value for value in REALS if abs(value) < 2.0**62]
    found = np.empty(len(values), np.int64)
    round_floats(np.array(values), mode.code, found)
    assert found.tolist() == [rounding.round_fraction(clipped(value), mode.value, 0, 3) for value in values]


@examples(400)
@given(
    st.floats(-LIMIT, LIMIT) | st.floats(-8, 8) | st.builds(math.ldexp, st.floats(-1, 1), st.integers(-80, 120)),
    modes,
    draws(),
)
def test_round_float(value: float, mode: str, drawn: tuple[int, int]) -> None:
    wanted = rounding.round_fraction(Fraction(value), mode, *drawn)
    assert float_rounded(value, code_of(mode), aligned(*drawn)) == wanted


def parts(exact: Fraction) -> tuple[int, int, int]:
    """Return (floor, first 32 bits of the fraction, whether any bit behind them is set)."""
    whole = math.floor(exact)
    scaled = (exact - whole) * 2**32
    return whole, math.floor(scaled), int(scaled != math.floor(scaled))


@examples(300)
@given(st.sampled_from([one for one in REALS if abs(one) <= LIMIT]) | st.floats(-LIMIT, LIMIT) | st.floats(-2, 2))
def test_parts_of_floats(value: float) -> None:
    high, low, fraction, sticky = wide.from_float(value)
    assert (unpaired(high, low), fraction, sticky) == parts(Fraction(value))


@examples(400)
@given(integers(63), st.integers(0, 62))
def test_shift_fraction(value: int, shift: int) -> None:
    _, fraction, sticky = parts(Fraction(value, 1 << shift))
    assert shift_fraction(value, shift) == (fraction, sticky)


@examples(500)
@given(st.data(), st.integers(0, 124), st.sampled_from([0, 1, 2**30, 2**32 - 1]) | st.integers(0, 2**32 - 1))
def test_a_product_and_a_shift(data: st.DataObject, shift: int, multiplier: int) -> None:
    most = ((1 << 124) - 1) // max(multiplier, 1)  # what the caller proves: the product fits
    value = data.draw(
        st.integers(-most, most) | st.sampled_from([-most, most, 0, -1]) | integers(most.bit_length() - 1)
    )
    high, low = wide.times(*pair(value), np.int64(multiplier))
    high, low, fraction, sticky = wide.shifted_right(high, low, shift)
    assert (unpaired(high, low), fraction, sticky) == parts(Fraction(value * multiplier, 1 << shift))
