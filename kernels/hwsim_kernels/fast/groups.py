"""The micro-kernels of any register that saturates: a group of products is added up, then the sum is fitted.

Lanes are float32, exact below 2**24, for any machine; or, where VNNI is, 32-bit integers that take two products an
instruction. In memory all are words of 32 bits: integers, float32, or pairs of 16 bits.
"""

from __future__ import annotations

from typing import Any

from numba import types

from hwsim_kernels.fast.ir import F32, I32, I64, at, call, constant, ir, load, loop, machine_code, splat, store, vector
from hwsim_kernels.fast.words import ABOVE, BELOW, ROWS, SUM, WIDTH, emits_words

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
        rows = [at(builder, a, 4 * row) for row in range(ROWS)]
        places = [
            at(builder, state, _LINE * (name * ROWS + row)) for name in (SUM, BELOW, ABOVE) for row in range(ROWS)
        ]
        places += [seen, at(builder, seen, _LINE)]
        held = [load(builder, _WHOLE, place) for place in places]
        whole = slice(ROWS, 3 * ROWS)
        first = [
            one if number in range(ROWS, 3 * ROWS) else lanes.given(builder, one) for number, one in enumerate(held)
        ]
        bottom, top = (lanes.given(builder, splat(builder, builder.trunc(one, I32), WIDTH)) for one in (low, high))
        with loop(builder, many, [ir.Constant(I64, 0), *first]) as (group, (done, *values), leave, last):
            size = load(builder, I64, at(builder, groups, builder.mul(group, ir.Constant(I64, 8))))
            with loop(builder, size, values[:ROWS]) as (index, sums, leave_step, totals):
                step = builder.add(done, index)
                weights = load(builder, _WHOLE, at(builder, b, builder.mul(step, ir.Constant(I64, _LINE))))
                along = builder.mul(step, ir.Constant(I64, 4 * ROWS))
                leave_step(
                    [
                        lanes.add(
                            builder, total, splat(builder, load(builder, I32, at(builder, row, along)), WIDTH), weights
                        )
                        for row, total in zip(rows, sums, strict=True)
                    ]
                )
            leave([builder.add(done, size), *_fitted(builder, lanes, totals, values[ROWS:], (bottom, top))])
        results = last[1:]
        for number, (value, place) in enumerate(zip(results, places, strict=True)):
            counted = number in range(*whole.indices(len(places)))
            store(builder, value if counted else lanes.taken(builder, value), place)

    return fit_groups


def _fitted(builder: Any, lanes: Any, totals: list[Any], counters: list[Any], limits: tuple[Any, Any]) -> list[Any]:
    """Return sums fitted to limits, hits below and above, and the range of what came to the fit."""
    (bottom, top), one, none = limits, constant(_WHOLE, 1), constant(_WHOLE, 0)
    least, most = counters[2 * ROWS :]
    sums: list[Any] = []
    hits: list[list[Any]] = [[], []]
    for number, total in enumerate(totals):
        below, above = lanes.less(builder, total, bottom), lanes.less(builder, top, total)
        sums.append(builder.select(above, top, builder.select(below, bottom, total)))
        for side, mask in enumerate((below, above)):
            before = counters[side * ROWS + number]
            hits[side].append(builder.add(before, builder.select(mask, one, none)))
        least = builder.select(lanes.less(builder, total, least), total, least)
        most = builder.select(lanes.less(builder, most, total), total, most)
    return [*sums, *hits[0], *hits[1], least, most]


fit_groups_of_floats = _fitting(_Floats)
fit_groups_of_pairs = _fitting(_Pairs)
