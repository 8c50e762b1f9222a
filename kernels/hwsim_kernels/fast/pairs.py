"""Integers of 16 bits in lanes, and sums of two neighbours' products."""

from __future__ import annotations

from typing import Any

from hwsim_kernels.fast import instructions
from hwsim_kernels.fast.ir import HOST, I8, I16, I32, call, constant, ir, load, splat, vector

LANES = 16 if "avx512bw" in HOST else 8
"""Sums of two products that one instruction forms."""

STEPS = 2 * LANES

ADDED = bool(HOST & {"avx2", "avx512bw"})
"""Whether an instruction adds up the products of two pairs."""

SHORT = 1 << 15
"""A lane of 16 bits holds integers below this."""

KIND = vector(I32, LANES)
SHORTS = vector(I16, STEPS)


def operands_at(builder: Any, units: Any, flip: Any, offset: Any) -> Any:
    """Return the operands that STEPS unsigned bytes at an address stand for."""
    codes = builder.zext(load(builder, vector(I8, STEPS), units), SHORTS)
    turned = builder.xor(codes, splat(builder, builder.trunc(flip, I16), STEPS))
    return builder.sub(turned, splat(builder, builder.trunc(offset, I16), STEPS))


def weights_at(builder: Any, weights: Any) -> Any:
    """Return STEPS signed bytes at an address."""
    return builder.sext(load(builder, vector(I8, STEPS), weights), SHORTS)


def first_of_pairs(builder: Any, shorts: Any) -> Any:
    """Return every second of STEPS integers, 0 for the others."""
    kept = builder.and_(builder.bitcast(shorts, KIND), constant(KIND, 0xFFFF))
    return builder.bitcast(kept, SHORTS)


def products(builder: Any, one: Any, other: Any) -> Any:
    """Return the sums of two products each of integers, as many as an instruction takes or twice as many."""
    count = one.type.count
    if count > STEPS:
        halves = [ir.Constant(vector(I32, STEPS), list(range(first, first + STEPS))) for first in (0, STEPS)]
        parts = [
            products(builder, *(builder.shuffle_vector(each, each, half) for each in (one, other))) for half in halves
        ]
        return builder.shuffle_vector(*parts, ir.Constant(vector(I32, STEPS), list(range(STEPS))))
    if "avx512bw" in HOST:
        return call(builder, "llvm.x86.avx512.pmaddw.d.512", KIND, [one, other])
    if "avx2" in HOST:
        return call(builder, "llvm.x86.avx2.pmadd.wd", KIND, [one, other])
    wide = vector(I32, STEPS)
    each = builder.mul(builder.sext(one, wide), builder.sext(other, wide))
    sides = [builder.shuffle_vector(each, each, ir.Constant(KIND, list(range(first, STEPS, 2)))) for first in (0, 1)]
    return builder.add(*sides)


def add_products(builder: Any, totals: Any, one: Any, other: Any) -> Any:
    """Return totals of 32 bits with the products of pairs added that stand in words of as many lanes."""
    kind = totals.type
    if instructions.there_for(totals):
        return instructions.add_two(builder, totals, one, other)
    shorts = vector(I16, 2 * kind.count)
    return builder.add(totals, products(builder, *(builder.bitcast(each, shorts) for each in (one, other))))
