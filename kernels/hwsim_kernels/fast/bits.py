"""How many bits the magnitudes of many values have: the histogram of ``counting.count_bits``.

A magnitude of j bits, none of 0, becomes a word of which bit j - 1 alone is set. Each bit of the words is counted on
its own, in *planes*: vectors of which the first holds the ones of all counts, the next the twos, and so on. Full adders
make two planes of three, and so many vectors go through few instructions before a plane of many is added to those that
are kept. Short values share a lane, two or four of them. Their words are in reverse where that takes less: the highest
bit is the lowest of a number in reverse, and few instructions single that out.
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
    I8,
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

PLANES = {1: 10, 2: 9, 4: 8}
"""Planes that are kept, by how many values share a lane: enough for the words of a block of 256 rows and 32 columns."""

PLACES = 16
"""Planes that there are when lanes are folded into one, at most: a multiple of what makes a machine's integer."""

MANY = 16
"""Vectors that are added up before the planes that are kept take what is more; a power of two."""

MOST = ((1 << PLANES[1]) - 1) // MANY * MANY
"""Words that can be counted at a time: planes hold them, and of those that are shared more values than this."""

HALF_BINS = 16
"""So many bins at most are of magnitudes below 2**15: two values share a lane."""

QUARTER_BINS = 9
"""So many bins at most are of magnitudes below 2**8: four values share a lane."""

EXACT_BINS = 25
"""So many bins at most are of magnitudes that float32 holds."""

FLOATS = "avx512cd" not in HOST
"""Whether the exponents of floats stand for an instruction that counts zeros."""


def word(builder: Builder, value: Value, *, exact: bool) -> Value:
    """Return the highest bits of magnitudes below the largest power of two; ``exact``: of those that float32 holds."""
    kind = value.type
    bits = kind.element.width
    if bits == 64 or not FLOATS:
        zeros = call(builder, f"llvm.ctlz.v{kind.count}i{bits}", kind, [magnitude(builder, value), ir.Constant(I1, 0)])
        if not FLOATS:
            # LLVM's own shift by all bits, of 0, has no meaning; the processor's gives 0
            shifted = f"llvm.x86.avx512.psrlv.{'q' if bits == 64 else 'd'}.512"
            return call(builder, shifted, kind, [constant(kind, 1 << (bits - 1)), zeros])
        return builder.lshr(constant(kind, 1 << (bits - 2)), builder.sub(zeros, constant(kind, 1)))
    # no instruction counts zeros: the exponent of a float does, of one that cannot be rounded up to the next
    if not exact:
        size = magnitude(builder, value)
        value = builder.and_(size, builder.not_(builder.lshr(size, constant(kind, 1))))
    real = builder.bitcast(builder.sitofp(value, vector(F32, kind.count)), kind)
    power = builder.bitcast(builder.and_(real, constant(kind, 0xFF << 23)), vector(F32, kind.count))
    return builder.fptosi(power, kind)


def short_magnitudes(builder: Builder, lines: Sequence[Value], offset: Value) -> Value:
    """Return the magnitudes of two or four lines of 32-bit lanes less an ``offset`` (lanes of 16 bits), side by side.

    They are below 2**15, of four lines below 2**8.
    """
    halves: list[Value] = []
    for low, high in zip(lines[::2], lines[1::2], strict=True):
        both = builder.or_(builder.and_(low, constant(low.type, 0xFFFF)), builder.shl(high, constant(high.type, 16)))
        halves.append(magnitude(builder, builder.sub(builder.bitcast(both, offset.type), offset)))
    if len(halves) == 1:
        return halves[0]
    joined = builder.or_(halves[0], builder.shl(halves[1], constant(offset.type, 8)))
    return builder.bitcast(joined, vector(I8, 2 * offset.type.count))


def reversed_word(builder: Builder, size: Value) -> Value:
    """Return the highest bits of magnitudes in lanes of 8 or 16 bits, in reverse."""
    kind = size.type
    mirrored = call(builder, f"llvm.bitreverse.v{kind.count}i{kind.element.width}", kind, [size])
    return builder.and_(mirrored, builder.sub(constant(kind, 0), mirrored))


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


def note_planes(
    builder: Builder, planes: Sequence[Value], values: Value, bins: Value, histogram: Value, *, mirrored: bool = False
) -> None:
    """Add what planes have counted of so many values to the ``bins`` integers at an address; mirrored: in reverse."""
    while planes[0].type.count > 1:
        planes = folded(builder, planes)
    element = planes[0].type.element
    side = constant(vector(element, PLACES), 0)
    for place, plane in enumerate(planes):
        word = builder.extract_element(plane, ir.Constant(I32, 0))
        side = builder.insert_element(side, word, ir.Constant(I32, place))
    with loop(builder, bins, [ir.Constant(I64, 0)]) as (number, held, leave, last):
        # no bit stands for 0
        if mirrored:
            bit = builder.lshr(ir.Constant(I64, 1 << element.width), number)
        else:
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


def _lengths(many: int, width: int = 32, *, share: int = 1, exact: bool = False) -> Any:
    """Return an intrinsic that counts the bits of ``groups`` times ``many`` words, up to ``bins - 1`` bits each.

    Words are vectors, lines of the cache, of values of ``width`` bits; or of so many that ``share`` a lane. ``exact``:
    see ``word``.
    """
    element = ir.IntType(width)
    lanes = 8 * LINE // width
    kind = vector(element, lanes)
    counted = vector(ir.IntType(width // share), lanes * share)
    # without that instruction, turning 16 bits round takes longer than a second word
    mirrored = share == 4 or (share == 2 and "gfni" in HOST)

    def build(builder: Any, values: Any, groups: Any, offset: Any, bins: Any, histogram: Any) -> None:
        one = I16 if mirrored else element
        taken = splat(builder, offset if width == 64 else builder.trunc(offset, one), 8 * LINE // one.width)
        with loop(builder, groups, [constant(counted, 0)] * PLANES[share]) as (group, held, leave, planes):
            place = at(builder, values, builder.mul(group, ir.Constant(I64, share * LINE * many)))

            def word_at(number: int) -> Any:
                lines = [load(builder, kind, at(builder, place, LINE * (share * number + i))) for i in range(share)]
                if mirrored:
                    return reversed_word(builder, short_magnitudes(builder, lines, taken))
                words = [word(builder, builder.sub(line, taken), exact=exact or share > 1) for line in lines]
                if share == 1:
                    return words[0]
                both = builder.or_(words[0], builder.shl(words[1], constant(kind, width // share)))
                return builder.bitcast(both, counted)

            leave(added_many(builder, held, word_at, many))
        values = builder.mul(groups, ir.Constant(I64, share * lanes * many))
        note_planes(builder, planes, values, bins, histogram, mirrored=mirrored)

    @machine_code
    def run(context: Any, values: Any, groups: Any, offset: Any, bins: Any, histogram: Any) -> Any:
        def generate(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            build(builder, *arguments)
            return target.get_dummy_value()

        return types.void(*[types.intp] * 5), generate

    return run


_many, _one, _many_exact = _lengths(MANY), _lengths(1), _lengths(MANY, exact=True)
_many_halves, _many_quarters = _lengths(MANY, share=2), _lengths(MANY, share=4)
_many_wide, _one_wide = _lengths(MANY, 64), _lengths(1, 64)


@njit
def bit_lengths(values: NDArray[np.int32] | Ints, offset: Int, bins: Int, histogram: Ints) -> None:
    """Note how many bits the magnitudes of ``values`` less ``offset`` have, none ``bins`` or more.

    values: contiguous, a multiple of 64 bytes. bins: at most the bits of a value.
    """
    wide = values.itemsize > 4
    vectors = values.size * values.itemsize // LINE
    share: Int = np.int64(1)
    if not wide and bins <= HALF_BINS:
        share = np.int64(4 if bins <= QUARTER_BINS else 2)
    done: Int = np.int64(0)
    while done < vectors:
        place, left = values.ctypes.data + LINE * done, vectors - done
        while share > 1 and left < MANY * share:
            share //= 2
        many = left >= MANY
        if many:
            groups = min(left, MOST) // (MANY * share)
            done += groups * MANY * share
        else:
            groups = min(left, MOST)
            done += groups
        if wide and many:
            _many_wide(place, groups, offset, bins, histogram.ctypes.data)
        elif wide:
            _one_wide(place, groups, offset, bins, histogram.ctypes.data)
        elif not many:
            _one(place, groups, offset, bins, histogram.ctypes.data)
        elif share == 4:
            _many_quarters(place, groups, offset, bins, histogram.ctypes.data)
        elif share == 2:
            _many_halves(place, groups, offset, bins, histogram.ctypes.data)
        elif FLOATS and bins <= EXACT_BINS:
            _many_exact(place, groups, offset, bins, histogram.ctypes.data)
        else:
            _many(place, groups, offset, bins, histogram.ctypes.data)
