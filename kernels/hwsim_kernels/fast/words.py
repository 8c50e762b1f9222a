"""The micro-kernel of registers that saturate after every product: one instruction of VNNI adds and saturates.

Sums stand in the upper bits of 32-bit words, shifted left by ``32 - bits``, so that what saturates to 32 bits
(``vpdpwssds``) saturates the sum. The lower bits, the *field*, are a witness: they hold a mark, a single bit, and a
saturation leaves all ones there (above) or zeros (below), so a word tells by itself whether it ever saturated. To
count, the mark is put back after every step, and the fields are added up, modulo the field: with n steps, of which a
hit above and b below,

    n * mark - sum = mark * (a + b) + a,

which gives both numbers as long as a < mark and the whole fits the field: n steps at a time, see ``longest``.
Operands are pairs of 16 bits in a word, (a, 0) or, to double the product, (a, a); weights likewise.

A product of 0 changes no sum inside its limits, so the steps of a row whose operands are 0 can be left out: each row
may have a *list* of its other steps, with their *numbers*, which tell where their weights are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numba import types

from hwsim_kernels.fast import instructions
from hwsim_kernels.fast.ir import (
    I1,
    I8,
    I32,
    I64,
    at,
    call,
    constant,
    ir,
    larger,
    load,
    loop,
    machine_code,
    splat,
    store,
    vector,
    widened,
)

ROWS = 8
WIDTH = 16
LEAST_FIELD = 4
"""Bits of the shortest field that is worth its while."""

SUM, BEFORE, BELOW, ABOVE = range(4)
"""Names of the state (names, ROWS, WIDTH) int32: sums, what they were before steps that were counted, hits."""
STATE = 4

PIECE = 60
"""Words that are taken at a time, a multiple of 4: more cost less by themselves, but a hit makes all of them count."""

_LINE = 64
_KIND = vector(I32, WIDTH)
_LANES = ir.IntType(WIDTH)


def mark_bits(field: int) -> int:
    """Return the place of the mark's only bit in a field of so many bits."""
    return field // 2


def longest(field: int) -> int:
    """Return the most steps whose hits a field of so many bits tells apart.

    >>> [longest(bits) for bits in (4, 8, 12, 16)]
    [3, 15, 63, 255]
    """
    mark = 1 << mark_bits(field)
    return min(mark - 1, ((1 << field) - 1) // (mark + 1))


def mask_of(builder: Any, field: Any) -> Any:
    """Return a mask of a field of so many bits, for all lanes."""
    one = ir.Constant(I64, 1)
    return splat(builder, builder.trunc(builder.sub(builder.shl(one, field), one), I32), WIDTH)


def mark_of(builder: Any, place: Any) -> Any:
    """Return the mark whose bit stands there, for all lanes."""
    return splat(builder, builder.trunc(builder.shl(ir.Constant(I64, 1), place), I32), WIDTH)


def operand_at(builder: Any, row: Any, index: Any) -> Any:
    """Return a word (steps, 8) of a row's operands, for all lanes."""
    return splat(builder, load(builder, I32, at(builder, row, builder.mul(index, ir.Constant(I64, 4 * ROWS)))), WIDTH)


def weights_at(builder: Any, panel: Any, index: Any) -> Any:
    """Return the words (steps, 16) of a step's weights."""
    return load(builder, _KIND, at(builder, panel, builder.mul(index, ir.Constant(I64, _LINE))))


def in_state(builder: Any, state: Any, name: int) -> list[Any]:
    """Return the addresses of what a state holds under a name, one for each row."""
    return [at(builder, state, _LINE * (name * ROWS + row)) for row in range(ROWS)]


def _marked(builder: Any, words: Any, field: Any, mark: Any) -> Any:
    return builder.or_(builder.and_(words, builder.not_(field)), mark)


@machine_code
def count(
    context: Any,
    listed: Any,
    numbers: Any,
    many: Any,
    panel: Any,
    state: Any,
    field: Any,
    place: Any,
    reach: Any,
    largest: Any,
    heaviest: Any,
    far: Any,
) -> Any:
    """Take ``many`` products of 8 rows and 16 columns to the sums of ``state``; return what became of them.

    listed, numbers: addresses of operands, words, and of the numbers of their steps, bytes, (many, 8). Steps of a row
    whose operand is 0 may be left out, and there may be words 0 to make rows equally long. panel: of words of weights
    (steps, 16). field: how many of the lowest bits are no sum; place: which of them is the mark. No more steps than
    ``longest`` says.

    The result is 0 if nothing was hit; else bit 0 is set, and bit 1 + row for rows whose excesses may be larger than
    ``reach``: address of (2, 16) int32, the largest known below and above. largest, heaviest: addresses of the largest
    magnitudes of 8 rows' operands and of 16 columns' weights, int32. far: address of (8, 2) masks of 16 bits, which get
    the columns that this is about, below and above.
    """

    def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if not instructions.emits(instructions.AVX512_VNNI):
            return ir.Constant(I64, 0)
        listed, numbers, many, panel, state, field, place, reach, largest, heaviest, _ = arguments
        mask, mark = mask_of(builder, field), mark_of(builder, place)
        before = [load(builder, _KIND, one) for one in in_state(builder, state, SUM)]
        with loop(builder, many, [*before, *[constant(_KIND, 0)] * ROWS]) as (index, held, leave, last):
            sums: list[Any] = []
            fields: list[Any] = []
            # the bytes of all rows at once
            all_numbers = load(builder, I64, at(builder, numbers, builder.mul(index, ir.Constant(I64, ROWS))))
            for row in range(ROWS):
                number = builder.and_(builder.lshr(all_numbers, ir.Constant(I64, 8 * row)), ir.Constant(I64, 255))
                operand = operand_at(builder, at(builder, listed, 4 * row), index)
                words = instructions.saturate_two(builder, held[row], operand, weights_at(builder, panel, number))
                fields.append(builder.add(held[ROWS + row], words))
                sums.append(_marked(builder, words, mask, mark))
            leave([*sums, *fields])
        shift = splat(builder, builder.trunc(place, I32), WIDTH)
        untouched = builder.mul(splat(builder, builder.trunc(many, I32), WIDTH), mark)
        nothing = constant(_KIND, 0)
        any_hit = nothing
        hits: list[tuple[Any, Any]] = []
        for row in range(ROWS):
            missing = builder.and_(builder.sub(untouched, last[ROWS + row]), mask)
            both = builder.lshr(missing, shift)
            above = builder.sub(missing, builder.shl(both, shift))
            hits.append((builder.sub(both, above), above))
            any_hit = builder.or_(any_hit, both)
            for name, value in zip((BELOW, ABOVE), hits[-1], strict=True):
                counted = in_state(builder, state, name)[row]
                store(builder, builder.add(load(builder, _KIND, counted), value), counted)
            store(builder, last[row], in_state(builder, state, SUM)[row])
        hit = builder.bitcast(builder.icmp_unsigned("!=", any_hit, nothing), _LANES)
        result = builder.zext(builder.icmp_unsigned("!=", hit, ir.Constant(_LANES, 0)), I64)

        known = [load(builder, _KIND, at(builder, reach, _LINE * side)) for side in (0, 1)]
        weight, sizes = load(builder, _KIND, heaviest), load(builder, vector(I32, ROWS), largest)
        product = builder.mul(
            weight, splat(builder, call(builder, "llvm.vector.reduce.smax.v8i32", I32, [sizes]), WIDTH)
        )
        further = builder.or_(*(builder.icmp_signed(">", product, one) for one in known))
        before_far = builder.block
        with builder.if_then(builder.icmp_unsigned("!=", builder.bitcast(further, _LANES), ir.Constant(_LANES, 0))):
            rows = _far(builder, hits, before, (known, weight), arguments)
            behind_far = builder.block
        far = builder.phi(I64)
        far.add_incoming(ir.Constant(I64, 0), before_far)
        far.add_incoming(rows, behind_far)
        return builder.or_(result, far)

    return types.int64(*[types.intp] * 11), build


def _far(
    builder: Any,
    hits: Sequence[tuple[Any, Any]],
    before: Sequence[Any],
    bounds: tuple[Sequence[Any], Any],
    arguments: Sequence[Any],
) -> Any:
    """Note which hits may be larger than what is known; return the bits of their rows."""
    state, largest, far = arguments[4], arguments[8], arguments[10]
    (known, weight), rows = bounds, ir.Constant(I64, 0)
    for number, sides in enumerate(hits):
        operand = load(builder, I32, at(builder, largest, 4 * number))
        product = builder.mul(weight, splat(builder, operand, WIDTH))
        either = ir.Constant(_LANES, 0)
        for side, value in enumerate(sides):
            hit = builder.icmp_signed("!=", value, constant(_KIND, 0))
            further = builder.bitcast(builder.and_(hit, builder.icmp_signed(">", product, known[side])), _LANES)
            store(builder, further, at(builder, far, 4 * number + 2 * side))
            either = builder.or_(either, further)
        bit = builder.icmp_unsigned("!=", either, ir.Constant(_LANES, 0))
        rows = builder.or_(rows, builder.shl(builder.zext(bit, I64), ir.Constant(I64, 1 + number)))
        store(builder, before[number], in_state(builder, state, BEFORE)[number])
    return rows


@machine_code
def excesses(
    context: Any,
    listed: Any,
    numbers: Any,
    many: Any,
    panel: Any,
    before: Any,
    field: Any,
    place: Any,
    far: Any,
    reach: Any,
) -> Any:
    """Raise ``reach`` to how far the sums of a row came beyond their limits on their way.

    listed, numbers: addresses of a row's first word and number. before: of the 16 words that its steps start from. far:
    of two masks, of columns to look at. The rest as for ``count``.
    """

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if not instructions.emits(instructions.AVX512_VNNI):
            return target.get_dummy_value()
        listed, numbers, many, panel, before, field, place, far, reach = arguments
        places = [at(builder, reach, _LINE * side) for side in (0, 1)]
        known = [load(builder, _KIND, one) for one in places]
        wanted = [
            builder.bitcast(load(builder, _LANES, at(builder, far, 2 * side)), vector(I1, WIDTH)) for side in (0, 1)
        ]
        down = splat(builder, builder.trunc(field, I32), WIDTH)
        nothing = constant(_KIND, 0)

        def factors_at(index: Any) -> tuple[Any, Any]:
            number = load(builder, I8, at(builder, numbers, builder.mul(index, ir.Constant(I64, ROWS))))
            return operand_at(builder, listed, index), weights_at(builder, panel, builder.zext(number, I64))

        # no product goes so far? then no sum does
        with loop(builder, many, [nothing, nothing]) as (index, held, leave, last):
            product = instructions.add_two(builder, nothing, *factors_at(index))
            leave(widened(builder, held, [product]))
        least, most = builder.sub(nothing, builder.ashr(last[0], down)), builder.ashr(last[1], down)
        beyond = builder.or_(
            builder.and_(wanted[0], builder.icmp_signed(">", least, known[0])),
            builder.and_(wanted[1], builder.icmp_signed(">", most, known[1])),
        )
        with builder.if_then(builder.icmp_unsigned("!=", builder.bitcast(beyond, _LANES), ir.Constant(_LANES, 0))):
            mask, mark = mask_of(builder, field), mark_of(builder, place)
            with loop(builder, many, [load(builder, _KIND, before), nothing, nothing]) as (index, held, leave, last):
                factors = factors_at(index)
                words = instructions.saturate_two(builder, held[0], *factors)
                added = builder.sub(words, instructions.add_two(builder, held[0], *factors))
                leave([_marked(builder, words, mask, mark), *widened(builder, held[1:], [added])])
            # what was added to a word that came from x above is -((x - 1) << shift) - mark - 1,
            # from x below (x << shift) - mark
            above = builder.sub(builder.sub(nothing, last[1]), builder.add(mark, constant(_KIND, 1)))
            above = builder.add(builder.ashr(above, down), constant(_KIND, 1))
            above = builder.select(builder.icmp_signed("<", last[1], nothing), above, nothing)
            below = builder.ashr(builder.add(last[2], mark), down)
            for value, held_, place_of in zip((below, above), known, places, strict=True):
                store(builder, larger(builder, value, held_), place_of)
        return target.get_dummy_value()

    return types.void(*[types.intp] * 9), build


@machine_code
def fill(context: Any, rows: Any, steps: Any, flip: Any, offset: Any, left: Any, upper: Any, words: Any) -> Any:
    """Write operands (steps, 8) as words, 16 steps at a time, of the bytes of 8 rows.

    rows: address of 8 addresses of bytes, readable up to a multiple of 16. flip, offset: from bytes to operands, which
    are shifted by ``left``. upper: mask of the half of a word that is to hold the operand once more. words: room for a
    multiple of 16 steps.
    """

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        rows, steps, flip, offset, left, upper, words = arguments
        bytes_, many = vector(I8, WIDTH), ROWS * WIDTH
        starts = [load(builder, I64, at(builder, rows, 8 * row)) for row in range(ROWS)]
        turn, off, shift, above = (
            splat(builder, builder.trunc(one, I32), WIDTH) for one in (flip, offset, left, upper)
        )
        blocks = builder.sdiv(builder.add(steps, ir.Constant(I64, WIDTH - 1)), ir.Constant(I64, WIDTH))
        with loop(builder, blocks, []) as (block, _, leave, _last):
            along = builder.mul(block, ir.Constant(I64, WIDTH))
            parts = [load(builder, bytes_, at(builder, start, along)) for start in starts]
            while len(parts) > 1:
                parts = [_shuffled(builder, one, two) for one, two in zip(parts[::2], parts[1::2], strict=True)]
            place = at(builder, words, builder.mul(along, ir.Constant(I64, 4 * ROWS)))
            for pair in range(ROWS):
                lanes = [WIDTH * row + 2 * pair + step for step in (0, 1) for row in range(ROWS)]
                taken = _shuffled(builder, parts[0], ir.Constant(vector(I8, many), ir.Undefined), lanes)
                units = builder.xor(builder.zext(taken, _KIND), turn)
                operand = builder.shl(builder.sub(units, off), shift)
                low = builder.and_(operand, constant(_KIND, 0xFFFF))
                high = builder.and_(builder.shl(operand, constant(_KIND, 16)), above)
                store(builder, builder.or_(low, high), at(builder, place, _LINE * pair))
            leave([])
        return target.get_dummy_value()

    return types.void(*[types.intp] * 7), build


def _shuffled(builder: Any, one: Any, two: Any, lanes: Sequence[int] | None = None) -> Any:
    """Return lanes of two vectors, by default all of them."""
    chosen = range(2 * one.type.count) if lanes is None else lanes
    return builder.shuffle_vector(one, two, ir.Constant(vector(I32, len(chosen)), list(chosen)))
