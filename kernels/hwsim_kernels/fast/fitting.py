"""A fit of a block of 32-bit lanes: ``steps.fit_values`` for values that are mostly inside the format."""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints
from hwsim_kernels.counting import NEVER, count_injected_wide
from hwsim_kernels.fast import strips
from hwsim_kernels.fast.bits import bit_lengths
from hwsim_kernels.fast.lanes import WIDTH
from hwsim_kernels.fast.strip_loop import FIRST, LARGEST, LEAST, Values
from hwsim_kernels.overflow import SATURATE, SATURATE_SYMMETRIC, highest, lowest
from hwsim_kernels.register import fitted
from hwsim_kernels.wide import narrow, widen, word_length


@njit
def look_at(values: Values, counters: Ints, bins: Int, offset: Int, histogram: Ints) -> None:
    """Note the range of values, and in ``histogram``, unless that is empty, the bits of values less ``offset``."""
    strips.see(values, counters)
    count_lengths(values, counters, offset, bins, histogram)


@njit
def count_lengths(values: Values, counters: Ints, offset: Int, bins: Int, histogram: Ints) -> None:
    """Note in ``histogram``, unless that is empty, the bits of values less ``offset``, whose range is in counters.

    It mostly shows that values have fewer bits than is proved, and those take less.
    """
    if histogram.size == 0:
        return
    low, high = np.int64(NEVER), np.int64(-NEVER)
    for c in range(counters.shape[1]):
        low, high = min(low, counters[LEAST, c]), max(high, counters[LARGEST, c])
    needed = word_length(max(abs(low - offset), abs(high - offset))) + 1
    bit_lengths(values, offset, min(bins, needed), histogram)


@njit
def fit_block(
    values: Values,
    parameters: Ints,
    limits: Ints,
    field: Ints,
    key: Int,
    bins: Int,
    offset: Int,
    counted: Flag,
    counters: Ints,
    here: Ints,
    counts: Ints,
    histogram: Ints,
) -> None:
    """Move values (rows, columns) and fit them to a format.

    parameters, limits: those of the move, and of one that saturates to the format. field: (4,) bits, signed, overflow,
    saturated_bits. key: of row 0, orders the places of first hits. counters, here: of all blocks, and room for this
    block's. Other modes than saturation count into ``counts`` (COLUMNS, channels) at once,
    ``counted`` or not.
    """
    if not counted and field[2] in (SATURATE, SATURATE_SYMMETRIC):
        strips.move(values, parameters)
        strips.move(values, limits)
        return
    for c in range(here.shape[1]):
        here[LEAST, c], here[LARGEST, c] = NEVER, -NEVER
    strips.look(values, parameters, here)
    count_lengths(values, here, offset, bins, histogram)
    settle(values, limits, field, key, counted, counters, here, counts)


@njit
def scale_and_fit_block(
    values: Values,
    parameters: Ints,
    limits: Ints,
    field: Ints,
    key: Int,
    bins: Int,
    offset: Int,
    counted: Flag,
    counters: Ints,
    here: Ints,
    counts: Ints,
    histogram: Ints,
) -> None:
    """Scale values shortly, then do what ``fit_block`` does; parameters and counters are of both steps.

    If they are of three, the range of values as they come is noted before.
    """
    # the counters of the fit are this block's own for a while
    seen = parameters.shape[0] > 2
    own = counters[2 if seen else 1]
    for c in range(here.shape[1]):
        here[LEAST, c], own[LEAST, c] = own[LEAST, c], NEVER
        here[LARGEST, c], own[LARGEST, c] = own[LARGEST, c], -NEVER
    if seen:
        strips.see_scale_and_look(values, parameters, counters, counted)
    else:
        strips.scale_and_look(values, parameters, counters, counted)
    for c in range(here.shape[1]):
        here[LEAST, c], own[LEAST, c] = own[LEAST, c], here[LEAST, c]
        here[LARGEST, c], own[LARGEST, c] = own[LARGEST, c], here[LARGEST, c]
    count_lengths(values, here, offset, bins, histogram)
    settle(values, limits, field, key, counted, own, here, counts)


@njit
def settle(
    values: Values, limits: Ints, field: Ints, key: Int, counted: Flag, counters: Ints, here: Ints, counts: Ints
) -> None:
    """Fit values of a block whose range is ``here``; the rest as in ``fit_block``."""
    channels = counts.shape[1]
    low, high = lowest(field[0], field[1], field[2]), highest(field[0], field[1])
    outside = False
    for c in range(here.shape[1]):
        here[FIRST, c] = NEVER
    for c in range(channels):
        outside = outside or here[LEAST, c] < low or here[LARGEST, c] > high
        counters[LEAST, c] = min(counters[LEAST, c], here[LEAST, c])
        counters[LARGEST, c] = max(counters[LARGEST, c], here[LARGEST, c])
    if not outside:
        return
    if field[2] in (SATURATE, SATURATE_SYMMETRIC):
        if not counted:
            strips.move(values, limits)
            return
        for first in range(0, here.shape[1], WIDTH):
            some, outside = slice(first, first + WIDTH), False
            for c in range(first, first + WIDTH):
                outside = outside or here[LEAST, c] < low or here[LARGEST, c] > high
            if outside:
                strips.clamp(values[:, some], limits[:, some], counters[:, some], here[:, some])
        for c in range(channels):
            if here[FIRST, c] < values.shape[0]:
                counters[FIRST, c] = min(counters[FIRST, c], key + here[FIRST, c])
        return
    for c in range(channels):
        if here[LEAST, c] < low or here[LARGEST, c] > high:
            fit_column(values, c, field, key, counts)


@njit
def fit_column(values: Values | Ints, c: Int, field: Ints, key: Int, counts: Ints) -> None:
    """Fit the values of a column one by one, and count those from outside; see ``fit_block``."""
    low, high = lowest(field[0], field[1], field[2]), highest(field[0], field[1])
    for row in range(values.shape[0]):
        value = np.int64(values[row, c])
        if value < low or value > high:
            top, bottom = widen(value)
            top, bottom, lost_top, lost_bottom = fitted(
                top, bottom, field[0], field[1], field[2], field[3], c, key + row, counts
            )
            count_injected_wide(counts, c, lost_top, lost_bottom)
            values[row, c] = narrow(top, bottom)
