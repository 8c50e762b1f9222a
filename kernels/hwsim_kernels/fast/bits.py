"""How many bits the magnitudes of many values have: the histogram of ``counting.count_bits``, 32 values at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints
from hwsim_kernels.fast.ir import (
    I1,
    I8,
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

_MANY = 128
_FEW = 32


def _lengths(many: int) -> Any:
    """Return an intrinsic that counts the bits of ``blocks`` times ``many`` values, up to ``bins - 1`` bits each."""

    def build(builder: Any, values: Any, blocks: Any, offset: Any, bins: Any, histogram: Any) -> None:
        kind, bytes_ = vector(I32, many), vector(I8, many)
        taken = splat(builder, builder.trunc(offset, I32), many)
        with loop(builder, blocks, []) as (block, _, leave, _none):
            place = at(builder, values, builder.mul(block, ir.Constant(I64, 4 * many)))
            real = builder.sub(load(builder, kind, place), taken)
            size = call(builder, f"llvm.abs.v{many}i32", kind, [real, ir.Constant(I1, 0)])
            zeros = call(builder, f"llvm.ctlz.v{many}i32", kind, [size, ir.Constant(I1, 0)])
            bits = builder.trunc(builder.sub(constant(kind, 32), zeros), bytes_)
            with loop(builder, bins, []) as (number, _, leave_bin, _nothing):
                equal = builder.icmp_unsigned("==", bits, splat(builder, builder.trunc(number, I8), many))
                mask = builder.bitcast(equal, ir.IntType(many))
                found = call(builder, f"llvm.ctpop.i{many}", ir.IntType(many), [mask])
                found = builder.trunc(found, I64) if many > 64 else builder.zext(found, I64)
                target = at(builder, histogram, builder.mul(number, ir.Constant(I64, 8)))
                store(builder, builder.add(load(builder, I64, target), found), target)
                leave_bin([])
            leave([])

    @machine_code
    def run(context: Any, values: Any, blocks: Any, offset: Any, bins: Any, histogram: Any) -> Any:
        def generate(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            build(builder, *arguments)
            return target.get_dummy_value()

        return types.void(*[types.intp] * 5), generate

    return run


_many, _few = _lengths(_MANY), _lengths(_FEW)


@njit
def bit_lengths(values: NDArray[np.int32], offset: Int, bins: Int, histogram: Ints) -> None:
    """Note how many bits the magnitudes of ``values`` less ``offset`` have, none ``bins`` or more.

    values: contiguous, their number a multiple of 32.
    """
    blocks = values.size // _MANY
    rest = (values.size - blocks * _MANY) // _FEW
    if blocks > 0:
        _many(values.ctypes.data, blocks, offset, bins, histogram.ctypes.data)
    if rest > 0:
        _few(values.ctypes.data + 4 * blocks * _MANY, rest, offset, bins, histogram.ctypes.data)
