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
    if form.signed and form.bits == 1:
        return -low
    if form.signed:
        return max(-low, high) / form.maximum
    return high / form.maximum


def scales_by_group(low: Reals, high: Reals, form: IntFormat, *, power_of_two: bool) -> Reals:
    """Return the scales of many ranges for a format whose zero point is 0; what is 0 throughout has 0."""
    most = np.maximum(-low, high) if form.signed else high
    scales = np.maximum(most, 0.0) / max(form.maximum, 1)
    scales = np.where(scales >= 2.0**-126, scales, 0.0)
    if power_of_two:
        mantissas, exponents = np.frexp(scales)
        return np.where(scales > 0, np.ldexp(1.0, exponents - (mantissas == 0.5)), 0.0)
    return scales


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
