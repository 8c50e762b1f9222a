"""Steps behind the accumulator on 32-bit lanes: what ``steps`` computes, where values are proved to fit 32 bits.

``values``, ``parameters`` and ``counters`` are those of ``strip_loop``: values int32, columns in multiples of 16,
magnitudes below 2**31 - 1; parameters named by the constants here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Ints
from hwsim_kernels.counting import MASK as WORD_MASK
from hwsim_kernels.counting import NEVER, WORD
from hwsim_kernels.fast.ir import Value
from hwsim_kernels.fast.lanes import Lanes
from hwsim_kernels.fast.strip_loop import (
    ABOVE,
    BELOW,
    BIAS,
    BOTTOM,
    COUNTERS,
    ENERGY,
    FIRST,
    INEXACT,
    LARGEST,
    LEAST,
    LOST,
    LOST_MORE,
    ROUNDED,
    TOP,
    Body,
    Lack,
    Noted,
    Values,
    addresses,
    squared,
    strips_of,
)
from hwsim_kernels.rounding import HALF, round_up

ADD, LOW, HIGH, FACTOR = range(4)
"""Parameters of a move: v becomes min(max(v + ADD, LOW), HIGH), and, where it is a step of its own, that * FACTOR."""
MULTIPLIER, SHIFT, MASK, SEEN, UP, DOWN, THRESHOLDS = range(4, 11)
"""Parameters of a scaling, see ``scaling``; THRESHOLDS are four."""
LOWER, LOWER_ONES, LEFT_BY_ONE = range(THRESHOLDS + 4, THRESHOLDS + 7)
"""Parameters of a scaling of 64-bit values, see ``wide_strips.scaling``."""
PARAMETERS = LEFT_BY_ONE + 1
SHORT = 1 << 14
"""Results of less are in the upper half of a lane while they are scaled, and what decides in the lower."""
INDIVISIBLE = SEEN
"""Parameter of a scaling half up: bits of a value of which at least one is set where the product drops ones."""
NEVER_UP = 1 << 62
"""A threshold that no rest reaches."""
TABLE = THRESHOLDS
"""Parameter of a division and of roundings of floats: what ``table_of`` gives."""

_SCALED = THRESHOLDS + 4
ROUNDING = (LEAST, LARGEST, INEXACT, BIAS, ENERGY)
"""What counts where a step rounds."""


def moving(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    add, low, high = (parameters[name].like(value) for name in (ADD, LOW, HIGH))
    return (value + add).most(low).least(high), {}


def multiplying(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    moved, _ = moving(value, parameters, row)
    return moved * parameters[FACTOR].like(value), {}


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
    return noted_rounding(*_scaled(value, parameters, row)[1:])


def _scale_steadily(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    return noted_rounding(*_scaled(value, parameters, row, steady=True)[1:])


def noted_rounding(result: Lanes, error: Lanes, inexact: Lanes) -> tuple[Lanes, Noted]:
    noted = {LEAST: result, LARGEST: result, INEXACT: inexact.ones(32), BIAS: error, ENERGY: squared(error)}
    return result, noted


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


def _scale_negatives(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    moved, result, error, inexact = _scaled(value, parameters, row)
    below = moved < 0
    error = error.where(below, 0)
    noted = {
        LEAST: result.where(below, TOP),
        LARGEST: result.where(below, BOTTOM),
        INEXACT: (inexact & below).ones(32),
        BIAS: error,
        ENERGY: squared(error),
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
    return noted_rounding(quotient + up, error, rest.differs(0))


def _divide_shortly(value: Lanes, parameters: Sequence[Lanes], row: Sequence[Value]) -> tuple[Lanes, Noted]:
    # with 16 bits behind the point; of a divisor up to 2**15 they tell nothing, less than a half, a half and more apart
    _, multiplier, shift = row
    whole, sign = value << 16, value >> 31
    whole = (whole ^ sign).quotient(multiplier, shift) ^ sign
    quotient, rest, half = whole >> 16, whole & 0xFFFF, 1 << 15
    place = rest.differs(0).ones(32) + (rest >= half).ones(32) + (rest > half).ones(32)
    case = (place << 2) | (sign & 2) | (quotient & 1)
    up = (parameters[TABLE].short() >> case) & 1
    return noted_rounding(quotient + up, (up << 16) - rest, rest.differs(0))


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
        FIRST: Lanes.spread(value.builder, row[0]).where(below | above, TOP),
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


def _passing_both(body: Body, last: int, *, counted: bool = True) -> Any:
    """Return the intrinsic of steps of which one scales and the ``last`` one looks, whose ranges come from the ends."""
    sums = [COUNTERS * (last - 1) + counter for counter in (INEXACT, BIAS, ENERGY)]
    ranges = [COUNTERS * step + counter for step in range(last + 1) for counter in (LEAST, LARGEST)]
    return strips_of(body, PARAMETERS * last + HIGH + 1, sums if counted else (), ranged=ranges, by_twos=counted)


_move_strips = strips_of(multiplying, FACTOR + 1, ())
_see_strips = strips_of(seeing, 0, (LEAST, LARGEST))
_look_strips = strips_of(looking, HIGH + 1, (LEAST, LARGEST))
_scale_strips = strips_of(_scale, _SCALED, ROUNDING)
_scale_steadily_strips = strips_of(_scale_steadily, THRESHOLDS + 1, ROUNDING)
_scale_uncounted = strips_of(_scale, _SCALED, ())
_scale_steadily_uncounted = strips_of(_scale_steadily, THRESHOLDS + 1, ())
_scale_shortly_strips = strips_of(_scale_shortly, THRESHOLDS, ROUNDING)
_scale_shortly_uncounted = strips_of(_scale_shortly, THRESHOLDS, ())
_scale_half_up_strips = strips_of(_scale_half_up, THRESHOLDS, ROUNDING)
_scale_half_up_uncounted = strips_of(_scale_half_up, THRESHOLDS, ())
_scale_and_look_strips = _passing_both(_together(_scale_shortly, looking), 1)
_see_scale_and_look_strips = _passing_both(_together(seeing, _scale_shortly, looking), 2)
_scale_and_look_uncounted = _passing_both(_together(_scale_shortly, looking), 1, counted=False)
_divide_strips = strips_of(_divide, _SCALED, ROUNDING, numbers=3)
_divide_shortly_strips = strips_of(_divide_shortly, _SCALED, ROUNDING, numbers=3)
_clamp_strips = strips_of(_clamp, HIGH + 1, (BELOW, ABOVE, LOST, LOST_MORE, FIRST))
_scale_negatives_strips = strips_of(_scale_negatives, _SCALED, (*ROUNDING, ROUNDED))


@njit
def move(values: Values, parameters: Ints) -> None:
    """Add, clip, multiply: any sequence of constants and limits comes down to one of these, and then any of factors.

    Other steps add and clip first, too, but do not multiply.
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
    parameters[LOW], parameters[HIGH] = (BOTTOM, TOP) if width == 32 else (-NEVER, NEVER)
    parameters[FACTOR] = 1
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
