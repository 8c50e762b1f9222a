"""The micro-kernels of any register that saturates: a group of products is added up, then the sum is fitted.

Lanes are float32, exact below 2**24, for any machine; or, where VNNI is, 32-bit integers that take two products an
instruction. In memory all are words of 32 bits: integers, float32, or pairs of 16 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numba import types

from hwsim_kernels.fast.ir import (
    F32,
    HOST,
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
from hwsim_kernels.fast.words import ABOVE, BELOW, ROWS, SUM, WIDTH, emits_words

AHEAD, TRIED = (ROWS, ROWS) if "avx512f" in HOST else (1, ROWS // 2)
"""Rows whose sums stay in registers together: with their hits, and without."""

_LINE = 64
_WHOLE = vector(I32, WIDTH)
_FLOAT = vector(F32, WIDTH)


class _Floats:
    """Lanes of float32."""

    kind = _FLOAT

    @staticmethod
    def there() -> bool:
        return True

    @staticmethod
    def given(builder: Any, whole: Any) -> Any:
        return builder.sitofp(whole, _FLOAT)

    @staticmethod
    def taken(builder: Any, lanes: Any) -> Any:
        return builder.fptosi(lanes, _WHOLE)

    @staticmethod
    def add(builder: Any, total: Any, operand: Any, weights: Any) -> Any:
        factors = [builder.bitcast(one, _FLOAT) for one in (operand, weights)]
        return call(builder, "llvm.fmuladd.v16f32", _FLOAT, [*factors, total])

    @staticmethod
    def less(builder: Any, one: Any, other: Any) -> Any:
        return builder.fcmp_ordered("<", one, other)


class _Pairs:
    """Lanes of integers; operands and weights are pairs of 16 bits."""

    kind = _WHOLE
    there = staticmethod(emits_words)

    @staticmethod
    def given(_builder: Any, whole: Any) -> Any:
        return whole

    @staticmethod
    def taken(_builder: Any, lanes: Any) -> Any:
        return lanes

    @staticmethod
    def add(builder: Any, total: Any, operand: Any, weights: Any) -> Any:
        return call(builder, "llvm.x86.avx512.vpdpwssd.512", _WHOLE, [total, operand, weights])

    @staticmethod
    def less(builder: Any, one: Any, other: Any) -> Any:
        return builder.icmp_signed("<", one, other)


def _fitting(lanes: type[_Floats] | type[_Pairs]) -> Any:
    """Return the intrinsic for lanes of a kind."""

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
            if lanes.there():
                generate(builder, *arguments)
            return target.get_dummy_value()

        return types.void(*[types.intp] * 8), build

    def generate(
        builder: Any, a: Any, b: Any, groups: Any, many: Any, state: Any, low: Any, high: Any, seen: Any
    ) -> None:
        limits = _limits(builder, lanes, low, high)
        with loop(builder, ir.Constant(I64, ROWS // AHEAD), []) as (part, _, leave_part, _none):
            rows = at(builder, a, builder.mul(part, ir.Constant(I64, 4 * AHEAD)))
            mine = at(builder, state, builder.mul(part, ir.Constant(I64, _LINE * AHEAD)))
            numbers = [name * ROWS + row for name in (SUM, BELOW, ABOVE) for row in range(AHEAD)]
            places = [at(builder, mine, _LINE * number) for number in numbers]
            places += [seen, at(builder, seen, _LINE)]
            held = [load(builder, _WHOLE, place) for place in places]
            hits = range(AHEAD, 3 * AHEAD)
            first = [one if number in hits else lanes.given(builder, one) for number, one in enumerate(held)]
            with loop(builder, many, [ir.Constant(I64, 0), *first]) as (group, (done, *values), leave, last):
                totals, following = _added(builder, lanes, (rows, b, groups), group, done, values[:AHEAD])
                leave([following, *_fitted(builder, lanes, totals, values[AHEAD:], limits)])
            for number, (value, place) in enumerate(zip(last[1:], places, strict=True)):
                store(builder, value if number in hits else lanes.taken(builder, value), place)
            leave_part([])

    return fit_groups


def _staying(lanes: type[_Floats] | type[_Pairs]) -> Any:
    """Return the intrinsic that tries lanes of a kind without fits."""

    @machine_code
    def stay_within(context: Any, a: Any, b: Any, groups: Any, many: Any, state: Any, low: Any, high: Any) -> Any:
        """Return whether no sum of 8 rows and 16 columns leaves the limits at the end of a group.

        Arguments as for ``fit_groups``, which then would change nothing; nothing is written.
        """

        def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return generate(builder, *arguments) if lanes.there() else ir.Constant(I64, 0)

        return types.int64(*[types.intp] * 7), build

    def generate(builder: Any, a: Any, b: Any, groups: Any, many: Any, state: Any, low: Any, high: Any) -> Any:
        bottom, top = _limits(builder, lanes, low, high)
        with loop(builder, ir.Constant(I64, ROWS // TRIED), [top, bottom]) as (part, ends, leave_part, found):
            rows = at(builder, a, builder.mul(part, ir.Constant(I64, 4 * TRIED)))
            mine = at(builder, state, builder.mul(part, ir.Constant(I64, _LINE * TRIED)))
            places = [at(builder, mine, _LINE * (SUM * ROWS + row)) for row in range(TRIED)]
            first = [lanes.given(builder, load(builder, _WHOLE, place)) for place in places]
            with loop(builder, many, [ir.Constant(I64, 0), *first, *ends]) as (group, (done, *held), leave, last):
                totals, following = _added(builder, lanes, (rows, b, groups), group, done, held[:TRIED])
                leave([following, *totals, *_outermost(builder, lanes, totals, held[TRIED:])])
            leave_part(last[1 + TRIED :])
        beyond = builder.or_(lanes.less(builder, found[0], bottom), lanes.less(builder, top, found[1]))
        none = ir.Constant(ir.IntType(WIDTH), 0)
        return builder.zext(builder.icmp_unsigned("==", builder.bitcast(beyond, none.type), none), I64)

    return stay_within


def _limits(builder: Any, lanes: type[_Floats] | type[_Pairs], low: Any, high: Any) -> list[Any]:
    return [lanes.given(builder, splat(builder, builder.trunc(one, I32), WIDTH)) for one in (low, high)]


def _added(
    builder: Any, lanes: type[_Floats] | type[_Pairs], places: tuple[Any, Any, Any], group: Any, done: Any, sums: Any
) -> tuple[list[Any], Any]:
    """Return sums with the products of a group, and how many words are done behind it.

    places: of the operands of as many rows as there are sums, of weights, and of the sizes of groups.
    """
    a, b, groups = places
    size = load(builder, I64, at(builder, groups, builder.mul(group, ir.Constant(I64, 8))))
    with loop(builder, size, sums) as (index, held, leave, totals):
        step = builder.add(done, index)
        weights = load(builder, _WHOLE, at(builder, b, builder.mul(step, ir.Constant(I64, _LINE))))
        along = at(builder, a, builder.mul(step, ir.Constant(I64, 4 * ROWS)))
        words = [load(builder, I32, at(builder, along, 4 * row)) for row in range(len(held))]
        leave(
            [
                lanes.add(builder, one, splat(builder, word, WIDTH), weights)
                for one, word in zip(held, words, strict=True)
            ]
        )
    return totals, builder.add(done, size)


def _outermost(builder: Any, lanes: type[_Floats] | type[_Pairs], totals: Sequence[Any], ends: Sequence[Any]) -> Any:
    """Return the least and the most of what sums were before and are."""
    least, most = ends
    for total in totals:
        least = builder.select(lanes.less(builder, total, least), total, least)
        most = builder.select(lanes.less(builder, most, total), total, most)
    return [least, most]


def _fitted(builder: Any, lanes: Any, totals: list[Any], counters: list[Any], limits: Sequence[Any]) -> list[Any]:
    """Return sums fitted to limits, hits below and above, and the range of what came to the fit."""
    (bottom, top), one, none = limits, constant(_WHOLE, 1), constant(_WHOLE, 0)
    sums: list[Any] = []
    hits: list[list[Any]] = [[], []]
    for number, total in enumerate(totals):
        below, above = lanes.less(builder, total, bottom), lanes.less(builder, top, total)
        sums.append(builder.select(above, top, builder.select(below, bottom, total)))
        for side, mask in enumerate((below, above)):
            before = counters[side * AHEAD + number]
            hits[side].append(builder.add(before, builder.select(mask, one, none)))
    return [*sums, *hits[0], *hits[1], *_outermost(builder, lanes, totals, counters[2 * AHEAD :])]


fit_groups_of_floats = _fitting(_Floats)
fit_groups_of_pairs = _fitting(_Pairs)
stay_within_by_floats = _staying(_Floats)
stay_within_by_pairs = _staying(_Pairs)
