"""Codes of whatever type, read and written by kernels that are compiled once for all types.

A kernel takes codes as bytes, and asks how many each has when a block is read or written: a few instructions for
thousands of codes. Compiled for every type of its inputs and of its output, it would be compiled a dozen times.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.np import arrayobj
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints
from hwsim_kernels.fast.borrowing import borrowed
from hwsim_kernels.fast.ir import I64, at, ir, loop, machine_code, vector
from hwsim_kernels.fast.ir import load as load_at
from hwsim_kernels.fast.ir import store as store_at
from hwsim_kernels.fast.lanes import WIDTH

Values = NDArray[np.int32] | Ints


class Stored(NamedTuple):
    """Codes (rows, channels) as their bytes (rows, channels * size), a size of 1, 2, 4 or 8 each."""

    bytes: NDArray[np.uint8]
    size: int
    signed: bool


def stored(codes: NDArray[Any]) -> Stored:
    """Return contiguous codes (rows, channels) of any integer type, for kernels that write them."""
    if codes.dtype.kind not in "iu" or not codes.flags.c_contiguous:
        raise ValueError(f"codes are to be contiguous integers, not {codes.dtype} with strides {codes.strides}")
    return Stored(codes.view(np.uint8), codes.itemsize, codes.dtype.kind == "i")


def given(codes: NDArray[Any]) -> Stored:
    """Return codes (rows, channels) of any integer type, for kernels that read them; a copy, if not contiguous."""
    seen = stored(np.ascontiguousarray(codes))
    # all alike, whether the codes may be written to or not
    seen.bytes.flags.writeable = False
    return seen


def _as(kind: Any) -> Any:
    """Return an intrinsic that reads bytes (rows, columns * size) as an array (rows, columns) of a type."""

    @machine_code
    def seen_as(context: Any, array: Any) -> Any:
        result = types.Array(kind, 2, "C", readonly=not array.mutable)

        def build(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            bare: Any = arrayobj
            source = target.make_array(signature.args[0])(target, builder, arguments[0])
            made = target.make_array(result)(target, builder)
            size = ir.Constant(I64, kind.bitwidth // 8)
            rows, columns = (builder.extract_value(source.shape, axis) for axis in (0, 1))
            across = builder.extract_value(source.strides, 0)
            bare.populate_array(
                made,
                data=builder.bitcast(source.data, target.get_data_type(kind).as_pointer()),
                shape=[rows, builder.sdiv(columns, size)],
                strides=[across, size],
                itemsize=size,
                meminfo=None,  # as ``borrowed``
            )
            return made._getvalue()

        return result(array), build

    return seen_as


_int8, _uint8, _int16, _uint16, _int32, _uint32, _int64 = (
    _as(kind) for kind in (types.int8, types.uint8, types.int16, types.uint16, types.int32, types.uint32, types.int64)
)


@machine_code
def convert(context: Any, source: Any, target: Any, many: Any) -> Any:
    """Copy ``many`` integers to integers of another type, 16 at a time: rows are too short for LLVM to find out how."""
    first, second = source.dtype, target.dtype

    def build(machine: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args[:2]
        places = [
            builder.ptrtoint(machine.make_array(kind)(machine, builder, array).data, I64)
            for kind, array in zip(kinds, arguments[:2], strict=True)
        ]
        made, wanted = (ir.IntType(kind.bitwidth) for kind in (first, second))

        def copy(index: Any, lanes: int) -> None:
            """Copy so many integers, the first of which is one of as many."""
            ends = [
                at(builder, place, builder.mul(index, ir.Constant(I64, lanes * kind.bitwidth // 8)))
                for place, kind in zip(places, (first, second), strict=True)
            ]
            read, written = ((vector(kind, lanes) if lanes > 1 else kind) for kind in (made, wanted))
            value = load_at(builder, read, ends[0])
            if wanted.width > made.width:
                value = (builder.sext if first.signed else builder.zext)(value, written)
            elif wanted.width < made.width:
                value = builder.trunc(value, written)
            store_at(builder, value, ends[1])

        whole = builder.sdiv(arguments[2], ir.Constant(I64, WIDTH))
        with loop(builder, whole, [], never=True) as (index, _, leave, _last):
            copy(index, WIDTH)
            leave([])
        done = builder.mul(whole, ir.Constant(I64, WIDTH))
        with loop(builder, builder.sub(arguments[2], done), [], never=True) as (index, _, leave, _last):
            copy(builder.add(done, index), 1)
            leave([])
        return machine.get_dummy_value()

    return types.void(source, target, many), build


@njit
def load(source: Stored, position: Int, column: Int, values: Values) -> None:
    """Copy codes from a row and a channel on to values (rows, columns), columns behind the channels untouched."""
    codes, size, signed = source.bytes, source.size, source.signed
    if size == 1 and signed:
        _load(_int8(codes), position, column, values)
    elif size == 1:
        _load(_uint8(codes), position, column, values)
    elif size == 2 and signed:
        _load(_int16(codes), position, column, values)
    elif size == 2:
        _load(_uint16(codes), position, column, values)
    elif size == 4 and signed:
        _load(_int32(codes), position, column, values)
    elif size == 4:
        _load(_uint32(codes), position, column, values)
    else:
        _load(_int64(codes), position, column, values)


@njit
def _load(codes: NDArray[Any], position: Int, column: Int, values: Values) -> None:
    values, many = borrowed(values), min(values.shape[1], codes.shape[1] - column)
    for row in range(values.shape[0]):
        convert(codes[position + row][column:], values[row], many)


@njit
def load_padded(source: Stored, position: Int, column: Int, values: Values) -> None:
    """Do what ``load`` does, and write 0 to columns behind the channels."""
    load(source, position, column, values)
    for row in range(values.shape[0]):
        values[row, channels_of(source) - column :] = 0


@njit
def store(values: Values, target: Stored, position: Int, column: Int) -> None:
    """Write values (rows, columns) that have become codes as the codes from a row and a channel on."""
    codes, size = target.bytes, target.size
    if size == 1:
        _store(values, _uint8(codes), position, column)
    elif size == 2:
        _store(values, _uint16(codes), position, column)
    elif size == 4:
        _store(values, _int32(codes), position, column)
    else:
        _store(values, _int64(codes), position, column)


@njit
def _store(values: Values, codes: NDArray[Any], position: Int, column: Int) -> None:
    values, many = borrowed(values), min(values.shape[1], codes.shape[1] - column)
    for row in range(values.shape[0]):
        convert(values[row], codes[position + row][column:], many)


@njit
def channels_of(codes: Stored) -> Int:
    """Return how many channels there are."""
    return np.int64(codes.bytes.shape[1] // codes.size)


@njit
def is_wide(codes: Stored) -> Flag:
    """Whether codes are integers of 64 bits."""
    return codes.size > 4
