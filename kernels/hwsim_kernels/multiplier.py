"""From a real ratio to the integers that hardware multiplies by: the derivation rules.

``docs/arithmetic.md`` section 5 names who uses which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from hwsim_kernels.convert import known, whole

MAX_SHIFT = 62
"""Ratios that need more bits of shift to the right become 0."""

MAX_EXPONENT = 30
"""The largest exponent of TensorFlow Lite built with single rounding."""

LARGEST = float((1 << 31) - 1)
"""The largest multiplier that keeps its binary point."""

Derivation = tuple[int, int]
"""A multiplier of b bits, sign included, and an exponent e: the ratio is multiplier * 2**(e - (b - 1)), or (0, 0)."""


def nearest(ratio: float, bits: int) -> Derivation:
    """Round the mantissa to the nearest, ties away from 0: TensorFlow Lite's QuantizeMultiplier.

    >>> nearest(0.25, 32), nearest(3.0, 16)
    ((1073741824, -1), (24576, 2))
    """
    mantissa, exponent = math.frexp(ratio)
    return normal(math.floor(math.ldexp(mantissa, bits - 1) + 0.5), exponent, bits)


def half_down(ratio: float, bits: int) -> Derivation:
    """Round the mantissa to the nearest, ties down: TensorFlow Lite with TFLITE_EMULATE_FLOAT."""
    mantissa, exponent = math.frexp(ratio)
    return normal(math.ceil(math.ldexp(mantissa, bits - 1) - 0.5), exponent, bits)


def truncate(ratio: float, bits: int) -> Derivation:
    """Cut the mantissa off."""
    mantissa, exponent = math.frexp(ratio)
    return normal(math.floor(math.ldexp(mantissa, bits - 1)), exponent, bits)


def reduced(ratio: float, bits: int) -> Derivation:
    """Round a 32-bit multiplier once more, to fewer bits: TensorFlow Lite's 16-bit multipliers.

    >>> reduced(0.75, 16), reduced(1 - 2.0**-30, 16)
    ((24576, 0), (32767, 0))
    """
    multiplier, exponent = nearest(ratio, 32)
    dropped = 32 - bits
    rounded = (multiplier + (1 << (dropped - 1))) >> dropped
    return min(rounded, (1 << (bits - 1)) - 1), exponent


def saturated(ratio: float, bits: int) -> Derivation:
    """As ``nearest``, but ratios from 2**30 on become the largest: TensorFlow Lite built with single rounding."""
    multiplier, exponent = nearest(ratio, bits)
    return (multiplier, exponent) if exponent <= MAX_EXPONENT else ((1 << (bits - 1)) - 1, MAX_EXPONENT)


def fraction(ratio: float, bits: int) -> Derivation:
    """``bits - 1`` bits behind the binary point, whatever the ratio, rounded half to even from float32: XNNPACK.

    >>> fraction(0.25, 9), fraction(3.0, 9)
    ((64, 0), (768, 0))
    """
    with np.errstate(over="ignore"):
        scaled = float(np.ldexp(np.float32(ratio), bits - 1))
    return int(np.rint(min(scaled, LARGEST))), 0


def normal(multiplier: int, exponent: int, bits: int) -> Derivation:
    """Bring a mantissa that was rounded up to one back into range; what would need a longer shift becomes 0."""
    if multiplier == 1 << (bits - 1):
        multiplier, exponent = multiplier // 2, exponent + 1
    return (multiplier, exponent) if bits - 1 - exponent <= MAX_SHIFT else (0, 0)


def shared(multiplier: int, exponent: int, count: int) -> Derivation:
    """Divide a multiplier by a count, brought as far to the left before as 64 bits and the shift allow.

    TensorFlow Lite's mean. Return it as it is for a count of 1.

    >>> shared(1 << 30, 1, 6)
    (715827882, -1)
    """
    left = max(min(count.bit_length() - 1, 32, 31 + exponent), 0)
    return (multiplier << left) // count, exponent - left


RULES: Mapping[str, Callable[[float, int], Derivation]] = {
    "nearest": nearest,
    "half_down": half_down,
    "truncate": truncate,
    "reduced": reduced,
    "saturated": saturated,
    "fraction": fraction,
}


def multiplier_of(ratio: float, bits: int = 32, rule: str = "nearest") -> tuple[int, int]:
    """Return (multiplier, shift) of a real ratio above 0, which is about ``multiplier / 2**shift``, for `requantize`.

    bits: 2 to 32, the multiplier's width, sign included. rule: `nearest`, `half_down`, `truncate`, `reduced` (below 32
    bits), `saturated` or `fraction`, see docs/arithmetic.md section 5. A negative shift is to the left; both are 0 for
    ratios too small. ``requantize_double`` takes the exponent ``31 - shift``.

    >>> multiplier_of(0.25), multiplier_of(3.0, 16), multiplier_of(2.0**-40)
    ((1073741824, 32), (24576, 13), (0, 0))
    """
    known(rule, RULES, "rule")
    bits = whole(bits, "bits", 2, 31 if rule == "reduced" else 32, f"with the rule {rule!r}")
    if not 0 < ratio < math.inf:
        raise ValueError(f"ratio: {ratio}, it must be above 0 and finite")
    multiplier, exponent = RULES[rule](float(ratio), bits)
    return multiplier, bits - 1 - exponent if multiplier else 0


def power_of_two_shift(ratio: float) -> int | None:
    """Return n if the ratio is 2**-n, else None.

    >>> power_of_two_shift(0.125), power_of_two_shift(0.3)
    (3, None)
    """
    mantissa, exponent = math.frexp(ratio)
    return 1 - exponent if mantissa == 0.5 else None  # noqa: PLR2004
