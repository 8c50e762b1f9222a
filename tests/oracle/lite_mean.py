"""Means of TensorFlow Lite's optimised kernels and of XNNPACK (docs/arithmetic.md, section 6)."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from oracle.rescale import as_float32, fixed_double, float32_product, to_float32
from oracle.rounding import round_fraction

HALF = Fraction(1, 2)


class Ends(NamedTuple):
    """Scale and zero point of what goes in and of what comes out."""

    scale: float
    zero_point: int
    output_scale: float
    output_zero_point: int


def _single(x: float) -> Fraction:
    return Fraction(as_float32(x))


def folded_mean(codes: list[int], ends: Ends, tail: str) -> int:
    """Return the 8-bit code of a mean whose zero points are folded, the second rounding by ``tail``.

    >>> [folded_mean([3, 4], Ends(1.0, zero_point, 1.0, 0), "half_away") for zero_point in (0, 3)]
    [4, 1]
    >>> [folded_mean([-5, -5], Ends(0.25, 0, 1.0, 0), tail) for tail in ("half_away", "half_up")]
    [-1, -1]
    >>> [folded_mean([-5, -5], Ends(0.1, 0, 1.0, 0), tail) for tail in ("half_away", "half_up")]
    [-1, 0]
    """
    source, output = _single(ends.scale), _single(ends.output_scale)
    ratio = to_float32(source / to_float32(len(codes) * output))
    t = to_float32(to_float32(ends.zero_point * source) / output)
    z = int(to_float32(t + HALF if t > 0 else t - HALF))
    code = fixed_double(sum(codes), float(ratio), tail).rounded.value - z + ends.output_zero_point
    return min(max(code, -128), 127)


def float_mean(codes: list[int], ends: Ends) -> int:
    """Return the 8-bit code of a mean by a product in float32, half to even.

    >>> float_mean([3, 4], Ends(1.0, 0, 1.0, 0)), float_mean([3, 4], Ends(1.0, 3, 1.0, 0))
    (4, 0)
    """
    share = to_float32(_single(ends.scale) / _single(ends.output_scale))
    ratio = to_float32(share * to_float32(Fraction(1, len(codes))))
    product = float32_product(sum(codes) - len(codes) * ends.zero_point, float(ratio))
    code = round_fraction(product, "half_even") + ends.output_zero_point
    return min(max(code, -128), 127)
