"""The steps behind the sums of a block, one after another while it is in the nearest caches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels import counting
from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints
from hwsim_kernels.fast import float_strips, strip_loop, strips
from hwsim_kernels.fast.bits import bit_lengths
from hwsim_kernels.fast.borrowing import borrowed
from hwsim_kernels.fast.fitting import fit_block, look_at, scale_and_fit_block
from hwsim_kernels.fast.strip_loop import Values

LOOK, MOVE, SCALE, SCALE_STEADILY, SCALE_HALF_UP, SCALE_SHORTLY, SCALE_NEGATIVES = range(7)
DIVIDE, DIVIDE_SHORTLY, FIT = range(7, 10)
"""Kinds of steps. All but looks at 32-bit values and divisions begin with a move."""

WIDE_SCALE = FIT + 1
"""Kind of the first way of ``wide_strips.scaling``; the others follow."""

FLOAT_SCALE = WIDE_SCALE + 3
"""Kind of the first way of ``float_strips.scaling``; the others follow."""


class Steps(NamedTuple):
    """What a block goes through, as arrays with an axis of steps in front.

    kinds: see above. parameters: (steps, PARAMETERS, columns) of ``strips``. limits: those of a saturating fit. fields:
    (steps, 4) of fits. points: the index of the truncation point that a step counts into. bins, offsets: of the
    histogram that a look or a fit keeps; no bins, no histogram. fits: (points, 2) values that a row fits, and sums that
    it hands up, where neither loses anything nor is a step. wide: how many steps, from the first on, take values of 64
    bits.
    """

    kinds: Ints
    parameters: Ints
    limits: Ints
    fields: Ints
    points: Ints
    bins: Ints
    offsets: Ints
    fits: Ints
    wide: int = 0


class Tally(NamedTuple):
    """Where the blocks of a part count.

    counters: (steps, COUNTERS, columns). here: (COUNTERS, columns), one block's. counts: (points, COLUMNS, channels).
    histograms: (points, BINS). counted: whether to count at all. first_row: the number of row 0 in the whole run.
    """

    counters: Ints
    here: Ints
    counts: Ints
    histograms: Ints
    counted: bool
    first_row: int


@njit
def pass_block(
    values: Values, divisors: NDArray[np.int32], row: Int, column: Int, first: Int, steps: Steps, tally: Tally
) -> None:
    """Send values (rows, columns) through the steps from ``first`` on, in place.

    ``row``, ``column``: which of the part are the block's first. divisors: of the rows, see
    ``strips.set_divisors``.
    """
    values, divisors, steps, tally = borrowed((values, divisors, steps, tally))
    end, number = column + values.shape[1], first
    while number < steps.kinds.size:
        kind, many = steps.kinds[number], together(steps.kinds, number)
        counters, parameters = tally.counters[number, :, column:end], steps.parameters[number, :, column:end]
        bins = steps.bins[number] if tally.counted else 0
        histogram = tally.histograms[steps.points[number], :bins]
        if many > 1:
            fit = number + many - 1
            if histogram.size > 0:  # a look's, before other values stand in the place of those that it sees
                bit_lengths(values, steps.offsets[number], bins, histogram)
            bins = steps.bins[fit] if tally.counted else 0
            scale_and_fit_block(
                values,
                steps.parameters[number : fit + 1, :, column:end],
                steps.limits[fit, :, column:end],
                steps.fields[fit],
                tally.first_row + row,
                bins,
                steps.offsets[fit],
                tally.counted,
                tally.counters[number : fit + 1, :, column:end],
                tally.here[:, column:end],
                tally.counts[steps.points[fit], :, column:end],
                tally.histograms[steps.points[fit], :bins],
            )
        elif kind == LOOK:
            if tally.counted:
                look_at(values, counters, bins, steps.offsets[number], histogram)
        elif kind == MOVE:
            strips.move(values, parameters)
        elif kind in (SCALE, SCALE_STEADILY):
            strips.scale(values, parameters, counters, kind == SCALE_STEADILY, tally.counted)
        elif kind == SCALE_HALF_UP:
            strips.scale_half_up(values, parameters, counters, tally.counted)
        elif kind == SCALE_SHORTLY:
            strips.scale_shortly(values, parameters, counters, tally.counted)
        elif kind == SCALE_NEGATIVES:
            strips.scale_negatives(values, parameters, counters)
        elif kind >= FLOAT_SCALE:
            float_strips.scale(values, parameters, counters, kind - FLOAT_SCALE)
        elif kind in (DIVIDE, DIVIDE_SHORTLY):
            strips.divide(values, divisors, parameters, counters, kind == DIVIDE_SHORTLY)
        else:
            fit_block(
                values,
                parameters,
                steps.limits[number, :, column:end],
                steps.fields[number],
                tally.first_row + row,
                bins,
                steps.offsets[number],
                tally.counted,
                counters,
                tally.here[:, column:end],
                tally.counts[steps.points[number], :, column:end],
                histogram,
            )
        number += many


@njit
def together(kinds: Ints, number: Int) -> Int:
    """Return how many steps from one on pass in one go: a scaling and a fit, a look before them, else one alone."""
    scale = number + (kinds[number] == LOOK)
    both = scale + 1 < kinds.size and kinds[scale] == SCALE_SHORTLY and kinds[scale + 1] == FIT
    return np.int64(scale + 2 - number if both else 1)


SUMMED = (
    (counting.LOW, strip_loop.BELOW),
    (counting.HIGH, strip_loop.ABOVE),
    (counting.CLAMP_ENERGY, strip_loop.LOST),
    (counting.CLAMP_ENERGY + 1, strip_loop.LOST_MORE),
    (counting.INEXACT, strip_loop.INEXACT),
    (counting.ROUND_BIAS, strip_loop.BIAS),
    (counting.ROUND_ENERGY, strip_loop.ENERGY),
)
"""Sums of a point, each with the counter of the lanes that it comes from."""


@njit
def fold(steps: Steps, tally: Tally, rows: Int) -> None:
    """Add what ``rows`` rows have counted in lanes to the counters of their points."""
    if not tally.counted:
        return
    channels, columns = tally.counts.shape[2], steps.parameters.shape[2]
    for point in range(steps.fits.shape[0]):
        values, sums = steps.fits[point]
        for c in range(channels if values else 0):
            tally.counts[point, counting.VALUES, c] += values * rows
        for c in range(channels if sums else 0):
            tally.counts[point, counting.SUMS, c] += sums * rows
    for number in range(steps.kinds.size):
        kind, point, mine = steps.kinds[number], steps.points[number], tally.counters[number]
        if kind == MOVE:
            continue
        counts = tally.counts[point]
        for c in range(channels):
            counts[counting.MINIMUM, c] = min(counts[counting.MINIMUM, c], mine[strip_loop.LEAST, c])
            counts[counting.MAXIMUM, c] = max(counts[counting.MAXIMUM, c], mine[strip_loop.LARGEST, c])
            # only fits have set it
            counts[counting.FIRST, c] = min(counts[counting.FIRST, c], mine[strip_loop.FIRST, c])
        for column, counter in SUMMED:
            for c in range(channels):
                counts[column, c] += mine[counter, c]
        if kind != LOOK:
            for c in range(channels):
                counts[counting.VALUES, c] += mine[strip_loop.ROUNDED, c] if kind == SCALE_NEGATIVES else rows
        if steps.bins[number] > 0:
            # lanes behind the channels hold 0
            offset, bits = abs(steps.offsets[number]), 0
            while offset >> bits:
                bits += 1
            tally.histograms[point, bits] -= rows * (columns - channels)
