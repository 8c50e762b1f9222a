"""The steps behind the sums of a block while they need 64 bits: what ``passage`` does before 32 are enough."""

from __future__ import annotations

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints
from hwsim_kernels.counting import NEVER
from hwsim_kernels.fast import wide_strips
from hwsim_kernels.fast.bits import bit_lengths
from hwsim_kernels.fast.fitting import fit_column
from hwsim_kernels.fast.passage import FIT, LOOK, MOVE, WIDE_SCALE, Steps, Tally
from hwsim_kernels.fast.strip_loop import LARGEST, LEAST
from hwsim_kernels.overflow import SATURATE, SATURATE_SYMMETRIC, highest, lowest


@njit
def pass_wide_block(values: Ints, row: Int, column: Int, steps: Steps, tally: Tally) -> None:
    """Send values (rows, columns) through the ``steps.wide`` first steps, in place; the rest as in ``pass_block``."""
    end = column + values.shape[1]
    for number in range(steps.wide):
        kind = steps.kinds[number]
        counters, parameters = tally.counters[number, :, column:end], steps.parameters[number, :, column:end]
        bins = steps.bins[number] if tally.counted else 0
        histogram = tally.histograms[steps.points[number], :bins]
        if kind == LOOK and tally.counted:
            look_at_wide(values, parameters, counters, bins, steps.offsets[number], histogram)
        elif kind in (LOOK, MOVE):
            wide_strips.move(values, parameters)
        elif kind == FIT:
            fit_wide_block(
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
        else:
            wide_strips.scale(values, parameters, counters, kind - WIDE_SCALE)


@njit
def look_at_wide(values: Ints, parameters: Ints, counters: Ints, bins: Int, offset: Int, histogram: Ints) -> None:
    """Do what ``look_at`` does."""
    wide_strips.look(values, parameters, counters)
    if histogram.size > 0:
        bit_lengths(values, offset, bins, histogram)


@njit
def fit_wide_block(
    values: Ints,
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
    """Do what ``fit_block`` does; values outside are fitted one by one, and counted into ``counts`` at once."""
    if not counted and field[2] in (SATURATE, SATURATE_SYMMETRIC):
        wide_strips.move(values, parameters)
        wide_strips.move(values, limits)
        return
    for c in range(here.shape[1]):
        here[LEAST, c], here[LARGEST, c] = NEVER, -NEVER
    look_at_wide(values, parameters, here, bins, offset, histogram)
    low, high = lowest(field[0], field[1], field[2]), highest(field[0], field[1])
    for c in range(counts.shape[1]):
        counters[LEAST, c] = min(counters[LEAST, c], here[LEAST, c])
        counters[LARGEST, c] = max(counters[LARGEST, c], here[LARGEST, c])
        if here[LEAST, c] < low or here[LARGEST, c] > high:
            fit_column(values, c, field, key, counts)
