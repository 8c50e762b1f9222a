"""The micro-kernel of VNNI: 8 rows by 32 columns in 16 registers, 4 steps an instruction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numba import types

from hwsim_kernels.fast import instructions
from hwsim_kernels.fast.instructions import BYTES, LANES, SUMS
from hwsim_kernels.fast.ir import (
    I32,
    I64,
    at,
    constant,
    ir,
    load,
    loop,
    machine_code,
    splat,
    store,
)

ROWS = 8


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
    """Do what ``amx.dot_us`` does, for 8 rows, with depth = steps / 4."""

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if instructions.emits(instructions.VNNI):
            _build(builder, *arguments)
        return target.get_dummy_value()

    return types.void(*[types.intp] * 8), build


def _build(
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
    rows = [at(builder, a, builder.mul(a_stride, ir.Constant(I64, row))) for row in range(ROWS)]
    panels = [b, at(builder, b, b_stride)]
    places = [
        at(builder, at(builder, sums, builder.mul(stride, ir.Constant(I64, row))), 64 * column)
        for row in range(ROWS)
        for column in (0, 1)
    ]
    begins = builder.icmp_signed("!=", fresh, ir.Constant(I64, 0))
    nothing = constant(SUMS, 0)
    first = [builder.select(begins, nothing, load(builder, SUMS, place)) for place in places]
    with loop(builder, depth, first) as (index, held, leave, last):
        made = _products(builder, rows, panels, index, held)
        leave(made)
    for place, value in zip(places, last, strict=True):
        store(builder, value, place)


def _products(builder: Any, rows: Sequence[Any], panels: Sequence[Any], index: Any, sums: Sequence[Any]) -> list[Any]:
    """Return sums with the products of four more steps of all rows and panels."""
    down, along = builder.mul(index, ir.Constant(I64, 64)), builder.mul(index, ir.Constant(I64, 4))
    weights = [load(builder, BYTES, at(builder, panel, down)) for panel in panels]
    made: list[Any] = []
    for number, row in enumerate(rows):
        operand = splat(builder, load(builder, I32, at(builder, row, along)), LANES)
        made += [
            instructions.add_four(builder, sums[2 * number + column], operand, weights[column]) for column in (0, 1)
        ]
    return made
