"""The micro-kernels without tiles: exact sums of operands that stand in lanes as bytes, integers of 16 bits or floats.

Four products of bytes and their sum are one instruction of VNNI, two of 16-bit integers one of many processors; sums of
32 bits wrap, which is right for every sum that fits them. A float holds every integer up to its limit, 2**24 or 2**53,
so sums of products that stay below are exact in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import types

from hwsim_kernels.fast import instructions, pairs
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
"""Rows whose sums stay in registers together: of bytes twice as many, where there are registers enough."""

ACROSS = 32 if "avx512f" in HOST else 16
"""Columns of 32-bit sums, twice those of 64 bits, that they are wide: with half as many registers, half as wide."""

NOTHING = np.zeros(32, np.int32)
"""What 32-bit sums of two panels begin with that begin with nothing."""


class Factors(NamedTuple):
    """What a micro-kernel multiplies: ``element`` in so many lanes: four bytes, two integers of 16 bits, or a float.

    ``sums`` is the type of sums in memory. ``add(builder, total, operands, weights)`` adds products, and
    ``whole(builder, total)`` makes integers of that type of what they add up to.
    """

    element: Any
    many: int
    sums: Any
    add: Callable[[Any, Any, Any, Any], Any]
    whole: Callable[[Any, Any], Any]

    @property
    def size(self) -> int:
        """Return how many bytes an element has."""
        return 8 if self.element is F64 else 4


def _dot(factors: Factors, rows: int, ahead: int = AHEAD, *, built: bool = True) -> Any:
    """Return the intrinsic for such factors, and for so many rows, ``ahead`` of them in registers."""
    kind, size = vector(factors.element, factors.many), factors.size
    integers, step = vector(factors.sums, factors.many), factors.sums.width // 8
    columns = max(ACROSS * 4 // size, factors.many)

    @machine_code
    def dot(
        context: Any,
        a: Any,
        a_stride: Any,
        b: Any,
        b_stride: Any,
        depth: Any,
        begin: Any,
        begin_stride: Any,
        sums: Any,
        sums_stride: Any,
    ) -> Any:
        """Do what ``amx.dot_us`` does, with operands in lanes, and depth = elements of a row."""

        def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            if built:
                generate(builder, *arguments)
            return target.get_dummy_value()

        return types.void(*[types.intp] * 9), build

    def generate(
        builder: Any,
        a: Any,
        a_stride: Any,
        b: Any,
        b_stride: Any,
        depth: Any,
        begin: Any,
        begin_stride: Any,
        sums: Any,
        stride: Any,
    ) -> None:
        for left in range(0, 32, columns):
            panels = [
                at(builder, b if column < 16 else at(builder, b, b_stride), column % 16 * size)
                for column in range(left, left + columns, factors.many)
            ]
            for top in range(0, rows, ahead):
                tile(builder, (a, a_stride), panels, depth, ((begin, begin_stride), (sums, stride)), (top, left))

    def tile(
        builder: Any, a: tuple[Any, Any], panels: list[Any], depth: Any, ends: tuple[Any, Any], corner: tuple[int, int]
    ) -> None:
        """Form the sums of ``ahead`` rows and ``columns`` columns from a corner on; ends: where they begin, and go."""
        top, left = corner
        numbers = range(top, top + ahead)
        starts = [at(builder, a[0], builder.mul(a[1], ir.Constant(I64, row))) for row in numbers]
        first = [constant(kind, 0)] * (ahead * len(panels))
        with loop(builder, depth, first) as (index, held, leave, last):
            down, along = builder.mul(index, ir.Constant(I64, 16 * size)), builder.mul(index, ir.Constant(I64, size))
            weights = [load(builder, kind, at(builder, panel, down)) for panel in panels]
            made: list[Any] = []
            for number, row in enumerate(starts):
                operand = splat(builder, load(builder, factors.element, at(builder, row, along)), factors.many)
                for column, weight in enumerate(weights):
                    made.append(factors.add(builder, held[number * len(panels) + column], operand, weight))
            leave(made)
        for number, value in enumerate(last):
            row, column = divmod(number, len(panels))
            down, across = ir.Constant(I64, top + row), (left + column * factors.many) * step
            source, target = (at(builder, at(builder, base, builder.mul(by, down)), across) for base, by in ends)
            whole = factors.whole(builder, value)
            store(builder, builder.add(load(builder, integers, source), whole), target)

    return dot


def _floats(element: Any, sums: Any, count: int) -> Factors:
    kind = vector(element, count)

    def add(builder: Any, total: Any, operands: Any, weights: Any) -> Any:
        name = f"llvm.fmuladd.v{count}f{sums.width}"
        return call(builder, name, kind, [operands, weights, total])

    def whole(builder: Any, total: Any) -> Any:
        return builder.fptosi(total, vector(sums, count))

    return Factors(element, count, sums, add, whole)


def _as_they_are(_builder: Any, total: Any) -> Any:
    return total


def _long(builder: Any, total: Any) -> Any:
    return builder.sext(total, vector(I64, pairs.LANES))


dot_bytes = _dot(
    Factors(I32, instructions.FOURS, I32, instructions.add_four, _as_they_are),
    ROWS,
    2 * AHEAD if instructions.AVX512_VNNI else AHEAD,
    built=instructions.emits(instructions.AVX512_VNNI or instructions.AVX_VNNI),
)
"""8 rows of bytes, four in an element, those of rows unsigned: sums of 32 bits."""

dot_shorts = _dot(Factors(I32, pairs.LANES, I32, pairs.add_products, _as_they_are), ROWS)
"""8 rows of pairs of 16 bits, sums of 32 bits."""

dot_shorts_wide = _dot(Factors(I32, pairs.LANES, I64, pairs.add_products, _long), ROWS)
"""8 rows of pairs of 16 bits, sums of 32 bits, to 64-bit sums."""

dot32 = _dot(_floats(F32, I32, 16), ROWS)
"""8 rows of float32, sums below 2**24, to 32-bit sums."""

dot64 = _dot(_floats(F64, I64, 8), ROWS // 2)
"""4 rows of float64, sums below 2**53, to 64-bit sums."""
