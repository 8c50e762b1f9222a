"""Instructions of AVX512-VNNI and their like, by name, or spelt out where a test runs what its processor has not."""

from __future__ import annotations

from functools import reduce
from typing import Any

from hwsim_kernels._jit import EMULATED
from hwsim_kernels.fast.ir import HOST, I8, I16, I32, I64, binding, call, constant, ir, vector

LANES = 16

VNNI = "avx512vnni" in HOST
AMX = {"amx-int8", "amx-tile"} <= HOST

SUMS = vector(I32, LANES)
BYTES = vector(I8, 4 * LANES)
# LLVM 21 gave the instruction's operands their true type
_GIVEN = BYTES if binding.llvm_version_info[0] >= 21 else SUMS


def add_four(builder: Any, totals: Any, units: Any, weights: Any) -> Any:
    """Return totals with four products each added of unsigned and signed bytes: ``vpdpbusd``."""
    if not VNNI:
        return spelt_four(builder, totals, (units, weights), (False, True))
    given = [builder.bitcast(one, _GIVEN) for one in (units, weights)]
    return call(builder, "llvm.x86.avx512.vpdpbusd.512", SUMS, [totals, *given])


def add_two(builder: Any, totals: Any, one: Any, other: Any) -> Any:
    """Return totals with two products each added of 16-bit integers, which stand in words: ``vpdpwssd``."""
    if VNNI:
        return call(builder, "llvm.x86.avx512.vpdpwssd.512", SUMS, [totals, one, other])
    return builder.add(totals, builder.trunc(_two(builder, one, other), SUMS))


def saturate_two(builder: Any, totals: Any, one: Any, other: Any) -> Any:
    """Do what ``add_two`` does, and saturate totals to 32 bits: ``vpdpwssds``."""
    if VNNI:
        return call(builder, "llvm.x86.avx512.vpdpwssds.512", SUMS, [totals, one, other])
    wide = vector(I64, LANES)
    exact = builder.add(builder.sext(totals, wide), _two(builder, one, other))
    low, high = constant(wide, -(1 << 31)), constant(wide, (1 << 31) - 1)
    raised = builder.select(builder.icmp_signed("<", exact, low), low, exact)
    return builder.trunc(builder.select(builder.icmp_signed(">", raised, high), high, raised), SUMS)


def spelt_four(builder: Any, totals: Any, factors: tuple[Any, Any], signs: tuple[bool, bool]) -> Any:
    """Return totals with four products each added of bytes, which are signed or not."""
    wide = vector(I32, 4 * LANES)
    first, second = (
        (builder.sext if signed else builder.zext)(builder.bitcast(one, BYTES), wide)
        for one, signed in zip(factors, signs, strict=True)
    )
    products = builder.mul(first, second)
    return reduce(builder.add, [_every(builder, products, 4, number) for number in range(4)], totals)


def _two(builder: Any, one: Any, other: Any) -> Any:
    """Return the sums of two products each as 64 bits."""
    shorts, wide = vector(I16, 2 * LANES), vector(I64, 2 * LANES)
    products = builder.mul(*(builder.sext(builder.bitcast(each, shorts), wide) for each in (one, other)))
    return builder.add(*(_every(builder, products, 2, number) for number in range(2)))


def _every(builder: Any, lanes: Any, apart: int, first: int) -> Any:
    """Return every so manieth lane from one on."""
    places = ir.Constant(vector(I32, LANES), list(range(first, apart * LANES, apart)))
    return builder.shuffle_vector(lanes, lanes, places)


def emits(there: bool) -> bool:
    """Whether kernels of an instruction are built: where it is there, or all are emulated."""
    return there or EMULATED
