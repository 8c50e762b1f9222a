"""Exact sums of a block of output positions: the micro-kernels run over its rows and the panels of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints
from hwsim_kernels.fast import amx, dots
from hwsim_kernels.fast.operands import copy, gather_units, to_bytes, to_operands, unit_sums
from hwsim_kernels.fast.packing import BYTES, PANEL, TILES, Layout

BLOCK_ROWS = 32
"""Rows of a block come in multiples of this."""

CHUNK = 256
"""Rows of two panels that stay in the innermost cache."""

PAIR = 32
"""Columns of two panels."""

NEAR = 256
"""Steps of operands in lanes whose weights stay in the innermost cache while rows pass."""


@njit
def dot_panels(
    kernel: Int,
    signs: tuple[Flag, Flag],
    place: tuple[Int, Int],
    rows: Int,
    panels: NDArray[Any],
    digit: Int,
    first: Int,
    begin: tuple[Int, Int],
    sums: tuple[Int, Int],
) -> None:
    """Form the products of rows and the two panels from ``first`` on as 32-bit sums; see ``dot_bytes``.

    kernel: one of bytes, or that of 16-bit integers. They take as many rows together as they can.
    """
    many = panels.shape[2]
    address, length = place
    panel = panels.strides[1]
    weights = panels.ctypes.data + digit * panels.strides[0] + first * panel
    (source, apart), (target, stride) = begin, sums
    if kernel == TILES:
        many //= 16
        for row in range(0, rows, 32):
            a, start, c = address + row * length, source + row * apart, target + row * stride
            if signs[0] and signs[1]:
                amx.dot_ss(a, length, weights, panel, many, start, apart, c, stride)
            elif signs[0]:
                amx.dot_su(a, length, weights, panel, many, start, apart, c, stride)
            elif signs[1]:
                amx.dot_us(a, length, weights, panel, many, start, apart, c, stride)
            else:
                amx.dot_uu(a, length, weights, panel, many, start, apart, c, stride)
    else:
        for row in range(0, rows, dots.ROWS):
            a, start, c = address + row * length, source + row * apart, target + row * stride
            if kernel == BYTES:
                dots.dot_bytes(a, length, weights, panel, many, start, apart, c, stride)
            else:
                dots.dot_shorts(a, length, weights, panel, many, start, apart, c, stride)


@njit
def first_panel(sums: NDArray[np.int32], rows: Int) -> NDArray[np.int32]:
    """Move the first 16 columns of so many rows of sums (…, 32) together, and return them as (rows, 16)."""
    address, size = sums.ctypes.data, PANEL * sums.itemsize
    # the first row is in its place, and no other reaches into its own
    for row in range(1, rows):
        copy(address + row * size, address + row * sums.strides[0], size)
    return sums.reshape(-1)[: rows * PANEL].reshape(rows, PANEL)


@njit
def dot_bytes(
    kernel: Int,
    signs: tuple[Flag, Flag],
    place: tuple[Int, Int],
    rows: Int,
    panels: NDArray[np.int8],
    digit: Int,
    begin: tuple[Int, Int, Int],
    sums: tuple[Int, Int],
) -> None:
    """Form the products of bytes as 32-bit sums.

    signs: whether rows and columns are signed. place: address of rows (rows, depth) of bytes, and bytes from row to
    row. panels: (digits, panels, depth / 4, 16, 4). rows: a multiple of 32. begin: address of what sums begin with, and
    bytes from row to row and from panel to panel. sums: address, and bytes from row to row.
    """
    for first in range(0, panels.shape[1], 2):
        ends = (begin[0] + first * begin[2], begin[1]), (sums[0] + first * 64, sums[1])
        dot_panels(kernel, signs, place, rows, panels, digit, first, *ends)


@njit
def join_parts(partial: NDArray[np.int32], start: Ints, lacking: Ints, first: Int, sums: NDArray[Any]) -> None:
    """Write start plus partial sums (places, rows, columns), each shifted to its place, from a column of sums on.

    lacking: what all sums of a row get, too, or empty.
    """
    places, rows, columns = partial.shape
    for row in range(rows):
        totals, begin, low = sums[row, first : first + columns], start[first : first + columns], partial[0, row]
        more = lacking[row] if lacking.size > 0 else np.int64(0)
        if places == 3:
            middle, high = partial[1, row], partial[2, row]
            for c in range(columns):
                totals[c] = begin[c] + more + low[c] + (np.int64(middle[c]) << 8) + (np.int64(high[c]) << 16)
        else:
            for c in range(columns):
                totals[c] = begin[c] + more + low[c]
            for place in range(1, places):
                part = partial[place, row]
                for c in range(columns):
                    totals[c] += np.int64(part[c]) << (8 * place)


@njit
def byte_sums(
    kernel: Int,
    signed: Flag,
    settings: NDArray[np.uint8],
    place: tuple[Int, Int],
    planes: tuple[Int, Int],
    panels: NDArray[np.int8],
    partial: NDArray[np.int32],
    start: Ints,
    lacking: Ints,
    first: Int,
    sums: NDArray[Any],
) -> None:
    """Form the sums (rows, columns) of units and weights, from ``start`` on: of 64 bits, if there are ``partial`` ones.

    place: as in ``dot_bytes``, of the lowest bytes. planes: how many bytes a unit has, and from each to the next.
    signed: whether the highest byte of a unit is. Of weights it is, and tiles take lower bytes without a sign. first:
    the column of sums that the panels begin with.
    """
    rows, digits = sums.shape[0], panels.shape[0]
    if kernel == TILES:
        amx.configure(settings.ctypes.data)
    if partial.size == 0:
        begin = (start.ctypes.data + first * start.itemsize, 0, 64)
        target = (sums.ctypes.data + first * sums.itemsize, sums.strides[0])
        dot_bytes(kernel, (signed, True), place, rows, panels, 0, begin, target)
    else:
        for weight in range(planes[0] + digits - 1):
            lowest = max(0, weight - planes[0] + 1)
            for digit in range(lowest, min(digits, weight + 1)):
                plane = weight - digit
                signs = (signed and plane == planes[0] - 1, kernel != TILES or digit == digits - 1)
                where = (place[0] + plane * planes[1], place[1])
                part = (partial.ctypes.data + weight * partial.strides[0], partial.strides[1])
                before = (dots.NOTHING.ctypes.data, 0, 0) if digit == lowest else (part[0], part[1], 64)
                dot_bytes(kernel, signs, where, rows, panels, digit, before, part)
        join_parts(partial[:, :rows], start, lacking, first, sums)
    if kernel == TILES:
        amx.release()


@njit
def lane_sums(
    rows: NDArray[Any], panels: NDArray[Any], chunk: Int, start: NDArray[Any], begin: Int, sums: NDArray[Any]
) -> None:
    """Form the sums of operands in lanes (rows, depth) and panels (panels, depth / n, 16, n) from column ``begin`` on.

    n is 2 for integers of 16 bits, else 1. ``start``: what they start from, of the type of sums. Up to ``dots.ROWS`` -
    1 rows behind the last are read and written, too.
    """
    depth, size = rows.shape[1], rows.itemsize
    chunk = min(chunk, NEAR)
    panel, line, together = panels.strides[0], rows.strides[0], panels.shape[3]
    stride, across = sums.strides[0], sums.itemsize * 16
    target, origin = sums.ctypes.data + begin * sums.itemsize, start.ctypes.data + begin * sums.itemsize
    for column in range(0, panels.shape[0], 2):
        for first in range(0, depth, chunk):
            many = min(chunk, depth - first) // together
            b = panels.ctypes.data + column * panel + first * 16 * size
            ahead = dots.ROWS if size < 8 else dots.ROWS // 2
            for row in range(0, rows.shape[0], ahead):
                a = rows.ctypes.data + row * line + first * size
                place = target + row * stride + column * across
                before, apart = (place, stride) if first > 0 else (origin + column * across, 0)
                if size == 4:
                    dots.dot32(a, line, b, panel, many, before, apart, place, stride)
                elif size == 8:
                    dots.dot64(a, line, b, panel, many, before, apart, place, stride)
                elif sums.itemsize == 4:
                    dots.dot_shorts(a, line, b, panel, many, before, apart, place, stride)
                else:
                    dots.dot_shorts_wide(a, line, b, panel, many, before, apart, place, stride)


@njit
def laid_out(rows: NDArray[Any], form: Layout, size: Int, operands: NDArray[Any]) -> tuple[Int, Int]:
    """Return the address of what a micro-kernel of 32-bit sums reads for rows of units, and bytes from row to row.

    It is written to ``operands`` (1, rows, depth), unless that is empty: then units are bytes as they are.
    """
    if operands.size == 0:
        return rows.ctypes.data, rows.strides[0]
    if operands.itemsize == 1:
        to_bytes(rows, form.flip, size, operands)
    else:
        to_operands(rows, form.flip, form.offset, size, operands[0])
    return operands.ctypes.data, operands.strides[1]


@njit
def block_of_bytes(
    units: NDArray[Any],
    form: Layout,
    start: NDArray[Any],
    window: Ints,
    settings: NDArray[np.uint8],
    position: Int,
    size: Int,
    gathered: Flag,
    rows: NDArray[Any],
    planes: NDArray[np.uint8],
    partial: NDArray[np.int32],
    sums: NDArray[Any],
) -> None:
    """Write the sums (rows, columns) of ``size`` output positions from ``position`` on, of a layout for bytes.

    start: what sums begin with, of their type, for all columns. rows, planes, partial: room for the units of a block,
    for their bytes (none, where units are bytes as they are), and for sums of parts. ``gathered``: rows hold their
    units already. Rows of ``sums`` behind ``size`` are of no meaning. A group's columns run over the next group's,
    which are written later.
    """
    groups, lacking = form.panels.shape[0], np.zeros(sums.shape[0] if form.raised else 0, np.int64)
    for group in range(groups):
        if not gathered:
            first = group * (units.shape[3] // groups)
            gather_units(units, form.blank, form.runs, window, first, position, size, rows)
        if form.raised:
            unit_sums(rows, form.flip, form.runs[:, 3].sum(), form.raised, lacking[:size])
        place, parts = (rows.ctypes.data, rows.strides[0]), (1, 0)
        if planes.size > 0:
            to_bytes(rows, form.flip, size, planes)
            place, parts = (planes.ctypes.data, planes.strides[1]), (planes.shape[0], planes.strides[0])
        kind = (form.kernel, form.signed, settings)
        byte_sums(*kind, place, parts, form.panels[group], partial, start, lacking, group * form.outputs, sums)


@njit
def block_of_lanes(
    units: NDArray[Any],
    form: Layout,
    start: NDArray[Any],
    window: Ints,
    position: Int,
    size: Int,
    rows: NDArray[Any],
    operands: NDArray[Any],
    sums: NDArray[Any],
) -> None:
    """Do what ``block_of_bytes`` does, operands in lanes (rows, depth)."""
    groups = form.panels.shape[0]
    for group in range(groups):
        first = group * (units.shape[3] // groups)
        gather_units(units, form.blank, form.runs, window, first, position, size, rows)
        to_operands(rows, form.flip, form.offset, size, operands)
        lane_sums(operands[:size], form.panels[group, 0], form.chunk, start, group * form.outputs, sums)
