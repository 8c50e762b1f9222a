"""How many bits the magnitudes of many values have: the histogram of ``counting.count_bits``.

A magnitude of j bits, none of 0, becomes a word of which bit j - 1 alone is set. Each bit of the words is counted on
its own, in *planes*: vectors of which the first holds the ones of all counts, the next the twos, and so on. Full adders
make two planes of three, and so many vectors go through few instructions before a plane of many is added to those that
are kept. Words of 16 bits are counted two at a time, side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints
from hwsim_kernels.fast.ir import (
    F32,
    HOST,
    I1,
    I16,
    I32,
    I64,
    Builder,
    Value,
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
from hwsim_kernels.fast.memory import LINE

PLANES = 11
"""Planes that are kept: one bit of a lane can be counted 2047 times."""

PLACES = 16
"""Planes that there are when lanes are folded into one, at most: a multiple of what makes a machine's integer."""

MANY = 16
"""Vectors that are added up before the planes that are kept take what is more; a power of two."""

MOST = ((1 << PLANES) - 1) // MANY * MANY
"""Words of a lane that can be counted at a time."""

HALF_BINS = 17
"""So many bins at most are of words of 16 bits."""

EXACT_BINS = 25
"""So many bins at most are of magnitudes that float32 holds."""


def word(builder: Builder, value: Value, *, exact: bool) -> Value:
    """Return the highest bits of magnitudes below the largest power of two; ``exact``: of those that float32 holds."""
    kind = value.type
    bits = kind.element.width
    if bits == 64 or "avx512cd" in HOST:
        size = magnitude(builder, value)
        zeros = call(builder, f"llvm.ctlz.v{kind.count}i{bits}", kind, [size, ir.Constant(I1, 0)])
        return builder.lshr(constant(kind, 1 << (bits - 2)), builder.sub(zeros, constant(kind, 1)))
    # no instruction counts zeros: the exponent of a float does, of one that cannot be rounded up to the next
    if not exact:
        size = magnitude(builder, value)
        value = builder.and_(size, builder.not_(builder.lshr(size, constant(kind, 1))))
    real = builder.bitcast(builder.sitofp(value, vector(F32, kind.count)), kind)
    power = builder.bitcast(builder.and_(real, constant(kind, 0xFF << 23)), vector(F32, kind.count))
    return builder.fptosi(power, kind)


def magnitude(builder: Builder, value: Value) -> Value:
    """Return the magnitudes of integers."""
    kind = value.type
    return call(builder, f"llvm.abs.v{kind.count}i{kind.element.width}", kind, [value, ir.Constant(I1, 0)])


def added(builder: Builder, planes: Sequence[Value], word: Value, first: int = 0) -> list[Value]:
    """Return planes with a word counted that stands for the plane ``first``."""
    result = list(planes)
    for number in range(first, len(planes)):
        result[number] = builder.xor(planes[number], word)
        word = builder.and_(planes[number], word)
    return result


def added_many(builder: Builder, planes: Sequence[Value], make: Callable[[int], Value], many: int) -> list[Value]:
    """Return planes with ``many`` words counted, a power of two, the first of which is ``make(0)``.

    Words are made when they are needed, so that few are held at a time.
    """
    result = list(planes)

    def carry(first: int, size: int) -> Value:
        if size == 1:
            return make(first)
        half = size // 2
        one, other = carry(first, half), carry(first + half, half)
        place = half.bit_length() - 1
        either = builder.xor(one, other)
        more = builder.or_(builder.and_(one, other), builder.and_(either, result[place]))
        result[place] = builder.xor(either, result[place])
        return more

    return added(builder, result, carry(0, many), many.bit_length() - 1)


def folded(builder: Builder, planes: Sequence[Value]) -> list[Value]:
    """Return planes of half the lanes that have counted what both halves had: one more, for the carries."""
    lanes = planes[0].type.count // 2
    halves = [ir.Constant(vector(I32, lanes), list(range(first, first + lanes))) for first in (0, lanes)]
    carry = constant(vector(planes[0].type.element, lanes), 0)
    sums: list[Value] = []
    for plane in planes:
        low, high = (builder.shuffle_vector(plane, plane, half) for half in halves)
        either = builder.xor(low, high)
        sums.append(builder.xor(either, carry))
        carry = builder.or_(builder.and_(low, high), builder.and_(either, carry))
    return [*sums, carry]


def note_planes(builder: Builder, planes: Sequence[Value], values: Value, bins: Value, histogram: Value) -> None:
    """Add what planes have counted of so many values to the ``bins`` integers at an address."""
    while planes[0].type.count > 1:
        planes = folded(builder, planes)
    element = planes[0].type.element
    side = constant(vector(element, PLACES), 0)
    for place, plane in enumerate(planes):
        word = builder.extract_element(plane, ir.Constant(I32, 0))
        side = builder.insert_element(side, word, ir.Constant(I32, place))
    with loop(builder, bins, [ir.Constant(I64, 0)]) as (number, held, leave, last):
        # no bit stands for 0
        bit = builder.lshr(builder.shl(ir.Constant(I64, 1), number), ir.Constant(I64, 1))
        bit = bit if element == I64 else builder.trunc(bit, element)
        # one bit of all planes side by side is a number
        has = builder.icmp_unsigned("!=", builder.and_(side, splat(builder, bit, PLACES)), constant(side.type, 0))
        count = builder.zext(builder.bitcast(has, ir.IntType(PLACES)), I64)
        note(builder, count, at(builder, histogram, builder.mul(number, ir.Constant(I64, 8))))
        leave([builder.add(held[0], count)])
    note(builder, builder.sub(values, last[0]), histogram)


def note(builder: Builder, count: Value, address: Value) -> None:
    """Add to an integer in memory."""
    store(builder, builder.add(load(builder, I64, address), count), address)


def _lengths(many: int, width: int, *, exact: bool = False, halves: bool = False) -> Any:
    """Return an intrinsic that counts the bits of ``groups`` times ``many`` words, up to ``bins - 1`` bits each.

    Words are vectors, lines of the cache, of values of ``width`` bits; or, in ``halves``, of two lines of them.
    ``exact``: see ``word``.
    """
    element = ir.IntType(width)
    lanes = 8 * LINE // width
    kind = vector(element, lanes)
    lines = 2 if halves else 1

    def build(builder: Any, values: Any, groups: Any, offset: Any, bins: Any, histogram: Any) -> None:
        taken = splat(builder, offset if width == 64 else builder.trunc(offset, element), lanes)
        with loop(builder, groups, [constant(kind, 0)] * PLANES) as (group, held, leave, planes):
            place = at(builder, values, builder.mul(group, ir.Constant(I64, lines * LINE * many)))

            def line_at(number: int, place: Any = place) -> Any:
                value = builder.sub(load(builder, kind, at(builder, place, LINE * number)), taken)
                return word(builder, value, exact=exact)

            def word_at(number: int) -> Any:
                if not halves:
                    return line_at(number)
                upper = builder.shl(line_at(2 * number + 1), constant(kind, width // 2))
                return builder.or_(line_at(2 * number), upper)

            leave(added_many(builder, held, word_at, many))
        if halves:
            planes = [builder.bitcast(plane, vector(I16, 2 * lanes)) for plane in planes]
        note_planes(builder, planes, builder.mul(groups, ir.Constant(I64, lines * lanes * many)), bins, histogram)

    @machine_code
    def run(context: Any, values: Any, groups: Any, offset: Any, bins: Any, histogram: Any) -> Any:
        def generate(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            build(builder, *arguments)
            return target.get_dummy_value()

        return types.void(*[types.intp] * 5), generate

    return run


_many, _one = _lengths(MANY, 32), _lengths(1, 32)
_many_exact, _many_halves = _lengths(MANY, 32, exact=True), _lengths(MANY, 32, exact=True, halves=True)
_many_wide, _one_wide = _lengths(MANY, 64), _lengths(1, 64)


@njit
def bit_lengths(values: NDArray[np.int32] | Ints, offset: Int, bins: Int, histogram: Ints) -> None:
    """Note how many bits the magnitudes of ``values`` less ``offset`` have, none ``bins`` or more.

    values: contiguous, a multiple of 64 bytes. bins: at most the bits of a value.
    """
    wide = values.itemsize > 4
    vectors = values.size * values.itemsize // LINE
    halves = bins <= HALF_BINS and not wide
    lines: Int = np.int64(2) if halves else np.int64(1)
    done: Int = np.int64(0)
    while done < vectors:
        place, left = values.ctypes.data + LINE * done, vectors - done
        many = left >= MANY * lines
        if many:
            groups = min(left // (MANY * lines), MOST // MANY)
            done += groups * MANY * lines
        else:
            groups = min(left, MOST)
            done += groups
        if wide and many:
            _many_wide(place, groups, offset, bins, histogram.ctypes.data)
        elif wide:
            _one_wide(place, groups, offset, bins, histogram.ctypes.data)
        elif not many:
            _one(place, groups, offset, bins, histogram.ctypes.data)
        elif halves:
            _many_halves(place, groups, offset, bins, histogram.ctypes.data)
        elif bins <= EXACT_BINS:
            _many_exact(place, groups, offset, bins, histogram.ctypes.data)
        else:
            _many(place, groups, offset, bins, histogram.ctypes.data)
