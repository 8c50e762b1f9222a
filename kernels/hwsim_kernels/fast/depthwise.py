"""Exact sums of depthwise convolutions: channels side by side, one step after another.

Where all steps of neighbouring output positions lie inside the image, four positions are summed at once, 16 channels
at a time, in registers; elsewhere a plain loop does the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Flag, Int, Ints
from hwsim_kernels.fast.ir import I64, at, ir, load, loop, machine_code, vector
from hwsim_kernels.fast.lanes import WIDTH, Lanes

TOGETHER = 4
"""Positions that are summed at once."""


def _neighbours(bits: int, *, signed: bool) -> Any:
    """Return an intrinsic that sums windows of codes of ``bits`` bits at neighbouring positions.

    Its arguments: address of the first position's codes, bytes from one position to the next, address of the bytes
    (steps,) from there to each step's, steps, addresses of weights (steps, columns), of what sums start from (columns,)
    and of sums (TOGETHER, columns), and columns, a multiple of 16.
    """
    kind, size = vector(ir.IntType(bits), WIDTH), bits // 8

    def build(builder: Any, *arguments: Any) -> None:
        codes, across, places, steps, weights, start, sums, columns = arguments
        stride = builder.mul(columns, ir.Constant(I64, 4))
        with loop(builder, builder.sdiv(columns, ir.Constant(I64, WIDTH)), []) as (strip, _, leave_strip, _none):
            along = builder.mul(strip, ir.Constant(I64, 4 * WIDTH))
            first = at(builder, codes, builder.mul(strip, ir.Constant(I64, size * WIDTH)))
            begin = Lanes.read(builder, at(builder, start, along), 32).value
            with loop(builder, steps, [begin] * TOGETHER) as (step, held, leave, last):
                row = at(builder, weights, builder.mul(step, stride))
                weight = Lanes.read(builder, at(builder, row, along), 32)
                place = at(
                    builder, first, load(builder, I64, at(builder, places, builder.mul(step, ir.Constant(I64, 8))))
                )
                made: list[Any] = []
                for number, sum_of in enumerate(held):
                    source = at(builder, place, builder.mul(across, ir.Constant(I64, number)))
                    widen = builder.sext if signed else builder.zext
                    code = Lanes(builder, widen(load(builder, kind, source), vector(ir.IntType(32), WIDTH)))
                    made.append((Lanes(builder, sum_of) + code * weight).value)
                leave(made)
            for number, value in enumerate(last):
                target = at(builder, at(builder, sums, builder.mul(stride, ir.Constant(I64, number))), along)
                Lanes(builder, value).write(target)
            leave_strip([])

    @machine_code
    def run(
        context: Any,
        codes: Any,
        across: Any,
        places: Any,
        steps: Any,
        weights: Any,
        start: Any,
        sums: Any,
        columns: Any,
    ) -> Any:
        def generate(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            build(builder, *arguments)
            return target.get_dummy_value()

        return types.void(*[types.intp] * 8), generate

    return run


_signed_bytes, _unsigned_bytes = _neighbours(8, signed=True), _neighbours(8, signed=False)
_signed_pairs, _unsigned_pairs = _neighbours(16, signed=True), _neighbours(16, signed=False)


@njit
def depthwise_sums(
    codes: NDArray[Any],
    signed: Flag,
    fill: Int,
    taps: Ints,
    window: Ints,
    weights: Codes,
    several: Int,
    start: NDArray[np.int32],
    position: Int,
    size: Int,
    sums: NDArray[np.int32],
) -> None:
    """Write the sums (rows, columns) of ``size`` output positions from ``position`` on.

    codes: (n, h, w, c), of one byte or two, ``signed`` or not. taps: (k, 3). window: as in ``operands.gather_units``.
    weights: (k, columns), each channel's own, those of one input channel, ``several``, side by side, and 0 behind the
    last. start: (columns,) with the offset's part taken off. fill: the stored code that stands for what lies outside.
    """
    height, width, depth = codes.shape[1], codes.shape[2], codes.shape[3]
    columns, pixel = sums.shape[1], depth * codes.itemsize
    top, left = taps[0, 0], taps[0, 1]
    bottom, right = top, left
    for tap in range(1, taps.shape[0]):
        top, bottom = min(top, taps[tap, 0]), max(bottom, taps[tap, 0])
        left, right = min(left, taps[tap, 1]), max(right, taps[tap, 1])
    places = (taps[:, 0] * width + taps[:, 1]) * pixel
    p: Int = np.int64(0)
    while p < size:
        n, place = (position + p) // window[3], (position + p) % window[3]
        y, column = place // window[2] * window[0], place % window[2]
        x = column * window[1]
        many: Int = np.int64(0)
        if several == 1 and y + top >= 0 and y + bottom < height and x + left >= 0:
            # vectors may reach over a pixel's end, but not over that of all codes
            pixels = (codes.size - columns) // depth - (n * height + y + bottom) * width
            furthest = min(width - 1, pixels) - right
            many = min(size - p, window[2] - column, (furthest - x) // window[1] + 1)
        if many < TOGETHER:
            sums_at(codes, fill, taps, weights, several, start, n, y, x, sums[p])
            p += 1
            continue
        for first in range(0, many, TOGETHER):
            # the last ones again, if fewer than so many are left
            here = min(first, many - TOGETHER)
            source = codes.ctypes.data + ((n * height + y) * width + x + here * window[1]) * pixel
            across, steps = window[1] * pixel, taps.shape[0]
            given = (places.ctypes.data, steps, weights.ctypes.data, start.ctypes.data, sums[p + here :].ctypes.data)
            if codes.itemsize == 1 and signed:
                _signed_bytes(source, across, *given, columns)
            elif codes.itemsize == 1:
                _unsigned_bytes(source, across, *given, columns)
            elif signed:
                _signed_pairs(source, across, *given, columns)
            else:
                _unsigned_pairs(source, across, *given, columns)
        p += many


@njit
def sums_at(
    codes: NDArray[Any],
    fill: Int,
    taps: Ints,
    weights: Codes,
    several: Int,
    start: NDArray[np.int32],
    n: Int,
    top: Int,
    left: Int,
    sums: NDArray[np.int32],
) -> None:
    """Write the sums (columns,) of the window at one place; arguments as those of ``depthwise_sums``."""
    height, width, depth = codes.shape[1], codes.shape[2], codes.shape[3]
    for c in range(sums.shape[0]):
        sums[c] = start[c]
    for k in range(taps.shape[0]):
        y, x = top + taps[k, 0], left + taps[k, 1]
        factors = weights[k]
        if 0 <= y < height and 0 <= x < width:
            pixel = codes[n, y, x]
            if several == 1:
                for c in range(depth):
                    sums[c] += np.int32(pixel[c]) * factors[c]
            else:
                for c in range(depth * several):
                    sums[c] += np.int32(pixel[c // several]) * factors[c]
        else:
            for c in range(depth * several):
                sums[c] += np.int32(fill) * factors[c]
