"""A loop over the strips of a block: what a step does to values is written once, without rows, columns or counters.

A *strip* is one line of the cache, 16 channels of 32-bit values (or 8 of 64 bits), of all rows of a block: parameters
and counters of its channels stay in registers while the rows pass. ``values`` are (rows, columns), rows 2**14 at most.
``parameters`` and ``counters`` are int64 (names, columns), the latter named by the constants here; counters go on from
what they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numba import types
from numpy.typing import NDArray

from hwsim_kernels._jit import inlined
from hwsim_kernels._types import Ints
from hwsim_kernels.counting import NEVER
from hwsim_kernels.fast import pairs
from hwsim_kernels.fast.ir import I16, I32, I64, Value, at, constant, ir, load, loop, machine_code, vector
from hwsim_kernels.fast.lanes import Lanes
from hwsim_kernels.fast.memory import LINE

Values = NDArray[np.int32]

LEAST, LARGEST, INEXACT, BIAS, ENERGY, ROUNDED, BELOW, ABOVE, LOST, LOST_MORE, FIRST = range(11)
"""Counters: the smallest and the largest result; of roundings, how many dropped ones, their errors, the squares of
those, and how many there were (``scale_negatives`` only); of clamping, how many values lay below and above, the squares
of what was injected in two words of 31 bits, and the first row of the last block where it happened."""
COUNTERS = 11

TOP, BOTTOM = (1 << 31) - 1, -(1 << 31)


class Lack(NamedTuple):
    """What results lack to the exact ones, in the lowest 16 bits of 32-bit lanes, signed."""

    lanes: Lanes


Noted = Mapping[int, Lanes | Lack]
Body = Callable[[Lanes, Sequence[Lanes], Sequence[Value]], tuple[Lanes, Noted]]
"""From a value, the parameters and the number of the row (or numbers of its own) to a result and what counters take in.
"""


def squared(error: Lanes) -> Lanes:
    """Return the squares of 32-bit lanes, paired."""
    even, odd = error.pairs()
    return (even * even).beside(odd * odd)


def _bias(lacking: Sequence[Lack]) -> Lanes:
    """Return the errors of a row, or of two, added up."""
    if len(lacking) == 1:
        return _signed(lacking[0]) * -1
    both = _side_by_side(lacking)
    return Lanes(both.builder, pairs.products(both.builder, both.value, constant(both.value.type, -1)))


def _energy(lacking: Sequence[Lack]) -> Lanes:
    """Return the squares of the errors of a row, or of two, added up and paired."""
    if len(lacking) == 1:
        return squared(_signed(lacking[0]))
    both = _side_by_side(lacking)
    # two squares of up to 2**30 fit 32 bits without a sign
    even, odd = Lanes(both.builder, pairs.products(both.builder, both.value, both.value)).unsigned_pairs()
    return even.beside(odd)


def _signed(lack: Lack) -> Lanes:
    return (lack.lanes << 16) >> 16


def _side_by_side(lacking: Sequence[Lack]) -> Lanes:
    """Return the 16 bits of two rows in one vector."""
    one, other = (lack.lanes for lack in lacking)
    both = (one & 0xFFFF) | (other << 16)
    return Lanes(both.builder, both.builder.bitcast(both.value, vector(I16, 2 * both.count)))


def is_one_of(counter: int, *names: int) -> bool:
    """Whether a counter, of whichever step, has one of these names."""
    return counter % COUNTERS in names


def _bits(counter: int, width: int) -> int:
    """Return how many bits a counter has in registers, for values of so many bits."""
    return 64 if width == 64 or is_one_of(counter, ENERGY, LOST, LOST_MORE) else 32


def _first(builder: Any, counter: int, width: int) -> Lanes:
    """Return what a counter holds in registers before the first row."""
    bits = _bits(counter, width)
    bottom, top = (BOTTOM, TOP) if bits == 32 else (-NEVER, NEVER)
    begin = {LEAST: top, FIRST: top, LARGEST: bottom}.get(counter % COUNTERS, 0)
    return Lanes.constant(builder, begin, bits, 8 * LINE // width)


def _after_all(counter: int, held: Lanes, noted: Sequence[Lanes | Lack]) -> Lanes:
    """Return what a counter holds in registers after one more row, or two."""
    lacking = [one for one in noted if isinstance(one, Lack)]
    for one in noted:
        if isinstance(one, Lanes):
            held = _after(counter, held, one)
    return held + (_bias if is_one_of(counter, BIAS) else _energy)(lacking) if lacking else held


def _after(counter: int, held: Lanes, noted: Lanes) -> Lanes:
    """Return what a counter holds in registers after one more row."""
    if is_one_of(counter, LEAST, FIRST):
        return held.least(noted)
    return held.most(noted) if is_one_of(counter, LARGEST) else held + noted


def _join(counter: int, before: Lanes, held: Lanes, width: int) -> Lanes:
    """Return a counter in memory after all rows."""
    if width == 64:
        return _after(counter, before, held)
    whole = held.in_order() if is_one_of(counter, ENERGY) else held if held.bits == 64 else held.long()
    if is_one_of(counter, LEAST, FIRST):
        return before.least(whole.where(held.differs(TOP), NEVER))
    return before.most(whole.where(held.differs(BOTTOM), -NEVER)) if is_one_of(counter, LARGEST) else before + whole


def strips_of(
    body: Body,
    wanted: int,
    counted: Sequence[int],
    *,
    width: int = 32,
    numbers: int = 0,
    ranged: Sequence[int] = (),
    by_twos: bool = False,
) -> Any:
    """Return an intrinsic that runs ``body`` on every strip, with so many parameters and these counters.

    Its arguments: address of values, rows, bytes from row to row, columns, addresses of parameters and of counters,
    bytes from one name of those to the next. ``width``: bits of a value, 32 or 64; a strip is one line of the cache,
    and 64-bit values have counters of 64 bits. ``numbers``: so many int32 of each row's own, at the address in front of
    the values', the body gets instead of the row. ``ranged``: counters of ranges that the body need not note for each
    value: no larger value has a smaller result, and so they are what the body notes of the smallest and the largest.
    ``by_twos``: two rows at a time, for the sake of what one instruction counts of both.
    """
    many = 8 * LINE // width

    def build(builder: Any, *arguments: Any) -> None:
        each, values, rows, stride, columns, given, counters, step = arguments

        def named(base: Any, name: int, strip: Any) -> Any:
            offset = builder.add(
                builder.mul(step, ir.Constant(I64, name)), builder.mul(strip, ir.Constant(I64, 8 * many))
            )
            return at(builder, base, offset)

        strips = builder.sdiv(columns, ir.Constant(I64, many))
        with loop(builder, strips, []) as (strip, _, leave_strip, _none):
            parameters = [Lanes.read(builder, named(given, name, strip), 64, many) for name in range(wanted)]
            range_of = (LEAST, LARGEST) if ranged else ()
            first = [_first(builder, counter, width).value for counter in (*range_of, *counted)]
            column = at(builder, values, builder.mul(strip, ir.Constant(I64, LINE)))

            def pass_row(row: Any, parameters: Sequence[Lanes] = parameters, column: Any = column) -> list[Any]:
                """Run the body on a row, and return what counters take in."""
                place = at(builder, column, builder.mul(row, stride))
                mine = at(builder, each, builder.mul(row, ir.Constant(I64, 4 * numbers)))
                own = [load(builder, I32, at(builder, mine, 4 * number)) for number in range(numbers)]
                own = own or [builder.trunc(row, I32)]
                value = Lanes.read(builder, place, width, many)
                result, noted = body(value, parameters, own)
                result.write(place)
                return [*(value for _ in range_of), *(noted[one] for one in counted)]

            def after(held: Sequence[Any], *taken: Sequence[Any]) -> list[Any]:
                """Return what counters hold after rows."""
                known = zip((*range_of, *counted), held, zip(*taken, strict=True), strict=True)
                return [_after_all(one, Lanes(builder, lanes), more).value for one, lanes, more in known]

            last, done = first, ir.Constant(I64, 0)
            if by_twos:
                twos = builder.ashr(rows, ir.Constant(I64, 1))
                with loop(builder, twos, first, never=True) as (number, held, leave, last):
                    row = builder.shl(number, ir.Constant(I64, 1))
                    leave(after(held, *(pass_row(builder.add(row, ir.Constant(I64, more))) for more in (0, 1))))
                done = builder.shl(twos, ir.Constant(I64, 1))
            left = builder.sub(rows, done)
            with loop(builder, left, last, never=by_twos) as (number, held, leave, last):
                leave(after(held, pass_row(builder.add(done, number))))
            whole = [Lanes(builder, one) for one in last]
            found = dict(zip(counted, whole[len(range_of) :], strict=True))
            ends = [body(one, parameters, [ir.Constant(I32, 0)])[1] for one in whole[: len(range_of)]]
            found.update({one: cast("Lanes", ends[is_one_of(one, LARGEST)][one]) for one in ranged})
            for counter, lanes in found.items():
                place = named(counters, counter, strip)
                _join(counter, Lanes.read(builder, place, 64, many), lanes, width).write(place)
            leave_strip([])

    @machine_code
    def run(
        context: Any,
        each: Any,
        values: Any,
        rows: Any,
        stride: Any,
        columns: Any,
        given: Any,
        counters: Any,
        step: Any,
    ) -> Any:
        def generate(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            build(builder, *arguments)
            return target.get_dummy_value()

        return types.void(*[types.intp] * 8), generate

    return run


@inlined
def addresses(values: Values | Ints, parameters: Ints, counters: Ints) -> tuple[int, int, int, int, int, int, int]:
    """Return what the intrinsics take, behind the address of numbers."""
    rows, columns = values.shape
    given, kept = parameters.ctypes.data, counters.ctypes.data
    return values.ctypes.data, rows, values.strides[0], columns, given, kept, parameters.strides[0]


def counters(*shape: int) -> Ints:
    """Return counters at rest: (…, COUNTERS, columns) for ``shape`` (…, columns)."""
    fresh = np.empty((*shape[:-1], COUNTERS, shape[-1]), np.int64)
    fresh[...] = _AT_REST
    return fresh


def no_counters(*shape: int) -> Ints:
    """Return room for counters, as ``counters`` has them, that nobody reads."""
    return np.empty((*shape[:-1], COUNTERS, shape[-1]), np.int64)


_AT_REST = np.zeros((COUNTERS, 1), np.int64)
_AT_REST[[LEAST, FIRST]] = NEVER
_AT_REST[LARGEST] = -NEVER
