"""From a real ratio to integers, and products with floats (docs/arithmetic.md, section 5, by ratio)."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import frexp
from typing import NamedTuple

from oracle.overflow import Format
from oracle.rounding import Rounded, round_fraction, rounded_shift

WRAP_32 = Format(32, True, "wrap")
FLOAT_LIMIT = 2**120


class Unit(NamedTuple):
    """What an LSB is worth; a product's also in parts: the two scales, and the bits dropped.

    ``rules`` are those that form its ratio in float32.
    """

    value: float
    parts: tuple[float, float, int] = (0.0, 0.0, 0)
    rules: tuple[str, ...] = ()

    def ratio(self, scale: float, rule: str = "nearest") -> float:
        """Return the ratio to a scale, formed by a rule.

        >>> unit = accumulator_unit(1 + 2.0**-23, 1.0, 0)
        >>> unit.ratio(1 + 2.0**-30, "float_product") == unit.ratio(1 + 2.0**-30, "float_ratio") == 1 + 2.0**-23
        True
        """
        if rule not in self.rules:
            return self.value / scale
        first, second, shift = self.parts
        single = to_float32(Fraction(as_float32(first)) * Fraction(as_float32(second)))
        if rule == "float_ratio":
            return float(to_float32(single / Fraction(as_float32(scale)))) * 2.0**shift
        return float(single) * 2.0**shift / as_float32(scale)


def accumulator_unit(input_scale: float, weight_scale: float, shift: int, *, alone: bool = True) -> Unit:
    """Return the unit of a multiply-accumulate that drops ``shift`` bits; ``alone``: its weights have one scale."""
    rules = ("float_product", "float_ratio", *(("float_product_layer",) if alone else ()))
    return Unit(input_scale * weight_scale * 2.0**shift, (input_scale, weight_scale, shift), rules)


def product_unit(first: float, second: float, shift: int) -> Unit:
    """Return the unit of an element-wise product that drops ``shift`` bits."""
    return Unit(first * second * 2.0**shift, (first, second, shift), ("float_ratio",))


def sum_weights(sources: list[float], output: float, bits: int) -> tuple[list[int], int]:
    """Return integers and the one shift behind them that bring scales to that of an output.

    >>> sum_weights([1.0, 0.5], 4.0, 4)
    ([4, 2], 4)
    """
    ratios = [to_float32(Fraction(as_float32(one)) / Fraction(as_float32(output))) for one in sources]
    shift = bits - 1 - frexp(max(ratios))[1]
    return [round_fraction(one * Fraction(2) ** shift, "half_even") for one in ratios], shift


class Multiplier(NamedTuple):
    """A ratio as q * 2^-n, with q below 2^(bits - 1) and n = bits - 1 - e; all 0 for a ratio that is too small."""

    q: int
    n: int
    e: int


QUOTIENT_ROUNDING = {"half_down": "half_down", "truncate": "floor"}
"""How the rules round m * 2^(bits - 1); those not named round half_away."""


@lru_cache(maxsize=4096)
def multiplier(ratio: float, bits: int, rule: str = "nearest") -> Multiplier:
    """Return the fixed-point form of ``ratio`` by a rule (``derive``; those with float differ in the ratio alone).

    >>> multiplier(0.25, 32)
    Multiplier(q=1073741824, n=32, e=-1)
    >>> multiplier(0.3, 16), multiplier(0.3, 16, "truncate"), multiplier(0.3, 16, "reduced")
    (Multiplier(q=19661, n=16, e=-1), Multiplier(q=19660, n=16, e=-1), Multiplier(q=19661, n=16, e=-1))
    >>> multiplier(1 - 2.0**-20, 16), multiplier(1 - 2.0**-20, 16, "reduced")
    (Multiplier(q=16384, n=14, e=1), Multiplier(q=32767, n=15, e=0))
    >>> multiplier(0.3, 9, "fraction"), multiplier(300.0, 9, "fraction")
    (Multiplier(q=77, n=8, e=0), Multiplier(q=76800, n=8, e=0))
    >>> multiplier(2.0**40, 32, "saturated")
    Multiplier(q=2147483647, n=1, e=30)
    """
    if not ratio > 0:
        raise ValueError(f"ratio {ratio}")
    if rule == "reduced":
        return _reduced(multiplier(ratio, 32), bits)
    if rule == "fraction":
        scaled = to_float32(min(Fraction(ratio), Fraction(2**31))) * 2 ** (bits - 1)
        q = min(round_fraction(scaled, "half_even"), 2**31 - 1)
        return Multiplier(q, bits - 1, 0) if q else Multiplier(0, 0, 0)
    m, e = frexp(ratio)
    q = round_fraction(Fraction(m) * 2 ** (bits - 1), QUOTIENT_ROUNDING.get(rule, "half_away"))
    if q == 2 ** (bits - 1):
        q, e = q // 2, e + 1
    if rule == "saturated" and e > 30:
        q, e = 2 ** (bits - 1) - 1, 30
    return _or_nothing(q, e, bits)


def _reduced(whole: Multiplier, bits: int) -> Multiplier:
    """Return a multiplier of 32 bits in fewer."""
    if bits >= 32:
        raise ValueError(f"32 bits cannot be reduced to {bits}")
    q = min((whole.q + 2 ** (31 - bits)) >> (32 - bits), 2 ** (bits - 1) - 1)
    return Multiplier(q, bits - 1 - whole.e, whole.e) if q else Multiplier(0, 0, 0)


def _or_nothing(q: int, e: int, bits: int) -> Multiplier:
    """Return (q, n, e), or zeros if the ratio is too small."""
    n = bits - 1 - e
    return Multiplier(q, n, e) if q and n <= 62 else Multiplier(0, 0, 0)


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
    """Shift left and wrap to 32 bits, take the high half of a product, shift right (the kind, as one formula)."""
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


def as_float32(x: float) -> float:
    """Return the float32 nearest to ``x``."""
    return float(to_float32(Fraction(x)))


def float32_product(x: int, ratio: float) -> Fraction:
    """Return float32(x) * float32(ratio), rounded to float32; at most 2^120 in magnitude."""
    return to_float32(_limited(to_float32(Fraction(x)) * to_float32(Fraction(ratio))))


def float64_product(x: int, ratio: float) -> Fraction:
    """Return float64(x) * ratio, rounded to float64; at most 2^120 in magnitude."""
    return _limited(Fraction(float(x) * ratio))


def _limited(x: Fraction) -> Fraction:
    """Return ``x``, or the nearer limit of products with floats."""
    return min(max(x, Fraction(-FLOAT_LIMIT)), Fraction(FLOAT_LIMIT))


def power_of_two_shift(ratio: float) -> int:
    """Return n of a ratio 2^-n."""
    m, e = frexp(ratio)
    if m != 0.5:
        raise ValueError(f"{ratio} is no power of two")
    return 1 - e
