"""Rounding in the oracle, against verified tables and bit formulas."""

from __future__ import annotations

import pytest

from oracle.rounding import UP, Rounded, round_divide, round_shift, rounded_shift

QUARTERS = {
    "half_up": [-1, -1, -1, 0, 0, 0, 1, 1, 1, 2],
    "half_away": [-2, -1, -1, -1, 0, 0, 1, 1, 1, 2],
    "half_even": [-2, -1, -1, 0, 0, 0, 0, 1, 1, 2],
    "half_toward_zero": [-1, -1, -1, 0, 0, 0, 0, 1, 1, 1],
    "half_down": [-2, -1, -1, -1, 0, 0, 0, 1, 1, 1],
    "toward_zero": [-1, -1, 0, 0, 0, 0, 0, 0, 1, 1],
    "floor": [-2, -2, -1, -1, -1, 0, 0, 0, 1, 1],
}
"""x / 4 for the ten x of the test below, in each mode."""


@pytest.mark.parametrize("mode", QUARTERS)
def test_quarters(mode: str) -> None:
    assert [round_shift(x, 2, mode) for x in (-6, -5, -3, -2, -1, 1, 2, 3, 5, 6)] == QUARTERS[mode]


def bit_formula(x: int, n: int, mode: str) -> int:
    """Round x / 2^n with the formulas of hardware: guard bit g, sticky t, sign s, last bit l."""
    q, g, t = x >> n, x >> (n - 1) & 1, int(x & ((1 << (n - 1)) - 1) != 0)
    s, last = int(x < 0), x >> n & 1
    ups = {
        "floor": 0,
        "ceil": g | t,
        "toward_zero": s & (g | t),
        "away_from_zero": (1 - s) & (g | t),
        "half_up": g,
        "half_down": g & t,
        "half_toward_zero": g & (s | t),
        "half_away": g & ((1 - s) | t),
        "half_even": g & (last | t),
        "half_odd": g & ((1 - last) | t),
        "magnitude": s,
        "jam": 1 - last,
        "jam_unbiased": (g | t) & (1 - last),
    }
    return q + ups[mode]


@pytest.mark.parametrize("mode", [mode for mode in UP if not mode.startswith("stochastic")])
def test_bit_formulas(mode: str) -> None:
    for n in range(1, 6):
        for x in range(-140, 140):
            assert round_shift(x, n, mode) == bit_formula(x, n, mode), (x, n)


@pytest.mark.parametrize("mode", UP)
def test_a_shift_by_nothing_drops_nothing(mode: str) -> None:
    assert [rounded_shift(x, 0, mode, draw=1) for x in (-4, 0, 3)] == [Rounded(x, False, 0) for x in (-4, 0, 3)]
    assert round_shift(3, -2, mode, draw=1) == 12


def test_division_by_one_still_rounds() -> None:
    assert [round_divide(x, 1, "jam") for x in (-2, -1, 0)] == [-1, -1, 1]
    assert round_divide(-2, 1, "magnitude") == -1
    assert [round_divide(x, 3, "half_away") for x in (-5, -4, 4, 5)] == [-2, -1, 1, 2]
    assert [round_divide(x, 2, "half_even") for x in (-3, -1, 1, 3)] == [-2, 0, 0, 2]


def test_stochastic() -> None:
    drawn = [round_shift(5, 2, "stochastic_weighted", draw, 4) for draw in range(16)]
    assert drawn == [1] * 12 + [2] * 4
    assert [round_shift(4, 2, "stochastic_weighted", draw, 4) for draw in range(16)] == [1] * 16
    assert [round_shift(4, 2, "stochastic_equal", draw, 4) for draw in (0, 7, 8, 15)] == [1, 1, 2, 2]


def test_errors() -> None:
    assert rounded_shift(-5, 2, "half_up") == Rounded(-1, True, 16384)
    assert rounded_shift(-5, 2, "floor") == Rounded(-2, True, -49152)
    assert rounded_shift(4, 2, "jam") == Rounded(1, False, 0)
    assert rounded_shift(8, 2, "jam") == Rounded(3, False, 65536)
    assert rounded_shift(1, 20, "floor") == Rounded(0, True, 0)
    assert rounded_shift(1, 20, "ceil") == Rounded(1, True, 65536)
