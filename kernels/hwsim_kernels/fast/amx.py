"""The micro-kernel of AMX: 32 rows by 32 columns in four tiles, 64 steps an instruction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from hwsim_kernels.fast import instructions
from hwsim_kernels.fast.ir import (
    ADDRESS,
    I8,
    I32,
    I64,
    VOID,
    at,
    call,
    ir,
    load,
    loop,
    machine_code,
    splat,
    store,
)

TILE_ROWS = 16
TILE_BYTES = 64


def tile_configuration() -> np.ndarray[Any, Any]:
    """Return what ``configure`` loads: eight tiles of 16 rows of 64 bytes."""
    settings = np.zeros(64, np.uint8)
    settings[0] = 1
    settings[16:32].view(np.uint16)[:] = TILE_BYTES
    settings[48:56] = TILE_ROWS
    return settings


@machine_code
def configure(context: Any, settings: Any) -> Any:
    """Set up the tiles of this thread from the 64 bytes at an address."""

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if instructions.AMX:  # elsewhere LLVM could not select it
            call(builder, "llvm.x86.ldtilecfg", VOID, [builder.inttoptr(arguments[0], ADDRESS)])
        return target.get_dummy_value()

    return types.void(types.intp), build


@machine_code
def release(context: Any) -> Any:
    """Give the tiles of this thread back."""

    def build(target: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        if instructions.AMX:
            call(builder, "llvm.x86.tilerelease", VOID, [])
        return target.get_dummy_value()

    return types.void(), build


def _dot(instruction: str) -> Any:
    """Return the intrinsic around one of the instructions that multiply tiles."""

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
        """Form the products of 32 rows of bytes and 32 columns of bytes as 32-bit sums, which wrap.

        a: address of the rows, ``a_stride`` bytes apart. b: address of the first of two panels (see ``packing``),
        ``b_stride`` bytes apart. depth: steps / 64. begin: address of what the sums begin with, ``begin_stride`` bytes
        from row to row: 0, where it is the same for all, or the sums themselves. sums: address of 32 x 32 sums,
        ``sums_stride`` bytes from row to row.
        """

        def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            if instructions.AMX:
                _build(builder, f"llvm.x86.{instruction}", *arguments)
            elif instructions.emits(instructions.AMX):
                _spell(builder, (instruction[-3] == "s", instruction[-2] == "s"), *arguments)
            return target.get_dummy_value()

        return types.void(*[types.intp] * 9), build

    return dot


def _build(
    builder: Any,
    instruction: str,
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
    for number, address in enumerate(_quarters(builder, begin, begin_stride)):
        _read(builder, number, address, begin_stride)
    with loop(builder, depth, []) as (index, _, leave, _result):
        _multiply(builder, instruction, a, a_stride, b, b_stride, index)
        leave([])
    for number, address in enumerate(_quarters(builder, sums, stride)):
        call(builder, "llvm.x86.tilestored64", VOID, [_tile(number), builder.inttoptr(address, ADDRESS), stride])


def _tile(number: int) -> Any:
    return ir.Constant(I8, number)


def _read(builder: Any, number: int, address: Any, step: Any) -> None:
    call(builder, "llvm.x86.tileloadd64", VOID, [_tile(number), builder.inttoptr(address, ADDRESS), step])


def _quarters(builder: Any, sums: Any, stride: Any) -> list[Any]:
    """Return the addresses of the four tiles of 32 x 32 sums."""
    halves = [at(builder, sums, builder.mul(stride, ir.Constant(I64, TILE_ROWS * row))) for row in (0, 1)]
    return [at(builder, half, TILE_BYTES * column) for half in halves for column in (0, 1)]


def _multiply(builder: Any, instruction: str, a: Any, a_stride: Any, b: Any, b_stride: Any, index: Any) -> None:
    """Add the products of 64 steps, the ``index``-th, to the tiles 0 to 3."""
    along, down = builder.mul(index, ir.Constant(I64, TILE_BYTES)), builder.mul(index, ir.Constant(I64, 1024))
    lower = at(builder, a, builder.mul(a_stride, ir.Constant(I64, TILE_ROWS)))
    _read(builder, 4, at(builder, a, along), a_stride)
    _read(builder, 6, at(builder, b, down), ir.Constant(I64, TILE_BYTES))
    _read(builder, 7, at(builder, at(builder, b, b_stride), down), ir.Constant(I64, TILE_BYTES))
    _read(builder, 5, at(builder, lower, along), a_stride)
    for number in range(4):
        tiles = [_tile(number), _tile(4 + number // 2), _tile(6 + number % 2)]
        call(builder, instruction, VOID, tiles)


def _spell(
    builder: Any,
    signs: tuple[bool, bool],
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
    """Do without tiles what ``_build`` does."""
    fours = builder.mul(depth, ir.Constant(I64, TILE_BYTES // 4))
    with loop(builder, ir.Constant(I64, 2 * TILE_ROWS), []) as (row, _, leave_row, _result):
        mine, source, into = (
            at(builder, one, builder.mul(row, step))
            for one, step in ((a, a_stride), (begin, begin_stride), (sums, stride))
        )
        first = [load(builder, instructions.SUMS, at(builder, source, TILE_BYTES * column)) for column in (0, 1)]
        with loop(builder, fours, first) as (index, held, leave, last):
            along, down = builder.mul(index, ir.Constant(I64, 4)), builder.mul(index, ir.Constant(I64, TILE_BYTES))
            units = splat(builder, load(builder, I32, at(builder, mine, along)), instructions.LANES)
            panels = [
                load(builder, instructions.BYTES, at(builder, one, down)) for one in (b, at(builder, b, b_stride))
            ]
            leave(
                [
                    instructions.spelt_four(builder, total, (units, panel), signs)
                    for total, panel in zip(held, panels, strict=True)
                ]
            )
        for column, value in enumerate(last):
            store(builder, value, at(builder, into, TILE_BYTES * column))
        leave_row([])


# rows, columns: unsigned or signed bytes
dot_uu = _dot("tdpbuud")
dot_us = _dot("tdpbusd")
dot_su = _dot("tdpbsud")
dot_ss = _dot("tdpbssd")
