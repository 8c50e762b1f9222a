"""Machine code for constant matrices of small integers times vectors: sums that rows have in common are formed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import gcd
from typing import Any

from numba import types

from hwsim_kernels.fast.filtering import FILTERINGS, Matrix
from hwsim_kernels.fast.ir import I64, at, constant, ir, load, loop, machine_code, store
from hwsim_kernels.fast.pairs import KIND, SHORTS

Row = dict[int, int]
"""A sum of variables by their numbers, with coefficients."""

Pair = tuple[int, int, int, int]
"""Two variables, and their coefficients without a common factor."""


def shared(matrix: Matrix) -> tuple[list[Pair], list[Row]]:
    """Return sums of two variables that rows have in common, and the rows, to be formed in that order.

    The inputs are variables 0, 1, …, the pairs those that follow. The most frequent pair comes first.

    >>> shared(((1, 2, 0), (3, 6, 1)))
    ([(0, 1, 1, 2)], [{3: 1}, {2: 1, 3: 3}])
    """
    rows: list[Row] = [{number: one for number, one in enumerate(row) if one} for row in matrix]
    pairs: list[Pair] = []
    while True:
        found = Counter(pair for row in rows for pair in _pairs_of(row))
        best = max(found, key=lambda one: (found[one], -abs(one[2]) - abs(one[3])), default=None)
        if best is None or found[best] == 1:
            return pairs, rows
        variable = len(matrix[0]) + len(pairs)
        pairs.append(best)
        for row in rows:
            if best in _pairs_of(row):
                row[variable] = row.pop(best[0]) // best[2]
                del row[best[1]]


def _pairs_of(row: Row) -> list[Pair]:
    found: list[Pair] = []
    for i, j in combinations(sorted(row), 2):
        common = gcd(row[i], row[j]) if row[i] > 0 else -gcd(row[i], row[j])
        found.append((i, j, row[i] // common, row[j] // common))
    return found


def digits(factor: int) -> list[tuple[int, int]]:
    """Return a positive integer as the fewest powers of two, places and signs, that add up to it.

    >>> digits(21), digits(15)
    ([(0, 1), (2, 1), (4, 1)], [(0, -1), (4, 1)])
    """
    found: list[tuple[int, int]] = []
    place = 0
    while factor:
        if factor % 2:
            sign = 2 - factor % 4
            found.append((place, sign))
            factor -= sign
        factor, place = factor // 2, place + 1
    return found


def total(builder: Any, terms: Sequence[tuple[Any, int]]) -> Any:
    """Return the sum of vectors, each with the sign of a number, a positive one first if there is one."""
    (first, sign), *rest = sorted(terms, key=lambda one: -one[1])
    made = first if sign > 0 else builder.neg(first)
    for value, its in rest:
        made = (builder.add if its > 0 else builder.sub)(made, value)
    return made


def weighed(builder: Any, values: Sequence[Any], row: Row) -> Any:
    """Return a row's sum, by shifts, for few processors multiply words fast; equal factors are multiplied once."""
    parts: list[tuple[Any, int]] = []
    for size in sorted({abs(one) for one in row.values()}):
        same = [(values[number], one) for number, one in row.items() if abs(one) == size]
        sign = max(one for _, one in same)
        part = total(builder, [(value, one * sign) for value, one in same])
        shifted = [(builder.shl(part, constant(part.type, place)), one) for place, one in digits(size)]
        parts.append((total(builder, shifted), sign))
    return total(builder, parts)


def combination(matrices: Sequence[Matrix], kind: Any) -> Any:
    """Return an intrinsic that multiplies vectors by the matrix of number ``which``.

    It reads as many as the matrix has columns, ``step`` bytes apart, and writes as many as it has rows, ``apart`` bytes
    apart, and does so for ``many`` vectors that follow one another. Sums wrap.
    """
    size = kind.count * kind.element.width // 8

    @machine_code
    def combine(context: Any, which: Any, source: Any, step: Any, target: Any, apart: Any, many: Any) -> Any:
        def build(machine: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            which, *places = arguments
            for number, matrix in enumerate(matrices):
                with builder.if_then(builder.icmp_signed("==", which, ir.Constant(I64, number))):
                    generate(builder, matrix, *places)
            return machine.get_dummy_value()

        return types.void(*[types.intp] * 6), build

    def generate(builder: Any, matrix: Matrix, source: Any, step: Any, target: Any, apart: Any, many: Any) -> None:
        pairs, rows = shared(matrix)
        with loop(builder, many, []) as (index, _, leave, _last):
            done = builder.mul(index, ir.Constant(I64, size))
            first, begin = at(builder, source, done), at(builder, target, done)
            values = [
                load(builder, kind, at(builder, first, builder.mul(step, ir.Constant(I64, number))))
                for number in range(len(matrix[0]))
            ]
            for i, j, one, other in pairs:
                values.append(weighed(builder, values, {i: one, j: other}))
            for number, row in enumerate(rows):
                place = at(builder, begin, builder.mul(apart, ir.Constant(I64, number)))
                store(builder, weighed(builder, values, row), place)
            leave([])

    return combine


combine_operands = combination([one.operands for one in FILTERINGS], SHORTS)
"""Combines integers of 16 bits as a filtering combines operands."""

combine_products = combination([one.sums for one in FILTERINGS], KIND)
"""Combines integers of 32 bits to the sums of a filtering, times its scale."""
