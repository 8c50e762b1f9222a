"""The micro-kernels of any register that saturates: a group of products is added up, then the sum is fitted.

Lanes are 32-bit integers, which take two products an instruction. Operands and weights in memory are words of 32 bits:
pairs of 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numba import types

from hwsim_kernels.fast import pairs
from hwsim_kernels.fast.ir import (
    HOST,
    I32,
    I64,
    at,
    constant,
    ir,
    larger,
    load,
    loop,
    machine_code,
    smaller,
    splat,
    store,
    vector,
    widened,
)
from hwsim_kernels.fast.words import ABOVE, BELOW, ROWS, SUM, WIDTH

AHEAD, TRIED = (ROWS, ROWS) if "avx512f" in HOST else (1, ROWS // 2)
"""Rows whose sums stay in registers together: with their hits, and without."""

_LINE = 64
_KIND = vector(I32, WIDTH)


@machine_code
def fit_groups(
    context: Any,
    a: Any,
    b: Any,
    groups: Any,
    many: Any,
    state: Any,
    low: Any,
    high: Any,
    seen: Any,
) -> Any:
    """Take all products of 8 rows and 16 columns to the sums of ``state``, and fit them after each group.

    a, b, state: as for ``words.saturate``. groups: address of ``many`` numbers of words, each 1 or more. low, high:
    what sums saturate to. seen: address of (2, 16) int32, lowered and raised to what came to a fit.
    """

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        a, b, groups, many, state, low, high, seen = arguments
        limits = [spread(builder, one) for one in (low, high)]
        with loop(builder, ir.Constant(I64, ROWS // AHEAD), []) as (part, _, leave_part, _none):
            rows = at(builder, a, builder.mul(part, ir.Constant(I64, 4 * AHEAD)))
            mine = at(builder, state, builder.mul(part, ir.Constant(I64, _LINE * AHEAD)))
            numbers = [name * ROWS + row for name in (SUM, BELOW, ABOVE) for row in range(AHEAD)]
            places = [at(builder, mine, _LINE * number) for number in numbers]
            places += [seen, at(builder, seen, _LINE)]
            first = [load(builder, _KIND, place) for place in places]
            with loop(builder, many, [ir.Constant(I64, 0), *first]) as (group, (done, *values), leave, last):
                totals, following = _added(builder, (rows, b, groups), group, done, values[:AHEAD])
                counted = hits_of(builder, totals, values[AHEAD : 3 * AHEAD], limits)
                ends = widened(builder, values[3 * AHEAD :], totals)
                leave([following, *fitted(builder, totals, limits), *counted, *ends])
            for value, place in zip(last[1:], places, strict=True):
                store(builder, value, place)
            leave_part([])
        return target.get_dummy_value()

    return types.void(*[types.intp] * 8), build


@machine_code
def stay_within(context: Any, a: Any, b: Any, groups: Any, many: Any, state: Any, low: Any, high: Any) -> Any:
    """Return whether no sum of 8 rows and 16 columns leaves the limits at the end of a group.

    Arguments as for ``fit_groups``, which then would change nothing; nothing is written.
    """

    def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        a, b, groups, many, state, low, high = arguments
        bottom, top = (spread(builder, one) for one in (low, high))
        with loop(builder, ir.Constant(I64, ROWS // TRIED), [top, bottom]) as (part, ends, leave_part, found):
            rows = at(builder, a, builder.mul(part, ir.Constant(I64, 4 * TRIED)))
            mine = at(builder, state, builder.mul(part, ir.Constant(I64, _LINE * TRIED)))
            first = [load(builder, _KIND, at(builder, mine, _LINE * (SUM * ROWS + row))) for row in range(TRIED)]
            with loop(builder, many, [ir.Constant(I64, 0), *first, *ends]) as (group, (done, *held), leave, last):
                totals, following = _added(builder, (rows, b, groups), group, done, held[:TRIED])
                leave([following, *totals, *widened(builder, held[TRIED:], totals)])
            leave_part(last[1 + TRIED :])
        beyond = builder.or_(less(builder, found[0], bottom), less(builder, top, found[1]))
        none = ir.Constant(ir.IntType(WIDTH), 0)
        return builder.zext(builder.icmp_unsigned("==", builder.bitcast(beyond, none.type), none), I64)

    return types.int64(*[types.intp] * 7), build


def spread(builder: Any, number: Any) -> Any:
    """Return an integer of 64 bits in all lanes."""
    return splat(builder, builder.trunc(number, I32), WIDTH)


def less(builder: Any, one: Any, other: Any) -> Any:
    """Return in which lanes one is less than the other."""
    return builder.icmp_signed("<", one, other)


def fitted(builder: Any, totals: Sequence[Any], limits: Sequence[Any]) -> list[Any]:
    """Return sums fitted to limits."""
    bottom, top = limits
    return [smaller(builder, larger(builder, total, bottom), top) for total in totals]


def hits_of(builder: Any, totals: Sequence[Any], counters: Sequence[Any], limits: Sequence[Any]) -> list[Any]:
    """Return counters with the hits of sums: of all of them below, then of all above."""
    (bottom, top), one, none = limits, constant(_KIND, 1), constant(_KIND, 0)
    masks = [less(builder, total, bottom) for total in totals] + [less(builder, top, total) for total in totals]
    return [builder.add(before, builder.select(mask, one, none)) for before, mask in zip(counters, masks, strict=True)]


def _added(
    builder: Any, places: tuple[Any, Any, Any], group: Any, done: Any, sums: Sequence[Any]
) -> tuple[list[Any], Any]:
    """Return sums with the products of a group, and how many words are done behind it.

    places: of the operands of as many rows as there are sums, of weights, and of the sizes of groups.
    """
    a, b, groups = places
    size = load(builder, I64, at(builder, groups, builder.mul(group, ir.Constant(I64, 8))))
    with loop(builder, size, sums) as (index, held, leave, totals):
        step = builder.add(done, index)
        weights = load(builder, _KIND, at(builder, b, builder.mul(step, ir.Constant(I64, _LINE))))
        along = at(builder, a, builder.mul(step, ir.Constant(I64, 4 * ROWS)))
        words = [splat(builder, load(builder, I32, at(builder, along, 4 * row)), WIDTH) for row in range(len(held))]
        leave([pairs.add_products(builder, one, word, weights) for one, word in zip(held, words, strict=True)])
    return totals, builder.add(done, size)
