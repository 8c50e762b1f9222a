"""The operands of a block of output positions, laid out row by row: an image to columns, a block at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from hwsim_kernels._jit import inlined, njit
from hwsim_kernels._types import Int, Ints
from hwsim_kernels.fast.ir import ADDRESS, I1, VOID, call, ir, machine_code

Units = NDArray[Any]
"""Codes read as unsigned integers of 8 or 16 bits."""


@machine_code
def copy(context: Any, target: Any, source: Any, size: Any) -> Any:
    """Copy ``size`` bytes from one address to another."""

    def build(machine: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        pointers = [builder.inttoptr(one, ADDRESS) for one in arguments[:2]]
        call(builder, "llvm.memcpy.p0.p0.i64", VOID, [*pointers, arguments[2], ir.Constant(I1, 0)])
        return machine.get_dummy_value()

    return types.void(*[types.intp] * 3), build


@njit
def gather_units(
    units: Units, fill: Int, runs: Ints, window: Ints, channel: Int, position: Int, size: Int, rows: Units
) -> None:
    """Copy the units (n, h, w, c) that ``size`` output positions read, from ``position`` on, into rows (…, depth).

    window: strides of rows and columns, output columns, positions of a sample, spread of rows and columns. runs: see
    ``packing.runs_of``. ``channel`` is the group's first. Positions count through samples, rows and columns. ``fill``
    stands for what lies outside.
    """
    n, place = position // window[3], position % window[3]
    row, column = place // window[2], place % window[2]
    last_row = window[3] // window[2] - 1
    spread = window[4] > 1 or window[5] > 1
    for p in range(size):
        top, left = row * window[0], column * window[1]
        k = 0
        for run in range(runs.shape[0]):
            y, x = top + runs[run, 0], left + runs[run, 1]
            if spread:
                y, x = between(y, window[4]), between(x, window[5])
            copy_run(units, fill, n, y, x, channel + runs[run, 2], runs[run, 3], runs[run, 4], rows, p, k)
            k += runs[run, 3]
        column += 1
        if column == window[2]:
            column = 0
            n, row = (n, row + 1) if row < last_row else (n + 1, 0)


@njit
def between(place: Int, spread: Int) -> Int:
    """Return which code stands at a place where codes are ``spread`` apart, -1 if none does."""
    index = place // spread
    return index if index * spread == place else np.int64(-1)


@inlined
def copy_run(
    units: Units, fill: Int, n: Int, y: Int, x: Int, first: Int, length: Int, across: Int, rows: Units, p: Int, k: Int
) -> None:
    """Copy ``length`` units from channel ``first`` of pixel (y, x) on, over ``across`` more pixels, to rows[p, k]."""
    height, width, channels = units.shape[1], units.shape[2], units.shape[3]
    inside = 0 <= y < height
    place = rows.ctypes.data + p * rows.strides[0] + k * rows.itemsize
    source = units.ctypes.data + (((n * height + y) * width + x) * channels + first) * rows.itemsize
    if inside and x >= 0 and x + across < width:
        copy(place, source, length * rows.itemsize)
        return
    done, c, at = 0, first, x
    while done < length:
        chunk = min(length - done, channels - c)
        if inside and 0 <= at < width:
            source = units.ctypes.data + (((n * height + y) * width + at) * channels + c) * rows.itemsize
            copy(place + done * rows.itemsize, source, chunk * rows.itemsize)
        else:
            part = rows[p, k + done : k + done + chunk]
            for i in range(chunk):
                part[i] = fill
        done, c, at = done + chunk, 0, at + 1


@njit
def to_bytes(rows: Units, flip: Int, size: Int, planes: NDArray[np.uint8]) -> None:
    """Write units (rows, depth), ``flip`` inverted, as bytes (planes, rows, depth), the lowest first."""
    if planes.shape[0] == 1:
        for p in range(size):
            for k in range(rows.shape[1]):
                planes[0, p, k] = rows[p, k] ^ np.uint8(flip)
    else:
        for p in range(size):
            for k in range(rows.shape[1]):
                planes[0, p, k] = np.uint8(rows[p, k] & 255)
            for k in range(rows.shape[1]):
                planes[1, p, k] = np.uint8((rows[p, k] ^ np.uint16(flip)) >> 8)


@njit
def to_floats(rows: Units, flip: Int, offset: Int, size: Int, floats: NDArray[Any]) -> None:
    """Write units (rows, depth) as the operands that they stand for."""
    for p in range(size):
        for k in range(rows.shape[1]):
            floats[p, k] = np.int32(rows[p, k] ^ rows.dtype.type(flip)) - np.int32(offset)
