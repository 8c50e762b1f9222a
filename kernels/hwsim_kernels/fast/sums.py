"""Exact sums of a block of output positions: the micro-kernels run over its rows and the panels of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints
from hwsim_kernels.fast import amx, floats, vnni
from hwsim_kernels.fast.features import AMX
from hwsim_kernels.fast.operands import gather_units, to_bytes, to_floats

BLOCK_ROWS = 32
"""Rows of a block come in multiples of this."""


@njit
def start_sums(start: NDArray[Any], sums: NDArray[Any]) -> None:
    """Let every row (rows, columns) start from ``start`` (columns,)."""
    for row in range(sums.shape[0]):
        for c in range(sums.shape[1]):
            sums[row, c] = start[c]


@njit
def dot_bytes(
    tier: Int, signed: Flag, planes: NDArray[np.uint8], panels: NDArray[np.int8], weight: Int, sums: NDArray[Any]
) -> None:
    """Add the products of bytes whose places add up to ``weight`` to 32-bit sums (rows, columns).

    planes: (planes, rows, depth). panels: (digits, panels, depth / 4, 16, 4). Rows come in multiples of 32.
    """
    rows, depth = planes.shape[1], planes.shape[2]
    digits, across = panels.shape[0], panels.shape[1]
    panel = depth * 16
    stride = sums.strides[0]
    for digit in range(digits):
        plane = weight - digit
        if plane < 0 or plane >= planes.shape[0]:
            continue
        a = planes.ctypes.data + plane * rows * depth
        b = panels.ctypes.data + digit * across * panel
        for column in range(0, across, 2):
            if tier == AMX:
                for row in range(0, rows, 32):
                    place = sums.ctypes.data + row * stride + column * 64
                    if signed:
                        amx.dot_signed(a + row * depth, depth, b + column * panel, panel, depth // 64, place, stride)
                    else:
                        amx.dot(a + row * depth, depth, b + column * panel, panel, depth // 64, place, stride)
            else:
                for row in range(0, rows, vnni.ROWS):
                    place = sums.ctypes.data + row * stride + column * 64
                    vnni.dot(a + row * depth, depth, b + column * panel, panel, depth // 4, place, stride)


@njit
def byte_sums(
    tier: Int,
    signed: Flag,
    settings: NDArray[np.uint8],
    planes: NDArray[np.uint8],
    panels: NDArray[np.int8],
    partial: NDArray[np.int32],
    sums: NDArray[Any],
) -> None:
    """Add the products of whole units and weights to sums (rows, columns), of 64 bits if there are ``partial`` ones."""
    if tier == AMX:
        amx.configure(settings.ctypes.data)
    if partial.size == 0:
        dot_bytes(tier, signed, planes, panels, 0, sums)
    else:
        for weight in range(planes.shape[0] + panels.shape[0] - 1):
            partial[:] = 0
            dot_bytes(tier, signed, planes, panels, weight, partial)
            shift = 8 * weight
            for row in range(partial.shape[0]):
                for c in range(partial.shape[1]):
                    sums[row, c] += np.int64(partial[row, c]) << shift
    if tier == AMX:
        amx.release()


@njit
def float_sums(rows: NDArray[Any], panels: NDArray[Any], chunk: Int, sums: NDArray[Any]) -> None:
    """Add the products of float rows (rows, depth) and panels (panels, depth, 16) to sums (rows, columns)."""
    depth, size = rows.shape[1], rows.itemsize
    panel = depth * 16 * size
    stride, across = sums.strides[0], sums.itemsize * 16
    for column in range(0, panels.shape[0], 2):
        for first in range(0, depth, chunk):
            steps = min(chunk, depth - first)
            b = panels.ctypes.data + column * panel + first * 16 * size
            if size == 4:
                for row in range(0, rows.shape[0], floats.ROWS):
                    a = rows.ctypes.data + (row * depth + first) * size
                    place = sums.ctypes.data + row * stride + column * across
                    floats.dot32(a, depth * size, b, panel, steps, place, stride)
            else:
                for row in range(0, rows.shape[0], floats.ROWS // 2):
                    a = rows.ctypes.data + (row * depth + first) * size
                    place = sums.ctypes.data + row * stride + column * across
                    floats.dot64(a, depth * size, b, panel, steps, place, stride)


@njit
def block_of_bytes(
    tier: Int,
    signed: Flag,
    settings: NDArray[np.uint8],
    units: NDArray[Any],
    fill: Int,
    runs: Ints,
    window: Ints,
    flip: Int,
    panels: NDArray[np.int8],
    start: NDArray[Any],
    outputs: Int,
    position: Int,
    size: Int,
    gathered: Flag,
    rows: NDArray[Any],
    planes: NDArray[np.uint8],
    partial: NDArray[np.int32],
    sums: NDArray[Any],
) -> None:
    """Write the sums (rows, columns) of ``size`` output positions from ``position`` on, as a ``Layout`` describes them.

    rows, planes, partial: room for the units of a block, for their bytes (the same, where units are bytes as they are),
    and for sums of parts. ``gathered``: rows hold their units already. Rows of ``sums`` behind ``size`` are of no
    meaning. A group's columns may run over the next group's: by weights of 0.
    """
    start_sums(start, sums)
    groups = panels.shape[0]
    for group in range(groups):
        if not gathered:
            gather_units(units, fill, runs, window, group * (units.shape[3] // groups), position, size, rows)
        if flip != 0 or planes.shape[0] > 1:
            to_bytes(rows, flip, size, planes)
        byte_sums(tier, signed, settings, planes, panels[group], partial, sums[:, group * outputs :])


@njit
def block_of_floats(
    offset: Int,
    chunk: Int,
    units: NDArray[Any],
    fill: Int,
    runs: Ints,
    window: Ints,
    flip: Int,
    panels: NDArray[Any],
    start: NDArray[Any],
    outputs: Int,
    position: Int,
    size: Int,
    gathered: Flag,
    rows: NDArray[Any],
    operands: NDArray[Any],
    sums: NDArray[Any],
) -> None:
    """Do what ``block_of_bytes`` does, by floats: operands (1, rows, depth)."""
    start_sums(start, sums)
    groups = panels.shape[0]
    for group in range(groups):
        if not gathered:
            gather_units(units, fill, runs, window, group * (units.shape[3] // groups), position, size, rows)
        to_floats(rows, flip, offset, size, operands[0])
        float_sums(operands[0], panels[group], chunk, sums[:, group * outputs :])


@njit
def store_codes(values: NDArray[np.int32], codes: NDArray[Any]) -> None:
    """Write the values of a block (rows, columns) that have become codes as stored codes (rows, channels)."""
    for row in range(codes.shape[0]):
        for c in range(codes.shape[1]):
            codes[row, c] = values[row, c]
