"""Steps in floating point on 32-bit lanes: real inputs to codes, and scalings by floats.

As ``strips``, with the same moves, values and counters. Every result has the bits of ``quantize.quantize_reals`` and
``steps.scale_float``: these compute in the floats of the processor, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Ints
from hwsim_kernels.fast.ir import Value
from hwsim_kernels.fast.lanes import Lanes
from hwsim_kernels.fast.strip_loop import Noted, Values, addresses, strips_of
from hwsim_kernels.fast.strips import (
    ADD,
    FACTOR,
    ROUNDING,
    TABLE,
    moving,
    noted_rounding,
    table_of,
)
from hwsim_kernels.rounding import HALF_EVEN

RATIO, DIVISOR, ADDED = range(FACTOR + 1, FACTOR + 4)
"""Parameters of a scaling: the bits of two floats, and an integer. Quantisation has the divisor alone, a float64."""

ANY, ANY_LONG, HALF_EVEN_ONCE = range(3)
"""Ways to scale, see ``scaling``."""

MOST_PRODUCT = 2.0**120
"""Products below this are not limited."""


def _rounded(real: Lanes, table: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """Return floats rounded by a table, the roundings' errors and which of them dropped ones."""
    # from the magnitude, whose fraction is exact; one minus a tiny fraction would not be
    whole, fraction, negative = real.split()
    bits = whole.bits
    sixteen, more = fraction.scaled(65536.0)
    half = 1 << 15
    inexact = (sixteen | more.ones(bits)).differs(0)
    mirrored = (sixteen + more.ones(bits)) * -1 + 65536
    below = negative & inexact
    above = (sixteen > half) | (more & (sixteen >= half))
    place = inexact.ones(bits) + (sixteen >= half).ones(bits) + above.ones(bits)
    turned = (place * -1) + 4
    floor = (whole * -1 - inexact.ones(bits)).where(negative, whole)
    case = (turned.where(below, place) << 2) | (negative.ones(bits) << 1) | (floor & 1)
    up = (table.like(whole) >> case) & 1
    return floor + up, (up << 16) - mirrored.where(below, sixteen), inexact


def _quantize(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    real = value.float32().float64() / parameters[DIVISOR].float64()
    code, error, inexact = _rounded(real, parameters[TABLE])
    return noted_rounding((code + parameters[ADD]).short(), error.short(), inexact)


def _scale(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    ratio, divisor, added = (parameters[name].short() for name in (RATIO, DIVISOR, ADDED))
    real = moving(value, parameters, row)[0].as_float32() * ratio.float32() / divisor.float32() + added.as_float32()
    result, error, inexact = _rounded(real, parameters[TABLE])
    return noted_rounding(result - added, error, inexact)


def _scale_long(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    ratio, divisor, added = (parameters[name] for name in (RATIO, DIVISOR, ADDED))
    real = moving(value, parameters, row)[0].as_float64() * ratio.float64() / divisor.float64() + added.as_float64()
    result, error, inexact = _rounded(real, parameters[TABLE])
    return noted_rounding((result - added).short(), error.short(), inexact)


def _scale_half_even(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    added = parameters[ADDED].short()
    real = moving(value, parameters, row)[0].as_float32() * parameters[RATIO].short().float32() + added.as_float32()
    # the difference is exact: both are multiples of what the last bit of the smaller is worth, and it is small
    nearest = real.rounded()
    error = (nearest - real).scaled_up(65536.0)
    return noted_rounding(nearest.as_integers() - added, error, nearest.differs(real))


_quantize_strips = strips_of(_quantize, TABLE + 1, ROUNDING)
_scale_strips = strips_of(_scale, TABLE + 1, ROUNDING)
_scale_long_strips = strips_of(_scale_long, TABLE + 1, ROUNDING)
_scale_half_even_strips = strips_of(_scale_half_even, ADDED + 1, ROUNDING)


@njit
def quantize(values: Values, parameters: Ints, counters: Ints) -> None:
    """Divide float32 values, given as the integers of their bits, by a float64, round them, add the zero point.

    |value / divisor| < 2**29. ``parameters`` hold DIVISOR, ADD and TABLE.
    """
    _quantize_strips(0, *addresses(values, parameters, counters))


@njit
def scale(values: Values, parameters: Ints, counters: Ints, way: int) -> None:
    """Move, then multiply by a float and round, in the way that ``scaling`` has given."""
    if way == HALF_EVEN_ONCE:
        _scale_half_even_strips(0, *addresses(values, parameters, counters))
    elif way == ANY:
        _scale_strips(0, *addresses(values, parameters, counters))
    else:
        _scale_long_strips(0, *addresses(values, parameters, counters))


def scaling(
    parameters: Ints, ratio: NDArray[np.float64], divisor: NDArray[np.float64], added: Ints, precision: int, mode: int
) -> int:
    """Complete the parameters of a move by a scaling by ``ratio / divisor`` (channels,), rounded in ``mode``.

    What is ``added`` before the rounding is taken off behind it. All in float32 or float64 (``precision`` 32 or 64),
    products below ``MOST_PRODUCT``, what is rounded below 2**30; not for stochastic modes. Return the way for
    ``scale``.
    """
    given = parameters[:, : ratio.size]
    for name, reals in ((RATIO, ratio), (DIVISOR, divisor)):
        parameters[name] = bits_of(np.ones(1), precision)
        given[name] = bits_of(reals, precision)
    given[ADDED] = added
    given[TABLE] = table_of(mode)  # not behind the channels: some modes round 0 up
    if precision != 32:
        return ANY_LONG
    return HALF_EVEN_ONCE if mode == HALF_EVEN and (divisor == 1).all() else ANY


def bits_of(reals: NDArray[np.float64], precision: int) -> Ints:
    """Return the bits of floats as integers."""
    if precision == 32:
        return reals.astype(np.float32).view(np.int32).astype(np.int64)
    return reals.astype(np.float64).view(np.int64)
