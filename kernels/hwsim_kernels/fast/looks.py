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

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int
from hwsim_kernels.fast import amx, floats, vnni
from hwsim_kernels.fast.features import AMX, VNNI
from hwsim_kernels.fast.ir import (
    F32,
    I1,
    I8,
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
from hwsim_kernels.fast.operands import Units

UNIT = 64
"""Steps of the shortest piece."""

TILE = 32
"""Rows and columns of a tile of sums."""

SLACK = 1 + 2.0**-22
"""More than float32 can err in a norm."""

SHARE = 0.7
"""Pieces are made so short that half of their T is no more than this share of the limit."""

Norms = NDArray[np.float32]

_WIDTH = 16
_KIND = vector(I32, _WIDTH)


@machine_code
def square_sum(context: Any, units: Any, flip: Any, offset: Any) -> Any:
    """Return the sum of squares of the operands that UNIT bytes at an address stand for."""

    def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        units, flip, offset = arguments
        kind = vector(I32, UNIT)
        codes = builder.zext(load(builder, vector(I8, UNIT), units), kind)
        turned = builder.xor(codes, splat(builder, builder.trunc(flip, I32), UNIT))
        operands = builder.sub(turned, splat(builder, builder.trunc(offset, I32), UNIT))
        squares = builder.mul(operands, operands)
        total = call(builder, f"llvm.vector.reduce.add.v{UNIT}i32", I32, [squares])
        return builder.sext(total, I64)

    return types.int64(*[types.intp] * 3), build


@njit
def row_norms(rows: Units, size: Int, steps: Int, flip: Int, offset: Int, norms: Norms) -> None:
    """Write half of the largest norm of a piece of each row's operands to ``norms`` (levels, rows).

    Norms are no less than they are. Bytes of a row behind ``steps``, if there are any, are 0.
    """
    turn, off = rows.dtype.type(flip), np.int64(offset)
    levels, units = norms.shape[0], (steps + UNIT - 1) // UNIT
    unused = (units * UNIT - steps) * (flip - off) * (flip - off)
    largest, running = np.zeros(levels, np.int64), np.zeros(levels, np.int64)
    for row in range(size):
        largest[:] = 0
        running[:] = 0
        for number in range(units):
            first = number * UNIT
            if rows.itemsize == 1 and first + UNIT <= rows.shape[1]:
                squares = square_sum(rows.ctypes.data + row * rows.strides[0] + first, flip, offset)
                squares -= unused if number == units - 1 else 0
            else:
                squares = np.int64(0)
                for k in range(first, min(first + UNIT, steps)):
                    operand = np.int64(rows[row, k] ^ turn) - off
                    squares += operand * operand
            for level in range(levels):
                running[level] += squares
                if (number + 1) % (1 << level) == 0 or number == units - 1:
                    largest[level] = max(largest[level], running[level])
                    running[level] = 0
        for level in range(levels):
            norms[level, row] = 0.5 * np.sqrt(float(largest[level])) * SLACK


class _Middles:
    """What looks at a row of a tile have in common: halves of true sums, and middles between two looks."""

    def __init__(self, builder: Any, tile: tuple[Any, Any], before: tuple[Any, Any], fresh: Any) -> None:
        self.builder = builder
        (self.sums, self.found), (self.before, self.stride) = tile, before
        self.begins = builder.icmp_signed("!=", fresh, ir.Constant(I64, 0))

    def of(self, row: Any, column: int, added: Any) -> tuple[Any, Any, Any, Any]:
        """Return 16 true sums of a row, half of them, the largest middle, and where that stands."""
        builder, along = self.builder, self.builder.mul(row, ir.Constant(I64, 4 * TILE))
        sums = load(builder, _KIND, at(builder, at(builder, self.sums, along), 64 * column))
        true = builder.add(sums, added)
        half = builder.ashr(true, constant(_KIND, 1))
        earlier = at(builder, at(builder, self.before, builder.mul(row, self.stride)), 64 * column)
        middle = builder.add(half, load(builder, _KIND, earlier))
        size = call(builder, "llvm.abs.v16i32", _KIND, [middle, ir.Constant(I1, 0)])
        place = at(builder, at(builder, self.found, along), 64 * column)
        known = builder.select(self.begins, constant(_KIND, 0), load(builder, _KIND, place))
        return true, half, call(builder, "llvm.smax.v16i32", _KIND, [size, known]), place


@machine_code
def look(
    context: Any, sums: Any, found: Any, before: Any, before_stride: Any, fresh: Any, added: Any, half: Any
) -> Any:
    """Raise what is ``found`` (32, 32) to the middles between sums (32, 32) and what they were at the look before.

    added: address of what 32 columns lack to the true sums. before, half: addresses of half of the sums at the look
    before (bytes from row to row: ``before_stride``; 0 if rows are alike), and of where to write half of these. Halves
    are rounded down, so that middles may be 1 too small. ``fresh``: nothing is found yet.
    """

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        sums, found, before, before_stride, fresh, added, half = arguments
        lacking = [load(builder, _KIND, at(builder, added, 64 * column)) for column in (0, 1)]
        middles = _Middles(builder, (sums, found), (before, before_stride), fresh)
        with loop(builder, ir.Constant(I64, TILE), []) as (row, _, leave, _last):
            own = at(builder, half, builder.mul(row, ir.Constant(I64, 4 * TILE)))
            for column in (0, 1):
                _true, halves, most, place = middles.of(row, column, lacking[column])
                store(builder, halves, at(builder, own, 64 * column))
                store(builder, most, place)
            leave([])
        return target.get_dummy_value()

    return types.void(*[types.intp] * 7), build


@machine_code
def judge(
    context: Any,
    sums: Any,
    found: Any,
    before: Any,
    before_stride: Any,
    fresh: Any,
    added: Any,
    norms: Any,
    weights: Any,
    bounds: Any,
    limit: Any,
    doubts: Any,
    doubts_stride: Any,
    place: Any,
    place_stride: Any,
    rows: Any,
    least: Any,
    largest: Any,
) -> Any:
    """Look at ``rows`` rows for the last time, and return whether some sums are not proved; copy all where they belong.

    norms: address of half a norm of each row; weights, bounds: of the norm of each column and of what bounds half of T,
    all float32. doubts: of the first row's bits, one for each sum and 16 for each strip, ``doubts_stride`` bytes from
    row to row. place: of the first row's true sums, ``place_stride`` bytes from row to row. least, largest: of 32
    columns' smallest and largest true sums so far. The rest as for ``look``.
    """

    def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        sums, found, before, before_stride, fresh, added, norms, weights, bounds, limit = arguments[:10]
        doubts, doubts_stride, place, place_stride, rows, least, largest = arguments[10:]
        kind, lanes = vector(F32, _WIDTH), ir.IntType(_WIDTH)
        lacking = [load(builder, _KIND, at(builder, added, 64 * column)) for column in (0, 1)]
        of_columns = [
            [load(builder, kind, at(builder, base, 64 * column)) for base in (weights, bounds)] for column in (0, 1)
        ]
        most = splat(builder, limit, _WIDTH)
        middles = _Middles(builder, (sums, found), (before, before_stride), fresh)
        nothing = ir.Constant(lanes, 0)
        ends = [at(builder, base, 64 * column) for column in (0, 1) for base in (least, largest)]
        with loop(builder, rows, [nothing, *[load(builder, _KIND, one) for one in ends]]) as (row, held, leave, last):
            norm = splat(builder, load(builder, F32, at(builder, norms, builder.mul(row, ir.Constant(I64, 4)))), _WIDTH)
            bits = at(builder, doubts, builder.mul(row, doubts_stride))
            target = at(builder, place, builder.mul(row, place_stride))
            some, ranges = held[0], list(held[1:])
            for column, (weight, bound) in enumerate(of_columns):
                true, _half, middle, _place = middles.of(row, column, lacking[column])
                store(builder, true, at(builder, target, 64 * column))
                for side, name in enumerate(("llvm.smin.v16i32", "llvm.smax.v16i32")):
                    number = 2 * column + side
                    ranges[number] = call(builder, name, _KIND, [ranges[number], true])
                product = builder.fmul(norm, weight)
                half = builder.select(builder.fcmp_ordered("<", product, bound), product, bound)
                total = builder.fadd(builder.sitofp(middle, kind), half)
                far = builder.bitcast(builder.fcmp_ordered(">", total, most), lanes)
                store(builder, far, at(builder, bits, 2 * column))
                some = builder.or_(some, far)
            leave([some, *ranges])
        for value, end in zip(last[1:], ends, strict=True):
            store(builder, value, end)
        return builder.zext(builder.icmp_unsigned("!=", last[0], nothing), I64)

    return types.int64(*[types.intp] * 9, types.float32, *[types.intp] * 7), build


@njit
def tile_sums(
    kernel: Int,
    signed: Flag,
    chunk: Int,
    a: tuple[Int, Int],
    b: tuple[Int, Int],
    first: Int,
    steps: Int,
    sums: Int,
    stride: Int,
) -> None:
    """Form 32 x 32 sums of the products of ``steps`` steps from ``first`` on; add them to what is there if first > 0.

    a, b: addresses of rows and of a panel of columns, and bytes to the next row and panel. Bytes come in 64 steps.
    """
    fresh = first == 0
    if kernel == AMX:
        rows, columns = a[0] + first, b[0] + first * 16
        if signed:
            amx.dot_ss(rows, a[1], columns, b[1], steps // 64, sums, stride, fresh)
        else:
            amx.dot_us(rows, a[1], columns, b[1], steps // 64, sums, stride, fresh)
    elif kernel == VNNI:
        rows, columns = a[0] + first, b[0] + first * 16
        for row in range(0, TILE, vnni.ROWS):
            vnni.dot(rows + row * a[1], a[1], columns, b[1], steps // 4, sums + row * stride, stride, fresh)
    else:
        for done in range(first, first + steps, chunk):
            many = min(chunk, first + steps - done)
            rows, columns = a[0] + 4 * done, b[0] + 64 * done
            for row in range(0, TILE, floats.ROWS):
                where = (columns, b[1], many, sums + row * stride, stride, done == 0)
                floats.dot32(rows + row * a[1], a[1], *where)


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
    tile: NDArray[np.int32],
    doubts: NDArray[np.uint16],
    sums: NDArray[np.int32],
    ends: NDArray[np.int32],
) -> bool:
    """Write exact sums (rows, columns), and which of them are not proved to stay within ``limit``: bits of ``doubts``.

    Return whether there are any. Only ``size`` rows are of a meaning. ends (2, columns): the smallest and the largest
    sums, to be lowered and raised.

    kernel: AMX or VNNI for bytes, else floats. a, b, depth: as in ``tile_sums``. corrections (units + 1, columns): what
    sums lack after so many units of steps. half_start: half of what they start from. column_norms, bounds, norms: a row
    for each level, see ``judge``; norms of ``size`` rows. tile: room. doubts: (rows, strips).
    """
    levels, longest = norms.shape[0], np.zeros(norms.shape[0], np.float32)
    for level in range(levels):
        for row in range(size):
            longest[level] = max(longest[level], norms[level, row])
    # float32 errs by less, and middles by 1
    most, doubtful = limit * (1 - 2.0**-20) - 2.0, np.int64(0)
    own, half, found = tile[0].ctypes.data, tile[1].ctypes.data, tile[2].ctypes.data
    if kernel == AMX:
        amx.configure(settings.ctypes.data)
    for column in range(0, sums.shape[1], TILE):
        level = levels - 1
        while level > 0:
            widest = column_norms[level, column : column + TILE].max()
            if longest[level] * widest <= SHARE * limit:
                break
            level -= 1
        if level == 0 and longest[0] * column_norms[0, column : column + TILE].max() > limit:
            level = levels - 1  # looks would prove little
        piece, panel = UNIT << level, (b[0] + column // 16 * b[1], b[1])
        half_of_start = half_start.ctypes.data + 4 * column
        for row in range(0, sums.shape[0], TILE):
            before, before_stride, last = half_of_start, 0, 0
            for first in range(0, depth, piece):
                steps = min(piece, depth - first)
                # not where sums belong: rows that lie 4096 bytes apart would drive each other out of the cache
                tile_sums(kernel, signed, chunk, (a[0] + row * a[1], a[1]), panel, first, steps, own, 4 * TILE)
                units = min((first + steps + UNIT - 1) // UNIT, corrections.shape[0] - 1)
                lacking = corrections.ctypes.data + units * corrections.strides[0] + 4 * column
                if first + steps < depth:
                    look(own, found, before, before_stride, first == 0, lacking, half)
                    before, before_stride, last = half, 4 * TILE, first + steps
            doubtful |= judge(
                own,
                found,
                before,
                before_stride,
                last == 0,
                corrections.ctypes.data + (corrections.shape[0] - 1) * corrections.strides[0] + 4 * column,
                norms.ctypes.data + level * norms.strides[0] + 4 * row,
                column_norms.ctypes.data + level * column_norms.strides[0] + 4 * column,
                bounds.ctypes.data + level * bounds.strides[0] + 4 * column,
                np.float32(most),
                doubts.ctypes.data + row * doubts.strides[0] + column // 16 * 2,
                doubts.strides[0],
                sums.ctypes.data + row * sums.strides[0] + 4 * column,
                sums.strides[0],
                min(TILE, size - row),
                ends.ctypes.data + 4 * column,
                ends.ctypes.data + ends.strides[0] + 4 * column,
            )
    if kernel == AMX:
        amx.release()
    return bool(doubtful != 0)
