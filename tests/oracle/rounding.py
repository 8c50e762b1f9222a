"""Rounding of exact rationals (docs/arithmetic.md, section 1)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import floor
from typing import NamedTuple

HALF = Fraction(1, 2)


class Parts(NamedTuple):
    """What a mode may look at: floor(x) is odd, the fraction f, x is negative, and the draw."""

    odd: bool
    f: Fraction
    negative: bool
    draw: int
    draw_bits: int


class Rounded(NamedTuple):
    """A rounded value, whether bits that were not all 0 were dropped, and the error in 1/65536 of its LSB."""

    value: int
    inexact: bool
    e16: int


UP: dict[str, Callable[[Parts], bool]] = {
    "floor": lambda p: False,
    "ceil": lambda p: p.f > 0,
    "toward_zero": lambda p: p.negative and p.f > 0,
    "away_from_zero": lambda p: not p.negative and p.f > 0,
    "half_up": lambda p: p.f >= HALF,
    "half_down": lambda p: p.f > HALF,
    "half_toward_zero": lambda p: p.f > HALF or (p.f == HALF and p.negative),
    "half_away": lambda p: p.f > HALF or (p.f == HALF and not p.negative),
    "half_even": lambda p: p.f > HALF or (p.f == HALF and p.odd),
    "half_odd": lambda p: p.f > HALF or (p.f == HALF and not p.odd),
    "magnitude": lambda p: p.negative,
    "jam": lambda p: not p.odd,
    "jam_unbiased": lambda p: p.f > 0 and not p.odd,
    "stochastic_weighted": lambda p: floor(p.f * 2**p.draw_bits) + p.draw >= 2**p.draw_bits,
    "stochastic_equal": lambda p: p.draw >= 2 ** (p.draw_bits - 1),
}
"""For each mode, when floor(x) goes up by 1."""


def rounded_fraction(
    x: Fraction, mode: str, draw: int = 0, draw_bits: int = 16, guard_bits: int | None = None
) -> Rounded:
    """Round ``x`` to an integer and say what was lost; with ``guard_bits`` the mode sees so many bits of the fraction.

    >>> rounded_fraction(Fraction(-5, 4), "half_away")
    Rounded(value=-1, inexact=True, e16=16384)
    >>> rounded_fraction(Fraction(-65535, 2**17), "half_away", guard_bits=16).value
    -1
    """
    q = floor(x)
    f = x - q
    seen = f if guard_bits is None else Fraction(floor(f * 2**guard_bits), 2**guard_bits)
    up = int(UP[mode](Parts(q % 2 == 1, seen, x < 0, draw, draw_bits)))
    return Rounded(q + up, f > 0, up * 2**16 - floor(f * 2**16))


def rounded_shift(
    x: int, n: int, mode: str, draw: int = 0, draw_bits: int = 16, guard_bits: int | None = None
) -> Rounded:
    """Round x / 2^n; n = 0 and a negative n (a shift left) are exact in every mode."""
    if n <= 0:
        return Rounded(x * 2**-n, False, 0)
    return rounded_fraction(Fraction(x, 2**n), mode, draw, draw_bits, guard_bits)


def rounded_divide(x: int, d: int, mode: str, draw: int = 0, draw_bits: int = 16) -> Rounded:
    """Round x / d for d >= 1; the mode applies even if d = 1."""
    if d < 1:
        raise ValueError(f"division by {d}")
    return rounded_fraction(Fraction(x, d), mode, draw, draw_bits)


def round_fraction(x: Fraction, mode: str, draw: int = 0, draw_bits: int = 16) -> int:
    """Round ``x`` to an integer."""
    return rounded_fraction(x, mode, draw, draw_bits).value


def round_shift(x: int, n: int, mode: str, draw: int = 0, draw_bits: int = 16) -> int:
    """Round x / 2^n to an integer.

    >>> [round_shift(x, 2, "half_even") for x in (-6, -5, 1, 2, 6)]
    [-2, -1, 0, 0, 2]
    """
    return rounded_shift(x, n, mode, draw, draw_bits).value


def round_divide(x: int, d: int, mode: str, draw: int = 0, draw_bits: int = 16) -> int:
    """Round x / d to an integer."""
    return rounded_divide(x, d, mode, draw, draw_bits).value
