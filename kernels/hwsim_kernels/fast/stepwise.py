"""Sums that saturate on their way: proved harmless where that can be, taken step by step where it cannot.

No prefix of a sum of products p leaves [start - N, start + P], with P and N what the positive and the negative products
add up to. With S the sum and T the sum of all |p|, P = (T + S) / 2 and N = (T - S) / 2; and T is at most |a| |w|
(Cauchy and Schwarz), and at most max|a| times the sum of all |w|. So sums are proved in three ways, each for what the
one before has left:

1. by the exact sums, which a matrix product gives, and one norm for each row and column;
2. by exact sums after every piece of a few steps (``peaks``), with the norms of pieces: between two of them no prefix
   goes further than half of T of the piece beyond the larger one;
3. step by step, in float32 lanes that are exact below 2**24, 16 channels at a time, in pieces that are first tried
   without saturation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints, Reals
from hwsim_kernels.counting import FIRST, HIGH, LOW, MAXIMUM, MINIMUM, PERSISTENT, TRANSIENT, count_injected
from hwsim_kernels.fast import amx, floats, vnni
from hwsim_kernels.fast.features import AMX, PORTABLE
from hwsim_kernels.fast.ir import (
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    at,
    call,
    constant,
    ir,
    load,
    loop,
    machine_code,
    splat,
    store,
    vector,
)
from hwsim_kernels.fast.operands import Units, to_bytes
from hwsim_kernels.fast.strips import LARGEST, LEAST
from hwsim_kernels.overflow import highest, lowest

Floats = NDArray[np.float32]

WIDTH = 16
PIECE = 32
"""Steps that are tried at a time."""

LIMIT = 1 << 24
SLACK = 1 + 2.0**-40
"""More than float64 can err in a norm."""

_KIND = vector(F32, WIDTH)
_WHOLE = vector(I32, WIDTH)

ACCUMULATOR, BELOW, ABOVE, SMALLEST, GREATEST, TRIED = range(6)
"""Rows of the state of 16 lanes, all float32: the sum, hits, range of what came to a fit in pieces with hits, and what
a piece without saturation gave."""
STATE = 6


class Saturation(NamedTuple):
    """What ``settle_block`` needs of a layer.

    flip, offset: from units to operands. signed: AMX takes units as signed bytes. start: what sums start from. weights:
    (panels, depth / 4, 16, 4) bytes, or none. corrections: (pieces + 1, columns), what is added to sums of units times
    weights after so many pieces. panels: weights (panels, steps, 16) in the order of accumulation, floats. column_norms
    (3, columns): the norm of weights, the largest of a piece's, and what bounds T by itself. field: (4,) bits, signed,
    overflow, saturated_bits. fits (steps,): where sums are fitted; no steps where nothing saturates. settings: of AMX's
    tiles.
    """

    flip: int
    offset: int
    signed: bool
    start: Ints
    weights: NDArray[np.int8]
    corrections: NDArray[np.int32]
    panels: Floats
    column_norms: Reals
    field: Ints
    fits: NDArray[np.uint8]
    settings: NDArray[np.uint8]


@machine_code
def try_piece(context: Any, row: Any, panel: Any, steps: Any, state: Any, low: Any, high: Any) -> Any:
    """Accumulate ``steps`` products without saturation into TRIED, and return whether a prefix left [low, high].

    row: address of float32 operands. panel: of float32 weights (steps, 16). state: of (STATE, 16) float32.
    """

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        row, panel, steps, state, low, high = arguments
        begin = load(builder, _KIND, state)
        first = [begin, begin, begin]
        with loop(builder, steps, first) as (index, held, leave, last):
            operand = splat(
                builder, load(builder, F32, at(builder, row, builder.mul(index, ir.Constant(I64, 4)))), WIDTH
            )
            weights = load(builder, _KIND, at(builder, panel, builder.mul(index, ir.Constant(I64, 4 * WIDTH))))
            total = call(builder, "llvm.fmuladd.v16f32", _KIND, [operand, weights, held[0]])
            least = builder.select(builder.fcmp_ordered("<", total, held[1]), total, held[1])
            most = builder.select(builder.fcmp_ordered(">", total, held[2]), total, held[2])
            leave([total, least, most])
        store(builder, last[0], at(builder, state, 4 * WIDTH * TRIED))
        below = builder.fcmp_ordered("<", last[1], splat(builder, low, WIDTH))
        above = builder.fcmp_ordered(">", last[2], splat(builder, high, WIDTH))
        left = builder.bitcast(builder.or_(below, above), I16)
        return builder.zext(builder.icmp_unsigned("!=", left, ir.Constant(I16, 0)), I64)

    return types.int64(*[types.intp] * 4, types.float32, types.float32), build


@machine_code
def saturate_piece(context: Any, row: Any, panel: Any, fits: Any, steps: Any, state: Any, low: Any, high: Any) -> Any:
    """Accumulate ``steps`` products, saturating to [low, high] where ``fits`` (bytes) say so, and count.

    Other arguments as those of ``try_piece``.
    """

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        row, panel, fits, steps, state, low, high = arguments
        first = [load(builder, _KIND, at(builder, state, 4 * WIDTH * name)) for name in range(TRIED)]
        one, none = constant(_KIND, 1.0), constant(_KIND, 0.0)
        far = ir.Constant(F32, 3e38)
        with loop(builder, steps, first) as (index, held, leave, last):
            operand = splat(
                builder, load(builder, F32, at(builder, row, builder.mul(index, ir.Constant(I64, 4)))), WIDTH
            )
            weights = load(builder, _KIND, at(builder, panel, builder.mul(index, ir.Constant(I64, 4 * WIDTH))))
            total = call(builder, "llvm.fmuladd.v16f32", _KIND, [operand, weights, held[ACCUMULATOR]])
            fitted = builder.icmp_unsigned("!=", load(builder, I8, at(builder, fits, index)), ir.Constant(I8, 0))
            bottom = splat(builder, builder.select(fitted, low, ir.Constant(F32, -3e38)), WIDTH)
            top = splat(builder, builder.select(fitted, high, far), WIDTH)
            below, above = builder.fcmp_ordered("<", total, bottom), builder.fcmp_ordered(">", total, top)
            clamped = builder.select(above, top, builder.select(below, bottom, total))
            smaller = builder.and_(below, builder.fcmp_ordered("<", total, held[SMALLEST]))
            greater = builder.and_(above, builder.fcmp_ordered(">", total, held[GREATEST]))
            leave(
                [
                    clamped,
                    builder.fadd(held[BELOW], builder.select(below, one, none)),
                    builder.fadd(held[ABOVE], builder.select(above, one, none)),
                    builder.select(smaller, total, held[SMALLEST]),
                    builder.select(greater, total, held[GREATEST]),
                ]
            )
        for name, value in enumerate(last):
            store(builder, value, at(builder, state, 4 * WIDTH * name))
        return target.get_dummy_value()

    return types.void(*[types.intp] * 5, types.float32, types.float32), build


@njit
def row_operands(units: Units, flip: Int, offset: Int, operands: Floats) -> None:
    """Write the operands (steps,) that a row of units stands for."""
    turn, off = units.dtype.type(flip), np.int32(offset)
    for k in range(operands.size):
        operands[k] = np.int32(units[k] ^ turn) - off


@machine_code
def square_sum(context: Any, units: Any, flip: Any, offset: Any) -> Any:
    """Return the sum of squares of the operands that PIECE bytes at an address stand for."""

    def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        units, flip, offset = arguments
        kind = vector(I32, vnni.PIECE)
        codes = builder.zext(load(builder, vector(I8, vnni.PIECE), units), kind)
        turned = builder.xor(codes, splat(builder, builder.trunc(flip, I32), vnni.PIECE))
        operands = builder.sub(turned, splat(builder, builder.trunc(offset, I32), vnni.PIECE))
        squares = builder.mul(operands, operands)
        total = call(builder, f"llvm.vector.reduce.add.v{vnni.PIECE}i32", I32, [squares])
        return builder.sext(total, I64)

    return types.int64(*[types.intp] * 3), build


@machine_code
def beyond(context: Any, found: Any, norms: Any, factor: Any, limit: Any) -> Any:
    """Return how many of 16 magnitudes (int32) and ``factor`` times norms (float64), at addresses, exceed a limit."""

    def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        found, norms, factor, limit = arguments
        kind = vector(F64, WIDTH)
        size = builder.sitofp(load(builder, vector(I32, WIDTH), found), kind)
        more = builder.fmul(splat(builder, factor, WIDTH), load(builder, kind, norms))
        far = builder.fcmp_ordered(">", builder.fadd(size, more), splat(builder, limit, WIDTH))
        many = call(builder, "llvm.ctpop.i16", I16, [builder.bitcast(far, I16)])
        return builder.zext(many, I64)

    return types.int64(types.intp, types.intp, types.float64, types.float64), build


@njit
def row_norms(rows: Units, size: Int, steps: Int, flip: Int, offset: Int, norms: Reals) -> float:
    """Write the norms (2, rows) of each row's operands, of all and the largest of a piece's; return the largest of all.

    Norms are no less than they are. Bytes of a row behind ``steps``, if there are any, are 0.
    """
    longest = 0.0
    turn, off = rows.dtype.type(flip), np.int64(offset)
    pieces = (steps + vnni.PIECE - 1) // vnni.PIECE
    unused = (pieces * vnni.PIECE - steps) * (flip - off) * (flip - off)
    for row in range(size):
        total, largest = np.int64(0), np.int64(0)
        for number in range(pieces):
            first = number * vnni.PIECE
            if rows.itemsize == 1 and first + vnni.PIECE <= rows.shape[1]:
                piece = square_sum(rows.ctypes.data + row * rows.strides[0] + first, flip, offset)
                piece -= unused if number == pieces - 1 else 0
            else:
                piece = np.int64(0)
                for k in range(first, min(first + vnni.PIECE, steps)):
                    operand = np.int64(rows[row, k] ^ turn) - off
                    piece += operand * operand
            total += piece
            largest = max(largest, piece)
        norms[0, row], norms[1, row] = np.sqrt(float(total)) * SLACK, np.sqrt(float(largest)) * SLACK
        longest = max(longest, norms[0, row])
    return longest


@njit
def find_peaks(
    tier: Int,
    rows: Units,
    how: Saturation,
    doubtful: NDArray[np.bool_],
    room: tuple[NDArray[np.uint8], Floats],
    found: NDArray[np.int32],
) -> None:
    """Write to ``found`` (rows, columns) how far each sum gets on its way, where its strip is ``doubtful``."""
    flip, offset, weights = how.flip, how.offset, how.weights
    settings, tile = how.settings, np.empty((32, 32), np.int32)
    corrections, panels = how.corrections, how.panels
    planes, floats_room = room
    size = found.shape[0]
    for row in range(size):
        for c in range(found.shape[1]):
            found[row, c] = abs(corrections[0, c])
    if tier == PORTABLE or weights.size == 0:
        for row in range(size):
            row_operands(rows[row], flip, offset, floats_room[row])
        begin = corrections[0].astype(np.float32)
        for strip in range(panels.shape[0]):
            if doubtful[strip]:
                for row in range(0, size, floats.ROWS):
                    a = floats_room.ctypes.data + row * floats_room.strides[0]
                    place = found.ctypes.data + row * found.strides[0] + 64 * strip
                    panel = panels.ctypes.data + strip * panels.strides[0]
                    start = begin.ctypes.data + 64 * strip
                    floats.peaks(a, floats_room.strides[0], panel, panels.shape[1], start, place, found.strides[0])
        return
    depth, pieces, across = weights.shape[1] * 4, corrections.shape[0] - 1, corrections.strides[0]
    address = rows.ctypes.data
    if tier == AMX:
        amx.configure(settings.ctypes.data)
    elif flip != 0:
        to_bytes(rows, flip, size, planes)
        address = planes.ctypes.data
    for strip in range(0, panels.shape[0], 2):
        if doubtful[strip] or (strip + 1 < panels.shape[0] and doubtful[strip + 1]):
            b = weights.ctypes.data + strip * depth * 16
            added = corrections.ctypes.data + across + 64 * strip
            for row in range(0, size, 32 if tier == AMX else vnni.ROWS):
                a, place = address + row * depth, found.ctypes.data + row * found.strides[0] + 64 * strip
                layer = (a, depth, b, depth * 16, pieces, added, across)
                if tier != AMX:
                    vnni.peaks(*layer, place, found.strides[0])
                elif how.signed:
                    amx.peaks_signed(*layer, tile.ctypes.data, place, found.strides[0])
                else:
                    amx.peaks(*layer, tile.ctypes.data, place, found.strides[0])
    if tier == AMX:
        amx.release()


@njit
def accumulate_lanes(
    operands: Floats, panel: Floats, fits: NDArray[np.uint8], low: float, high: float, state: Floats
) -> None:
    """Accumulate all products of 16 lanes; ``state`` (STATE, 16) starts with the sums' start."""
    steps = operands.size
    row, weights, flags, lanes = operands.ctypes.data, panel.ctypes.data, fits.ctypes.data, state.ctypes.data
    for first in range(0, steps, PIECE):
        many = min(PIECE, steps - first)
        a, b = row + 4 * first, weights + 64 * first
        if try_piece(a, b, many, lanes, np.float32(low), np.float32(high)) == 0:
            for lane in range(WIDTH):
                state[ACCUMULATOR, lane] = state[TRIED, lane]
        else:
            saturate_piece(a, b, flags + first, many, lanes, np.float32(low), np.float32(high))


@njit
def first_hit(
    operands: Floats, panel: Floats, lane: Int, fits: NDArray[np.uint8], start: Int, low: Int, high: Int
) -> Int:
    """Return the step at which a sum first leaves [low, high] where it is fitted."""
    total: Int = np.int64(start)
    for k in range(operands.size):
        total += np.int64(operands[k]) * np.int64(panel[k, lane])
        if fits[k] != 0 and (total < low or total > high):
            return np.int64(k)
    return np.int64(operands.size)


@njit
def settle_block(
    tier: Int,
    sums: NDArray[np.int32],
    rows: Units,
    how: Saturation,
    key: Int,
    here: Ints,
    counts: Ints,
    room: tuple[NDArray[np.uint8], Floats],
    found: NDArray[np.int32],
) -> Int:
    """Turn exact sums (rows, columns) into those of a saturating accumulator; return how many were not proved.

    rows: the units of the sums' operands, in the order of accumulation. key: of row 0 and step 0. here: LEAST and
    LARGEST of the exact sums. counts: (COLUMNS, channels). room, found: of whole blocks, for ``find_peaks``.
    """
    flip, offset, start, panels = how.flip, how.offset, how.start, how.panels
    column_norms, field = how.column_norms, how.field
    low, high = lowest(field[0], field[1], field[2]), highest(field[0], field[1])
    limit = float(min(high, -low))
    channels, steps = counts.shape[1], panels.shape[1]
    size = sums.shape[0]
    norms = np.empty((2, size))
    whole = row_norms(rows, size, steps, flip, offset, norms)
    doubtful = np.zeros(panels.shape[0], np.bool_)
    for c in range(channels):
        widest = float(max(here[LARGEST, c] - start[c], start[c] - here[LEAST, c]))
        bound = min(whole * column_norms[0, c], column_norms[2, c])
        if float(abs(start[c])) + 0.5 * (bound + widest) > limit:
            doubtful[c // WIDTH] = True
    if not doubtful.any():
        return np.int64(0)
    find_peaks(tier, rows, how, doubtful, room, found)
    unproved: Int = np.int64(0)
    suspects = np.zeros(channels, np.int64)
    for row in range(size):
        factor = 0.5 * norms[1, row] * SLACK
        for strip in range(panels.shape[0]):
            if not doubtful[strip]:
                continue
            first = strip * WIDTH
            place = found.ctypes.data + row * found.strides[0] + 4 * first
            norms_of = column_norms.ctypes.data + column_norms.strides[0] + 8 * first
            if beyond(place, norms_of, factor, limit) > 0:
                for c in range(first, min(first + WIDTH, channels)):
                    bad = float(found[row, c]) + factor * column_norms[1, c] > limit
                    suspects[c] += bad
                    unproved += bad
    settle_channels(sums, rows, how, np.flatnonzero(suspects), norms[1], limit, key, counts, found)
    return unproved


@njit
def settle_channels(
    sums: NDArray[np.int32],
    rows: Units,
    how: Saturation,
    suspects: Ints,
    norms: Reals,
    limit: float,
    key: Int,
    counts: Ints,
    found: NDArray[np.int32],
) -> None:
    """Accumulate step by step what is not proved; ``suspects``: the channels where that is so in some row.

    norms: (rows,) of pieces. They are packed 16 at a time, so that a channel costs what it needs.
    """
    steps = how.panels.shape[1]
    panel, state = np.zeros((steps, WIDTH), np.float32), np.empty((STATE, WIDTH), np.float32)
    operands = np.empty(steps, np.float32)
    for first in range(0, suspects.size, WIDTH):
        members = suspects[first : first + WIDTH]
        for slot in range(members.size):
            strip, lane = members[slot] // WIDTH, members[slot] % WIDTH
            for k in range(steps):
                panel[k, slot] = how.panels[strip, k, lane]
        for row in range(sums.shape[0]):
            factor, bad = 0.5 * norms[row] * SLACK, False
            for slot in range(members.size):
                c = members[slot]
                bad = bad or float(found[row, c]) + factor * how.column_norms[1, c] > limit
            if bad:
                row_operands(rows[row], how.flip, how.offset, operands)
                settle_lanes(sums, row, operands, panel, how, members, key + row * steps, counts, state)


@njit
def settle_lanes(
    sums: NDArray[np.int32],
    row: Int,
    operands: Floats,
    panel: Floats,
    how: Saturation,
    members: Ints,
    key: Int,
    counts: Ints,
    state: Floats,
) -> None:
    """Accumulate up to 16 sums of a row step by step, those of the channels ``members``, and count their hits."""
    field, fits, start = how.field, how.fits, how.start
    low, high = lowest(field[0], field[1], field[2]), highest(field[0], field[1])
    for slot in range(WIDTH):
        state[ACCUMULATOR, slot] = start[members[slot]] if slot < members.size else 0
        state[BELOW, slot] = state[ABOVE, slot] = 0
        state[SMALLEST, slot], state[GREATEST, slot] = low, high
    accumulate_lanes(operands, panel, fits, float(low), float(high), state)
    for slot in range(members.size):
        c = members[slot]
        below, above = np.int64(state[BELOW, slot]), np.int64(state[ABOVE, slot])
        if below + above == 0:
            continue
        exact, result = np.int64(sums[row, c]), np.int64(state[ACCUMULATOR, slot])
        counts[LOW, c] += below
        counts[HIGH, c] += above
        if below > 0:
            counts[MINIMUM, c] = min(counts[MINIMUM, c], np.int64(state[SMALLEST, slot]))
        if above > 0:
            counts[MAXIMUM, c] = max(counts[MAXIMUM, c], np.int64(state[GREATEST, slot]))
        counts[TRANSIENT if low <= exact <= high else PERSISTENT, c] += 1
        count_injected(counts, c, result - exact)
        if key < counts[FIRST, c]:
            step = first_hit(operands, panel, slot, fits, np.int64(start[c]), low, high)
            counts[FIRST, c] = min(counts[FIRST, c], key + step)
        sums[row, c] = result
