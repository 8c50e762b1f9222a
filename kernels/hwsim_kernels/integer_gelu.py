"""The GELU in integers, by a parabola for the error function: i-GELU of I-BERT (Kim et al. 2021, algorithms 1 and 2).

``docs/arithmetic.md`` section 6 defines it.
"""

from __future__ import annotations

import math

from hwsim_kernels.multiplier import nearest
from hwsim_kernels.rounding import round_up

BITS = 32
"""Of the multiplier that brings values to the output's scale."""


def gelu(code: int, scale: float, output_scale: float, mode: int) -> int:
    """Return the GELU of a code less its zero point, in LSB of the output, rounded in ``mode``; integers of any size.

    >>> from hwsim_kernels.rounding import HALF_AWAY
    >>> [gelu(code, 1 / 32, 1 / 32, HALF_AWAY) for code in (-128, -32, 0, 32, 127)]
    [0, -5, 0, 27, 127]
    """
    small = scale / math.sqrt(2)
    edge = math.floor(-1.769 / small)
    whole = math.floor(1 / -0.2888 / (small * small))
    near = min(abs(code), -edge) + edge
    erf = near * near + whole
    value = -code * ((erf if code > 0 else -erf) + whole)
    multiplier, exponent = nearest(scale * 0.2888 * (small * small) / 2 / output_scale, BITS)
    return _rounded(value * multiplier, BITS - 1 - exponent, mode) if multiplier else 0


def _rounded(value: int, shift: int, mode: int) -> int:
    if shift <= 0:
        return value << -shift
    found, rest = value >> shift, (value & ((1 << shift) - 1)) << 32
    sticky = int(rest & ((1 << shift) - 1) != 0)
    return found + int(round_up(rest >> shift, sticky, value < 0, found & 1 != 0, mode, 0))
