"""Multiplication of an integer by a real ratio (docs/arithmetic.md, section 5, rescale)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from math import frexp
from typing import Any, NamedTuple

from oracle.ledger import Place, Point
from oracle.lfsr import Draws
from oracle.overflow import Format
from oracle.rounding import Rounded, round_fraction, rounded_fraction, rounded_shift

WRAP_32 = Format(32, True, "wrap")


class Multiplier(NamedTuple):
    """A ratio as q * 2^-n, with q below 2^(bits - 1) and n = bits - 1 - e."""

    q: int
    n: int
    e: int


@lru_cache(maxsize=4096)
def multiplier(ratio: float, bits: int) -> Multiplier:
    """Return the fixed-point form of ``ratio``.

    >>> multiplier(0.25, 32)
    Multiplier(q=1073741824, n=32, e=-1)
    """
    if not ratio > 0:
        raise ValueError(f"ratio {ratio}")
    m, e = frexp(ratio)
    q = round_fraction(Fraction(m) * 2 ** (bits - 1), "half_away")
    if q == 2 ** (bits - 1):
        q, e = q // 2, e + 1
    n = bits - 1 - e
    return Multiplier(q, n, e) if n <= 62 else Multiplier(0, 0, e)


def fixed(x: int, ratio: float, bits: int, rounding: str, draw: int = 0, draw_bits: int = 16) -> Rounded:
    """Multiply by an integer of ``bits`` bits and shift right once."""
    q, n, _ = multiplier(ratio, bits)
    return rounded_shift(x * q, n, rounding, draw, draw_bits)


class Double(NamedTuple):
    """The three results of TensorFlow Lite's rescaling: before the 32-bit wrap, and of each rounding."""

    shifted: int
    high: Rounded
    rounded: Rounded


def fixed_double(x: int, ratio: float) -> Double:
    """Shift left and wrap to 32 bits, take the high half of a product, shift right."""
    q, _, e = multiplier(ratio, 32)
    shifted = x * 2 ** max(e, 0)
    high = rounded_shift(WRAP_32.fit(shifted) * q, 31, "half_up")
    return Double(shifted, high, rounded_shift(high.value, max(-e, 0), "half_away"))


def to_float32(x: Fraction) -> Fraction:
    """Return the float32 nearest to ``x``, ties to the one with an even significand.

    >>> to_float32(Fraction(2**24 + 1)), to_float32(Fraction(2**24 + 3))
    (Fraction(16777216, 1), Fraction(16777220, 1))
    """
    if x == 0:
        return x
    exponent = abs(x.numerator).bit_length() - x.denominator.bit_length()
    if abs(x) < Fraction(2) ** exponent:
        exponent -= 1
    step = Fraction(2) ** max(exponent - 23, -149)
    nearest = round_fraction(x / step, "half_even") * step
    if abs(nearest) >= 2**128:
        raise OverflowError(f"{float(x)} is too large for float32")
    return nearest


def float32_product(x: int, ratio: float) -> Fraction:
    """Return float32(x) * float32(ratio), rounded to float32."""
    return to_float32(to_float32(Fraction(x)) * to_float32(Fraction(ratio)))


def power_of_two_shift(ratio: float) -> int:
    """Return n of a ratio 2^-n."""
    m, e = frexp(ratio)
    if m != 0.5:
        raise ValueError(f"{ratio} is no power of two")
    return 1 - e


def rescale_once(x: int, ratio: float, requantize: Mapping[str, Any], draw: int = 0, draw_bits: int = 16) -> Rounded:
    """Rescale by one of the kinds that round once."""
    kind, rounding = requantize["kind"], requantize["rounding"]
    if kind == "fixed":
        return fixed(x, ratio, requantize["multiplier_bits"], rounding, draw, draw_bits)
    if kind == "power_of_two":
        return rounded_shift(x, power_of_two_shift(ratio), rounding, draw, draw_bits)
    if kind == "float32":
        return rounded_fraction(float32_product(x, ratio), rounding, draw, draw_bits)
    if kind == "float64":
        return rounded_fraction(Fraction(float(x) * ratio), rounding, draw, draw_bits)
    raise ValueError(f"requantize.kind {kind!r}")


def rescale(x: int, ratio: float, requantize: Mapping[str, Any], draw: int = 0, draw_bits: int = 16) -> int:
    """Rescale ``x`` as the settings' section ``requantize`` says."""
    if requantize["kind"] == "none":
        return x
    if requantize["kind"] == "fixed_double":
        return fixed_double(x, ratio).rounded.value
    return rescale_once(x, ratio, requantize, draw, draw_bits).value


class Rescaling:
    """Rescales the values of one layer and keeps the ledger of it, at one or two points or none."""

    def __init__(self, settings: Mapping[str, Any], channels: int, prefix: str = "") -> None:
        """Begin an empty ledger; ``prefix`` is ``input`` where inputs are brought to one scale."""
        self.requantize = settings["requantize"]
        self.draws = Draws(settings["random"])
        self.high = Point("input_high_multiply" if prefix else "high_multiply", channels)
        self.point = Point(prefix or "requantize", channels)
        kind = self.requantize["kind"]
        self.points = {"none": [], "fixed_double": [self.high, self.point]}.get(kind, [self.point])

    def rescale(self, x: int, ratio: float, number: int, place: Place) -> int:
        """Rescale ``x``, which is value ``number`` of its tensor."""
        if self.requantize["kind"] == "none":
            return x
        if self.requantize["kind"] == "fixed_double":
            double = fixed_double(x, ratio)
            self.high.fit(double.shifted, WRAP_32, place)
            self.high.round(double.high, place)
            return self.point.round_only(double.rounded, place)
        draw = self.draws.draw(number, self.requantize["rounding"])
        return self.point.round_only(rescale_once(x, ratio, self.requantize, draw, self.draws.bits), place)
