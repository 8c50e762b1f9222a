"""The micro-kernels of any machine: exact sums of integers in float32 or float64 lanes.

A float holds every integer up to its limit, 2**24 or 2**53, so sums of products that stay below are exact in any order.
"""

from __future__ import annotations

from typing import Any

from numba import types

from hwsim_kernels.fast.ir import (
    F32,
    F64,
    HOST,
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

ROWS = 8
LIMIT32 = 1 << 24
LIMIT64 = 1 << 53


AHEAD = 4
"""Rows whose sums stay in registers together."""

ACROSS = 32 if "avx512f" in HOST else 16
"""Columns of float32, twice those of float64, that they are wide: with half as many registers, half as wide."""


def _dot(element: Any, whole: Any, size: int, lanes: int, rows: int) -> Any:
    """Return the intrinsic for floats of ``size`` bytes, so many lanes a register, and so many rows."""
    kind, integers = vector(element, lanes), vector(whole, lanes)
    columns = max(ACROSS * 4 // size, lanes)

    @machine_code
    def dot(
        context: Any,
        a: Any,
        a_stride: Any,
        b: Any,
        b_stride: Any,
        depth: Any,
        sums: Any,
        sums_stride: Any,
        fresh: Any,
    ) -> Any:
        """Do what ``amx.dot_us`` does, with floats that hold integers, and depth = steps."""

        def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            generate(builder, *arguments)
            return target.get_dummy_value()

        return types.void(*[types.intp] * 8), build

    def generate(
        builder: Any,
        a: Any,
        a_stride: Any,
        b: Any,
        b_stride: Any,
        depth: Any,
        sums: Any,
        stride: Any,
        fresh: Any,
    ) -> None:
        begins = builder.icmp_signed("!=", fresh, ir.Constant(I64, 0))
        for left in range(0, 32, columns):
            panels = [
                at(builder, b if column < 16 else at(builder, b, b_stride), column % 16 * size)
                for column in range(left, left + columns, lanes)
            ]
            for top in range(0, rows, AHEAD):
                tile(builder, (a, a_stride), panels, depth, (sums, stride), (top, left), begins)

    def tile(
        builder: Any, a: tuple[Any, Any], panels: list[Any], depth: Any, sums: tuple[Any, Any], corner: Any, begins: Any
    ) -> None:
        """Form the sums of ``AHEAD`` rows and ``columns`` columns from a corner on."""
        top, left = corner
        numbers = range(top, top + AHEAD)
        starts = [at(builder, a[0], builder.mul(a[1], ir.Constant(I64, row))) for row in numbers]
        first = [constant(kind, 0.0)] * (AHEAD * len(panels))
        with loop(builder, depth, first) as (index, held, leave, last):
            down, along = builder.mul(index, ir.Constant(I64, 16 * size)), builder.mul(index, ir.Constant(I64, size))
            weights = [load(builder, kind, at(builder, panel, down)) for panel in panels]
            made: list[Any] = []
            for number, row in enumerate(starts):
                operand = splat(builder, load(builder, element, at(builder, row, along)), lanes)
                for column, weight in enumerate(weights):
                    arguments = [operand, weight, held[number * len(panels) + column]]
                    made.append(call(builder, f"llvm.fmuladd.v{lanes}f{8 * size}", kind, arguments))
            leave(made)
        for number, value in enumerate(last):
            row, column = divmod(number, len(panels))
            offset = builder.mul(sums[1], ir.Constant(I64, top + row))
            place = at(builder, at(builder, sums[0], offset), (left + column * lanes) * size)
            before = builder.select(begins, constant(integers, 0), load(builder, integers, place))
            store(builder, builder.add(before, builder.fptosi(value, integers)), place)

    return dot


dot32 = _dot(F32, I32, 4, 16, ROWS)
"""8 rows of float32, sums below 2**24, to 32-bit sums."""

dot64 = _dot(F64, I64, 8, 8, ROWS // 2)
"""4 rows of float64, sums below 2**53, to 64-bit sums."""
