"""The micro-kernel of AMX: 32 rows by 32 columns in four tiles, 64 steps an instruction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from hwsim_kernels.fast.features import features
from hwsim_kernels.fast.ir import ADDRESS, I8, I64, VOID, at, call, ir, loop, machine_code

TILE_ROWS = 16
TILE_BYTES = 64


def tile_configuration() -> np.ndarray[Any, Any]:
    """Return what ``configure`` loads: eight tiles of 16 rows of 64 bytes."""
    settings = np.zeros(64, np.uint8)
    settings[0] = 1
    settings[16:32].view(np.uint16)[:] = TILE_BYTES
    settings[48:56] = TILE_ROWS
    return settings


def _emits() -> bool:
    # compiled for the machine at hand: elsewhere LLVM could not select these instructions, and no tier calls them
    return {"amx-int8", "amx-tile"} <= features()


@machine_code
def configure(context: Any, settings: Any) -> Any:
    """Set up the tiles of this thread from the 64 bytes at an address."""

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if _emits():
            call(builder, "llvm.x86.ldtilecfg", VOID, [builder.inttoptr(arguments[0], ADDRESS)])
        return target.get_dummy_value()

    return types.void(types.intp), build


@machine_code
def release(context: Any) -> Any:
    """Give the tiles of this thread back."""

    def build(target: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        if _emits():
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
        sums: Any,
        sums_stride: Any,
    ) -> Any:
        """Add the products of 32 rows of bytes and 32 columns of signed bytes to 32-bit sums, which wrap.

        a: address of the rows, ``a_stride`` bytes apart. b: address of the first of two panels (see ``packing``),
        ``b_stride`` bytes apart. depth: steps / 64. sums: address of 32 x 32 sums, ``sums_stride`` bytes from row to
        row.
        """

        def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            if _emits():
                _build(builder, instruction, *arguments)
            return target.get_dummy_value()

        return types.void(*[types.intp] * 7), build

    return dot


def _build(
    builder: Any,
    instruction: str,
    a: Any,
    a_stride: Any,
    b: Any,
    b_stride: Any,
    depth: Any,
    sums: Any,
    stride: Any,
) -> None:
    def tile(number: int) -> Any:
        return ir.Constant(I8, number)

    def read(number: int, address: Any, step: Any) -> None:
        call(builder, "llvm.x86.tileloadd64", VOID, [tile(number), builder.inttoptr(address, ADDRESS), step])

    quarters = [
        at(builder, at(builder, sums, builder.mul(stride, ir.Constant(I64, 16 * row))), 64 * column)
        for row in (0, 1)
        for column in (0, 1)
    ]
    lower = at(builder, a, builder.mul(a_stride, ir.Constant(I64, 16)))
    second = at(builder, b, b_stride)
    for number, address in enumerate(quarters):
        read(number, address, stride)
    with loop(builder, depth, []) as (index, _, leave, _result):
        along = builder.mul(index, ir.Constant(I64, 64))
        down = builder.mul(index, ir.Constant(I64, 1024))
        read(4, at(builder, a, along), a_stride)
        read(6, at(builder, b, down), ir.Constant(I64, 64))
        read(7, at(builder, second, down), ir.Constant(I64, 64))
        read(5, at(builder, lower, along), a_stride)
        for number in range(4):
            pair = [tile(number), tile(4 + number // 2), tile(6 + number % 2)]
            call(builder, instruction, VOID, pair)
        leave([])
    for number, address in enumerate(quarters):
        call(builder, "llvm.x86.tilestored64", VOID, [tile(number), builder.inttoptr(address, ADDRESS), stride])


dot = _dot("llvm.x86.tdpbusd")
"""Unsigned rows."""

dot_signed = _dot("llvm.x86.tdpbssd")
"""Signed rows."""
