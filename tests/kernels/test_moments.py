"""Sums of values and of squares without any rounding, against fractions; counts and ranges against NumPy."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from hwsim_kernels.moments import GROUPS, MOST_ROWS, SQUARE_DIGITS, SUM_DIGITS, WIDTH, add_at, add_moments, carry

Ints = NDArray[np.int64]
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
LARGEST = np.finfo(np.float32).max


class Found:
    """What ``add_moments`` finds in some parts."""

    def __init__(self, *parts: NDArray[np.float32]) -> None:
        channels = parts[0].shape[1]
        self.bins = np.zeros(1 << 16, np.int64)
        self.low, self.high = np.full(channels, np.inf), np.full(channels, -np.inf)
        self.sums = np.zeros((channels, SUM_DIGITS), np.int64)
        self.squares = np.zeros((channels, SQUARE_DIGITS), np.int64)
        for part in parts:
            add_moments(part, part.view(np.uint32), self.bins, self.low, self.high, self.sums, self.squares)


def value_of(digits: Ints) -> int:
    """Return the number that digits to the base 2**32 stand for."""
    return sum(int(digit) << 32 * place for place, digit in enumerate(digits))


def check(found: Found, rows: NDArray[np.float32]) -> None:
    """Compare with fractions and with NumPy."""
    for channel, column in enumerate(rows.T.tolist()):
        exact = [Fraction(value) for value in column]
        assert Fraction(value_of(found.sums[channel]), 1 << 149) == sum(exact)
        assert Fraction(value_of(found.squares[channel]), 1 << 298) == sum(value * value for value in exact)
    for digits in (found.sums[:, :-1], found.squares[:, :-1]):
        assert digits.min() >= 0
        assert digits.max() < 1 << 32
    assert found.low.tolist() == rows.min(axis=0).tolist()
    assert found.high.tolist() == rows.max(axis=0).tolist()
    assert found.bins.tolist() == np.bincount(rows.view(np.uint32).ravel() >> 16, minlength=1 << 16).tolist()


@settings(deadline=None)  # the first call compiles
@given(arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 3)), elements=FINITE))
def test_sums_of_any_values_are_exact(rows: NDArray[np.float32]) -> None:
    check(Found(rows), rows)


def test_the_ends_of_float32_are_summed() -> None:
    smallest = np.finfo(np.float32).smallest_subnormal
    ends = [LARGEST, -LARGEST, smallest, -smallest, np.finfo(np.float32).smallest_normal, 0.0, -0.0, 1.0]
    rows = np.array([ends, [LARGEST] * len(ends), [-smallest] * len(ends)], np.float32)
    check(Found(rows), rows)


@pytest.mark.parametrize("channels", [WIDTH - 1, WIDTH, WIDTH + 1, 2 * WIDTH + 3])
def test_strips_of_channels_meet(channels: int) -> None:
    random = np.random.default_rng(channels)
    rows = (random.normal(size=(3, channels)) * 10.0 ** random.integers(-30, 18, (3, channels))).astype(np.float32)
    check(Found(rows), rows)


@settings(deadline=None)
@given(arrays(np.float32, (8, 2), elements=FINITE), st.permutations(range(8)), st.integers(1, 7))
def test_digits_depend_neither_on_order_nor_on_parts(rows: NDArray[np.float32], order: list[int], cut: int) -> None:
    whole, shuffled = Found(rows), rows[order]
    parts = Found(shuffled[:cut], shuffled[cut:])
    merged, other = Found(shuffled[cut:]), Found(shuffled[:cut])
    merged.sums += other.sums
    merged.squares += other.squares
    carry(merged.sums)
    carry(merged.squares)
    for one in (parts, merged):
        assert one.sums.tolist() == whole.sums.tolist()
        assert one.squares.tolist() == whole.squares.tolist()


def test_no_integer_overflows_in_the_longest_part() -> None:
    # 2**24 times the largest terms: what one group may hold, and where its upper half goes
    sum_term, square_half = ((1 << 24) - 1) << 7, ((1 << 24) - 1) << 14
    assert MOST_ROWS * max(sum_term, square_half) < 1 << 63
    for value in (MOST_ROWS * square_half, -MOST_ROWS * sum_term):
        for position in (0, 8, 24, 16 * (GROUPS - 1) + 24):
            digits = np.zeros(SQUARE_DIGITS, np.int64)
            digits[:-1] = (1 << 32) - 1
            before = value_of(digits)
            for _ in range(8):  # groups that share a digit
                add_at(digits, position, value)
            carry(digits[None])
            assert value_of(digits) == before + 8 * (value << position)


@pytest.mark.slow
def test_millions_of_the_largest_values_do_not_wrap() -> None:
    rows = np.full((MOST_ROWS, 1), LARGEST, np.float32)
    found = Found(rows, rows)
    assert Fraction(value_of(found.sums[0]), 1 << 149) == 2 * MOST_ROWS * Fraction(float(LARGEST))
    assert Fraction(value_of(found.squares[0]), 1 << 298) == 2 * MOST_ROWS * Fraction(float(LARGEST)) ** 2
