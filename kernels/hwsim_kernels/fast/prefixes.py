"""Whether one sum of bytes ever leaves its register: every prefix of it, if need be.

Between two looks, s before and s' behind, no prefix goes beyond (s + s' + T) / 2 or (s + s' - T) / 2, where T is what
the magnitudes of the products between add up to; see ``looks``, which bounds T. Here it is known, for UNIT steps at a
time, and where that proves too little, all their prefixes are formed. That is exact, and takes longer than a sum among
16 channels and 8 rows does: it is for sums that are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from numba import types

from hwsim_kernels.fast.ir import I1, I32, I64, at, call, constant, ir, loop, machine_code, splat, widened
from hwsim_kernels.fast.packing import UNIT
from hwsim_kernels.fast.pairs import KIND, LANES, SHORTS, STEPS, first_of_pairs, operands_at, products, weights_at


@machine_code
def stays_within(
    context: Any,
    row: Any,
    weights: Any,
    many: Any,
    flip: Any,
    offset: Any,
    start: Any,
    low: Any,
    high: Any,
) -> Any:
    """Return whether no prefix of a sum, its start apart, lies below ``low`` or above ``high``.

    row: address of ``many`` times UNIT bytes. weights: of as many signed bytes, 0 behind the last step. Sums and limits
    fit 32 bits.
    """

    def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        row, weights, many, flip, offset, start, low, high = arguments
        with loop(builder, many, [start, ir.Constant(I1, 0)]) as (index, (before, outside), leave, last):
            first = builder.mul(index, ir.Constant(I64, UNIT))
            places = [at(builder, first, done) for done in range(0, UNIT, STEPS)]
            operands = [operands_at(builder, at(builder, row, one), flip, offset) for one in places]
            factors = [weights_at(builder, at(builder, weights, one)) for one in places]
            pairs = [products(builder, *both) for both in zip(operands, factors, strict=True)]
            sizes = [
                products(builder, *(_sizes(builder, one) for one in both))
                for both in zip(operands, factors, strict=True)
            ]
            behind = builder.add(before, _total(builder, pairs))
            near = _near(builder, builder.add(before, behind), _total(builder, sizes), low, high)
            decided = builder.block
            with builder.if_then(builder.not_(near)):
                beyond = _beyond(builder, before, (operands, factors, pairs), low, high)
                looked = builder.block
            left = builder.phi(I1)
            left.add_incoming(ir.Constant(I1, 0), decided)
            left.add_incoming(beyond, looked)
            leave([behind, builder.or_(outside, left)])
        return builder.zext(builder.not_(last[1]), I64)

    return types.int64(*[types.intp] * 8), build


def _sizes(builder: Any, shorts: Any) -> Any:
    return call(builder, f"llvm.abs.v{STEPS}i16", SHORTS, [shorts, ir.Constant(I1, 0)])


def _total(builder: Any, parts: Sequence[Any]) -> Any:
    """Return what all lanes add up to, in 64 bits."""
    name = f"llvm.vector.reduce.add.v{LANES}i32"
    return builder.sext(call(builder, name, I32, [reduce(builder.add, parts)]), I64)


def _near(builder: Any, middle: Any, size: Any, low: Any, high: Any) -> Any:
    """Return whether (middle + size) / 2 and (middle - size) / 2 lie between the limits."""
    two = ir.Constant(I64, 2)
    below = builder.icmp_signed(">=", builder.sub(middle, size), builder.mul(low, two))
    above = builder.icmp_signed("<=", builder.add(middle, size), builder.mul(high, two))
    return builder.and_(below, above)


def _beyond(builder: Any, before: Any, steps: tuple[Sequence[Any], ...], low: Any, high: Any) -> Any:
    """Return whether one of the prefixes of UNIT steps lies beyond the limits."""
    before, low, high = (splat(builder, builder.trunc(one, I32), LANES) for one in (before, low, high))
    ends = [high, low]
    for operands, factors, both in zip(*steps, strict=True):
        one = products(builder, operands, first_of_pairs(builder, factors))
        behind = builder.add(before, _running(builder, both))
        amid = builder.add(builder.sub(behind, both), one)
        ends = widened(builder, ends, [amid, behind])
        before = builder.shuffle_vector(behind, behind, constant(KIND, LANES - 1))
    beyond = builder.or_(builder.icmp_signed("<", ends[0], low), builder.icmp_signed(">", ends[1], high))
    none = ir.Constant(ir.IntType(LANES), 0)
    return builder.icmp_unsigned("!=", builder.bitcast(beyond, none.type), none)


def _running(builder: Any, lanes: Any) -> Any:
    """Return the sums of each lane and all before it."""
    none, apart = constant(KIND, 0), 1
    while apart < LANES:
        places = [LANES - apart + lane for lane in range(LANES)]  # of ``none``, then ``lanes``
        moved = builder.shuffle_vector(none, lanes, ir.Constant(KIND, places))
        lanes, apart = builder.add(lanes, moved), 2 * apart
    return lanes
