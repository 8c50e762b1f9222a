"""A layer whose last stage saturates, on one part of the data, in one compiled call: see ``layers``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints
from hwsim_kernels.fast.bits import bit_lengths
from hwsim_kernels.fast.layers import no_divisors
from hwsim_kernels.fast.looks import Norms, checked_sums, row_norms
from hwsim_kernels.fast.memory import LINE
from hwsim_kernels.fast.operands import Units, gather_units
from hwsim_kernels.fast.packing import Layout
from hwsim_kernels.fast.passage import Steps, Tally, pass_block
from hwsim_kernels.fast.stepwise import MOST, Saturation, StepRoom, prove_alone, settle
from hwsim_kernels.fast.stored import Stored, channels_of, store
from hwsim_kernels.fast.strip_loop import LARGEST, LEAST
from hwsim_kernels.fast.sums import BLOCK_ROWS, CHUNK, PAIR, laid_out

Array = NDArray[Any]

BEHIND_LOOK = np.int64(1)
"""The first step behind the look. Of a type, as all of these, see ``layers.FIRST_STEP``."""

FIRST_CHANNEL = np.int64(0)
"""Where the only group's channels begin."""

NO_OFFSET = np.int64(0)
"""Sums are what they are."""


class Room(NamedTuple):
    """Memory for one block: units of its rows, operands, sums (columns / 32, rows, 32); and for looks and for steps."""

    rows: Array
    operands: Array
    sums: NDArray[np.int32]
    squares: Ints
    norms: Norms
    pieces: NDArray[np.int32]
    doubts: NDArray[np.uint16]
    ends: NDArray[np.int32]
    line: NDArray[np.uint8]
    steps: StepRoom


@njit
def saturating_layer(
    units: Units,
    form: Layout,
    window: Ints,
    room: Room,
    how: Saturation,
    steps: Steps,
    tally: Tally,
    codes: Stored,
) -> Int:
    """Run a layer whose last stage saturates; return how many sums were not proved.

    units (n, h, w, c). Step 0 is a look at the exact sums, which are
    looked at while they are made.
    """
    block, total, unproved = room.sums.shape[1], codes.bytes.shape[0], np.int64(0)
    limit = float(min(how.limits[1], -how.limits[0])) if how.limits[0] < 0 else -1.0
    pixels = units.reshape(units.size // units.shape[3], units.shape[3])
    in_place = form.direct and units.ctypes.data % LINE == 0
    counters, none = tally.counters[0], no_divisors()
    point, bins = steps.points[0], steps.bins[0] if tally.counted else 0
    for position in range(0, total, block):
        size = min(block, total - position)
        many = (size + BLOCK_ROWS - 1) // BLOCK_ROWS * BLOCK_ROWS
        gathered = in_place and position + many <= pixels.shape[0]
        rows = pixels[position : position + many] if gathered else room.rows[:many]
        if not gathered:
            gather_units(units, form.blank, form.runs, window, FIRST_CHANNEL, position, size, rows)
        address, stride = laid_out(rows, form, size, room.operands)
        room.ends[0], room.ends[1] = MOST, -MOST
        row_norms(rows, size, how.fits.size, how.flip, how.offset, room.squares, room.norms)
        doubtful = checked_sums(
            form.kernel,
            form.signed,
            form.chunk,
            how.settings,
            (address, stride),
            (form.panels.ctypes.data, form.panels.strides[2]),
            form.depth,
            how.corrections,
            how.half_start,
            how.column_norms,
            how.bounds,
            limit,
            size,
            room.norms,
            room.pieces,
            room.doubts,
            room.sums,
            room.ends,
        )
        for c in range(counters.shape[1]):
            counters[LEAST, c] = min(counters[LEAST, c], room.ends[0, c])
            counters[LARGEST, c] = max(counters[LARGEST, c], room.ends[1, c])
        if bins > 0:
            for pair in range(room.sums.shape[0]):
                bit_lengths(room.sums[pair, :size], NO_OFFSET, bins, tally.histograms[point, :bins])
        if doubtful:
            key, doubts = (tally.first_row + position) * how.fits.size, room.doubts[:size]
            prove_alone(rows, how, doubts, room.line)
            unproved += settle(room.sums, rows, how, doubts, key, tally.counts[point], room.steps)
        for column in range(0, channels_of(codes), PAIR):
            for first in range(0, size, CHUNK):
                values = room.sums[column // PAIR, first : min(first + CHUNK, size)]
                pass_block(values, none, position + first, column, BEHIND_LOOK, steps, tally)
                store(values, codes, position + first, column)
    return unproved
