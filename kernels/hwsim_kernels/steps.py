"""The steps behind the accumulator, one kernel each. ``docs/arithmetic.md`` section 5 defines them.

Every kernel works in place on ``values`` (words, rows, channels), one or two words as ``wide`` defines them, and counts
into (COLUMNS, channels). ``position`` is (number of the first sample in the run, rows per sample). The caller has
proved that no result leaves the words.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints, Reals
from hwsim_kernels.counting import (
    VALUES,
    add_to_all,
    count_bits_wide,
    count_injected_wide,
    count_range_wide,
    count_rounding,
)
from hwsim_kernels.register import fitted, rounded
from hwsim_kernels.rounding import draw_at, round_up
from hwsim_kernels.wide import (
    FLOAT_LIMIT,
    from_float,
    less,
    load,
    minus,
    plus,
    shifted_left,
    store,
    times,
    to_float,
    widen,
)

FLOAT32 = 32


@njit
def add_constant(values: Ints, constant: Ints) -> None:
    """Add a constant (channels,), exactly."""
    for row in range(values.shape[1]):
        for c in range(values.shape[2]):
            high, low = load(values, row, c)
            more_high, more_low = widen(constant[c])
            high, low = plus(high, low, more_high, more_low)
            store(values, row, c, high, low)


@njit
def shift_left(values: Ints, shift: Ints) -> None:
    """Multiply by 2**shift (channels,), exactly."""
    for row in range(values.shape[1]):
        for c in range(values.shape[2]):
            high, low = load(values, row, c)
            high, low = shifted_left(high, low, shift[c])
            store(values, row, c, high, low)


@njit
def multiply_by(values: Ints, multiplier: Ints) -> None:
    """Multiply by 0 <= multiplier < 2**32 (channels,), exactly."""
    for row in range(values.shape[1]):
        for c in range(values.shape[2]):
            high, low = load(values, row, c)
            high, low = times(high, low, multiplier[c])
            store(values, row, c, high, low)


@njit
def absolute(values: Ints) -> None:
    """Take the magnitude."""
    for row in range(values.shape[1]):
        for c in range(values.shape[2]):
            high, low = load(values, row, c)
            if high < 0:
                high, low = minus(0, 0, high, low)
                store(values, row, c, high, low)


@njit
def negate(values: Ints, where: Ints) -> None:
    """Change the sign where ``where`` (channels,) is 1."""
    for row in range(values.shape[1]):
        for c in range(values.shape[2]):
            if where[c] != 0:
                high, low = load(values, row, c)
                high, low = minus(0, 0, high, low)
                store(values, row, c, high, low)


@njit
def fit_values(values: Ints, field: Ints, position: Ints, counts: Ints, histogram: Ints, offset: Int) -> None:
    """Fit to a format. field: (4,) bits, signed, overflow, saturated_bits.

    ``histogram`` (BINS,) notes the bits of the values less ``offset``; an empty one notes nothing.
    """
    offset_high, offset_low = widen(offset)
    # once: LLVM cannot know that what is counted changes nothing of the format
    bits, signed, overflow, saturated_bits = field[0], field[1], field[2], field[3]
    for row in range(values.shape[1]):
        key = position[0] * position[1] + row
        for c in range(values.shape[2]):
            high, low = load(values, row, c)
            count_range_wide(counts, c, high, low)
            if histogram.size > 0:
                real_high, real_low = minus(high, low, offset_high, offset_low)
                count_bits_wide(histogram, real_high, real_low)
            high, low, lost_high, lost_low = fitted(high, low, bits, signed, overflow, saturated_bits, c, key, counts)
            if lost_high != 0 or lost_low != 0:
                count_injected_wide(counts, c, lost_high, lost_low)
                store(values, row, c, high, low)
    add_to_all(values.shape[1], counts[VALUES])


@njit
def scale_fixed(
    values: Ints,
    multiplier: Ints,
    shift: Ints,
    guard_bits: Int,
    mode: Int,
    draws: Ints,
    position: Ints,
    negatives_only: Flag,
    counts: Ints,
) -> None:
    """Multiply by ``multiplier / 2**shift`` (channels,): an exact product, one rounding shift.

    0 <= multiplier < 2**32, 0 <= shift <= 124. ``guard_bits`` 1 to 32, or 0 for all. ``negatives_only`` leaves other
    values alone: the slope of a leaky ReLU.
    """
    channels = values.shape[2]
    for row in range(values.shape[1]):
        number = (row % position[1]) * channels
        for c in range(channels):
            high, low = load(values, row, c)
            if negatives_only and high >= 0:
                continue
            high, low = times(high, low, multiplier[c])
            draw = draw_at(draws, number + c)
            high, low = rounded(high, low, shift[c], guard_bits, mode, draw, c, counts)
            count_range_wide(counts, c, high, low)
            counts[VALUES, c] += 1
            store(values, row, c, high, low)


@njit
def scale_float(
    values: Ints,
    ratio: Reals,
    divisor: Reals,
    added: Ints,
    precision: Int,
    mode: Int,
    draws: Ints,
    position: Ints,
    counts: Ints,
) -> None:
    """Multiply by ``ratio``, divide by ``divisor``, add ``added`` (channels,), round, and take ``added`` off again.

    All in float32 or float64 (``precision`` 32 or 64), every result rounded to nearest even.
    """
    channels = values.shape[2]
    for row in range(values.shape[1]):
        number = (row % position[1]) * channels
        for c in range(channels):
            high, low = load(values, row, c)
            real = to_float(high, low, 24 if precision == FLOAT32 else 53)
            found = scaled_float(real, ratio[c], divisor[c], added[c], precision)
            high, low, fraction, sticky = from_float(found)
            up = round_up(fraction, sticky, found < 0, low & 1 != 0, mode, draw_at(draws, number + c))
            count_rounding(counts, c, fraction, sticky, up)
            high, low = plus(high, low, 0, up)
            off_high, off_low = widen(added[c])
            high, low = minus(high, low, off_high, off_low)
            count_range_wide(counts, c, high, low)
            store(values, row, c, high, low)
    add_to_all(values.shape[1], counts[VALUES])


@njit
def scaled_float(real: float, ratio: float, divisor: float, added: Int, precision: Int) -> float:
    """Return ``real * ratio / divisor + added`` in float32 or float64, at most ``FLOAT_LIMIT`` in magnitude.

    ``real`` and ``added`` fit the significand.
    """
    if precision != FLOAT32:
        product = min(max(real * ratio, -FLOAT_LIMIT), FLOAT_LIMIT)
        return min(max(product / divisor, -FLOAT_LIMIT), FLOAT_LIMIT) + np.float64(added)
    # limited first, for float32 ends at 2**128; float64 has more than twice the bits of float32, so that rounding a
    # result twice is rounding it once
    product = real * np.float64(np.float32(ratio))
    product = np.float64(np.float32(min(max(product, -FLOAT_LIMIT), FLOAT_LIMIT)))
    quotient = product / np.float64(np.float32(divisor))
    quotient = np.float64(np.float32(min(max(quotient, -FLOAT_LIMIT), FLOAT_LIMIT)))
    return np.float64(np.float32(quotient + np.float64(added)))


@njit
def clip_low(values: Ints, limit: Ints) -> None:
    """Raise values to a limit (channels,): the function of a ReLU, not a loss, so nothing is counted."""
    for row in range(values.shape[1]):
        for c in range(values.shape[2]):
            high, low = load(values, row, c)
            limit_high, limit_low = widen(limit[c])
            if less(high, low, limit_high, limit_low):
                store(values, row, c, limit_high, limit_low)


@njit
def clip_high(values: Ints, limit: Ints) -> None:
    """Lower values to a limit (channels,), as ``clip_low`` raises them."""
    for row in range(values.shape[1]):
        for c in range(values.shape[2]):
            high, low = load(values, row, c)
            limit_high, limit_low = widen(limit[c])
            if less(limit_high, limit_low, high, low):
                store(values, row, c, limit_high, limit_low)


@njit
def thresholds(values: Ints, levels: Ints, first: Int) -> None:
    """Replace each value by ``first`` plus the number of ``levels``, in ascending order, that are not above it."""
    for row in range(values.shape[1]):
        for c in range(values.shape[2]):
            high, low = load(values, row, c)
            reached = np.int64(first)
            for level in levels:
                level_high, level_low = widen(level)
                if less(high, low, level_high, level_low):
                    break
                reached += 1
            high, low = widen(reached)
            store(values, row, c, high, low)
