"""Instructions of VNNI and AMX, by name, or spelt out where a test runs what its processor has not."""

from __future__ import annotations

from functools import reduce
from typing import Any

from hwsim_kernels._jit import EMULATED
from hwsim_kernels.fast.ir import HOST, I8, I16, I32, I64, binding, call, constant, ir, vector

AVX512_VNNI = "avx512vnni" in HOST
AVX_VNNI = "avxvnni" in HOST
AMX = {"amx-int8", "amx-tile"} <= HOST

LANES = 16
"""Lanes of 512 bits."""

FOURS = LANES if AVX512_VNNI or ("avx512f" in HOST and not AVX_VNNI) else LANES // 2
"""Lanes of ``add_four``: AVX-VNNI has it for 256 bits alone."""

SUMS = vector(I32, LANES)
BYTES = vector(I8, 4 * LANES)


def emits(there: bool) -> bool:
    """Whether kernels of an instruction are built: where it is there, or all are emulated."""
    return there or EMULATED


def add_four(builder: Any, totals: Any, units: Any, weights: Any) -> Any:
    """Return totals with four products each added of unsigned and signed bytes: ``vpdpbusd``.

    All are vectors of 32-bit words.
    """
    if not there_for(totals):
        return spelt_four(builder, totals, (units, weights), (False, True))
    # LLVM 21 gave the instruction's operands their true type
    kind = vector(I8, 4 * totals.type.count) if binding.llvm_version_info[0] >= 21 else totals.type
    return _call(builder, "vpdpbusd", totals, [builder.bitcast(one, kind) for one in (units, weights)])


def add_two(builder: Any, totals: Any, one: Any, other: Any) -> Any:
    """Return totals with two products each added of 16-bit integers, which stand in words: ``vpdpwssd``."""
    if there_for(totals):
        return _call(builder, "vpdpwssd", totals, [one, other])
    return builder.add(totals, builder.trunc(_two(builder, one, other), totals.type))


def saturate_two(builder: Any, totals: Any, one: Any, other: Any) -> Any:
    """Do what ``add_two`` does, and saturate totals to 32 bits: ``vpdpwssds``."""
    if there_for(totals):
        return _call(builder, "vpdpwssds", totals, [one, other])
    wide = vector(I64, totals.type.count)
    exact = builder.add(builder.sext(totals, wide), _two(builder, one, other))
    low, high = constant(wide, -(1 << 31)), constant(wide, (1 << 31) - 1)
    raised = builder.select(builder.icmp_signed("<", exact, low), low, exact)
    return builder.trunc(builder.select(builder.icmp_signed(">", raised, high), high, raised), totals.type)


def there_for(totals: Any) -> bool:
    """Whether the processor adds up products to as many totals of 32 bits."""
    many = totals.type.count
    return AVX512_VNNI if many == LANES else AVX_VNNI and many == LANES // 2


def spelt_four(builder: Any, totals: Any, factors: tuple[Any, Any], signs: tuple[bool, bool]) -> Any:
    """Return totals with four products each added of bytes, which are signed or not."""
    count = 4 * totals.type.count
    first, second = (
        (builder.sext if signed else builder.zext)(builder.bitcast(one, vector(I8, count)), vector(I32, count))
        for one, signed in zip(factors, signs, strict=True)
    )
    products = builder.mul(first, second)
    return reduce(builder.add, [_every(builder, products, 4, number) for number in range(4)], totals)


def _call(builder: Any, name: str, totals: Any, factors: list[Any]) -> Any:
    kind = totals.type
    return call(builder, f"llvm.x86.avx512.{name}.{32 * kind.count}", kind, [totals, *factors])


def _two(builder: Any, one: Any, other: Any) -> Any:
    """Return the sums of two products each as 64 bits."""
    count = 2 * one.type.count
    shorts, wide = vector(I16, count), vector(I64, count)
    products = builder.mul(*(builder.sext(builder.bitcast(each, shorts), wide) for each in (one, other)))
    return builder.add(*(_every(builder, products, 2, number) for number in range(2)))


def _every(builder: Any, lanes: Any, apart: int, first: int) -> Any:
    """Return every so manieth lane from one on."""
    places = list(range(first, lanes.type.count, apart))
    return builder.shuffle_vector(lanes, lanes, ir.Constant(vector(I32, len(places)), places))
