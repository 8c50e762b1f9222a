"""From a real ratio to integers, and products with floats (docs/arithmetic.md, section 5, by ratio)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import frexp
from typing import NamedTuple

from oracle.overflow import Format
from oracle.rounding import Rounded, round_fraction, rounded_shift

WRAP_32 = Format(32, True, "wrap")
FLOAT_LIMIT = 2**120


@dataclass(frozen=True)
class Unit:
    """What an LSB is worth."""

    value: float

    def ratio(self, scale: float, forming: str = "float64") -> float:
        """Return the ratio to a scale, as `forming` says."""
        return self.value / scale

    @property
    def divisor(self) -> int:
        """By what the integers of the ratio are to be divided."""
        return 1


@dataclass(frozen=True)
class AccumulatorUnit(Unit):
    """The unit of an accumulator, in parts too: the scales of inputs and weights, and the bits dropped."""

    input_scale: float
    weight_scale: float
    shift: int
    alone: bool

    def ratio(self, scale: float, forming: str = "float64") -> float:
        """Return the ratio to a scale; ``float_product`` forms the product of scales in float32.

        >>> accumulator_unit(1 + 2.0**-23, 1.0, 0).ratio(1 + 2.0**-30, "float_product") == 1 + 2.0**-23
        True
        >>> accumulator_unit(1.0, 1.0, 2).ratio(3.0, "float_ratio") == 4 * (11184811 / 2**25)
        True
        """
        if forming not in ("float_product", "float_ratio") and not (forming == "float_product_layer" and self.alone):
            return super().ratio(scale)
        single = to_float32(Fraction(as_float32(self.input_scale)) * Fraction(as_float32(self.weight_scale)))
        if forming == "float_ratio":
            return float(to_float32(single / Fraction(as_float32(scale)))) * 2.0**self.shift
        return float(single) * 2.0**self.shift / as_float32(scale)


def accumulator_unit(input_scale: float, weight_scale: float, shift: int, *, alone: bool = True) -> Unit:
    """Return the unit of a multiply-accumulate that drops ``shift`` bits; ``alone``: its weights have one scale."""
    return AccumulatorUnit(input_scale * weight_scale * 2.0**shift, input_scale, weight_scale, shift, alone)


@dataclass(frozen=True)
class ProductUnit(Unit):
    """The unit of an element-wise product, in parts too: the scales of both inputs, and the bits dropped."""

    scales: tuple[float, float]
    shift: int

    def ratio(self, scale: float, forming: str = "float64") -> float:
        """Return the ratio to a scale; ``float_ratio`` forms it in float32, rounding twice.

        >>> third = product_unit(1.0, 1.0, 2).ratio(3.0, "float_ratio")
        >>> third == 4 * 11184811 / 2**25, product_unit(1.0, 1.0, 2).ratio(3.0) == 4 / 3
        (True, True)
        """
        if forming != "float_ratio":
            return super().ratio(scale)
        a, b = self.scales
        product = to_float32(Fraction(as_float32(a)) * Fraction(as_float32(b)))
        return float(to_float32(product / Fraction(as_float32(scale)))) * 2.0**self.shift


def product_unit(a: float, b: float, shift: int) -> Unit:
    """Return the unit of an element-wise product that drops ``shift`` bits."""
    return ProductUnit(a * b * 2.0**shift, (a, b), shift)


@dataclass(frozen=True)
class MeanUnit(Unit):
    """The unit of a sum of ``count`` codes that becomes their mean.

    ``form`` is `pooling.mean`: with `divided`, integers are divided by the count.
    """

    input_scale: float
    count: int
    form: str
    share: float | None = None
    float_ratio: bool = False

    def ratio(self, scale: float, forming: str = "float64") -> float:
        """Return the ratio to a scale, as far as it goes into integers that are not yet divided.

        >>> MeanUnit(1.0, 1.0, 3, "ratio", None, True).ratio(1.0) == 11184811 / 2**25
        True
        """
        source, output = Fraction(as_float32(self.input_scale)), Fraction(as_float32(scale))
        if self.form in ("folded", "scaled_count"):
            return float(to_float32(source / to_float32(self.count * output)))
        if self.float_ratio:
            return float(to_float32(to_float32(source / output) * to_float32(Fraction(1, self.count))))
        whole = self.input_scale / scale
        if self.form == "divided":
            return whole
        return whole / self.count if self.share is None else whole * self.share

    @property
    def divisor(self) -> int:
        """By what the integers of the ratio are to be divided."""
        return self.count if self.form == "divided" and not self.float_ratio else 1


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


def divided(whole: Multiplier, count: int) -> Multiplier:
    """Return a multiplier divided by a count without its fraction, after a shift to the left that makes up for it.

    >>> divided(multiplier(0.5, 32), 6), divided(multiplier(0.5, 32), 1) == multiplier(0.5, 32)
    (Multiplier(q=715827882, n=33, e=-2), True)
    >>> divided(multiplier(2.0**-31, 32), 6), divided(Multiplier(1, 3, -2), 3)
    (Multiplier(q=357913941, n=62, e=-31), Multiplier(q=0, n=0, e=0))
    """
    q, n, e = whole
    k = max(min(count.bit_length() - 1, 32, 31 + e), 0)
    return Multiplier(q * 2**k // count, n + k, e - k) if q * 2**k >= count else Multiplier(0, 0, 0)


QUOTIENT_ROUNDING = {"half_down": "half_down", "truncate": "floor"}
"""How the rules round m * 2^(bits - 1); those not named round half_away."""


@lru_cache(maxsize=4096)
def multiplier(ratio: float, bits: int, rule: str = "nearest") -> Multiplier:
    """Return the fixed-point form of ``ratio`` by a rule (``derive``).

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


def fixed_double(x: int, ratio: float, tail: str = "half_away") -> Double:
    """Shift left and wrap to 32 bits, take the high half of a product, shift right (the kind, as one formula).

    ``tail``: how the second shift rounds.
    """
    q, _, e = multiplier(ratio, 32)
    shifted = x * 2 ** max(e, 0)
    high = rounded_shift(WRAP_32.fit(shifted) * q, 31, "half_up")
    return Double(shifted, high, rounded_shift(high.value, max(-e, 0), tail))


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


FLOATS: Mapping[int, Callable[[Fraction], Fraction]] = {32: to_float32, 64: lambda x: Fraction(float(x))}
"""What rounds an exact number to a float of so many bits."""


def float_scaled(x: int, ratio: float, precision: int, divisor: float = 1.0, added: int = 0) -> Fraction:
    """Return ``x * ratio / divisor + added``, every result rounded to a float; products and quotients up to 2^120.

    >>> float_scaled(3, 0.1, 32, 0.3), float_scaled(3, 0.1, 32, added=2**24)
    (Fraction(1, 1), Fraction(16777216, 1))
    """
    product = {32: float32_product, 64: float64_product}[precision](x, ratio)
    single = FLOATS[precision]
    quotient = single(_limited(product / single(Fraction(divisor))))
    return single(quotient + added)


def _limited(x: Fraction) -> Fraction:
    """Return ``x``, or the nearer limit of products with floats."""
    return min(max(x, Fraction(-FLOAT_LIMIT)), Fraction(FLOAT_LIMIT))


def power_of_two_shift(ratio: float) -> int:
    """Return n of a ratio 2^-n."""
    m, e = frexp(ratio)
    if m != 0.5:
        raise ValueError(f"{ratio} is no power of two")
    return 1 - e
