"""x * relu6(x + 3) / 6 in 16-bit fixed point (docs/arithmetic.md, section 6, ``hard_silu: fixed``)."""

from __future__ import annotations

from typing import NamedTuple

from oracle.overflow import Format
from oracle.rescale import as_float32, multiplier
from oracle.rounding import rounded_shift

SHORT = Format(16, True, "saturate")


class Factor(NamedTuple):
    """A ratio in 16 bits: m * 2^(e - 15)."""

    m: int
    e: int


def factor(ratio: float) -> Factor:
    """Return a ratio, a float32, in 16 bits.

    >>> factor(0.5), factor(1.0), factor(1 - 2.0**-20)
    (Factor(m=16384, e=0), Factor(m=16384, e=1), Factor(m=32767, e=0))
    """
    q, _, e = multiplier(ratio, 32)
    return Factor(min((q + 2**15) >> 16, 2**15 - 1), e)


def high(a: int, b: int) -> int:
    """Return the high half of a doubled product."""
    return SHORT.fit((a * b + 2**14) >> 15)


def half_away(x: int, n: int) -> int:
    """Return x / 2^n, ties away from zero."""
    return rounded_shift(x, n, "half_away").value


def hard_silu(d: int, scale: float, output_scale: float) -> int:
    """Return the entry, without the output's zero point, of a code less its zero point.

    >>> [hard_silu(d, 1 / 16, 1 / 16) for d in (-64, -48, -24, 0, 16, 48, 127)]
    [0, 0, -6, 0, 11, 48, 127]
    """
    fine = as_float32(as_float32(scale) / 128)
    gate, size = factor(as_float32(fine / (3 / 2**15))), factor(as_float32(fine / as_float32(output_scale)))
    v = 128 * d
    g = SHORT.fit(v * 2 ** (gate.e - 1)) if gate.e > 0 else v
    g = high(g, gate.m)
    if gate.e > 0:
        g = SHORT.fit(2 * g)
    elif gate.e < 0:
        g = half_away(g, -gate.e)
    g = (g + 2**15) >> 1
    p = g * high(v, size.m)
    p = abs(p) // 2**15 * (1 if p >= 0 else -1)
    entry = p * 2**size.e if size.e > 0 else half_away(p, -size.e)
    return min(max(entry, -(2**30)), 2**30)
