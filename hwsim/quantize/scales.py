"""From a real range and a format to a scale and a zero point, as ``docs/arithmetic.md`` section 3 defines it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import IntFormat

Reals = NDArray[np.float64]


def power_of_two_above(scale: float) -> float:
    """Return the smallest power of two that is not below ``scale``.

    >>> power_of_two_above(0.3), power_of_two_above(0.25)
    (0.5, 0.25)
    """
    mantissa, exponent = math.frexp(scale)
    return math.ldexp(1.0, exponent - 1 if mantissa == 0.5 else exponent)  # noqa: PLR2004


def symmetric_scale(low: float, high: float, form: IntFormat) -> float:
    """Return the scale with which the range fits a format whose zero point is 0."""
    return largest_magnitude(low, high, form) / max(form.maximum, 1)


def largest_magnitude(low: float, high: float, form: IntFormat) -> float:
    """Return the value that the largest code of a format whose zero point is 0 stands for; of codes -1 and 0, -1's."""
    if form.signed and form.bits == 1:
        return -low
    return max(-low, high) if form.signed else high


def scales_by_group(low: Reals, high: Reals, form: IntFormat, *, power_of_two: bool) -> Reals:
    """Return the scales of many ranges for a format whose zero point is 0; what is 0 throughout has 0."""
    most = np.maximum(-low, high) if form.signed else high
    scales = np.maximum(most, 0.0) / max(form.maximum, 1)
    scales = np.where(scales >= 2.0**-126, scales, 0.0)
    if power_of_two:
        mantissas, exponents = np.frexp(scales)
        return np.where(scales > 0, np.ldexp(1.0, exponents - (mantissas == 0.5)), 0.0)
    return scales


def single_scale(low: float, high: float, form: IntFormat, *, symmetric: bool) -> tuple[float, int]:
    """Return (scale, zero point) of a range that holds 0, as TensorFlow Lite's converter derives them.

    Ends, difference and quotient are rounded to float32; so is the zero point before it is rounded, from ties away
    from 0. Source: ``DownCastScale`` of TensorFlow's MLIR quantizer.

    >>> single_scale(-1.0, 2.0, IntFormat(bits=8), symmetric=False)
    (0.0117647061124444, -43)
    """
    if symmetric:
        # the same float32 as twice the largest magnitude over twice the largest code
        scale = float(np.float32(largest_magnitude(low, high, form)) / np.float32(max(form.maximum, 1)))
    else:
        scale = float((np.float32(high) - np.float32(low)) / np.float32(form.maximum - form.minimum))
    scale = scale if scale >= 2.0**-126 else 1.0
    if symmetric:
        return scale, 0
    zero = float(np.float32(form.minimum - low / scale))
    away = math.floor(abs(zero) + 0.5)
    return scale, min(max(-away if zero < 0 else away, form.minimum), form.maximum)


def widened(low: float, high: float, narrowest: float, widening: str) -> tuple[float, float]:
    """Return a range that holds 0, widened if it is not wider than ``narrowest`` (``by``: if it is narrower).

    >>> widened(0.0, 0.25, 1.0, "to"), widened(0.0, 0.25, 1.0, "by"), widened(0.0, 2.0, 1.0, "to")
    ((-0.5, 0.5), (-1.0, 1.25), (0.0, 2.0))
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if widening == "by":
        return (low - narrowest, high + narrowest) if high - low < narrowest else (low, high)
    return (min(low, -narrowest / 2), max(high, narrowest / 2)) if high - low <= narrowest else (low, high)


def choose_scale(low: float, high: float, form: IntFormat, *, symmetric: bool, power_of_two: bool) -> tuple[float, int]:
    """Return (scale, zero point) for values from ``low`` to ``high``, a range that is first widened to hold 0.

    >>> choose_scale(0.0, 255.0, IntFormat(bits=8), symmetric=False, power_of_two=False)
    (1.0, -128)
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = symmetric_scale(low, high, form) if symmetric else (high - low) / (form.maximum - form.minimum)
    # a range of subnormal width would give a scale by which nothing can be divided
    scale = scale if scale >= 2.0**-126 else 1.0
    if power_of_two:
        scale = power_of_two_above(scale)
    if symmetric:
        return scale, 0
    return scale, min(max(round(form.minimum - low / scale), form.minimum), form.maximum)
