"""From a real ratio to the integers that hardware multiplies by: the derivation rules."""

from __future__ import annotations

import math

MAX_SHIFT = 62


def fixed_multiplier(ratio: float, bits: int) -> tuple[int, int]:
    """Return (multiplier, right shift) of ``bits`` (sign included) for a ratio above 0, as TensorFlow Lite derives it.

    The multiplier is in [2**(bits-2), 2**(bits-1)); a negative shift is to the left; below 2**-62 both are 0.

    >>> fixed_multiplier(0.25, 32), fixed_multiplier(3.0, 16)
    ((1073741824, 32), (24576, 13))
    """
    mantissa, exponent = math.frexp(ratio)
    multiplier = math.floor(mantissa * 2 ** (bits - 1) + 0.5)
    if multiplier == 1 << (bits - 1):
        multiplier, exponent = multiplier // 2, exponent + 1
    shift = bits - 1 - exponent
    return (0, 0) if shift > MAX_SHIFT else (multiplier, shift)


def double_multiplier(ratio: float) -> tuple[int, int]:
    """Return (multiplier, exponent) of TensorFlow Lite's double rounding: ratio = multiplier * 2**(exponent - 31).

    >>> double_multiplier(0.25)
    (1073741824, -1)
    """
    multiplier, shift = fixed_multiplier(ratio, 32)
    return multiplier, 31 - shift if multiplier else 0


def power_of_two_shift(ratio: float) -> int | None:
    """Return n if the ratio is 2**-n, else None.

    >>> power_of_two_shift(0.125), power_of_two_shift(0.3)
    (3, None)
    """
    mantissa, exponent = math.frexp(ratio)
    return 1 - exponent if mantissa == 0.5 else None  # noqa: PLR2004
