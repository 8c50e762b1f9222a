"""Pieces of sums of ``words`` that stay inside their register: proved to by their bytes, else tried.

The bytes of a piece give its exact sums with four products an instruction, and ``looks`` tells from where a sum is
before and behind, and from norms of the piece's operands and weights, that no prefix leaves the register. Where that
proves too little, saturating instructions are tried, a product each: marks that are still there prove the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from numba import types

from hwsim_kernels.fast import instructions
from hwsim_kernels.fast.ir import (
    F32,
    I1,
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
)
from hwsim_kernels.fast.looks import SLACK
from hwsim_kernels.fast.packing import FOUR
from hwsim_kernels.fast.words import ROWS, SUM, WIDTH, in_state, mark_of, mask_of, operand_at, weights_at

_KIND = vector(I32, WIDTH)
_FLOATS = vector(F32, WIDTH)
_LANES = ir.IntType(WIDTH)


@machine_code
def advance(
    context: Any,
    rows: Any,
    first: Any,
    turns: Any,
    fours: Any,
    quads: Any,
    lacking: Any,
    norms: Any,
    weighed: Any,
    most: Any,
    a: Any,
    b: Any,
    steps: Any,
    state: Any,
    field: Any,
    place: Any,
) -> Any:
    """Take ``steps`` products of 8 rows and 16 columns to the sums of ``state``, unless one may be hit on the way.

    Return 0, or 1 if so, where sums are left as they were.

    rows: address of 8 addresses of bytes, of which ``fours`` times 4 are taken from the ``first`` on, or none where
    operands or weights are no bytes. turns: of 16 words that flip them to units; a vector, since LLVM would flip by
    scalars. quads: of as many weights (fours, 16, 4), 0 behind the last step. lacking: of what sums of units lack to
    those of operands, (16,) int32. norms, weighed: of no less than the norms of 8 rows' operands and of 16 columns'
    weights, float32. most: what no prefix exceeds, twice, float32.

    a, b, field, place: as for ``words.count``, of all steps of the piece.
    """

    def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if not instructions.emits(instructions.AVX512_VNNI):
            return ir.Constant(I64, 0)
        fours, (a, b, steps, state, field, place) = arguments[3], arguments[9:]
        places = in_state(builder, state, SUM)
        before = [load(builder, _KIND, one) for one in places]
        proof, decided, tries, inside, behind = (builder.append_basic_block() for _ in range(5))
        builder.cbranch(builder.icmp_signed(">", fours, ir.Constant(I64, 0)), proof, tries)

        builder.position_at_end(proof)
        proved, outside, doubtful = _proved(builder, arguments, before)
        after_proof = builder.block
        builder.cbranch(outside, behind, decided)
        builder.position_at_end(decided)
        builder.cbranch(doubtful, tries, inside)

        builder.position_at_end(tries)
        tried, hit = _tried(builder, (a, b, steps), before, (mask_of(builder, field), mark_of(builder, place)))
        after_tries = builder.block
        builder.cbranch(hit, behind, inside)

        builder.position_at_end(inside)
        words = [builder.phi(_KIND) for _ in places]
        for one, *ways in zip(words, proved, tried, strict=True):
            for value, block in zip(ways, (decided, after_tries), strict=True):
                one.add_incoming(value, block)
        for one, where in zip(words, places, strict=True):
            store(builder, one, where)
        builder.branch(behind)

        builder.position_at_end(behind)
        result = builder.phi(I64)
        for value, block in ((0, inside), (1, after_proof), (1, after_tries)):
            result.add_incoming(ir.Constant(I64, value), block)
        return result

    return types.int64(*[types.intp] * 8, types.float32, *[types.intp] * 6), build


def _proved(builder: Any, arguments: Sequence[Any], before: Sequence[Any]) -> tuple[list[Any], Any, Any]:
    """Return words behind a piece, whether one is outside, and whether one may have been."""
    rows, first, turns, fours, quads, lacking, norms, weighed, most, *_, field, _ = arguments
    shift, turn = splat(builder, builder.trunc(field, I32), WIDTH), load(builder, _KIND, turns)
    starts = [at(builder, load(builder, I64, at(builder, rows, 8 * row)), first) for row in range(ROWS)]
    with loop(builder, fours, [load(builder, _KIND, lacking)] * ROWS) as (index, held, leave, added):
        weights = weights_at(builder, quads, index)
        place = builder.mul(index, ir.Constant(I64, FOUR))
        totals: list[Any] = []
        for start, total in zip(starts, held, strict=True):
            units = splat(builder, load(builder, I32, at(builder, start, place)), WIDTH)
            totals.append(instructions.add_four(builder, total, builder.xor(units, turn), weights))
        leave(totals)
    of_columns = load(builder, _FLOATS, weighed)
    outside, doubtful = ir.Constant(_LANES, 0), ir.Constant(_LANES, 0)
    words: list[Any] = []
    for row, (held_before, more) in enumerate(zip(before, added, strict=True)):
        word = builder.add(held_before, builder.shl(more, shift))
        begin = builder.ashr(held_before, shift)
        end = builder.add(begin, more)
        size = call(builder, "llvm.abs.v16i32", _KIND, [builder.add(begin, end), ir.Constant(I1, 0)])
        norm = splat(builder, load(builder, F32, at(builder, norms, 4 * row)), WIDTH)
        furthest = builder.fadd(builder.sitofp(size, _FLOATS), builder.fmul(norm, of_columns))
        beyond = builder.icmp_signed("!=", builder.ashr(word, shift), end)
        outside = builder.or_(outside, builder.bitcast(beyond, _LANES))
        far = builder.fcmp_ordered(">", furthest, splat(builder, most, WIDTH))
        doubtful = builder.or_(doubtful, builder.bitcast(far, _LANES))
        words.append(word)
    none = ir.Constant(_LANES, 0)
    return words, *(builder.icmp_unsigned("!=", one, none) for one in (outside, doubtful))


def _tried(
    builder: Any, factors: tuple[Any, Any, Any], before: Sequence[Any], masks: tuple[Any, Any]
) -> tuple[list[Any], Any]:
    """Return words behind a piece, and whether one was hit."""
    (a, b, steps), (mask, mark) = factors, masks
    rows = [at(builder, a, 4 * row) for row in range(ROWS)]
    with loop(builder, steps, before) as (index, held, leave, words):
        weights = weights_at(builder, b, index)
        leave(
            [
                instructions.saturate_two(builder, total, operand_at(builder, row, index), weights)
                for row, total in zip(rows, held, strict=True)
            ]
        )
    changed = reduce(builder.or_, [builder.xor(builder.and_(word, mask), mark) for word in words])
    lanes = builder.bitcast(builder.icmp_unsigned("!=", changed, constant(_KIND, 0)), _LANES)
    return words, builder.icmp_unsigned("!=", lanes, ir.Constant(_LANES, 0))


@machine_code
def measure(context: Any, words: Any, steps: Any, left: Any, largest: Any, norms: Any) -> Any:
    """Write the largest magnitudes (8,) of operands (steps, 8), words shifted by ``left``, and no less than the norms
    (8,) float32 of those in the lower halves, if these are below 2**9."""

    def build(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        words, steps, left, largest, norms = arguments
        kind, floats = vector(I32, ROWS), vector(F32, ROWS)
        half, shift = constant(kind, 16), splat(builder, builder.trunc(left, I32), ROWS)
        none = constant(kind, 0)
        with loop(builder, steps, [none, none]) as (index, held, leave, last):
            word = load(builder, kind, at(builder, words, builder.mul(index, ir.Constant(I64, 4 * ROWS))))
            halves = [builder.ashr(builder.shl(word, half), half), builder.ashr(word, half)]
            sizes = [call(builder, f"llvm.abs.v{ROWS}i32", kind, [one, ir.Constant(I1, 0)]) for one in halves]
            lower = builder.ashr(halves[0], shift)
            total = builder.add(held[1], builder.mul(lower, lower))
            leave([larger(builder, held[0], larger(builder, *sizes)), total])
        store(builder, builder.ashr(last[0], shift), largest)
        root = call(builder, f"llvm.sqrt.v{ROWS}f32", floats, [builder.sitofp(last[1], floats)])
        store(builder, builder.fmul(root, constant(floats, SLACK)), norms)
        return target.get_dummy_value()

    return types.void(*[types.intp] * 5), build
