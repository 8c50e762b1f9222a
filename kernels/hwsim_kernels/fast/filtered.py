"""Exact sums of a convolution by minimal filtering: tiles of its image take fewer products than their sums have.

A *band* is as many rows of the output as a tile has, of one sample. Bands follow one another as output positions do, so
a block of bands is a run of positions. It goes through a *frame*, the operands that a band reads; *lines*, frames that
the filtering of columns has combined; *points*, combined along rows too, which weights multiply point by point; and
from these products back to sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int
from hwsim_kernels.fast.combinations import combine_operands, combine_products
from hwsim_kernels.fast.dots import NOTHING
from hwsim_kernels.fast.layers import FIRST_STEP, no_divisors
from hwsim_kernels.fast.operands import Units, spread_bytes
from hwsim_kernels.fast.packing import PANEL, SHORTS
from hwsim_kernels.fast.pairs import LANES, STEPS
from hwsim_kernels.fast.passage import Steps, Tally, pass_block
from hwsim_kernels.fast.stored import Stored, channels_of, store
from hwsim_kernels.fast.sums import CHUNK, PAIR, dot_panels
from hwsim_kernels.fast.tiling import TileRoom, Tiling

Array = NDArray[Any]


@njit
def fill_frame(image: Units, top: Int, form: Tiling, frame: NDArray[np.int16]) -> None:
    """Write the operands (rows, columns, channels) that a band reads of units (h, w, c) from row ``top`` on."""
    height, width, channels = image.shape
    left, vectors, pixel = form.before[1], channels // STEPS, frame.strides[1]
    turn, less = image.dtype.type(form.flip), np.int32(form.offset)
    for row in range(frame.shape[0]):
        y, line = top + row, frame[row]
        inside = 0 <= y < height
        first = max(left, 0) if inside else left
        last = min(left + frame.shape[1], width) if inside else left
        for column in range(frame.shape[1]):
            if not first <= left + column < last:
                line[column, :channels] = form.outside
        target = line.ctypes.data + (first - left) * pixel
        source = image.ctypes.data + (y * width + first) * channels
        if channels == frame.shape[2] and first < last:
            spread_bytes(source, (last - first) * vectors, form.flip, form.offset, target)
            continue
        for x in range(first, last):
            if vectors > 0:
                done = x - first
                spread_bytes(source + done * channels, vectors, form.flip, form.offset, target + done * pixel)
            for c in range(vectors * STEPS, channels):
                line[x - left, c] = np.int32(image[y, x, c] ^ turn) - less


@njit
def points_of_band(form: Tiling, room: TileRoom, first: Int) -> None:
    """Combine the frame's operands to the points of a band's tiles, of which ``first`` is the first one's number."""
    frame, lines, points = room.frame, room.lines, room.points
    vectors, pixel, plane = form.channels // STEPS, frame.strides[1], points.strides[0]
    whole, step = frame.shape[1] * vectors, form.tile[1] * pixel
    combine_operands(form.kinds[0], frame.ctypes.data, frame.strides[0], lines.ctypes.data, lines.strides[0], whole)
    across = points.shape[0] // lines.shape[0]
    for row in range(lines.shape[0]):
        source = lines.ctypes.data + row * lines.strides[0]
        target = points.ctypes.data + row * across * plane + first * pixel
        for tile in range(form.across):
            combine_operands(form.kinds[1], source + tile * step, pixel, target + tile * pixel, plane, vectors)


@njit
def sums_of_band(form: Tiling, room: TileRoom, first: Int, position: Int, columns: Int) -> None:
    """Combine the products of a band's tiles to sums (…, columns) of positions, times the scale.

    What lies below the image goes where the next bands' sums will be.
    """
    products, parts, width = room.products, room.parts.ctypes.data, form.image[1]
    size, plane, outputs = columns * room.sums.itemsize, products.strides[0], form.tile[1]
    vectors, line, rows = columns // LANES, outputs * size, room.lines.shape[0]
    across = products.shape[0] // rows
    for tile in range(form.across):
        source = products.ctypes.data + (first + tile) * products.strides[1]
        for row in range(rows):
            combine_products(form.kinds[1], source + row * across * plane, plane, parts + row * line, size, vectors)
        target = room.sums.ctypes.data + (position + tile * outputs) * size
        inside = min(outputs, width - tile * outputs)
        combine_products(form.kinds[0], parts, line, target, width * size, vectors * inside)


@njit
def unscale(values: NDArray[np.int32], inverse: Int, shift: Int, start: NDArray[np.int32]) -> None:
    """Divide values (rows, columns) by the scale, the odd part modulo 2^32 first, then add ``start`` (columns,)."""
    odd, places = np.int32(inverse), np.int32(shift)
    for row in range(values.shape[0]):
        line = values[row]
        for c in range(values.shape[1]):
            line[c] = (np.int32(line[c] * odd) >> places) + start[c]


@njit
def filtered_layer(
    units: Units,
    form: Tiling,
    start: NDArray[np.int32],
    room: TileRoom,
    steps: Steps,
    tally: Tally,
    codes: Stored,
) -> None:
    """Run a convolution whose sums, from ``start`` (columns,) on, lose nothing, a block of bands at a time."""
    down = (form.image[0] + form.tile[0] - 1) // form.tile[0]
    bands, points, products = units.shape[0] * down, room.points, room.products
    sums, channels = room.sums.reshape(-1), channels_of(codes)
    for begin in range(0, bands, form.bands):
        end = min(begin + form.bands, bands)
        origin, stop = position_of(begin, down, form), position_of(end, down, form)
        tiles = (end - begin) * form.across
        for band in range(begin, end):
            top = band % down * form.tile[0] + form.before[0]
            fill_frame(units[band // down], top, form, room.frame)
            points_of_band(form, room, (band - begin) * form.across)
        for column in range(0, channels, PAIR):
            columns = PANEL if channels - column <= PANEL else PAIR
            for point in range(points.shape[0]):
                where = (points.ctypes.data + point * points.strides[0], points.strides[1])
                target = (products.ctypes.data + point * products.strides[0], products.strides[1])
                ends = (NOTHING.ctypes.data, 0), target
                dot_panels(SHORTS, (False, True), where, tiles, form.panels, point, column // PANEL, *ends)
            for band in range(begin, end):
                first = position_of(band, down, form) - origin
                sums_of_band(form, room, (band - begin) * form.across, first, columns)
            made = sums[: (stop - origin) * columns].reshape(stop - origin, columns)
            for first in range(0, stop - origin, CHUNK):
                values, row = made[first : min(first + CHUNK, stop - origin)], origin + first
                unscale(values, form.inverse, form.shift, start[column : column + columns])
                pass_block(values, no_divisors(), row, column, FIRST_STEP, steps, tally)
                store(values, codes, row, column)


@njit
def position_of(band: Int, down: Int, form: Tiling) -> Int:
    """Return the first output position of a band, of which a sample has ``down``."""
    return (band // down * form.image[0] + band % down * form.tile[0]) * form.image[1]
