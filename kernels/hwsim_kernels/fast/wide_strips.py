"""Steps on 64-bit lanes, for values that 32-bit lanes do not hold: as ``strips``, but 8 channels a strip.

``values`` are int64 (rows, columns), rows 2**14 at most, columns in multiples of 8, magnitudes below 2**62 in front of
every step and behind it. Parameters and counters are those of ``strips``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Ints
from hwsim_kernels.fast import strips
from hwsim_kernels.fast.ir import Value
from hwsim_kernels.fast.lanes import Lanes
from hwsim_kernels.fast.strip_loop import (
    BIAS,
    ENERGY,
    INEXACT,
    LARGEST,
    LEAST,
    Noted,
    Values,
    addresses,
    strips_of,
)
from hwsim_kernels.fast.strips import (
    DOWN,
    FACTOR,
    HIGH,
    LEFT_BY_ONE,
    LOWER,
    LOWER_ONES,
    MASK,
    MULTIPLIER,
    ROUNDING,
    SEEN,
    SHIFT,
    THRESHOLDS,
    UP,
    looking,
    moving,
    multiplying,
)

ONE_WORD = 1 << 62
"""Magnitudes of values are below this."""

ANY, HALF_UP, HALF_UP_IN_PARTS = range(3)
"""Ways to scale, see ``scaling``."""

FRACTION_BITS = 16
"""Bits of a fraction that errors are counted in."""


def _product(moved: Lanes, parameters: Sequence[Lanes]) -> Lanes:
    """Return the product, or what stands for it where it needs more than 62 bits: see ``scaling``."""
    multiplier, lower, ones = parameters[MULTIPLIER], parameters[LOWER], parameters[LOWER_ONES]
    low = (moved & ones) * multiplier
    high = (moved >> lower) * multiplier + (low >> lower)
    return (high << parameters[LEFT_BY_ONE]) | (low & ones).differs(0).ones(64)


def _scale(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    product = _product(moving(value, parameters, row)[0], parameters)
    quotient, rest = product >> parameters[SHIFT], product & parameters[MASK]
    even, odd, below_even, below_odd = parameters[THRESHOLDS : THRESHOLDS + 4]
    is_odd = (quotient & 1).differs(0)
    threshold = below_odd.where(is_odd, below_even).where(product < 0, odd.where(is_odd, even))
    up = ((rest & parameters[SEEN]) >= threshold).ones(64)
    error = (up << FRACTION_BITS) - ((rest << parameters[UP]) >> parameters[DOWN])
    return _noted(quotient + up, error, rest.differs(0))


def _scale_half_up(
    value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value], *, parts: bool = False
) -> tuple[Lanes, Noted]:
    moved, _ = moving(value, parameters, row)
    product = _product(moved, parameters) if parts else moved * parameters[MULTIPLIER]
    # as in ``strips``: the sign bit of the fraction rounds up, and then it is what was too little
    kept = product >> parameters[DOWN]
    missing = (kept << (64 - FRACTION_BITS)) >> (64 - FRACTION_BITS)
    result = (kept + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS
    return _noted(result, missing * -1, (product & parameters[MASK]).differs(0))


def _scale_half_up_in_parts(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    return _scale_half_up(value, parameters, row, parts=True)


def _noted(result: Lanes, error: Lanes, inexact: Lanes) -> tuple[Lanes, Noted]:
    noted = {LEAST: result, LARGEST: result, INEXACT: inexact.ones(64), BIAS: error, ENERGY: error * error}
    return result, noted


_move_strips = strips_of(multiplying, FACTOR + 1, (), width=64)
_look_strips = strips_of(looking, HIGH + 1, (LEAST, LARGEST), width=64)
_scale_strips = strips_of(_scale, LEFT_BY_ONE + 1, ROUNDING, width=64)
_scale_half_up_strips = strips_of(_scale_half_up, LEFT_BY_ONE + 1, ROUNDING, width=64)
_scale_half_up_in_parts_strips = strips_of(_scale_half_up_in_parts, LEFT_BY_ONE + 1, ROUNDING, width=64)


@njit
def move(values: Ints, parameters: Ints) -> None:
    """Add, clip and multiply."""
    _move_strips(0, *addresses(values, parameters, parameters))


@njit
def look(values: Ints, parameters: Ints, counters: Ints) -> None:
    """Move, and note the range of the results."""
    _look_strips(0, *addresses(values, parameters, counters))


@njit
def scale(values: Ints, parameters: Ints, counters: Ints, way: int) -> None:
    """Move, then multiply by a fixed-point ratio and round, in the way that ``scaling`` has given."""
    if way == HALF_UP:
        _scale_half_up_strips(0, *addresses(values, parameters, counters))
    elif way == HALF_UP_IN_PARTS:
        _scale_half_up_in_parts_strips(0, *addresses(values, parameters, counters))
    else:
        _scale_strips(0, *addresses(values, parameters, counters))


@njit
def shorten(values: Ints, short: Values) -> None:
    """Copy values that 32 bits hold to ``short`` (rows, columns)."""
    for row in range(values.shape[0]):
        for c in range(values.shape[1]):
            short[row, c] = values[row, c]


def scaling(parameters: Ints, multiplier: Ints, shift: Ints, guard_bits: int, mode: int, bound: int) -> int | None:
    """Complete the parameters of a move by a scaling by ``multiplier / 2**shift`` (channels,), rounded in ``mode``.

    Values behind the move are at most ``bound`` in magnitude, bound < 2**62; 0 <= multiplier < 2**31,
    0 <= shift <= 62; not for stochastic modes. Return the way for ``scale``, or None where neither of these holds for
    all channels:

    - The product p = v * multiplier is below 2**62.
    - With v = a * 2**n + b, 0 <= b < 2**n, n <= 32, let h = floor(p / 2**n) = a * multiplier + floor(b * multiplier /
      2**n) and r = b * multiplier mod 2**n, so that p = h * 2**n + r. Then t = 2 * h + (r > 0), shifted by
      s = shift - n + 1, stands for p. n is chosen so that (floor(bound / 2**n) + 1) * multiplier < 2**61, hence
      |h| <= 2**61 and t fits, as b * multiplier < 2**63 does. Its quotient floor(t / 2**s) = floor(h / 2**(shift - n))
      is that of p. So are the first shift - n bits of the fraction: with 16 of these or more, errors are those of p,
      and so is what as many guard bits see. The rest of t is 0 if and only if that of p is, and on the same side of a
      half, or a half, since a half is a whole number of h: so it reaches the same thresholds.
    """
    channels = multiplier.size
    lower = np.array([lower_bits(int(one), bound) for one in multiplier], np.int64)
    halved = lower > 0
    # a product of 0 is exact, whatever the shift
    kept = np.where(multiplier > 0, shift - lower, 62)
    if (halved & (kept < FRACTION_BITS)).any():
        return None
    if guard_bits and (halved & (kept < guard_bits) & (guard_bits < shift)).any():
        return None
    moved = np.where(halved, kept + 1, shift)
    strips.scaling(parameters, multiplier, moved, guard_bits, mode)
    given = parameters[:, :channels]
    given[LOWER], given[LOWER_ONES], given[LEFT_BY_ONE] = lower, (np.int64(1) << lower) - 1, halved
    half = np.int64(1) << np.maximum(given[SHIFT] - 1, 0)
    # which any guard bit sees
    halves = given[THRESHOLDS : THRESHOLDS + 4] == half
    if not (halves | (multiplier == 0)).all() or (moved[multiplier > 0] < FRACTION_BITS).any() or not halves.any():
        return ANY
    given[DOWN] = np.maximum(moved - FRACTION_BITS, 0)
    return HALF_UP_IN_PARTS if halved.any() else HALF_UP


def lower_bits(multiplier: int, bound: int) -> int:
    """Return how many bits of a value are multiplied apart, 0 where the product needs 62 bits at most.

    >>> lower_bits(1 << 30, (1 << 32) - 1), lower_bits(1 << 30, 1 << 32), lower_bits((1 << 31) - 1, (1 << 62) - 1)
    (0, 2, 32)
    """
    if multiplier * bound < ONE_WORD:
        return 0
    bits = 1
    while ((bound >> bits) + 1) * multiplier >= ONE_WORD >> 1:
        bits += 1
    return bits
