"""A layer on one part of the data, in one compiled call: blocks of sums are formed, sent through the steps and stored.

Threads that run parts side by side meet Python's lock once a layer, not once a block. All codes are (n, h, w, c) or
(rows, channels), results (rows, channels).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Int, Ints
from hwsim_kernels.counting import NEVER
from hwsim_kernels.fast.depthwise import depthwise_sums
from hwsim_kernels.fast.fitting import look_at
from hwsim_kernels.fast.packing import Layout
from hwsim_kernels.fast.passage import Steps, Tally, pass_block
from hwsim_kernels.fast.stepwise import Saturation, settle_block
from hwsim_kernels.fast.strips import LARGEST, LEAST, Values
from hwsim_kernels.fast.sums import BLOCK_ROWS, block_of_bytes, block_of_floats, store_codes
from hwsim_kernels.fast.windows import add_values, load_codes, window_sums

Array = NDArray[Any]


@njit
def no_divisors() -> NDArray[np.int32]:
    """Return what stands for divisors where nothing is divided; a constant would be a type of its own to Numba."""
    return np.ones(1, np.int32)


class Room(NamedTuple):
    """Memory for one block: units of its rows, operands, parts of wide sums, sums, the same as values, peaks.

    ``values`` are ``sums`` themselves where those have 32 bits. ``bytes`` and ``floats`` are for ``find_peaks``.
    """

    rows: Array
    operands: Array
    partial: NDArray[np.int32]
    sums: Array
    values: Values
    found: NDArray[np.int32]
    bytes: NDArray[np.uint8]
    floats: NDArray[np.float32]


@njit
def whole_rows(size: Int) -> Int:
    """Return a number of rows that micro-kernels can take."""
    return (size + BLOCK_ROWS - 1) // BLOCK_ROWS * BLOCK_ROWS


@njit
def finish_block(
    room: Room,
    rows: Array,
    tier: Int,
    position: Int,
    size: Int,
    saturation: Saturation | None,
    steps: Steps,
    tally: Tally,
    codes: Array,
) -> None:
    """Send the sums of a block through what follows, and store the codes; results of 64 bits are sums of 64 bits.

    saturation: None where nothing saturates, a type of its own to Numba, which then leaves all of that out.
    """
    if codes.itemsize > 4 and room.sums.itemsize > 4:
        store_codes(room.sums[:size], codes[position : position + size])
        return
    if room.sums.itemsize > 4:
        for row in range(size):
            for c in range(room.values.shape[1]):
                room.values[row, c] = room.sums[row, c]
    values = room.values[:size]
    first = 0
    if saturation is not None:
        first, here, counters = 1, tally.here, tally.counters[0]
        for c in range(here.shape[1]):
            here[LEAST, c], here[LARGEST, c] = NEVER, -NEVER
        point, bins = steps.points[0], steps.bins[0] if tally.counted else 0
        look_at(values, steps.parameters[0], here, bins, 0, tally.histograms[point, :bins])
        for c in range(here.shape[1]):
            counters[LEAST, c] = min(counters[LEAST, c], here[LEAST, c])
            counters[LARGEST, c] = max(counters[LARGEST, c], here[LARGEST, c])
        settle_block(
            tier,
            values,
            rows,
            saturation,
            (tally.first_row + position) * saturation.fits.size,
            here,
            tally.counts[point],
            (room.bytes, room.floats),
            room.found[: whole_rows(size)],
        )
    pass_block(values, no_divisors(), position, first, steps, tally)
    store_codes(values, codes[position : position + size])


@njit
def layer_of_bytes(
    units: Array,
    form: Layout,
    start: Array,
    window: Ints,
    settings: NDArray[np.uint8],
    room: Room,
    saturation: Saturation | None,
    steps: Steps,
    tally: Tally,
    codes: Array,
) -> None:
    """Run a layer whose sums are formed from bytes. start, window: of the columns, and as in ``gather_units``."""
    block = room.sums.shape[0]
    pixels = units.reshape(units.size // units.shape[3], units.shape[3])
    for position in range(0, codes.shape[0], block):
        size = min(block, codes.shape[0] - position)
        many = whole_rows(size)
        gathered = form.direct and position + many <= pixels.shape[0]
        rows = pixels[position : position + many] if gathered else room.rows[:many]
        block_of_bytes(
            form.tier,
            form.signed,
            form.natural,
            settings,
            units,
            form.blank,
            form.runs,
            window,
            form.flip,
            form.panels,
            start,
            form.outputs,
            position,
            size,
            gathered,
            rows,
            room.operands,
            room.partial,
            room.sums[:many],
        )
        finish_block(room, rows, form.tier, position, size, saturation, steps, tally, codes)


@njit
def sums_of_bytes(
    units: Array,
    form: Layout,
    start: Array,
    window: Ints,
    settings: NDArray[np.uint8],
    room: Room,
    out: Array,
) -> None:
    """Write exact sums that are formed from bytes to ``out`` (rows, columns) of their type, rows a multiple of 32."""
    block = room.rows.shape[0]
    pixels = units.reshape(units.size // units.shape[3], units.shape[3])
    for position in range(0, out.shape[0], block):
        size = min(block, out.shape[0] - position)
        rows = pixels[position : position + size] if form.direct else room.rows[:size]
        block_of_bytes(
            form.tier,
            form.signed,
            form.natural,
            settings,
            units,
            form.blank,
            form.runs,
            window,
            form.flip,
            form.panels,
            start,
            form.outputs,
            position,
            size,
            form.direct,
            rows,
            room.operands,
            room.partial,
            out[position : position + size],
        )


@njit
def layer_of_floats(
    units: Array,
    form: Layout,
    start: Array,
    window: Ints,
    room: Room,
    saturation: Saturation | None,
    steps: Steps,
    tally: Tally,
    codes: Array,
) -> None:
    """Run a layer whose sums are formed in floats."""
    block = room.sums.shape[0]
    for position in range(0, codes.shape[0], block):
        size = min(block, codes.shape[0] - position)
        many = whole_rows(size)
        block_of_floats(
            form.offset,
            form.chunk,
            units,
            form.blank,
            form.runs,
            window,
            form.flip,
            form.panels,
            start,
            form.outputs,
            position,
            size,
            room.rows[:many],
            room.operands[0, :many],
            room.sums[:many],
        )
        finish_block(room, room.rows[:many], form.tier, position, size, saturation, steps, tally, codes)


@njit
def layer_of_channels(
    codes: Array,
    fill: Int,
    taps: Ints,
    window: Ints,
    weights: Codes,
    start: NDArray[np.int32],
    values: Values,
    steps: Steps,
    tally: Tally,
    out: Array,
) -> None:
    """Run a depthwise convolution; arguments as those of ``depthwise_sums``, ``values`` is room for a block."""
    block = values.shape[0]
    for position in range(0, out.shape[0], block):
        size = min(block, out.shape[0] - position)
        depthwise_sums(codes, fill, taps, window, weights, start, position, size, values)
        pass_block(values[:size], no_divisors(), position, 0, steps, tally)
        store_codes(values[:size], out[position : position + size])


@njit
def layer_of_means(
    codes: Array,
    zero_point: Int,
    window: Ints,
    outputs: Ints,
    values: Values,
    divisors: NDArray[np.int32],
    steps: Steps,
    tally: Tally,
    out: Array,
) -> Int:
    """Run a mean over windows, and return how many codes lay inside; arguments as those of ``window_sums``."""
    block, inside = values.shape[0], np.int64(0)
    for position in range(0, out.shape[0], block):
        size = min(block, out.shape[0] - position)
        window_sums(codes, zero_point, window, outputs, position, values[:size], divisors)
        inside += divisors[:size].sum()
        pass_block(values[:size], divisors, position, 0, steps, tally)
        store_codes(values[:size], out[position : position + size])
    return inside


@njit
def layer_of_codes(codes: Array, values: Values, steps: Steps, tally: Tally, out: Array) -> None:
    """Send codes through steps."""
    block = values.shape[0]
    for position in range(0, out.shape[0], block):
        size = min(block, out.shape[0] - position)
        load_codes(codes[position : position + size], values)
        pass_block(values[:size], no_divisors(), position, 0, steps, tally)
        store_codes(values[:size], out[position : position + size])


@njit
def add_codes(codes: Array, position: Int, values: Values, steps: Steps, tally: Tally, sums: Values) -> None:
    """Send the codes of a block through the steps of one of several inputs, and add them to sums."""
    size = sums.shape[0]
    load_codes(codes[position : position + size], values)
    pass_block(values[:size], no_divisors(), position, 0, steps, tally)
    add_values(values[:size], sums)


@njit
def finish_sums(position: Int, sums: Values, steps: Steps, tally: Tally, out: Array) -> None:
    """Send the sums of a block through the steps, and store the codes."""
    pass_block(sums, no_divisors(), position, 0, steps, tally)
    store_codes(sums, out[position : position + sums.shape[0]])
