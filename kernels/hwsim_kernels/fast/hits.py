"""What the hits of sums that were taken step by step count in the ledger."""

from __future__ import annotations

from typing import Any

from numba import types

from hwsim_kernels.counting import MASK, WORD
from hwsim_kernels.fast.ir import I32, I64, at, ir, load, loop, machine_code, splat, store
from hwsim_kernels.fast.lanes import Lanes
from hwsim_kernels.fast.words import ABOVE, BELOW, ROWS, SUM, WIDTH

LOW, HIGH, TRANSIENT, PERSISTENT, ENERGY, ENERGY_MORE = range(6)
"""Names of what is counted (names, 16) int64: hits, sums that were hit and their exact value inside and outside of the
limits, and the squares of what was injected, in words of 31 bits."""
COUNTED = 6

_LINE = 64


@machine_code
def begin_sums(context: Any, state: Any, start: Any) -> Any:
    """Let the words of ``state`` start from 16 at an address, and no hits."""

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        state, start = arguments
        first, none = Lanes.read(builder, start, 32), Lanes.constant(builder, 0, 32)
        for row in range(ROWS):
            for name, value in ((SUM, first), (BELOW, none), (ABOVE, none)):
                value.write(at(builder, state, _LINE * (name * ROWS + row)))
        return target.get_dummy_value()

    return types.void(*[types.intp] * 2), build


@machine_code
def finish_sums(
    context: Any, state: Any, rows: Any, shift: Any, raised: Any, places: Any, low: Any, high: Any, found: Any
) -> Any:
    """Replace exact sums of ``rows`` rows by those of ``state``, and add to ``found`` (COUNTED, 16) what they count.

    A word is shifted right by ``shift``, then ``raised``. places: address of as many addresses of 16 int32.
    """

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        state, rows, shift, raised, places, low, high, found = arguments

        def spread(value: Any) -> Lanes:
            return Lanes(builder, splat(builder, builder.trunc(value, I32), WIDTH))

        def named(name: int, row: Any) -> Lanes:
            line = at(builder, at(builder, state, _LINE * ROWS * name), builder.mul(row, ir.Constant(I64, _LINE)))
            return Lanes.read(builder, line, 32)

        down, more, bottom, top = spread(shift), spread(raised), spread(low), spread(high)
        counters = [at(builder, found, 2 * _LINE * name) for name in range(COUNTED)]
        first = [Lanes.read(builder, one, 64).value for one in counters]
        with loop(builder, rows, first) as (row, held, leave, last):
            place = load(builder, I64, at(builder, places, builder.mul(row, ir.Constant(I64, 8))))
            result, exact = (named(SUM, row) >> down) + more, Lanes.read(builder, place, 32)
            result.write(place)
            below, above = named(BELOW, row), named(ABOVE, row)
            hit, outside = (below + above).differs(0).ones(32), ((exact < bottom) | (exact > top)).ones(32)
            injected = result.long() - exact.long()
            square = injected * injected
            noted = [
                below.long(),
                above.long(),
                (hit & (outside * -1 + 1)).long(),
                (hit & outside).long(),
                square & MASK,
                Lanes(builder, builder.lshr(square.value, Lanes.constant(builder, WORD, 64).value)),
            ]
            leave([(Lanes(builder, value) + one).value for value, one in zip(held, noted, strict=True)])
        for value, place in zip(last, counters, strict=True):
            store(builder, value, place)
        return target.get_dummy_value()

    return types.void(*[types.intp] * 8), build
