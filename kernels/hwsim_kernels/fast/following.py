"""The micro-kernel of any chain of registers: sums are followed word by word, through every product, rounding and fit.

16 channels stand side by side in 32-bit lanes, and some rows are taken together. Sums of the first stage stay in
registers; what happens now and then, a hit or the end of a sum, takes place in memory. A *word* holds one operand, or
two neighbours' where nothing happens between their products, as ``pairs`` multiplies them. docs/arithmetic.md section 4
defines what is done, docs/ledger.md what is counted; ``accumulate`` does the same step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any, NamedTuple

from numba import types
from numba.core import cgutils as untyped

from hwsim_kernels.fast import pairs
from hwsim_kernels.fast.ir import I32, I64, at, ir, load, loop, machine_code, splat, store, vector
from hwsim_kernels.fast.lanes import WIDTH, Lanes
from hwsim_kernels.fast.strip_loop import squared

_numba: Any = untyped

AHEAD = 4
"""Rows that are taken together, since each waits for its fits."""

SHIFT, ONES, LONGER, SHORTER, STEADY, UP, LOW, HIGH, FLOOR, CEILING, FIELD, EACH, FITS, CARRY = (
    *range(6),
    *range(9, 17),
)
"""What a rule says of a product or a stage: the shift to the right and the ones of what it drops, and how far a rest is
shifted to the left and to the right to get 16 bits; whether the rest that rounds up is always the same, and which it is
(UP: of an even and an odd quotient, the same below 0); the limits of the format; what is clamped first, and the bits
that are kept then; whether all sums are fitted or only those that end; whether there is a format at all; how far a sum
is shifted to the left before a value is added."""
RULES = 17

SUM, INJECTED, HIT = range(3)
"""Lines of the state of a stage: the sum, what fits have added to it, and whether there were any (all ones)."""
STATE = 3

BELOW, ABOVE, SMALLEST, LARGEST, DROPPED, TRANSIENT, PERSISTENT = range(7)
"""Counters of 32 bits: how many values lay outside, the ends of what did, how many roundings dropped ones, and of the
sums that were hit, how many lie inside and outside without fits."""
SHORT_COUNTERS = 7

ERRORS, SQUARES, ENERGY, ENERGY_MORE = range(4)
"""Counters of 64 bits: errors of roundings, their squares, and those of what fits have added to a sum, in two words of
31 bits. Squares are paired, see ``lanes``."""
LONG_COUNTERS = 4

OPEN, MET = range(2)
"""Whether a stage's sums were hit since they began, and whether there was any hit since that was last asked."""

LONGEST = 1 << 12
"""Words that are followed at a time: so many errors of AHEAD rows fit 32 bits."""

TOP = (1 << 31) - 1
"""The largest integer of a lane; the step of a hit that never was."""

_LINE = 64
_KIND = vector(I32, WIDTH)
_LONG = vector(I64, WIDTH)
_WORD = 31


class _Rule(NamedTuple):
    """A rule in registers."""

    shift: Lanes
    ones: Lanes
    longer: Lanes
    shorter: Lanes
    up: list[Lanes]
    low: Lanes
    high: Lanes
    floor: Lanes
    ceiling: Lanes
    field: Lanes
    carry: Lanes
    carries: Any
    shifts: Any
    steady: Any
    each: Any
    fits: Any


def _rule_at(builder: Any, address: Any) -> _Rule:
    def scalar(name: int) -> Any:
        return load(builder, I32, at(builder, address, 4 * name))

    def lanes(name: int) -> Lanes:
        return Lanes.spread(builder, scalar(name))

    def flag(name: int) -> Any:
        return builder.icmp_signed("!=", scalar(name), ir.Constant(I32, 0))

    return _Rule(
        shift=lanes(SHIFT),
        ones=lanes(ONES),
        longer=lanes(LONGER),
        shorter=lanes(SHORTER),
        up=[lanes(UP + case) for case in range(4)],
        low=lanes(LOW),
        high=lanes(HIGH),
        floor=lanes(FLOOR),
        ceiling=lanes(CEILING),
        field=lanes(FIELD),
        carry=lanes(CARRY),
        carries=flag(CARRY),
        shifts=flag(SHIFT),
        steady=flag(STEADY),
        each=flag(EACH),
        fits=flag(FITS),
    )


class _Places(NamedTuple):
    """Addresses, and how many rows there are; see ``follow``."""

    rows: int
    state: Any
    tallies: Any
    longs: Any
    firsts: Any
    flags: Any

    def line(self, builder: Any, level: Any, name: int, row: int) -> Any:
        """Return the address of a line of a stage's state."""
        first = builder.mul(level, ir.Constant(I64, _LINE * STATE * self.rows))
        return at(builder, at(builder, self.state, first), _LINE * (name * self.rows + row))

    def counter(self, builder: Any, point: Any, name: int) -> Any:
        """Return the address of a counter of 32 bits."""
        return at(
            builder,
            at(builder, self.tallies, builder.mul(point, ir.Constant(I64, _LINE * SHORT_COUNTERS))),
            _LINE * name,
        )

    def long(self, builder: Any, point: Any, name: int) -> Any:
        """Return the address of a counter of 64 bits."""
        return at(
            builder,
            at(builder, self.longs, builder.mul(point, ir.Constant(I64, 2 * _LINE * LONG_COUNTERS))),
            2 * _LINE * name,
        )

    def first(self, builder: Any, point: Any, row: int) -> Any:
        """Return the address of the steps at which sums of a row were first hit."""
        return at(
            builder, at(builder, self.firsts, builder.mul(point, ir.Constant(I64, _LINE * self.rows))), _LINE * row
        )

    def flag(self, builder: Any, point: Any, name: int) -> Any:
        """Return the address of a flag."""
        return at(builder, at(builder, self.flags, builder.mul(point, ir.Constant(I64, 16))), 8 * name)


def _add(builder: Any, address: Any, lanes: Lanes) -> None:
    """Add lanes to a counter in memory."""
    kind = lanes.value.type
    (Lanes(builder, load(builder, kind, address)) + lanes).write(address)


def _set(builder: Any, address: Any, value: int) -> None:
    store(builder, ir.Constant(I64, value), address)


def _add_energy(builder: Any, places: _Places, point: Any, injected: Lanes) -> None:
    """Add squares of what was injected, 0 where nothing was."""
    square = squared(injected)
    low = (1 << _WORD) - 1
    _add(builder, places.long(builder, point, ENERGY), square & low)
    _add(builder, places.long(builder, point, ENERGY_MORE), square >> _WORD)


class _Variables:
    """Vectors that change their value: LLVM makes registers of them."""

    def __init__(self, builder: Any, many: int, kind: Any = _KIND) -> None:
        self._builder = builder
        self._places = [_numba.alloca_once(builder, kind) for _ in range(many)]

    def __getitem__(self, number: int) -> Lanes:
        return Lanes(self._builder, self._builder.load(self._places[number]))

    def __setitem__(self, number: int, lanes: Lanes) -> None:
        self._builder.store(lanes.value, self._places[number])


@contextmanager
def _seldom(builder: Any, condition: Any) -> Any:
    with builder.if_then(condition, likely=False):
        yield


def _rounded(builder: Any, value: Lanes, rule: _Rule, least: _Variables) -> tuple[Lanes, Lanes, Lanes]:
    """Return a value without its lowest bits, the error in 1/65536, and where there was one in what was dropped."""
    quotient, rest = value >> rule.shift, value & rule.ones
    least[0] = rule.up[0]
    with builder.if_then(builder.not_(rule.steady)):
        odd = (quotient & 1).differs(0)
        above, below = rule.up[1].where(odd, rule.up[0]), rule.up[3].where(odd, rule.up[2])
        least[0] = below.where(value < 0, above)
    up = (rest >= least[0]).ones(32)
    error = (up << 16) - ((rest << rule.longer) >> rule.shorter)
    return quotient + up, error, rest.differs(0)


def _some_outside(builder: Any, values: Sequence[Lanes], rule: _Rule) -> Any:
    """Return whether any value lies outside: the ends of all rows are found sooner than masks of each."""
    below, above = reduce(Lanes.least, values) < rule.low, reduce(Lanes.most, values) > rule.high
    bits = ir.IntType(WIDTH)
    return builder.icmp_unsigned("!=", builder.bitcast((below | above).value, bits), ir.Constant(bits, 0))


def _outside(values: Sequence[Lanes], rule: _Rule) -> list[Lanes]:
    return [(value < rule.low) | (value > rule.high) for value in values]


def _fitted(value: Lanes, rule: _Rule) -> Lanes:
    """Return what a format makes of values: a clamp that may be none, then a wrap that may be none."""
    return ((value.most(rule.floor).least(rule.ceiling) - rule.low) & rule.field) + rule.low


def _total(lanes: Sequence[Lanes]) -> Lanes:
    """Return the sum of lanes, of masks as ones."""
    return reduce(Lanes.__add__, (one.ones(32) if one.bits == 1 else one for one in lanes))


def _round(builder: Any, places: _Places, values: _Variables, rule: _Rule, least: _Variables) -> tuple[Lanes, ...]:
    """Round values, and return what that counts: how many dropped ones, errors and their squares."""
    made = [_rounded(builder, values[row], rule, least) for row in range(places.rows)]
    for row, (value, _, _) in enumerate(made):
        values[row] = value
    return (
        _total([dropped for _, _, dropped in made]),
        _total([error for _, error, _ in made]),
        _total([squared(error) for _, error, _ in made]),
    )


def _add_rounded(builder: Any, places: _Places, point: Any, dropped: Lanes, errors: Lanes, squares: Lanes) -> None:
    _add(builder, places.counter(builder, point, DROPPED), dropped)
    _add(builder, places.long(builder, point, ERRORS), errors.long())
    _add(builder, places.long(builder, point, SQUARES), squares)


def _count_outside(builder: Any, places: _Places, point: Any, values: Sequence[Lanes], rule: _Rule, step: Any) -> None:
    """Count values outside, and note how far they lay there and where that was first."""
    below, above = [one < rule.low for one in values], [one > rule.high for one in values]
    _add(builder, places.counter(builder, point, BELOW), _total(below))
    _add(builder, places.counter(builder, point, ABOVE), _total(above))
    smallest = reduce(Lanes.least, (one.where(mask, TOP) for one, mask in zip(values, below, strict=True)))
    largest = reduce(Lanes.most, (one.where(mask, -TOP - 1) for one, mask in zip(values, above, strict=True)))
    place = places.counter(builder, point, SMALLEST)
    Lanes.read(builder, place, 32).least(smallest).write(place)
    place = places.counter(builder, point, LARGEST)
    Lanes.read(builder, place, 32).most(largest).write(place)
    for row, sides in enumerate(zip(below, above, strict=True)):
        place = places.first(builder, point, row)
        here = Lanes.spread(builder, step).where(reduce(Lanes.__or__, sides), TOP)
        Lanes.read(builder, place, 32).least(here).write(place)
    _set(builder, places.flag(builder, point, MET), 1)


def _fit_products(builder: Any, places: _Places, values: _Variables, rule: _Rule, step: Any) -> None:
    """Fit products, each of which is a sum of its own."""
    point, given = ir.Constant(I64, 0), [values[row] for row in range(places.rows)]
    with _seldom(builder, _some_outside(builder, given, rule)):
        outside = _outside(given, rule)
        _count_outside(builder, places, point, given, rule, step)
        _add(builder, places.counter(builder, point, PERSISTENT), _total(outside))
        for row, (value, out) in enumerate(zip(given, outside, strict=True)):
            values[row] = _fitted(value, rule)
            _add_energy(builder, places, point, (values[row] - value).where(out, 0))


def _settle(
    builder: Any, places: _Places, level: Any, sums: _Variables, rule: _Rule, step: Any, least: _Variables
) -> None:
    """Round and fit the sums of a stage."""
    point = builder.add(level, ir.Constant(I64, 1))
    with builder.if_then(rule.shifts):
        _add_rounded(builder, places, point, *_round(builder, places, sums, rule, least))
    given = [sums[row] for row in range(places.rows)]
    with _seldom(builder, _some_outside(builder, given, rule)):
        outside = _outside(given, rule)
        _count_outside(builder, places, point, given, rule, step)
        all_ones = Lanes.constant(builder, -1, 32)
        for row, (value, out) in enumerate(zip(given, outside, strict=True)):
            sums[row] = _fitted(value, rule)
            _add(builder, places.line(builder, level, INJECTED, row), sums[row] - value)
            place = places.line(builder, level, HIT, row)
            all_ones.where(out, Lanes.read(builder, place, 32)).write(place)
        _set(builder, places.flag(builder, level, OPEN), 1)


def _close(builder: Any, places: _Places, level: Any, sums: _Variables, rule: _Rule, last: Any) -> None:
    """Count what fits have done to finished sums, and forget it where others begin."""
    opened = load(builder, I64, places.flag(builder, level, OPEN))
    with _seldom(builder, builder.icmp_unsigned("!=", opened, ir.Constant(I64, 0))):
        point = builder.add(level, ir.Constant(I64, 1))
        for row in range(places.rows):
            hits, lines = [places.line(builder, level, name, row) for name in (INJECTED, HIT)], []
            lines = [Lanes.read(builder, place, 32) for place in hits]
            injected, hit = lines[0], lines[1].differs(0)
            exact = sums[row] - injected
            inside = (exact >= rule.low) & ((exact > rule.high) ^ 1)
            _add(builder, places.counter(builder, point, TRANSIENT), (hit & inside).ones(32))
            _add(builder, places.counter(builder, point, PERSISTENT), (hit & (inside ^ 1)).ones(32))
            _add_energy(builder, places, point, injected.where(hit, 0))
            with builder.if_then(builder.not_(last)):
                for place in hits:
                    Lanes.constant(builder, 0, 32).write(place)
        with builder.if_then(builder.not_(last)):
            _set(builder, places.flag(builder, level, OPEN), 0)


class _Rounded:
    """What roundings of products count, in registers."""

    def __init__(self, builder: Any, places: _Places) -> None:
        self._builder, self._places = builder, places
        self._counters = [_Variables(builder, 1, kind) for kind in (_KIND, _KIND, _LONG)]
        self._rest()

    def _rest(self) -> None:
        for one, bits in zip(self._counters, (32, 32, 64), strict=True):
            one[0] = Lanes.constant(self._builder, 0, bits)

    def take(self, *counted: Lanes) -> None:
        """Add what roundings have counted."""
        for one, more in zip(self._counters, counted, strict=True):
            one[0] += more

    def leave(self) -> None:
        """Move what was counted to memory."""
        dropped, errors, squares = (one[0] for one in self._counters)
        _add_rounded(self._builder, self._places, ir.Constant(I64, 0), dropped, errors, squares)
        self._rest()


def _begin(builder: Any, places: _Places, levels: Any, start_level: Any, start: Lanes) -> None:
    """Let sums begin, of one level with ``start``, and no step be the first that was hit."""
    none, never = Lanes.constant(builder, 0, 32), Lanes.constant(builder, TOP, 32)
    for row in range(places.rows):
        never.write(places.first(builder, ir.Constant(I64, 0), row))
    with loop(builder, levels, []) as (level, _, leave, _last):
        begins = builder.icmp_signed("==", level, start_level)
        first = Lanes(builder, builder.select(begins, start.value, none.value))
        point = builder.add(level, ir.Constant(I64, 1))
        for row in range(places.rows):
            first.write(places.line(builder, level, SUM, row))
            none.write(places.line(builder, level, INJECTED, row))
            none.write(places.line(builder, level, HIT, row))
            never.write(places.first(builder, point, row))
        _set(builder, places.flag(builder, level, OPEN), 0)
        leave([])


def _follow(rows: int, *, alone: bool) -> Any:
    """Return an intrinsic that follows the sums of ``rows`` rows and 16 channels over some words.

    Its arguments are addresses, but for how many words and levels there are, the level that starts, and the bytes from
    one level of ``ends`` to the next. bases: of the operands of each row. places: (words,) bytes from there to each
    word's operand, int32, of which 16 stand side by side where channels are ``alone`` with theirs. weights: (words, 16)
    int32. start: (16,) int32. rules: (levels + 1, RULES) int32, of the product first. ends: (levels, words) uint8.
    numbers: (words,) int32, the last step of each. state: (levels, STATE, rows, 16) int32. tallies: (levels + 1,
    SHORT_COUNTERS, 16) int32. longs: (levels + 1, LONG_COUNTERS, 16) int64. firsts: (levels + 1, rows, 16) int32.
    flags: (levels + 1, 2) int64. results, exact: (rows, 16) int32, the last sums with their fits and without.
    """

    def build(builder: Any, *arguments: Any) -> None:
        bases, places_of, weights, many, start, start_level, rules, ends, ends_stride, numbers, levels, *left = (
            arguments
        )
        *left, results, exact = left
        places = _Places(rows, *left)
        one, none = ir.Constant(I64, 1), ir.Constant(I64, 0)
        product, lowest = (_rule_at(builder, at(builder, rules, 4 * RULES * point)) for point in (0, 1))
        alone_at_top = builder.icmp_signed("==", levels, one)
        sums, values, least = (_Variables(builder, count) for count in (rows, rows, 1))
        rounded = _Rounded(builder, places)
        zero = Lanes.constant(builder, 0, 32)
        _begin(builder, places, levels, start_level, Lanes.read(builder, start, 32))
        for row in range(rows):
            sums[row] = Lanes.read(builder, places.line(builder, none, SUM, row), 32)
        mine = [load(builder, I64, at(builder, bases, 8 * row)) for row in range(rows)]
        with loop(builder, many, []) as (word, _, leave, _last):
            place = load(builder, I64, at(builder, places_of, builder.mul(word, ir.Constant(I64, 8))))
            factors = load(builder, _KIND, at(builder, weights, builder.mul(word, ir.Constant(I64, _LINE))))
            step = load(builder, I32, at(builder, numbers, builder.mul(word, ir.Constant(I64, 4))))
            given: list[Any] = []
            for base in mine:
                source = at(builder, base, place)
                given.append(
                    load(builder, _KIND, source) if alone else splat(builder, load(builder, I32, source), WIDTH)
                )
            with builder.if_then(lowest.carries):
                for row in range(rows):
                    sums[row] <<= lowest.carry
            with builder.if_else(product.fits) as (with_format, as_it_is):
                with with_format:
                    for row in range(rows):
                        values[row] = Lanes(builder, pairs.add_products(builder, zero.value, given[row], factors))
                    with builder.if_then(product.shifts):
                        rounded.take(*_round(builder, places, values, product, least))
                    _fit_products(builder, places, values, product, step)
                    for row in range(rows):
                        sums[row] += values[row]
                with as_it_is:
                    for row in range(rows):
                        total = pairs.add_products(builder, sums[row].value, given[row], factors)
                        sums[row] = Lanes(builder, total)
            finished = _ends(builder, at(builder, ends, word))
            with builder.if_then(builder.or_(lowest.each, finished)):
                _settle(builder, places, none, sums, lowest, step, least)
            with builder.if_then(finished):
                _close(builder, places, none, sums, lowest, alone_at_top)
                with builder.if_then(builder.not_(alone_at_top)):
                    for row in range(rows):
                        values[row], sums[row] = sums[row], zero
                    _hand_up(builder, places, rules, at(builder, ends, word), ends_stride, levels, values, step, least)
            full = builder.icmp_unsigned(
                "==", builder.and_(word, ir.Constant(I64, LONGEST - 1)), ir.Constant(I64, LONGEST - 1)
            )
            with _seldom(builder, full):
                rounded.leave()
            leave([])
        rounded.leave()
        with builder.if_then(alone_at_top):
            for row in range(rows):
                sums[row].write(places.line(builder, none, SUM, row))
        last = builder.sub(levels, one)
        for row in range(rows):
            total, injected = (
                Lanes.read(builder, places.line(builder, last, name, row), 32) for name in (SUM, INJECTED)
            )
            total.write(at(builder, results, _LINE * row))
            (total - injected).write(at(builder, exact, _LINE * row))

    @machine_code
    def run(
        context: Any,
        bases: Any,
        places: Any,
        weights: Any,
        many: Any,
        start: Any,
        start_level: Any,
        rules: Any,
        ends: Any,
        ends_stride: Any,
        numbers: Any,
        levels: Any,
        state: Any,
        tallies: Any,
        longs: Any,
        firsts: Any,
        flags: Any,
        results: Any,
        exact: Any,
    ) -> Any:
        def generate(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            build(builder, *arguments)
            return target.get_dummy_value()

        return types.void(*[types.intp] * 18), generate

    return run


def _ends(builder: Any, address: Any) -> Any:
    byte = ir.IntType(8)
    return builder.icmp_unsigned("!=", load(builder, byte, address), ir.Constant(byte, 0))


def _hand_up(
    builder: Any,
    places: _Places,
    rules: Any,
    ends: Any,
    ends_stride: Any,
    levels: Any,
    values: _Variables,
    step: Any,
    least: _Variables,
) -> None:
    """Add what a stage has finished to the next one, and so on as long as sums end."""
    one = ir.Constant(I64, 1)
    totals = _Variables(builder, places.rows)
    level_at = _numba.alloca_once_value(builder, one)
    builder.store(one, level_at)
    body, behind = builder.append_basic_block(), builder.append_basic_block()
    builder.branch(body)
    builder.position_at_end(body)
    level = builder.load(level_at)
    following = builder.add(level, one)
    builder.store(following, level_at)
    rule = _rule_at(builder, at(builder, rules, builder.mul(following, ir.Constant(I64, 4 * RULES))))
    finished = _ends(builder, at(builder, ends, builder.mul(level, ends_stride)))
    last = builder.icmp_signed("==", following, levels)
    for row in range(places.rows):
        finer = Lanes.read(builder, places.line(builder, level, SUM, row), 32) << rule.carry
        totals[row] = finer + values[row]
    with builder.if_then(builder.or_(rule.each, finished)):
        _settle(builder, places, level, totals, rule, step, least)
    with builder.if_then(finished):
        _close(builder, places, level, totals, rule, last)
    for row in range(places.rows):
        values[row] = totals[row]
        begun_again = Lanes(
            builder,
            builder.select(
                builder.and_(finished, builder.not_(last)), Lanes.constant(builder, 0, 32).value, totals[row].value
            ),
        )
        begun_again.write(places.line(builder, level, SUM, row))
    builder.cbranch(builder.and_(finished, builder.not_(last)), body, behind)
    builder.position_at_end(behind)


follow_rows, follow_row = _follow(AHEAD, alone=False), _follow(1, alone=False)
follow_rows_alone, follow_row_alone = _follow(AHEAD, alone=True), _follow(1, alone=True)
