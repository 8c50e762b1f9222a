"""The operands of a block of output positions, laid out row by row: an image to columns, a block at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints
from hwsim_kernels.fast import pairs
from hwsim_kernels.fast.ir import (
    ADDRESS,
    HOST,
    I1,
    I8,
    I32,
    I64,
    VOID,
    at,
    call,
    constant,
    ir,
    loop,
    machine_code,
    store,
    vector,
)

_LINE = 64

TWO = 2
"""Bytes of an integer of 16 bits."""

Units = NDArray[Any]
"""Codes read as unsigned integers of 8 or 16 bits."""


@machine_code
def copy(context: Any, target: Any, source: Any, size: Any) -> Any:
    """Copy ``size`` bytes from one address to another.

    Runs are short: where the processor can mask bytes, calling the library would take longer than the work.
    """

    def build(machine: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        target, source, size = arguments
        if "avx512bw" in HOST:
            _build_masked_copy(builder, target, source, size)
        else:
            pointers = [builder.inttoptr(one, ADDRESS) for one in (target, source)]
            call(builder, "llvm.memcpy.p0.p0.i64", VOID, [*pointers, size, ir.Constant(I1, 0)])
        return machine.get_dummy_value()

    return types.void(*[types.intp] * 3), build


def _build_masked_copy(builder: Any, target: Any, source: Any, size: Any) -> None:
    kind, flags = vector(I8, _LINE), vector(I1, _LINE)
    lines = builder.sdiv(builder.add(size, ir.Constant(I64, _LINE - 1)), ir.Constant(I64, _LINE))
    lines = builder.select(builder.icmp_signed("<", lines, ir.Constant(I64, 1)), ir.Constant(I64, 1), lines)
    with loop(builder, lines, []) as (line, _, leave, _last):
        done = builder.mul(line, ir.Constant(I64, _LINE))
        left = builder.sub(size, done)
        whole = builder.icmp_signed(">=", left, ir.Constant(I64, _LINE))
        some = builder.sub(
            builder.shl(ir.Constant(I64, 1), builder.and_(left, ir.Constant(I64, _LINE - 1))), ir.Constant(I64, 1)
        )
        mask = builder.bitcast(builder.select(whole, ir.Constant(I64, -1), some), flags)
        place, origin = (builder.inttoptr(at(builder, one, done), kind.as_pointer()) for one in (target, source))
        nothing, aligned = constant(kind, 0), ir.Constant(I32, 1)
        line_of = call(builder, "llvm.masked.load.v64i8.p0", kind, [origin, aligned, mask, nothing])
        call(builder, "llvm.masked.store.v64i8.p0", VOID, [line_of, place, aligned, mask])
        leave([])


@njit
def gather_units(
    units: Units, blank: Units, runs: Ints, window: Ints, channel: Int, position: Int, size: Int, rows: Units
) -> None:
    """Copy the units (n, h, w, c) that ``size`` output positions read, from ``position`` on, into rows (…, depth).

    window: strides of rows and columns, output columns, positions of a sample, spread of rows and columns. runs: see
    ``packing.runs_of``. ``channel`` is the group's first. Positions count through samples, rows and columns. ``blank``
    (c,) stands for a pixel that lies outside.
    """
    height, width, channels = units.shape[1], units.shape[2], units.shape[3]
    size_of, pixel = units.itemsize, units.itemsize * channels
    image, nothing = units.ctypes.data, blank.ctypes.data
    n, place = position // window[3], position % window[3]
    row, column = place // window[2], place % window[2]
    last_row = window[3] // window[2] - 1
    spread = window[4] > 1 or window[5] > 1
    for p in range(size):
        top, left = row * window[0], column * window[1]
        target = rows.ctypes.data + p * rows.strides[0]
        for run in range(runs.shape[0]):
            y, x, first, length = top + runs[run, 0], left + runs[run, 1], channel + runs[run, 2], runs[run, 3]
            if spread:
                y, x = between(y, window[4]), between(x, window[5])
            inside = 0 <= y < height
            source = image + ((n * height + y) * width + x) * pixel + first * size_of
            if inside and x >= 0 and x + runs[run, 4] < width:
                copy(target, source, length * size_of)
            else:
                copy_pixels(target, source, nothing, inside, x, width, first, length, channels, size_of)
            target += length * size_of
        column += 1
        if column == window[2]:
            column = 0
            n, row = (n, row + 1) if row < last_row else (n + 1, 0)


@njit
def between(place: Int, spread: Int) -> Int:
    """Return which code stands at a place where codes are ``spread`` apart, -1 if none does."""
    index = place // spread
    return index if index * spread == place else np.int64(-1)


@njit
def copy_pixels(
    target: Int,
    source: Int,
    blank: Int,
    inside: Flag,
    x: Int,
    width: Int,
    first: Int,
    length: Int,
    channels: Int,
    size_of: Int,
) -> None:
    """Copy a run pixel by pixel, where some lie outside; ``source``, ``target``, ``blank`` are addresses."""
    done: Int = np.int64(0)
    while done < length:
        chunk = min(length - done, channels - first)
        known = inside and 0 <= x < width
        copy(target + done * size_of, source + done * size_of if known else blank, chunk * size_of)
        done, first, x = done + chunk, 0, x + 1


@njit
def to_bytes(rows: Units, flip: Int, size: Int, planes: NDArray[np.uint8]) -> None:
    """Write units (rows, depth), ``flip`` inverted, as bytes (planes, rows, depth), the lowest first."""
    if planes.shape[0] == 1:
        # rows can be shorter than a vector
        units, whole = rows.reshape(-1), planes[0].reshape(-1)
        for place in range(size * rows.shape[1]):
            whole[place] = units[place] ^ np.uint8(flip)
    else:
        for p in range(size):
            units, low, high = rows[p], planes[0, p], planes[1, p]
            for k in range(rows.shape[1]):
                low[k] = np.uint8(units[k])
            for k in range(rows.shape[1]):
                high[k] = np.uint8((units[k] ^ np.uint16(flip)) >> np.uint16(8))


@njit
def unit_sums(rows: Units, flip: Int, steps: Int, factor: Int, sums: Ints) -> None:
    """Write ``factor`` times the sum of each row's first ``steps`` units, ``flip`` inverted, to ``sums`` (rows,)."""
    turn = rows.dtype.type(flip)
    for p in range(sums.size):
        units, total = rows[p], np.int64(0)
        for k in range(steps):
            total += np.int64(units[k] ^ turn)
        sums[p] = factor * total


@machine_code
def spread_bytes(context: Any, source: Any, many: Any, flip: Any, offset: Any, target: Any) -> Any:
    """Write the operands that ``many`` times ``pairs.STEPS`` bytes stand for as integers of 16 bits."""

    def build(machine: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        source, many, flip, offset, target = arguments
        with loop(builder, many, []) as (index, _, leave, _last):
            first = builder.mul(index, ir.Constant(I64, pairs.STEPS))
            operands = pairs.operands_at(builder, at(builder, source, first), flip, offset)
            store(builder, operands, at(builder, target, builder.mul(first, ir.Constant(I64, 2))))
            leave([])
        return machine.get_dummy_value()

    return types.void(*[types.intp] * 5), build


@njit
def to_operands(rows: Units, flip: Int, offset: Int, size: Int, operands: NDArray[Any]) -> None:
    """Write units (rows, depth) as the operands that they stand for: floats, or integers of 16 bits."""
    # rows can be shorter than a vector; a difference of 32 bits would have 64, which few processors make floats of
    units, whole, turn, less = rows.reshape(-1), operands.reshape(-1), rows.dtype.type(flip), np.int32(offset)
    done, total = 0, size * rows.shape[1]
    if rows.itemsize == 1 and operands.itemsize == TWO and total >= pairs.STEPS:
        many = total // pairs.STEPS
        spread_bytes(rows.ctypes.data, many, flip, offset, operands.ctypes.data)
        done = many * pairs.STEPS
    for place in range(done, total):
        whole[place] = np.int32(np.int32(units[place] ^ turn) - less)
