"""The micro-kernel of any register that is fitted behind every word of operands: steps of 0 are left out.

Lanes are 32-bit integers, and words hold one product or two, as in ``groups``. Words come in pieces and as lists, as in
``words``: a piece is first tried without fits, which cost most of the time, and rows that need them get them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

from numba import types

from hwsim_kernels.fast import pairs
from hwsim_kernels.fast.groups import fitted, hits_of, less, spread
from hwsim_kernels.fast.ir import (
    HOST,
    I8,
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
    vector,
    widened,
)
from hwsim_kernels.fast.words import ABOVE, BEFORE, BELOW, ROWS, SUM, WIDTH

AHEAD = 4 if "avx512f" in HOST else 1
"""Rows that are taken together, since each waits for its fits: sums, hits and weights of one fill short registers."""

PARTS = ROWS // AHEAD

_LINE = 64
_KIND = vector(I32, WIDTH)


@machine_code
def fit_each(
    context: Any,
    b: Any,
    listed: Any,
    numbers: Any,
    many: Any,
    state: Any,
    low: Any,
    high: Any,
    sure: Any,
) -> Any:
    """Take words of 8 rows and their products with 16 columns to the sums of ``state``, and fit these each time.

    b, listed, numbers, many, state: as for ``words.saturate``. low, high: what sums saturate to. The result is two
    masks of PARTS parts of the rows, one behind the other: those where a sum was too low, and too high. sure: such
    masks, of parts that are not first tried without fits.
    """

    def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        *lists, state, low, high, sure = arguments
        limits = [spread(builder, one) for one in (low, high)]
        either = builder.or_(sure, builder.lshr(sure, ir.Constant(I64, PARTS)))
        with loop(builder, ir.Constant(I64, PARTS), [ir.Constant(I64, 0)]) as (part, met, leave, found):
            mine = _of_part(builder, lists, state, part)
            first = [load(builder, _KIND, place) for place in mine.sums]
            tries, calm, counts, behind = (builder.append_basic_block() for _ in range(4))
            expected = builder.and_(builder.lshr(either, part), ir.Constant(I64, 1))
            builder.cbranch(builder.icmp_unsigned("!=", expected, ir.Constant(I64, 0)), counts, tries)

            builder.position_at_end(tries)
            totals, beyond = _tried(builder, mine, first, limits)
            builder.cbranch(beyond, counts, calm)
            builder.position_at_end(calm)
            for value, place in zip(totals, mine.sums, strict=True):
                store(builder, value, place)
            builder.branch(behind)

            builder.position_at_end(counts)
            sides = _counted(builder, mine, first, limits)
            counted = builder.block
            builder.branch(behind)

            builder.position_at_end(behind)
            bits = builder.phi(I64)
            bits.add_incoming(ir.Constant(I64, 0), calm)
            bits.add_incoming(sides, counted)
            leave([builder.or_(met[0], builder.shl(bits, part))])
        return found[0]

    return types.int64(*[types.intp] * 8), build


@machine_code
def range_each(
    context: Any, b: Any, listed: Any, numbers: Any, many: Any, state: Any, low: Any, high: Any, wanted: Any, seen: Any
) -> Any:
    """Look at what came to the fits of ``fit_each`` in the parts of a mask, ``wanted``.

    The arguments are those it was called with. seen: address of (2, 16) int32, which are lowered and raised.
    """

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        *lists, state, low, high, wanted, seen = arguments
        limits, ends = [spread(builder, one) for one in (low, high)], [seen, at(builder, seen, _LINE)]
        with loop(builder, ir.Constant(I64, PARTS), []) as (part, _, leave, _found):
            bit = builder.and_(builder.lshr(wanted, part), ir.Constant(I64, 1))
            with builder.if_then(builder.icmp_unsigned("!=", bit, ir.Constant(I64, 0))):
                mine = _of_part(builder, lists, state, part)
                states = [load(builder, _KIND, place) for place in [*mine.before, *ends]]
                with loop(builder, mine.many, states) as (index, held, leave_word, last):
                    totals = _added(builder, mine, index, held[:AHEAD])
                    leave_word([*fitted(builder, totals, limits), *widened(builder, held[AHEAD:], totals)])
                for value, place in zip(last[AHEAD:], ends, strict=True):
                    store(builder, value, place)
            leave([])
        return target.get_dummy_value()

    return types.void(*[types.intp] * 9), build


class _Part(NamedTuple):
    """The words of AHEAD rows, and the addresses of their lines in the state."""

    weights: Any
    listed: Any
    numbers: Any
    many: Any
    sums: list[Any]
    before: list[Any]
    hits: list[Any]


def _of_part(builder: Any, lists: Sequence[Any], state: Any, part: Any) -> _Part:
    weights, listed, numbers, many = lists
    row = builder.mul(part, ir.Constant(I64, AHEAD))
    mine = at(builder, state, builder.mul(row, ir.Constant(I64, _LINE)))

    def lines(name: int) -> list[Any]:
        return [at(builder, mine, _LINE * (name * ROWS + one)) for one in range(AHEAD)]

    listed = at(builder, listed, builder.mul(row, ir.Constant(I64, 4)))
    numbers, hits = at(builder, numbers, row), [*lines(BELOW), *lines(ABOVE)]
    return _Part(weights, listed, numbers, many, lines(SUM), lines(BEFORE), hits)


def _tried(builder: Any, part: _Part, first: Sequence[Any], limits: Sequence[Any]) -> tuple[list[Any], Any]:
    """Return sums without fits, and whether one of them was beyond the limits at a fit."""
    bottom, top = limits
    with loop(builder, part.many, [*first, top, bottom]) as (index, held, leave, last):
        totals = _added(builder, part, index, held[:AHEAD])
        leave([*totals, *widened(builder, held[AHEAD:], totals)])
    *totals, least, most = last
    return totals, _any(builder, builder.or_(less(builder, least, bottom), less(builder, top, most)))


def _counted(builder: Any, part: _Part, first: Sequence[Any], limits: Sequence[Any]) -> Any:
    """Fit sums and count hits; return bit 0 if there were any below, and bit PARTS if there were any above."""
    for value, place in zip(first, part.before, strict=True):
        store(builder, value, place)
    none = constant(_KIND, 0)
    with loop(builder, part.many, [*first, *[none] * (2 * AHEAD)]) as (index, held, leave, last):
        totals = _added(builder, part, index, held[:AHEAD])
        leave([*fitted(builder, totals, limits), *hits_of(builder, totals, held[AHEAD:], limits)])
    for value, place in zip(last[:AHEAD], part.sums, strict=True):
        store(builder, value, place)
    for value, place in zip(last[AHEAD:], part.hits, strict=True):
        store(builder, builder.add(load(builder, _KIND, place), value), place)
    result = ir.Constant(I64, 0)
    for side in (0, 1):
        met = reduce(builder.or_, last[AHEAD * (1 + side) :][:AHEAD])
        bit = builder.zext(_any(builder, builder.icmp_unsigned("!=", met, none)), I64)
        result = builder.or_(result, builder.shl(bit, ir.Constant(I64, PARTS * side)))
    return result


def _added(builder: Any, part: _Part, index: Any, sums: Sequence[Any]) -> list[Any]:
    """Return sums with the products of a word of each row."""
    line = builder.mul(index, ir.Constant(I64, ROWS))
    totals: list[Any] = []
    for row, held in enumerate(sums):
        number = builder.zext(load(builder, I8, at(builder, at(builder, part.numbers, line), row)), I64)
        weights = load(builder, _KIND, at(builder, part.weights, builder.mul(number, ir.Constant(I64, _LINE))))
        place = at(builder, at(builder, part.listed, builder.mul(line, ir.Constant(I64, 4))), 4 * row)
        word = splat(builder, load(builder, I32, place), WIDTH)
        totals.append(pairs.add_products(builder, held, word, weights))
    return totals


def _any(builder: Any, lanes: Any) -> Any:
    mask = ir.IntType(WIDTH)
    return builder.icmp_unsigned("!=", builder.bitcast(lanes, mask), ir.Constant(mask, 0))
