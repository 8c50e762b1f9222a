"""The GELU by a parabola in integers (docs/arithmetic.md, section 6, ``gelu: polynomial``)."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from oracle.rescale import multiplier
from oracle.rounding import round_fraction

ROOT = 1.4142135623730951


def gelu(d: int, scale: float, output_scale: float, rounding: str) -> int:
    """Return the entry of a code less its zero point.

    >>> [gelu(d, 1 / 32, 1 / 32, "half_away") for d in (-128, -32, 0, 32, 127)]
    [0, -5, 0, 27, 127]
    """
    s = scale / ROOT
    b, c = floor(-1.769 / s), floor(1 / -0.2888 / (s * s))
    sign = (d > 0) - (d < 0)
    erf = sign * ((min(abs(d), -b) + b) ** 2 + c)
    m, shift, _ = multiplier(scale * 0.2888 * (s * s) / 2 / output_scale, 32)
    x = -d * (erf + c) * m
    return round_fraction(Fraction(x, 2**shift), rounding) if shift > 0 else x << -shift
