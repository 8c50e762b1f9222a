"""Integers in two words against Python's own."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernels.plain import ONE_WORD, examples, from_words, in_words, integers, pair, unpaired

from hwsim_kernels import wide
from oracle.rescale import to_float32

MOST = (1 << 124) - 1

EDGES = [
    sign * ((1 << power) + offset)
    for sign in (-1, 1)
    for power in (0, 31, 32, 53, 61, 62, 63, 64, 92, 93, 94, 123)
    for offset in (-2, -1, 0, 1, 2)
]
"""Integers beside the ends of words and half words."""

values = st.sampled_from([*EDGES, MOST, -MOST, 0]) | integers(124)
int64s = st.sampled_from([1 - 2**63, -(2**63), 2**63 - 1]) | integers(63)


def split(exact: Fraction) -> tuple[int, int, int]:
    """Return (floor, first 32 bits of the fraction, whether any bit behind them is set)."""
    whole = math.floor(exact)
    scaled = (exact - whole) * 2**32
    return whole, math.floor(scaled), int(scaled != math.floor(scaled))


# --- words --------------------------------------------------------------------------------------------


@examples(400)
@given(int64s)
def test_widen_and_narrow(value: int) -> None:
    high, low = wide.widen(np.int64(value))
    assert (high, low) == pair(value)
    assert wide.narrow(high, low) == value


@examples(300)
@given(values)
@example(ONE_WORD)
@example(ONE_WORD - 1)
@example(-ONE_WORD)
@example(-ONE_WORD - 1)
def test_is_narrow(value: int) -> None:
    assert bool(wide.is_narrow(pair(value)[0])) == (-ONE_WORD <= value < ONE_WORD)


@examples(100)
@given(st.lists(values, min_size=6, max_size=6), values, st.integers(0, 1), st.integers(0, 2))
def test_load_and_store_in_two_words(cells: list[int], value: int, row: int, channel: int) -> None:
    table = [cells[:3], cells[3:]]
    made = in_words(table, 2)
    assert unpaired(*wide.load(made, row, channel)) == table[row][channel]
    wide.store(made, row, channel, *pair(value))
    table[row][channel] = value
    assert from_words(made) == table


@examples(100)
@given(st.lists(int64s, min_size=6, max_size=6), int64s, st.integers(0, 1), st.integers(0, 2))
def test_load_and_store_in_one_word(cells: list[int], value: int, row: int, channel: int) -> None:
    table = [cells[:3], cells[3:]]
    made = in_words(table, 1)
    assert unpaired(*wide.load(made, row, channel)) == table[row][channel]
    wide.store(made, row, channel, *pair(value))
    table[row][channel] = value
    assert from_words(made) == table


# --- order, sums and products -------------------------------------------------------------------------


@examples(400)
@given(values, values, st.integers(-1, 1))
def test_less(one: int, other: int, beside: int) -> None:
    assert bool(wide.less(*pair(one), *pair(other))) == (one < other)
    assert bool(wide.less(*pair(one), *pair(one + beside))) == (beside > 0)


@examples(400)
@given(values, values)
def test_plus_and_minus(one: int, other: int) -> None:
    assert unpaired(*wide.plus(*pair(one), *pair(other))) == one + other
    assert unpaired(*wide.minus(*pair(one), *pair(other))) == one - other


factors = st.sampled_from([0, 1, 2**30, 2**31 - 1, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1)


@examples(600)
@given(values, factors)
@example((1 << 92) - 1, 2**32 - 1)
@example(-(1 << 92), 2**32 - 1)
@example((1 << 62) - 1, 2**32 - 1)
def test_times(value: int, factor: int) -> None:
    value = min(max(value, -(MOST // max(factor, 1))), MOST // max(factor, 1))
    assert unpaired(*wide.times(*pair(value), np.int64(factor))) == value * factor


# --- shifts and quotients -----------------------------------------------------------------------------


@examples(600)
@given(values, st.integers(0, 124))
@example(1, 124)
@example(-1, 124)
@example(MOST, 0)
@example(-1, 62)
@example(1 - 2**62, 62)
def test_shifted_left(value: int, shift: int) -> None:
    size = abs(value) >> max(0, abs(value).bit_length() + shift - 124)
    value = -size if value < 0 else size
    if shift == 124:
        value = min(max(value, -1), 1)
    assert unpaired(*wide.shifted_left(*pair(value), shift)) == value << shift


def shifted(value: int, shift: int) -> tuple[int, int, int]:
    """Return what ``shifted_right`` makes of a value."""
    high, low, fraction, sticky = wide.shifted_right(*pair(value), shift)
    return unpaired(high, low), int(fraction), int(sticky)


@examples(800)
@given(values, st.integers(0, 124))
def test_shifted_right(value: int, shift: int) -> None:
    assert shifted(value, shift) == split(Fraction(value, 1 << shift))


@pytest.mark.parametrize("shift", range(125))
def test_shifted_right_at_the_edges(shift: int) -> None:
    tie, last, sticky = 1 << shift >> 1, 1 << shift >> 32, 1 << shift >> 33
    beside = [tie, tie - 1, tie + 1, last, sticky, tie + last, tie + sticky, 3 * tie]
    for value in (0, 1, -1, MOST, -MOST, *(sign * one for one in beside for sign in (-1, 1))):
        assert shifted(value, shift) == split(Fraction(value, 1 << shift)), value


divisors = st.sampled_from([1, 2, 3, 7, 2**30, 2**31 - 1]) | st.integers(1, 300) | st.integers(1, 2**31 - 1)


def divided(value: int, divisor: int) -> tuple[int, int, int]:
    """Return what ``divided`` makes of a value."""
    high, low, fraction, sticky = wide.divided(*pair(value), np.int64(divisor))
    return unpaired(high, low), int(fraction), int(sticky)


@examples(800)
@given(values, divisors)
def test_divided(value: int, divisor: int) -> None:
    assert divided(value, divisor) == split(Fraction(value, divisor))


@examples(400)
@given(integers(93), divisors, st.integers(-1, 1))
def test_divided_beside_whole_and_half_quotients(quotient: int, divisor: int, beside: int) -> None:
    for value in (quotient * divisor + beside, quotient * divisor + divisor // 2 + beside):
        assert divided(value, divisor) == split(Fraction(value, divisor))


@examples(400)
@given(values)
def test_bit_length(value: int) -> None:
    assert wide.bit_length(*pair(value)) == abs(value).bit_length()


# --- to and from floats -------------------------------------------------------------------------------


@st.composite
def near_floats(draw: st.DrawFn) -> int:
    """Return integers beside floats of 24 or 53 bits, and beside the middles between two of them."""
    digits = draw(st.sampled_from([24, 53]))
    drop = draw(st.integers(0, 123 - digits))
    significand = draw(st.integers(1 << (digits - 1), (1 << digits) - 1) | st.just((1 << digits) - 1))
    half = draw(st.sampled_from([0, 1])) << drop >> 1
    return draw(st.sampled_from([-1, 1])) * max((significand << drop) + half + draw(st.integers(-1, 1)), 0)


@examples(800)
@given(values | near_floats())
@example((1 << 24) + 1)
@example((1 << 53) + 1)
@example((1 << 62) - 1)
@example((1 << 124) - 1)
def test_to_float(value: int) -> None:
    double, single = wide.to_float(*pair(value), 53), wide.to_float(*pair(value), 24)
    assert double == float(value)
    assert Fraction(single) == to_float32(Fraction(value))
    if abs(value) < 2**63:
        assert double == np.int64(value).astype(np.float64)
        assert single == np.int64(value).astype(np.float32)


LIMIT = 2.0**120
TINY = [1e-300, 5e-324, 2.0**-33, 2.0**-32, 2.0**-65, 0.5 - 2.0**-54, 0.5 + 2.0**-53, 1 - 2.0**-53, 1.5 - 2.0**-52]
LARGE = [2.0**51 + 0.5, 2.0**52 + 1, 2.0**53, 2.0**61, 2.0**62, 2.0**63, 2.0**64, 2.0**119, LIMIT]
BELOW = [math.nextafter(one, 0) for one in LARGE]
reals = st.one_of(
    st.sampled_from([sign * one for sign in (-1, 1) for one in (0.0, 0.5, 1.5, *TINY, *LARGE, *BELOW)]),
    st.floats(-LIMIT, LIMIT),
    st.floats(-8, 8),
    st.builds(math.ldexp, st.floats(-1, 1), st.integers(-80, 120)),
)


def taken_apart(value: float) -> tuple[int, int, int]:
    """Return what ``from_float`` makes of a value."""
    high, low, fraction, sticky = wide.from_float(value)
    return unpaired(high, low), int(fraction), int(sticky)


@examples(800)
@given(reals)
def test_from_float(value: float) -> None:
    assert taken_apart(value) == split(Fraction(value))


@pytest.mark.parametrize("value", [math.nextafter(LIMIT, math.inf), 2.0**121, 1e300, math.inf])
def test_from_float_clips(value: float) -> None:
    assert taken_apart(value) == (1 << 120, 0, 0)
    assert taken_apart(-value) == (-(1 << 120), 0, 0)


@examples(300)
@given(integers(120) | near_floats().filter(lambda value: abs(value) < 2**120))
def test_there_and_back(value: int) -> None:
    for digits in (24, 53):
        real = wide.to_float(*pair(value), digits)
        high, low, fraction, sticky = wide.from_float(real)
        assert (unpaired(high, low), fraction, sticky) == (int(real), 0, 0)
        if abs(value).bit_length() <= digits:
            assert int(real) == value
