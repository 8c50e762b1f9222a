"""Steps behind the accumulator on 32-bit lanes: what ``steps`` computes, where values are proved to fit 32 bits.

A *strip* is 16 channels of all rows of a block: parameters and counters of its channels stay in registers while the
rows pass. ``values`` are int32 (rows, columns), rows 2**14 at most, columns in multiples of 16, magnitudes below
2**31 - 1. ``parameters`` and ``counters`` are int64 (names, columns), named by the constants here; counters go on from
what they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numba import types
from numpy.typing import NDArray

from hwsim_kernels._jit import inlined, njit
from hwsim_kernels._types import Flag, Ints
from hwsim_kernels.counting import MASK as WORD_MASK
from hwsim_kernels.counting import NEVER, WORD
from hwsim_kernels.fast import pairs
from hwsim_kernels.fast.ir import I16, I32, I64, Value, at, constant, ir, load, loop, machine_code, vector
from hwsim_kernels.fast.lanes import Lanes
from hwsim_kernels.fast.memory import LINE
from hwsim_kernels.rounding import HALF, round_up

Values = NDArray[np.int32]

ADD, LOW, HIGH, LEFT = range(4)
"""Parameters of a move: v becomes min(max(v + ADD, LOW), HIGH), and, where it is a step of its own, that * 2**LEFT."""
MULTIPLIER, SHIFT, MASK, SEEN, UP, DOWN, THRESHOLDS = range(4, 11)
"""Parameters of a scaling, see ``scaling``; THRESHOLDS are four."""
LOWER, LOWER_ONES, LEFT_BY_ONE = range(THRESHOLDS + 4, THRESHOLDS + 7)
"""Parameters of a scaling of 64-bit values, see ``wide_strips.scaling``."""
PARAMETERS = LEFT_BY_ONE + 1
SHORT = 1 << 14
"""Results of less are in the upper half of a lane while they are scaled, and what decides in the lower."""
INDIVISIBLE = SEEN
"""Parameter of a scaling half up: bits of a value of which at least one is set where the product drops ones."""
SCALE = SHIFT
"""Parameter of a quantisation: the bits of a float64."""
NEVER_UP = 1 << 62
"""A threshold that no rest reaches."""
TABLE = THRESHOLDS
"""Parameter of a quantisation and of a division: what ``table_of`` gives."""

LEAST, LARGEST, INEXACT, BIAS, ENERGY, ROUNDED, BELOW, ABOVE, LOST, LOST_MORE, FIRST = range(11)
"""Counters: the smallest and the largest result; of roundings, how many dropped ones, their errors, the squares of
those, and how many there were (``scale_negatives`` only); of clamping, how many values lay below and above, the squares
of what was injected in two words of 31 bits, and the first row of the last block where it happened."""
COUNTERS = 11

_TOP, _BOTTOM = (1 << 31) - 1, -(1 << 31)


class Lack(NamedTuple):
    """What results lack to the exact ones, in the lowest 16 bits of 32-bit lanes, signed."""

    lanes: Lanes


Noted = Mapping[int, Lanes | Lack]
Body = Callable[[Lanes, Sequence[Lanes], Sequence[Value]], tuple[Lanes, Noted]]
"""From a value, the parameters and the number of the row (or numbers of its own) to a result and what counters take in.
"""


def moving(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    add, low, high = (parameters[name].like(value) for name in (ADD, LOW, HIGH))
    return (value + add).most(low).least(high), {}


def shifting(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    moved, _ = moving(value, parameters, row)
    return moved << parameters[LEFT].like(value), {}


def seeing(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    return value, {LEAST: value, LARGEST: value}


def looking(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    return seeing(moving(value, parameters, row)[0], parameters, row)


def _scaled(
    value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value], *, steady: bool = False
) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """Return the value after the move, the rounded product, the rounding's error and whether it dropped ones.

    ``steady``: the first threshold stands for all.
    """
    moved, _ = moving(value, parameters, row)
    # both factors as 32 bits made long: one instruction multiplies them
    product = moved.long() * parameters[MULTIPLIER].short().long()
    quotient, rest = product >> parameters[SHIFT], product & parameters[MASK]
    threshold = parameters[THRESHOLDS]
    if not steady:
        even, odd, below_even, below_odd = parameters[THRESHOLDS : THRESHOLDS + 4]
        is_odd, negative = (quotient & 1).differs(0), product < 0
        threshold = below_odd.where(is_odd, below_even).where(negative, odd.where(is_odd, even))
    rounded_up = (rest & parameters[SEEN]) >= threshold
    fraction = (rest << parameters[UP]) >> parameters[DOWN]
    error = (fraction * -1 + 65536).where(rounded_up, fraction * -1).short()
    return moved, (quotient + 1).where(rounded_up, quotient).short(), error, rest.differs(0)


def _scale(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    return _noted(*_scaled(value, parameters, row)[1:])


def _scale_steadily(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    return _noted(*_scaled(value, parameters, row, steady=True)[1:])


def _noted(result: Lanes, error: Lanes, inexact: Lanes) -> tuple[Lanes, Noted]:
    noted = {LEAST: result, LARGEST: result, INEXACT: inexact.ones(32), BIAS: error, ENERGY: _squared(error)}
    return result, noted


def _squared(error: Lanes) -> Lanes:
    """Return the squares of 32-bit lanes, paired."""
    even, odd = error.pairs()
    return (even * even).beside(odd * odd)


def _scale_shortly(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    # no limits: two instructions of some twenty
    moved = value + parameters[ADD].like(value)
    (even, odd), shifts = _products(moved, parameters)
    # 16 bits behind the point: their sign bit rounds up, and then as a signed number they are what was too little
    product = even.unsigned_shift(shifts[0]).between(odd.unsigned_shift(shifts[1]))
    return _noted_half_up((product + (1 << 15)) >> 16, product, moved, parameters)


def _scale_half_up(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    moved, _ = moving(value, parameters, row)
    products, shifts = _products(moved, parameters)
    even, odd = (one >> shift for one, shift in zip(products, shifts, strict=True))
    missing = (even.between(odd) << 16) >> 16
    return _noted_half_up((even >> 16).between(odd >> 16) - (missing >> 31), missing, moved, parameters)


def _products(moved: Lanes, parameters: Sequence[Lanes]) -> tuple[tuple[Lanes, ...], tuple[Lanes, Lanes]]:
    """Return the products of a value in pairs of lanes, and how far to shift them to keep 16 bits."""
    factors = parameters[MULTIPLIER].pairs()
    products = tuple(one * factor for one, factor in zip(moved.pairs(), factors, strict=True))
    return products, parameters[DOWN].wide_pairs()


def _noted_half_up(result: Lanes, missing: Lanes, moved: Lanes, parameters: Sequence[Lanes]) -> tuple[Lanes, Noted]:
    """Return what counters take in of a result that is so many units too small as 16 bits of ``missing`` are."""
    noted: Noted = {
        LEAST: result,
        LARGEST: result,
        INEXACT: (moved & parameters[INDIVISIBLE].short()).differs(0).ones(32),
        BIAS: Lack(missing),
        ENERGY: Lack(missing),
    }
    return result, noted


def _bias(lacking: Sequence[Lack]) -> Lanes:
    """Return the errors of a row, or of two, added up."""
    if len(lacking) == 1:
        return _signed(lacking[0]) * -1
    both = _side_by_side(lacking)
    return Lanes(both.builder, pairs.products(both.builder, both.value, constant(both.value.type, -1)))


def _energy(lacking: Sequence[Lack]) -> Lanes:
    """Return the squares of the errors of a row, or of two, added up and paired."""
    if len(lacking) == 1:
        return _squared(_signed(lacking[0]))
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


def _scale_negatives(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    moved, result, error, inexact = _scaled(value, parameters, row)
    below = moved < 0
    error = error.where(below, 0)
    noted = {
        LEAST: result.where(below, _TOP),
        LARGEST: result.where(below, _BOTTOM),
        INEXACT: (inexact & below).ones(32),
        BIAS: error,
        ENERGY: _squared(error),
        ROUNDED: below.ones(32),
    }
    return result.where(below, moved), noted


def _divide(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    divisor, multiplier, shift = row
    count, sign = Lanes.spread(value.builder, divisor), value >> 31
    quotient = (value ^ sign).quotient(multiplier, shift) ^ sign
    rest = value - quotient * count
    double = rest << 1
    place = rest.differs(0).ones(32) + (double >= count).ones(32) + (double > count).ones(32)
    case = (place << 2) | (sign & 2) | (quotient & 1)
    up = (parameters[TABLE].short() >> case) & 1
    error = (up << 16) - (rest << 16).quotient(multiplier, shift)
    return _noted(quotient + up, error, rest.differs(0))


def _divide_shortly(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    # with 16 bits behind the point; of a divisor up to 2**15 they tell nothing, less than a half, a half and more apart
    _, multiplier, shift = row
    whole, sign = value << 16, value >> 31
    whole = (whole ^ sign).quotient(multiplier, shift) ^ sign
    quotient, rest, half = whole >> 16, whole & 0xFFFF, 1 << 15
    place = rest.differs(0).ones(32) + (rest >= half).ones(32) + (rest > half).ones(32)
    case = (place << 2) | (sign & 2) | (quotient & 1)
    up = (parameters[TABLE].short() >> case) & 1
    return _noted(quotient + up, (up << 16) - rest, rest.differs(0))


def _quantize(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    # from the magnitude, whose fraction is exact; one minus a tiny fraction would not be
    whole, fraction, negative = value.float32().over(parameters[SCALE].float64()).split()
    sixteen, more = fraction.scaled(65536.0)
    half = 1 << 15
    inexact = (sixteen | more.ones(64)).differs(0)
    mirrored = (sixteen + more.ones(64)) * -1 + 65536
    below = negative & inexact
    above = (sixteen > half) | (more & (sixteen >= half))
    place = inexact.ones(64) + (sixteen >= half).ones(64) + above.ones(64)
    turned = (place * -1) + 4
    floor = (whole * -1 - inexact.ones(64)).where(negative, whole)
    case = (turned.where(below, place) << 2) | (negative.ones(64) << 1) | (floor & 1)
    up = (parameters[TABLE] >> case) & 1
    error = (up << 16) - mirrored.where(below, sixteen)
    return _noted((floor + up + parameters[ADD]).short(), error.short(), inexact)


def _clamp(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    clamped, _ = moving(value, parameters, row)
    below, above = value < clamped, value > clamped
    injected = clamped.long() - value.long()
    square = injected * injected
    noted = {
        BELOW: below.ones(32),
        ABOVE: above.ones(32),
        LOST: square & WORD_MASK,
        LOST_MORE: square >> WORD,
        FIRST: Lanes.spread(value.builder, row[0]).where(below | above, _TOP),
    }
    return clamped, noted


def _together(*bodies: Body) -> Body:
    """Return what does one step after another: the names of the next step stand behind those of the one before."""

    def all_of_them(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
        noted: dict[int, Lanes | Lack] = {}
        for number, body in enumerate(bodies):
            value, more = body(value, parameters[PARAMETERS * number :], row)
            noted.update({COUNTERS * number + counter: lanes for counter, lanes in more.items()})
        return value, noted

    return all_of_them


def _is(counter: int, *names: int) -> bool:
    """Whether a counter, of whichever step, has one of these names."""
    return counter % COUNTERS in names


def _bits(counter: int, width: int) -> int:
    """Return how many bits a counter has in registers, for values of so many bits."""
    return 64 if width == 64 or _is(counter, ENERGY, LOST, LOST_MORE) else 32


def _first(builder: Any, counter: int, width: int) -> Lanes:
    """Return what a counter holds in registers before the first row."""
    bits = _bits(counter, width)
    bottom, top = (_BOTTOM, _TOP) if bits == 32 else (-NEVER, NEVER)
    begin = {LEAST: top, FIRST: top, LARGEST: bottom}.get(counter % COUNTERS, 0)
    return Lanes.constant(builder, begin, bits, 8 * LINE // width)


def _after_all(counter: int, held: Lanes, noted: Sequence[Lanes | Lack]) -> Lanes:
    """Return what a counter holds in registers after one more row, or two."""
    lacking = [one for one in noted if isinstance(one, Lack)]
    for one in noted:
        if isinstance(one, Lanes):
            held = _after(counter, held, one)
    return held + (_bias if _is(counter, BIAS) else _energy)(lacking) if lacking else held


def _after(counter: int, held: Lanes, noted: Lanes) -> Lanes:
    """Return what a counter holds in registers after one more row."""
    if _is(counter, LEAST, FIRST):
        return held.least(noted)
    return held.most(noted) if _is(counter, LARGEST) else held + noted


def _join(counter: int, before: Lanes, held: Lanes, width: int) -> Lanes:
    """Return a counter in memory after all rows."""
    if width == 64:
        return _after(counter, before, held)
    whole = held.in_order() if _is(counter, ENERGY) else held if held.bits == 64 else held.long()
    if _is(counter, LEAST, FIRST):
        return before.least(whole.where(held.differs(_TOP), NEVER))
    return before.most(whole.where(held.differs(_BOTTOM), -NEVER)) if _is(counter, LARGEST) else before + whole


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
            found.update({one: cast("Lanes", ends[_is(one, LARGEST)][one]) for one in ranged})
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


def _passing_both(body: Body, last: int, *, counted: bool = True) -> Any:
    """Return the intrinsic of steps of which one scales and the ``last`` one looks, whose ranges come from the ends."""
    sums = [COUNTERS * (last - 1) + counter for counter in (INEXACT, BIAS, ENERGY)]
    ranges = [COUNTERS * step + counter for step in range(last + 1) for counter in (LEAST, LARGEST)]
    return strips_of(body, PARAMETERS * last + HIGH + 1, sums if counted else (), ranged=ranges, by_twos=counted)


_SCALED = THRESHOLDS + 4
_ROUNDING = (LEAST, LARGEST, INEXACT, BIAS, ENERGY)
_move_strips = strips_of(shifting, LEFT + 1, ())
_see_strips = strips_of(seeing, 0, (LEAST, LARGEST))
_look_strips = strips_of(looking, HIGH + 1, (LEAST, LARGEST))
_scale_strips = strips_of(_scale, _SCALED, _ROUNDING)
_scale_steadily_strips = strips_of(_scale_steadily, THRESHOLDS + 1, _ROUNDING)
_scale_uncounted = strips_of(_scale, _SCALED, ())
_scale_steadily_uncounted = strips_of(_scale_steadily, THRESHOLDS + 1, ())
_scale_shortly_strips = strips_of(_scale_shortly, THRESHOLDS, _ROUNDING)
_scale_shortly_uncounted = strips_of(_scale_shortly, THRESHOLDS, ())
_scale_half_up_strips = strips_of(_scale_half_up, THRESHOLDS, _ROUNDING)
_scale_half_up_uncounted = strips_of(_scale_half_up, THRESHOLDS, ())
_scale_and_look_strips = _passing_both(_together(_scale_shortly, looking), 1)
_see_scale_and_look_strips = _passing_both(_together(seeing, _scale_shortly, looking), 2)
_scale_and_look_uncounted = _passing_both(_together(_scale_shortly, looking), 1, counted=False)
_divide_strips = strips_of(_divide, _SCALED, _ROUNDING, numbers=3)
_divide_shortly_strips = strips_of(_divide_shortly, _SCALED, _ROUNDING, numbers=3)
_quantize_strips = strips_of(_quantize, _SCALED, _ROUNDING)
_clamp_strips = strips_of(_clamp, HIGH + 1, (BELOW, ABOVE, LOST, LOST_MORE, FIRST))
_scale_negatives_strips = strips_of(_scale_negatives, _SCALED, (*_ROUNDING, ROUNDED))


@inlined
def addresses(values: Values | Ints, parameters: Ints, counters: Ints) -> tuple[int, int, int, int, int, int, int]:
    """Return what the intrinsics take, behind the address of numbers."""
    rows, columns = values.shape
    given, kept = parameters.ctypes.data, counters.ctypes.data
    return values.ctypes.data, rows, values.strides[0], columns, given, kept, parameters.strides[0]


@njit
def move(values: Values, parameters: Ints) -> None:
    """Add, clip, shift to the left: any sequence of constants and limits comes down to one of these.

    Other steps add and clip first, too, but do not shift.
    """
    _move_strips(0, *addresses(values, parameters, parameters))


@njit
def see(values: Values, counters: Ints) -> None:
    """Note the range of values."""
    _see_strips(0, *addresses(values, counters, counters))


@njit
def look(values: Values, parameters: Ints, counters: Ints) -> None:
    """Move, and note the range of the results."""
    _look_strips(0, *addresses(values, parameters, counters))


@njit
def scale(values: Values, parameters: Ints, counters: Ints, steady: Flag, counted: Flag) -> None:
    """Move, then multiply by a fixed-point ratio and round, as ``scaling`` describes it; ``steady``: see there."""
    if steady and counted:
        _scale_steadily_strips(0, *addresses(values, parameters, counters))
    elif steady:
        _scale_steadily_uncounted(0, *addresses(values, parameters, counters))
    elif counted:
        _scale_strips(0, *addresses(values, parameters, counters))
    else:
        _scale_uncounted(0, *addresses(values, parameters, counters))


@njit
def scale_half_up(values: Values, parameters: Ints, counters: Ints, counted: Flag) -> None:
    """Do what ``scale`` does, where ``half_up`` allows."""
    if counted:
        _scale_half_up_strips(0, *addresses(values, parameters, counters))
    else:
        _scale_half_up_uncounted(0, *addresses(values, parameters, counters))


@njit
def scale_shortly(values: Values, parameters: Ints, counters: Ints, counted: Flag) -> None:
    """Do what ``scale_half_up`` does, where ``short`` allows; the move has no limits."""
    if counted:
        _scale_shortly_strips(0, *addresses(values, parameters, counters))
    else:
        _scale_shortly_uncounted(0, *addresses(values, parameters, counters))


@njit
def scale_and_look(values: Values, parameters: Ints, counters: Ints, counted: Flag) -> None:
    """Scale shortly and look, which takes ranges alone if not ``counted``; parameters and counters of both steps."""
    first = addresses(values, parameters[0], counters[0])
    if counted:
        _scale_and_look_strips(0, *first)
    else:
        _scale_and_look_uncounted(0, *first)


@njit
def see_scale_and_look(values: Values, parameters: Ints, counters: Ints, counted: Flag) -> None:
    """See values, if ``counted``, and then do what ``scale_and_look`` does; parameters and counters of all three."""
    if counted:
        _see_scale_and_look_strips(0, *addresses(values, parameters[0], counters[0]))
    else:
        _scale_and_look_uncounted(0, *addresses(values, parameters[1], counters[1]))


@njit
def scale_negatives(values: Values, parameters: Ints, counters: Ints) -> None:
    """Do what ``scale`` does, to values that are negative after the move."""
    _scale_negatives_strips(0, *addresses(values, parameters, counters))


@njit
def divide(values: Values, divisors: NDArray[np.int32], parameters: Ints, counters: Ints, shortly: Flag) -> None:
    """Divide each row by a positive number of its own, see ``set_divisors``, and round by the parameters' table.

    shortly: no value reaches 2**15.
    """
    if shortly:
        _divide_shortly_strips(divisors.ctypes.data, *addresses(values, parameters, counters))
    else:
        _divide_strips(divisors.ctypes.data, *addresses(values, parameters, counters))


@njit
def quantize(values: Values, parameters: Ints, counters: Ints) -> None:
    """Divide float32 values, given as the integers of their bits, by a scale, round them, add the zero point.

    |value / scale| < 2**29. ``parameters`` hold SCALE, ADD and TABLE.
    """
    _quantize_strips(0, *addresses(values, parameters, counters))


@njit
def clamp(values: Values, limits: Ints, counters: Ints, here: Ints) -> None:
    """Saturate to ``limits``, the parameters of a move, and note what lay outside; FIRST goes to ``here``."""
    for c in range(values.shape[1]):
        counters[FIRST, c], here[FIRST, c] = here[FIRST, c], counters[FIRST, c]
    _clamp_strips(0, *addresses(values, limits, counters))
    for c in range(values.shape[1]):
        counters[FIRST, c], here[FIRST, c] = here[FIRST, c], counters[FIRST, c]


@njit
def set_divisors(counts: NDArray[np.int32], divisors: NDArray[np.int32]) -> None:
    """Write positive numbers of at most 2**15 as divisors (rows, 3): the number n, a multiplier m, a shift s.

    2**(s - 31) is the first power of two of n or more, and m the first number with n * m > 2**s. So n * m is at most n
    more, m has 32 bits, and floor(v * m / 2**s) = floor(v / n) for 0 <= v < 2**31.
    """
    for row in range(counts.size):
        count, shift = np.int64(counts[row]), np.int64(31)
        while 1 << (shift - 31) < count:
            shift += 1
        divisors[row, 0] = count
        # as 32 bits without a sign
        divisors[row, 1] = np.uint32((np.int64(1) << shift) // count + 1)
        divisors[row, 2] = shift


def moves(columns: int, width: int = 32) -> Ints:
    """Return the parameters of a move of values of so many bits that changes nothing, and of no scaling."""
    parameters = np.zeros((PARAMETERS, columns), np.int64)
    parameters[LOW], parameters[HIGH] = (_BOTTOM, _TOP) if width == 32 else (-NEVER, NEVER)
    return parameters


def scaling(parameters: Ints, multiplier: Ints, shift: Ints, guard_bits: int, mode: int) -> bool:
    """Complete the parameters by a scaling by ``multiplier / 2**shift`` (channels,), rounded in ``mode``.

    0 <= multiplier < 2**31, 0 <= shift <= 62; not for stochastic modes. Every mode rounds up from some rest on, which
    depends on the sign and on whether the floor is odd: four thresholds, even and odd, then the same below 0. Return
    whether they are equal: then ``steady`` lanes need look at the first alone.
    """
    channels = multiplier.size
    given = parameters[:, :channels]
    one = np.ones(channels, np.int64)
    given[MULTIPLIER], given[SHIFT], given[MASK] = multiplier, shift, (one << shift) - 1
    given[SEEN] = -one << np.maximum(shift - guard_bits, 0) if guard_bits else -1
    given[UP], given[DOWN] = np.maximum(16 - shift, 0), np.maximum(shift - 16, 0)
    parameters[THRESHOLDS : THRESHOLDS + 4] = NEVER_UP
    half, table = one << np.maximum(shift - 1, 0), table_of(mode)
    for case in range(4):
        # from nothing dropped on, from something, from a half, from more, never
        places = [place for place in range(4) if table >> (4 * place + case) & 1]
        from_place = (0 * one, one, half, half + 1, NEVER_UP * one)[places[0] if places else 4]
        row = THRESHOLDS + (case >> 1) * 2 + (case & 1)
        given[row] = np.where(shift > 0, from_place, NEVER_UP)
    thresholds = given[THRESHOLDS : THRESHOLDS + 4]
    return bool((thresholds == thresholds[0]).all())


def half_up(parameters: Ints, channels: int) -> bool:
    """Complete the parameters of a scaling for the kernels that round half up; return whether that is what it does.

    Their products keep 16 bits behind the point, which must be all that decides. So a ratio with fewer gets more, in
    numerator and denominator alike. Nothing changes where the answer is False.
    """
    given = parameters[:, :channels]
    half = np.int64(1) << np.maximum(given[SHIFT] - 1, 0)
    halves = (given[THRESHOLDS : THRESHOLDS + 4] == half) & (given[SEEN] & half != 0)
    up = np.maximum(16 - given[SHIFT], 0)
    if not (halves | (given[SHIFT] == 0)).all() or (given[MULTIPLIER] << up >= 1 << 31).any():
        return False
    given[MULTIPLIER] <<= up
    given[SHIFT] += up
    # the product has its lowest one as far up as those of both factors together
    free = np.log2(given[MULTIPLIER] & -given[MULTIPLIER], where=given[MULTIPLIER] > 0, out=np.full(channels, 62.0))
    given[INDIVISIBLE] = (np.int64(1) << np.clip(given[SHIFT] - free.astype(np.int64), 0, 31)) - 1
    return True


def short(parameters: Ints, most: int) -> bool:
    """Return whether a scaling half up, of results up to ``most``, can take place in 32 bits behind its products.

    Then it matters no more what stands above them, but it must be bits of the product.
    """
    return most < SHORT and int(parameters[DOWN].max()) <= 32


def table_of(mode: int) -> int:
    """Return what ``round_up`` does in ``mode``, one bit for each case that it can tell apart.

    Bit 4 * place + 2 * negative + odd; place: nothing is dropped, less than a half, a half, more.
    """
    table = 0
    for case in range(16):
        fraction, sticky = ((0, 0), (1, 0), (HALF, 0), (HALF, 1))[case >> 2]
        table |= int(round_up(fraction, sticky, case & 2 != 0, case & 1 != 0, mode, 0)) << case
    return table


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
