"""A layer on one part of the data, in one compiled call: blocks of sums are formed, sent through the steps and stored.

Threads that run parts side by side meet Python's lock once a layer, not once a block. Inputs are (n, h, w, c), or
``stored`` codes (rows, channels) as all results are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Flag, Int, Ints
from hwsim_kernels.fast import amx
from hwsim_kernels.fast.depthwise import depthwise_sums
from hwsim_kernels.fast.fitting import fit_block
from hwsim_kernels.fast.float_strips import quantize
from hwsim_kernels.fast.memory import LINE
from hwsim_kernels.fast.operands import gather_units
from hwsim_kernels.fast.packing import PANEL, TILES, Layout
from hwsim_kernels.fast.passage import Steps, Tally, pass_block
from hwsim_kernels.fast.stored import Stored, channels_of, is_wide, load, load_padded, store
from hwsim_kernels.fast.strip_loop import Values
from hwsim_kernels.fast.strips import set_divisors
from hwsim_kernels.fast.sums import (
    BLOCK_ROWS,
    PAIR,
    block_of_bytes,
    block_of_lanes,
    dot_panels,
    first_panel,
    join_parts,
    laid_out,
)
from hwsim_kernels.fast.wide_passage import pass_wide_block
from hwsim_kernels.fast.wide_strips import shorten
from hwsim_kernels.fast.windows import add_values, multiply_values, window_sums

Array = NDArray[Any]

CHUNK_VALUES = 1 << 12
"""About how many values of 64 bits pass through the steps at a time: they stay in the innermost cache."""

FIRST_STEP = FIRST_COLUMN = np.int64(0)
"""Of a type, not the literal 0, for which Numba would compile the steps once more."""


class Room(NamedTuple):
    """Memory for one block: units of its rows, operands, parts of wide sums, sums, the same as values.

    ``values`` are ``sums`` themselves where those have 32 bits, ``wide`` are where those have 64, else empty.
    """

    rows: Array
    operands: Array
    partial: NDArray[np.int32]
    sums: Array
    wide: Ints
    values: Values


@njit
def no_divisors() -> NDArray[np.int32]:
    """Return divisors for steps without a division."""
    return np.ones((1, 3), np.int32)


@njit
def whole_rows(size: Int) -> Int:
    """Return a number of rows that micro-kernels can take."""
    return (size + BLOCK_ROWS - 1) // BLOCK_ROWS * BLOCK_ROWS


@njit
def finish_block(room: Room, position: Int, size: Int, steps: Steps, tally: Tally, codes: Stored) -> None:
    """Send the sums of a block through what follows, and store the codes; results of 64 bits are sums of 64 bits."""
    if room.wide.size == 0:
        pass_block(room.values[:size], no_divisors(), position, FIRST_COLUMN, FIRST_STEP, steps, tally)
        store(room.values[:size], codes, position, FIRST_COLUMN)
    elif is_wide(codes):
        store(room.wide[:size], codes, position, FIRST_COLUMN)
    else:
        finish_wide(room.wide[:size], position, room.values, steps, tally, codes)


@njit
def finish_wide(sums: Ints, position: Int, values: Values, steps: Steps, tally: Tally, codes: Stored) -> None:
    """Send 64-bit sums through the steps, a few rows at a time, and store the codes; ``values`` is room for a block."""
    chunk = max(CHUNK_VALUES // sums.shape[1], 1)
    for first in range(0, sums.shape[0], chunk):
        last = min(first + chunk, sums.shape[0])
        some, short, row = sums[first:last], values[first:last], position + first
        pass_wide_block(some, row, FIRST_COLUMN, steps, tally)
        shorten(some, short)
        pass_block(short, no_divisors(), row, FIRST_COLUMN, np.int64(steps.wide), steps, tally)
        store(short, codes, row, FIRST_COLUMN)


@njit
def layer_of_bytes(
    units: Array,
    form: Layout,
    start: Array,
    window: Ints,
    settings: NDArray[np.uint8],
    room: Room,
    steps: Steps,
    tally: Tally,
    codes: Stored,
) -> None:
    """Run a layer whose sums are formed from bytes. start, window: of the columns, and as in ``gather_units``."""
    block = room.sums.shape[0]
    pixels = units.reshape(units.size // units.shape[3], units.shape[3])
    in_place = form.direct and units.ctypes.data % LINE == 0
    for position in range(0, codes.bytes.shape[0], block):
        size = min(block, codes.bytes.shape[0] - position)
        many = whole_rows(size)
        gathered = in_place and position + many <= pixels.shape[0]
        rows = pixels[position : position + many] if gathered else room.rows[:many]
        where = (position, size, gathered, rows, room.operands, room.partial)
        block_of_bytes(units, form, start, window, settings, *where, room.sums[:many])
        finish_block(room, position, size, steps, tally, codes)


@njit
def layer_of_panels(
    units: Array,
    form: Layout,
    start: NDArray[np.int32],
    window: Ints,
    settings: NDArray[np.uint8],
    room: Room,
    steps: Steps,
    tally: Tally,
    codes: Stored,
) -> None:
    """Run a layer of one group whose sums have 32 bits and lose nothing, 32 columns of a few rows at a time.

    So few sums stay in the innermost cache from the first product to the stored code. start: of all columns of pairs of
    panels. room: ``sums`` (rows, 32). Where the last 16 columns are all that is left, no others pass through the steps.
    """
    block, chunk = room.rows.shape[0], room.sums.shape[0]
    pixels = units.reshape(units.size // units.shape[3], units.shape[3])
    in_place = form.direct and units.ctypes.data % LINE == 0
    channels, begin, sums = channels_of(codes), start.ctypes.data, (room.sums.ctypes.data, room.sums.strides[0])
    if form.kernel == TILES:
        amx.configure(settings.ctypes.data)
    for position in range(0, codes.bytes.shape[0], block):
        size = min(block, codes.bytes.shape[0] - position)
        many = whole_rows(size)
        gathered = in_place and position + many <= pixels.shape[0]
        rows = pixels[position : position + many] if gathered else room.rows[:many]
        if not gathered:
            gather_units(units, form.blank, form.runs, window, FIRST_COLUMN, position, size, rows)
        place, length = laid_out(rows, form, size, room.operands)
        for column in range(0, channels, PAIR):
            for first in range(0, size, chunk):
                some, row = min(chunk, size - first), position + first
                where = (place + first * length, length)
                ends = (begin + column * start.itemsize, 0), sums
                signs = (form.signed, True)
                dot_panels(form.kernel, signs, where, some, form.panels[0], 0, column // 16, *ends)
                alone = channels - column <= PANEL
                values = first_panel(room.sums, some) if alone else room.sums[:some]
                pass_block(values, no_divisors(), row, column, FIRST_STEP, steps, tally)
                store(values, codes, row, column)
    if form.kernel == TILES:
        amx.release()


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
    in_place = form.direct and units.ctypes.data % LINE == 0
    for position in range(0, out.shape[0], block):
        size = min(block, out.shape[0] - position)
        rows = pixels[position : position + size] if in_place else room.rows[:size]
        where = (position, size, in_place, rows, room.operands, room.partial)
        block_of_bytes(units, form, start, window, settings, *where, out[position : position + size])


@njit
def sums_of_lanes(units: Array, form: Layout, start: Array, window: Ints, room: Room, out: Array) -> None:
    """Do what ``sums_of_bytes`` does, with operands in lanes."""
    block = room.rows.shape[0]
    for position in range(0, out.shape[0], block):
        size = min(block, out.shape[0] - position)
        where = (position, size, room.rows[:size], room.operands[0, :size])
        block_of_lanes(units, form, start, window, *where, out[position : position + size])


@njit
def layer_of_lanes(
    units: Array,
    form: Layout,
    start: Array,
    window: Ints,
    room: Room,
    steps: Steps,
    tally: Tally,
    codes: Stored,
) -> None:
    """Run a layer whose operands stand in lanes."""
    block = room.sums.shape[0]
    for position in range(0, codes.bytes.shape[0], block):
        size = min(block, codes.bytes.shape[0] - position)
        many = whole_rows(size)
        where = (position, size, room.rows[:many], room.operands[0, :many])
        block_of_lanes(units, form, start, window, *where, room.sums[:many])
        finish_block(room, position, size, steps, tally, codes)


@njit
def layer_of_channels(
    codes: Array,
    signed: Flag,
    fill: Int,
    taps: Ints,
    window: Ints,
    weights: Codes,
    several: Int,
    start: NDArray[np.int32],
    values: Values,
    steps: Steps,
    tally: Tally,
    out: Stored,
) -> None:
    """Run a depthwise convolution; arguments as those of ``depthwise_sums``, ``values`` is room for a block."""
    block = values.shape[0]
    for position in range(0, out.bytes.shape[0], block):
        size = min(block, out.bytes.shape[0] - position)
        depthwise_sums(codes, signed, fill, taps, window, weights, several, start, position, size, values)
        pass_block(values[:size], no_divisors(), position, FIRST_COLUMN, FIRST_STEP, steps, tally)
        store(values[:size], out, position, FIRST_COLUMN)


@njit
def layer_of_wide_channels(
    codes: Array,
    signed: Flag,
    fill: Int,
    taps: Ints,
    window: Ints,
    weights: Codes,
    several: Int,
    start: Ints,
    parts: NDArray[np.int32],
    wide: Ints,
    values: Values,
    steps: Steps,
    tally: Tally,
    out: Stored,
) -> None:
    """Run a depthwise convolution whose sums need 64 bits; ``parts``, ``wide``, ``values`` are room for a block.

    weights: (2 * steps, columns), their lowest bytes, and behind them what is left. Sums of either part fit 32 bits.
    """
    block, many = values.shape[0], taps.shape[0]
    nothing, none = np.zeros(values.shape[1], np.int32), np.zeros(0, np.int64)
    low, high = weights[:many], weights[many:]
    for position in range(0, out.bytes.shape[0], block):
        size = min(block, out.bytes.shape[0] - position)
        depthwise_sums(codes, signed, fill, taps, window, low, several, nothing, position, size, parts[0])
        depthwise_sums(codes, signed, fill, taps, window, high, several, nothing, position, size, parts[1])
        join_parts(parts[:, :size], start, none, 0, wide[:size])
        if is_wide(out):
            store(wide[:size], out, position, FIRST_COLUMN)
        else:
            finish_wide(wide[:size], position, values, steps, tally, out)


@njit
def layer_of_means(
    codes: Array,
    zero_point: Int,
    window: Ints,
    outputs: Ints,
    values: Values,
    steps: Steps,
    tally: Tally,
    out: Stored,
) -> Int:
    """Run a mean over windows, and return how many codes lay inside; arguments as those of ``window_sums``."""
    block, inside = values.shape[0], np.int64(0)
    counts, divisors = np.empty(block, np.int32), np.empty((block, 3), np.int32)
    for position in range(0, out.bytes.shape[0], block):
        size = min(block, out.bytes.shape[0] - position)
        window_sums(codes, zero_point, window, outputs, position, values[:size], counts)
        set_divisors(counts[:size], divisors)
        for row in range(size):
            inside += counts[row]
        pass_block(values[:size], divisors, position, FIRST_COLUMN, FIRST_STEP, steps, tally)
        store(values[:size], out, position, FIRST_COLUMN)
    return inside


@njit
def layer_of_codes(codes: Stored, room: Values, steps: Steps, tally: Tally, out: Stored) -> None:
    """Send codes through steps, 32 columns of a few rows at a time; ``room`` (rows, 32) is for these."""
    chunk, rows, channels = room.shape[0], out.bytes.shape[0], channels_of(out)
    for position in range(0, rows, chunk):
        end = min(position + chunk, rows)
        for column in range(0, channels, PAIR):
            values = lanes_of(room, end - position, channels - column)
            load_padded(codes, position, column, values)
            pass_block(values, no_divisors(), position, column, FIRST_STEP, steps, tally)
            store(values, out, position, column)


@njit
def layer_of_sums(
    codes: tuple[Stored, ...],
    own: tuple[Steps, ...],
    counting: tuple[Tally, ...],
    rooms: NDArray[np.int32],
    steps: Steps,
    tally: Tally,
    out: Stored,
) -> None:
    """Send the codes of several inputs through steps of their own, and their sums through ``steps``.

    32 columns of a few rows at a time; ``rooms`` (2, rows, 32) are for these.
    """
    chunk, rows, channels = rooms.shape[1], out.bytes.shape[0], channels_of(out)
    for position in range(0, rows, chunk):
        end = min(position + chunk, rows)
        for column in range(0, channels, PAIR):
            sums = lanes_of(rooms[0], end - position, channels - column)
            more = lanes_of(rooms[1], end - position, channels - column)
            for number in range(len(codes)):
                values = more if number else sums
                load_padded(codes[number], position, column, values)
                pass_block(values, no_divisors(), position, column, FIRST_STEP, own[number], counting[number])
                if number:
                    add_values(values, sums)
            pass_block(sums, no_divisors(), position, column, FIRST_STEP, steps, tally)
            store(sums, out, position, column)


@njit
def lanes_of(room: Values, rows: Int, channels: Int) -> Values:
    """Return the lanes of a room (…, 32) for so many rows, and for the channels from one on."""
    return room.reshape(-1)[: rows * PANEL].reshape(rows, PANEL) if channels <= PANEL else room[:rows]


@njit
def layer_of_integers(integers: Stored, wide: Ints, values: Values, steps: Steps, tally: Tally, out: Stored) -> None:
    """Send integers of one word through steps of which some need 64 bits; ``wide``, ``values``: room for a block."""
    block = values.shape[0]
    for position in range(0, out.bytes.shape[0], block):
        size = min(block, out.bytes.shape[0] - position)
        load(integers, position, FIRST_COLUMN, wide[:size])
        finish_wide(wide[:size], position, values, steps, tally, out)


@njit
def layer_of_products(
    first: Stored,
    second: Stored,
    zero_points: Ints,
    rooms: NDArray[np.int32],
    steps: Steps,
    tally: Tally,
    out: Stored,
) -> None:
    """Multiply codes less their zero points, element by element, and send that through steps.

    32 columns of a few rows at a time; ``rooms`` (2, rows, 32) are for these.
    """
    chunk, rows, channels = rooms.shape[1], out.bytes.shape[0], channels_of(out)
    for position in range(0, rows, chunk):
        end = min(position + chunk, rows)
        for column in range(0, channels, PAIR):
            values = lanes_of(rooms[0], end - position, channels - column)
            others = lanes_of(rooms[1], end - position, channels - column)
            load_padded(first, position, column, values)
            load(second, position, column, others)
            multiply_values(values, others, zero_points, channels - column)
            pass_block(values, no_divisors(), position, column, FIRST_STEP, steps, tally)
            store(values, out, position, column)


@njit
def layer_of_reals(
    bits: Values,
    parameters: Ints,
    limits: Ints,
    field: Ints,
    counters: Ints,
    here: Ints,
    counts: Ints,
    counted: Flag,
    rows: Int,
    codes: Stored,
) -> None:
    """Turn float32 values, given as the integers of their bits, into codes, so many rows at a time.

    parameters: (2, PARAMETERS, columns) of the quantisation and of a move that changes nothing. The rest as in
    ``fit_block``.
    """
    none = np.zeros(0, np.int64)
    for position in range(0, bits.shape[0], rows):
        values = bits[position : position + rows].copy()
        quantize(values, parameters[0, :, :], counters[:, :])
        fit_block(
            values,
            parameters[1, :, :],
            limits[:, :],
            field,
            position,
            np.int64(0),
            np.int64(0),
            counted,
            counters[:, :],
            here[:, :],
            counts[:, :],
            none,
        )
        store(values, codes, position, FIRST_COLUMN)


@njit
def add_integers(
    codes: Stored, position: Int, wide: Ints, values: Values, steps: Steps, tally: Tally, sums: Ints
) -> None:
    """Send the codes of a block through the steps of one of several inputs, and add them to sums.

    Some steps, their results or the sums need 64 bits.
    """
    size = sums.shape[0]
    load(codes, position, FIRST_COLUMN, wide[:size])
    pass_wide_block(wide[:size], position, FIRST_COLUMN, steps, tally)
    if steps.wide == steps.kinds.size:
        add_values(wide[:size], sums)
        return
    shorten(wide[:size], values)
    pass_block(values[:size], no_divisors(), position, FIRST_COLUMN, np.int64(steps.wide), steps, tally)
    add_values(values[:size], sums)
