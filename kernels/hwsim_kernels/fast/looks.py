"""Exact sums that are looked at on their way, so that most are proved never to have left a register.

Between two looks, s before and s' behind, the products of a sum add up to s' - s, and the positive ones among them to
(T + s' - s) / 2 where T is the sum of all their magnitudes. So no prefix goes above (s + s' + T) / 2, nor below
(s + s' - T) / 2: nothing is lost if

    |s + s'| / 2 + T / 2 <= limit,

and T is at most |a| |w| (Cauchy and Schwarz), and at most the largest |a| times the sum of |w|. With one look at the
end this is a bound for the whole sum; more looks, of shorter pieces, make T smaller. Pieces of level j have UNIT << j
steps.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int
from hwsim_kernels.fast import amx, dots, pairs
from hwsim_kernels.fast.ir import (
    F32,
    I1,
    I32,
    I64,
    at,
    call,
    constant,
    ir,
    larger,
    load,
    loop,
    machine_code,
    splat,
    store,
    vector,
    widened,
)
from hwsim_kernels.fast.operands import Units
from hwsim_kernels.fast.packing import BYTES, SHORTS, TILES, UNIT

TILE = 32
"""Rows and columns of a tile of sums."""

SLACK = 1 + 2.0**-22
"""More than float32 can err in a norm."""

SHARE = 0.7
"""Pieces are made so short that half of their T is no more than this share of the limit."""

Norms = NDArray[np.float32]

_WIDTH = 16
_KIND = vector(I32, _WIDTH)
_PARTS = range(0, UNIT, pairs.STEPS)


@machine_code
def square_sums(context: Any, row: Any, units: Any, flip: Any, offset: Any, found: Any) -> Any:
    """Write the sums of squares (units,) int64 of the operands that each UNIT bytes of a row stand for."""

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        row, units, flip, offset, found = arguments
        with loop(builder, units, []) as (unit, _, leave, _last):
            first = at(builder, row, builder.mul(unit, ir.Constant(I64, UNIT)))
            parts = [pairs.operands_at(builder, at(builder, first, done), flip, offset) for done in _PARTS]
            squares = reduce(builder.add, [pairs.products(builder, one, one) for one in parts])
            total = call(builder, f"llvm.vector.reduce.add.v{pairs.LANES}i32", I32, [squares])
            store(builder, builder.sext(total, I64), at(builder, found, builder.mul(unit, ir.Constant(I64, 8))))
            leave([])
        return target.get_dummy_value()

    return types.void(*[types.intp] * 5), build


@njit
def row_norms(
    rows: Units, size: Int, steps: Int, flip: Int, offset: Int, squares: NDArray[np.int64], norms: Norms
) -> None:
    """Write half of the largest norm of a piece of each row's operands to ``norms`` (levels, rows).

    Norms are no less than they are. Rows of bytes are 0 behind ``steps``, up to a multiple of UNIT. squares: room for a
    number for each unit.
    """
    turn, off = rows.dtype.type(flip), np.int64(offset)
    levels, units = norms.shape[0], (steps + UNIT - 1) // UNIT
    unused = (units * UNIT - steps) * (flip - off) * (flip - off)
    for row in range(size):
        if rows.itemsize == 1:
            square_sums(rows.ctypes.data + row * rows.strides[0], units, flip, offset, squares.ctypes.data)
            squares[units - 1] -= unused
        else:
            for unit in range(units):
                squares[unit] = 0
                for k in range(unit * UNIT, min((unit + 1) * UNIT, steps)):
                    operand = np.int64(rows[row, k] ^ turn) - off
                    squares[unit] += operand * operand
        many = units
        for level in range(levels):
            largest = np.int64(0)
            for piece in range(many):
                largest = max(largest, squares[piece])
            norms[level, row] = 0.5 * np.sqrt(float(largest)) * SLACK
            for piece in range((many + 1) // 2):
                squares[piece] = squares[2 * piece] + (squares[2 * piece + 1] if 2 * piece + 1 < many else 0)
            many = (many + 1) // 2


@machine_code
def judge(
    context: Any,
    pieces: Any,
    many: Any,
    added: Any,
    added_stride: Any,
    half_start: Any,
    norms: Any,
    weights: Any,
    bounds: Any,
    limit: Any,
    doubts: Any,
    doubts_stride: Any,
    sums: Any,
    rows: Any,
    ends: Any,
    ends_stride: Any,
) -> Any:
    """Add up the pieces of ``rows`` rows and 32 columns, look at their sums, and return whether some are not proved.

    pieces: address of (many, 32, 32) sums of a piece each. added: of what 32 columns' sums lack to the true ones behind
    the first piece, ``added_stride`` bytes from piece to piece. half_start: of half of what they start from. norms: of
    half a norm of each row; weights, bounds: of the norm of each column and of what bounds half of T, all float32.

    doubts: address of the first row's bits, one for each sum and 16 for each strip, ``doubts_stride`` bytes from row to
    row. sums: of (32, 32) true sums. ends: of 32 columns' smallest sums so far, ``ends_stride`` bytes from the largest.
    Halves are rounded down, so that middles may be 1 too small.
    """

    def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pieces, many, added, added_stride, half_start, norms, weights, bounds, limit = arguments[:9]
        doubts, doubts_stride, sums, rows, ends, ends_stride = arguments[9:]
        kind, lanes, none = vector(F32, _WIDTH), ir.IntType(_WIDTH), constant(_KIND, 0)
        starts, of_weights, of_bounds = (
            [load(builder, one, at(builder, base, 64 * column)) for column in (0, 1)]
            for one, base in ((_KIND, half_start), (kind, weights), (kind, bounds))
        )
        most, nothing = splat(builder, limit, _WIDTH), ir.Constant(lanes, 0)
        places = [
            at(builder, base, 64 * column) for base in (ends, at(builder, ends, ends_stride)) for column in (0, 1)
        ]
        first = [nothing, *[load(builder, _KIND, one) for one in places]]
        with loop(builder, rows, first) as (row, held, leave, last):
            own = builder.mul(row, ir.Constant(I64, 4 * TILE))
            begin = [none, none, *starts, none, none]
            with loop(builder, many, begin) as (piece, (one, two, *before), leave_piece, looked):
                of_piece = at(builder, at(builder, pieces, own), builder.mul(piece, ir.Constant(I64, 4 * TILE * TILE)))
                lacking = at(builder, added, builder.mul(piece, added_stride))
                totals: list[Any] = []
                halves: list[Any] = []
                found: list[Any] = []
                for column, total in enumerate((one, two)):
                    total = builder.add(total, load(builder, _KIND, at(builder, of_piece, 64 * column)))  # noqa: PLW2901
                    true = builder.add(total, load(builder, _KIND, at(builder, lacking, 64 * column)))
                    half = builder.ashr(true, constant(_KIND, 1))
                    middle = builder.add(half, before[column])
                    size = call(builder, "llvm.abs.v16i32", _KIND, [middle, ir.Constant(I1, 0)])
                    found.append(larger(builder, size, before[2 + column]))
                    totals.append(total)
                    halves.append(half)
                leave_piece([*totals, *halves, *found])
            end = at(builder, added, builder.mul(builder.sub(many, ir.Constant(I64, 1)), added_stride))
            norm = load(builder, F32, at(builder, norms, builder.mul(row, ir.Constant(I64, 4))))
            some, ranges = held[0], list(held[1:])
            for column in (0, 1):
                true = builder.add(looked[column], load(builder, _KIND, at(builder, end, 64 * column)))
                store(builder, true, at(builder, at(builder, sums, own), 64 * column))
                ranges[column::2] = widened(builder, ranges[column::2], [true])
                product = builder.fmul(splat(builder, norm, _WIDTH), of_weights[column])
                nearer = builder.fcmp_ordered("<", product, of_bounds[column])
                half = builder.select(nearer, product, of_bounds[column])
                total = builder.fadd(builder.sitofp(looked[4 + column], kind), half)
                far = builder.bitcast(builder.fcmp_ordered(">", total, most), lanes)
                bits = at(builder, doubts, builder.mul(row, doubts_stride))
                store(builder, far, at(builder, bits, 2 * column))
                some = builder.or_(some, far)
            leave([some, *ranges])
        for value, place in zip(last[1:], places, strict=True):
            store(builder, value, place)
        return builder.zext(builder.icmp_unsigned("!=", last[0], nothing), I64)

    return types.int64(*[types.intp] * 8, types.float32, *[types.intp] * 6), build


@njit
def tile_sums(
    kernel: Int,
    signed: Flag,
    chunk: Int,
    a: tuple[Int, Int],
    b: tuple[Int, Int],
    rows: Int,
    first: Int,
    steps: Int,
    sums: Int,
) -> None:
    """Form (32, 32) sums of the products of ``steps`` steps from ``first`` on, at an address.

    Behind ``rows`` rows they may be anything. a, b: addresses of rows and of a panel of columns, and bytes to the next
    row and panel. Bytes come in 64 steps.
    """
    stride, nothing = 4 * TILE, dots.NOTHING.ctypes.data
    if kernel == TILES:
        place, columns = a[0] + first, b[0] + first * 16
        if signed:
            amx.dot_ss(place, a[1], columns, b[1], steps // 64, nothing, 0, sums, stride)
        else:
            amx.dot_us(place, a[1], columns, b[1], steps // 64, nothing, 0, sums, stride)
    elif kernel == BYTES:
        place, columns = a[0] + first, b[0] + first * 16
        for row in range(0, rows, dots.ROWS):
            where = (columns, b[1], steps // 4, nothing, 0, sums + row * stride, stride)
            dots.dot_bytes(place + row * a[1], a[1], *where)
    elif kernel == SHORTS:
        place, columns = a[0] + 2 * first, b[0] + 32 * first
        for row in range(0, rows, dots.ROWS):
            where = (columns, b[1], steps // 2, nothing, 0, sums + row * stride, stride)
            dots.dot_shorts(place + row * a[1], a[1], *where)
    else:
        for done in range(first, first + steps, chunk):
            many = min(chunk, first + steps - done)
            place, columns = a[0] + 4 * done, b[0] + 64 * done
            for row in range(0, rows, dots.ROWS):
                into = sums + row * stride
                begin, apart = (nothing, 0) if done == first else (into, stride)
                dots.dot32(place + row * a[1], a[1], columns, b[1], many, begin, apart, into, stride)


@njit
def widest(column_norms: Norms, column: Int) -> float:
    """Return the largest norm of a tile's columns."""
    found: float = column_norms[column]
    for one in range(column + 1, column + TILE):
        found = max(found, column_norms[one])
    return found


@njit
def checked_sums(
    kernel: Int,
    signed: Flag,
    chunk: Int,
    settings: NDArray[np.uint8],
    a: tuple[Int, Int],
    b: tuple[Int, Int],
    depth: Int,
    corrections: NDArray[np.int32],
    half_start: NDArray[np.int32],
    column_norms: Norms,
    bounds: Norms,
    limit: float,
    size: Int,
    norms: Norms,
    pieces: NDArray[np.int32],
    doubts: NDArray[np.uint16],
    sums: NDArray[np.int32],
    ends: NDArray[np.int32],
) -> bool:
    """Write exact sums (columns / 32, rows, 32), and return whether some are not proved to stay within ``limit``.

    Those are bits of ``doubts``. Only ``size`` rows are of a meaning. ends (2, columns): the smallest and the largest
    sums, to be lowered and raised.

    kernel: of 32-bit sums, see ``packing``. a, b, depth: as in ``tile_sums``. corrections (units + 1, columns): what
    sums lack after so many units of steps. half_start: half of what they start from. column_norms, bounds, norms: a row
    for each level, see ``judge``; norms of ``size`` rows. pieces: room. doubts: (rows, strips).
    """
    levels, longest = norms.shape[0], np.zeros(norms.shape[0], np.float32)
    for level in range(levels):
        for row in range(size):
            longest[level] = max(longest[level], norms[level, row])
    # float32 errs by less, and middles by 1
    most, doubtful = limit * (1 - 2.0**-20) - 2.0, np.int64(0)
    if kernel == TILES:
        amx.configure(settings.ctypes.data)
    for column in range(0, sums.shape[0] * TILE, TILE):
        level = levels - 1
        while level > 0:
            if longest[level] * widest(column_norms[level], column) <= SHARE * limit:
                break
            level -= 1
        if level == 0 and longest[0] * widest(column_norms[0], column) > limit:
            level = levels - 1  # looks would prove little
        piece, panel = UNIT << level, (b[0] + column // 16 * b[1], b[1])
        many, added_stride = (depth + piece - 1) // piece, corrections.strides[0] << level
        for row in range(0, size, TILE):
            for number in range(many):
                first = number * piece
                place = pieces.ctypes.data + number * pieces.strides[0]
                mine, steps = (a[0] + row * a[1], a[1]), min(piece, depth - first)
                tile_sums(kernel, signed, chunk, mine, panel, min(TILE, size - row), first, steps, place)
            doubtful |= judge(
                pieces.ctypes.data,
                many,
                corrections.ctypes.data + added_stride + 4 * column,
                added_stride,
                half_start.ctypes.data + 4 * column,
                norms.ctypes.data + level * norms.strides[0] + 4 * row,
                column_norms.ctypes.data + level * column_norms.strides[0] + 4 * column,
                bounds.ctypes.data + level * bounds.strides[0] + 4 * column,
                np.float32(most),
                doubts.ctypes.data + row * doubts.strides[0] + column // 16 * 2,
                doubts.strides[0],
                sums.ctypes.data + column // TILE * sums.strides[0] + row * sums.strides[1],
                min(TILE, size - row),
                ends.ctypes.data + 4 * column,
                ends.strides[0],
            )
    if kernel == TILES:
        amx.release()
    return bool(doubtful != 0)
