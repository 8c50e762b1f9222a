"""Steps on 32-bit lanes against Python's integers and the definitions of docs/arithmetic.md and docs/ledger.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.fast.datapaths import compiled
from kernels.plain import STEADY, Ints, Json, code_of, examples, figures, figures_of, fit_field, fits, integers
from numpy.typing import NDArray

from hwsim_kernels import counting
from hwsim_kernels.fast import strip_loop, strips
from hwsim_kernels.fast.fitting import fit_block, look_at
from oracle.ledger import Place, Point
from oracle.overflow import Format
from oracle.rounding import Rounded, rounded_divide, rounded_shift

pytestmark = [compiled, pytest.mark.slow]

Rows = list[list[int]]
Lanes = NDArray[np.int32]

NEVER = (1 << 63) - 1
MOST = (1 << 31) - 2
"""The largest magnitude that a lane may hold."""

NARROW = 1 << 30
"""The largest magnitude of values that come to a fit."""

MOST_DIVISOR = (1 << 15) - 1
SHORT = 1 << 15


@dataclass
class Counted:
    """What the counters of one column are to hold."""

    least: int = NEVER
    largest: int = -NEVER
    inexact: int = 0
    bias: int = 0
    energy: int = 0
    rounded: int = 0
    below: int = 0
    above: int = 0
    lost: int = 0
    first: int = NEVER

    def look(self, value: int) -> None:
        """Take a result in."""
        self.least, self.largest = min(self.least, value), max(self.largest, value)

    def round(self, rounded: Rounded) -> None:
        """Take a rounding in."""
        self.look(rounded.value)
        self.inexact += rounded.inexact
        self.bias += rounded.e16
        self.energy += rounded.e16**2

    def clamp(self, value: int, clamped: int, row: int) -> None:
        """Take a saturation in."""
        self.below += value < clamped
        self.above += value > clamped
        self.lost += (clamped - value) ** 2
        if value != clamped:
            self.first = min(self.first, row)


def counted(counters: Ints) -> list[Counted]:
    """Return counters by name, column by column."""
    return [
        Counted(
            least=int(one[strip_loop.LEAST]),
            largest=int(one[strip_loop.LARGEST]),
            inexact=int(one[strip_loop.INEXACT]),
            bias=int(one[strip_loop.BIAS]),
            energy=int(one[strip_loop.ENERGY]),
            rounded=int(one[strip_loop.ROUNDED]),
            below=int(one[strip_loop.BELOW]),
            above=int(one[strip_loop.ABOVE]),
            lost=int(one[strip_loop.LOST]) + (int(one[strip_loop.LOST_MORE]) << 31),
            first=int(one[strip_loop.FIRST]),
        )
        for one in counters.T
    ]


@dataclass(frozen=True)
class Move:
    """The first step of most kernels: add, clip, and, where it is the only step, shift to the left."""

    add: int = 0
    low: int = -(1 << 31)
    high: int = (1 << 31) - 1
    factor: int = 1

    def of(self, value: int) -> int:
        """Return the value moved."""
        return min(max(value + self.add, self.low), self.high) * self.factor


@dataclass
class Block:
    """Values (rows, columns), given to a kernel in two parts, and the columns' parameters."""

    values: Rows
    parameters: Ints
    split: int
    moves: list[Move] = field(default_factory=list)

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return len(self.values[0])

    def parts(self) -> list[Lanes]:
        """Return both parts, each of a row at least."""
        whole = np.array(self.values, np.int32)
        return [whole] if self.split in (0, len(whole)) else [whole[: self.split], whole[self.split :]]

    def run(self, kernel: Callable[[Lanes], None]) -> Rows:
        """Run a kernel on both parts in place and return what they hold."""
        found: Rows = []
        for part in self.parts():
            kernel(part)
            found += part.tolist()
        return found


columns_of = st.sampled_from([16, 16, 32, 48])


@composite
def rows_of(draw: DrawFn, limits: Sequence[int]) -> Rows:
    """Draw rows whose magnitudes stay within the limits of their columns, many of them at it or near 0."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows: Rows = []
    for _ in range(draw(st.integers(1, 9))):
        kind = generator.integers(0, 5)
        drawn = {
            0: [0] * len(limits),
            1: [min(int(generator.integers(0, 10)), limit) for limit in limits],
            2: [int(generator.integers(0, limit + 1)) for limit in limits],
            3: [limit - min(int(generator.integers(0, 3)), limit) for limit in limits],
            4: [min(1 << int(generator.integers(0, 31)), limit) for limit in limits],
        }[int(kind)]
        rows.append([one * int(generator.choice([-1, 1])) for one in drawn])
    return rows


@composite
def moved_blocks(draw: DrawFn, most: Sequence[int], *, factors: bool = False, limits: bool = True) -> Block:
    """Draw a block and moves that bring values to at most ``most`` of their columns.

    They are with or without ``factors`` and ``limits``.
    """
    columns = len(most)
    parameters = strips.moves(columns)
    if not draw(st.booleans()):
        values = draw(rows_of(most))
        return Block(values, parameters, draw(st.integers(0, len(values))), [Move()] * columns)
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if not limits:
        adds = generator.integers(-NARROW, NARROW, columns).tolist()
        parameters[strips.ADD] = adds
        rows = draw(rows_of([min(limit, NARROW) for limit in most]))
        values = [[value - add for value, add in zip(row, adds, strict=True)] for row in rows]
        return Block(values, parameters, draw(st.integers(0, len(values))), [Move(add) for add in adds])
    moves: list[Move] = []
    for limit in most:
        factor = 1
        if factors and generator.random() < 0.3 and limit:
            power, number = 1 << int(generator.integers(0, limit.bit_length())), int(generator.integers(1, limit + 1))
            factor = power if generator.random() < 0.5 else number
        lower = limit // factor
        low, high = sorted(int(one) for one in generator.integers(-lower, lower + 1, 2))
        add = int(generator.integers(-NARROW, NARROW))
        # one limit alone, both, or one value
        kind = int(generator.integers(0, 3))
        moves.append(Move(add, -lower if kind == 0 else low, lower if kind == 1 else high if kind else low, factor))
    parameters[strips.ADD], parameters[strips.FACTOR] = [move.add for move in moves], [move.factor for move in moves]
    parameters[strips.LOW], parameters[strips.HIGH] = [move.low for move in moves], [move.high for move in moves]
    values = draw(rows_of([NARROW] * columns))
    return Block(values, parameters, draw(st.integers(0, len(values))), moves)


# --- moves --------------------------------------------------------------------------------------------


@examples(60)
@given(st.data(), columns_of)
def test_a_move_adds_clips_and_multiplies(data: st.DataObject, columns: int) -> None:
    block = data.draw(moved_blocks([MOST] * columns, factors=True))
    wanted = [[move.of(one) for move, one in zip(block.moves, row, strict=True)] for row in block.values]
    assert block.run(lambda values: strips.move(values, block.parameters)) == wanted


@examples(60)
@given(st.data(), columns_of)
def test_a_look_notes_the_range_of_what_was_moved(data: st.DataObject, columns: int) -> None:
    block, counters = data.draw(moved_blocks([MOST] * columns)), strip_loop.counters(columns)
    wanted, expected = [], [Counted() for _ in range(columns)]
    for row in block.values:
        wanted.append([move.of(one) for move, one in zip(block.moves, row, strict=True)])
        for one, value in zip(expected, wanted[-1], strict=True):
            one.look(value)
    assert block.run(lambda values: strips.look(values, block.parameters, counters)) == wanted
    assert counted(counters) == expected


def test_fresh_parameters_and_counters_change_nothing() -> None:
    values = np.array([[MOST, -MOST] * 8], np.int32)
    strips.move(values, strips.moves(16))
    assert values.tolist() == [[MOST, -MOST] * 8]
    assert counted(strip_loop.counters(16)) == [Counted()] * 16


# --- scalings -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ratio:
    """What a column is multiplied by: multiplier / 2**shift."""

    multiplier: int
    shift: int

    @property
    def most(self) -> int:
        """The largest magnitude whose product a lane can hold, rounded in any mode."""
        return min(MOST, ((MOST - 1) << self.shift) // max(self.multiplier, 1))

    def of(self, value: int, mode: str, guard_bits: int = 0) -> Rounded:
        """Return a value scaled; 0 guard bits stand for all."""
        return rounded_shift(value * self.multiplier, self.shift, mode, guard_bits=guard_bits or None)


@composite
def ratios(draw: DrawFn) -> Ratio:
    """Draw a ratio; powers of two and small numbers, whose products often lie half way, among them."""
    shift = draw(st.sampled_from([0, 1, 2, 15, 16, 17, 31, 32, 33, 46, 47, 61, 62]) | st.integers(0, 62))
    most = (1 << 31) - 1
    powers = st.integers(0, 30).map(lambda power: 1 << power)
    near = st.integers(-2, 2).map(lambda off: min(max((1 << max(min(shift - 1, 30), 0)) + off, 0), most))
    multiplier = draw(powers | near | st.integers(0, most) | st.sampled_from([0, 1, 3, most]))
    return Ratio(multiplier, shift)


def check_scaling(data: st.DataObject, ratio: Sequence[Ratio], mode: str, guard_bits: int, *, negatives: bool) -> None:
    """Compare a scaling of drawn values with the oracle, value by value and figure by figure."""
    columns = len(ratio)
    block, counters = data.draw(moved_blocks([one.most for one in ratio])), strip_loop.counters(columns)
    steady = completed(block.parameters, ratio, guard_bits, mode)
    wanted: Rows = []
    expected = [Counted() for _ in range(columns)]
    for row in block.values:
        wanted.append([])
        for value, move, one, to in zip(row, block.moves, expected, ratio, strict=True):
            moved = move.of(value)
            if negatives and moved >= 0:
                wanted[-1].append(moved)
                continue
            rounded = to.of(moved, mode, guard_bits)
            one.round(rounded)
            one.rounded += negatives
            wanted[-1].append(rounded.value)
    if negatives:
        found = block.run(lambda values: strips.scale_negatives(values, block.parameters, counters))
    else:
        found = scaled(block, counters, steady=steady)
    assert found == wanted
    assert counted(counters) == expected


def completed(parameters: Ints, ratio: Sequence[Ratio], guard_bits: int, mode: str) -> bool:
    """Complete the parameters of a move by those of a scaling; return whether the mode is steady."""
    multiplier = np.array([one.multiplier for one in ratio], np.int64)
    shift = np.array([one.shift for one in ratio], np.int64)
    return strips.scaling(parameters, multiplier, shift, guard_bits, code_of(mode))


def scaled(block: Block, counters: Ints, *, steady: bool) -> Rows:
    """Scale a block in all ways that there are, counting once; all must leave the same."""
    found = block.run(lambda values: strips.scale(values, block.parameters, counters, steady, True))
    for way in {False, steady}:
        again, resting = strip_loop.counters(block.columns), strip_loop.counters(block.columns)
        assert block.run(lambda values: strips.scale(values, block.parameters, again, way, True)) == found  # noqa: B023
        assert counted(again) == counted(counters)
        assert block.run(lambda values: strips.scale(values, block.parameters, resting, way, False)) == found  # noqa: B023
        assert counted(resting) == [Counted()] * block.columns
    return found


def check_half_up(data: st.DataObject, ratio: Sequence[Ratio], guard_bits: int, *, short: bool) -> None:
    """Compare scalings half up with the oracle."""
    columns, most = len(ratio), (strips.SHORT if short else 1 << 30) - 1
    limits = [min(one.most, ((most - 1) << one.shift) // max(one.multiplier, 1)) for one in ratio]
    limited = data.draw(st.booleans())
    block = data.draw(moved_blocks(limits, limits=limited))
    completed(block.parameters, ratio, guard_bits, "half_up")
    assert strips.half_up(block.parameters, columns)
    expected, wanted = [Counted() for _ in range(columns)], []
    for row in block.values:
        moved = [move.of(value) for value, move in zip(row, block.moves, strict=True)]
        made = [to.of(value, "half_up", guard_bits) for value, to in zip(moved, ratio, strict=True)]
        for one, rounded in zip(expected, made, strict=True):
            one.round(rounded)
        wanted.append([rounded.value for rounded in made])
    shortly = strips.short(block.parameters, most)
    assert shortly == (short and max(one.shift for one in ratio) <= 48)
    for scale in (strips.scale_half_up, strips.scale_shortly)[: 1 + (shortly and not limited)]:
        counters, resting = strip_loop.counters(columns), strip_loop.counters(columns)
        assert block.run(lambda values: scale(values, block.parameters, counters, True)) == wanted  # noqa: B023
        assert counted(counters) == expected
        assert block.run(lambda values: scale(values, block.parameters, resting, False)) == wanted  # noqa: B023
        assert counted(resting) == [Counted()] * columns


guards = st.just(0) | st.integers(1, 32) | st.sampled_from([1, 2, 16, 31, 32])


@examples(120)
@given(st.data(), st.lists(ratios(), min_size=16, max_size=16), st.sampled_from(STEADY), guards)
def test_scale(data: st.DataObject, ratio: list[Ratio], mode: str, guard_bits: int) -> None:
    check_scaling(data, ratio, mode, guard_bits, negatives=False)


@examples(100)
@given(st.data(), st.lists(ratios(), min_size=16, max_size=16), st.sampled_from(STEADY), guards)
def test_scale_negatives(data: st.DataObject, ratio: list[Ratio], mode: str, guard_bits: int) -> None:
    check_scaling(data, ratio, mode, guard_bits, negatives=True)


far_ratios = ratios().filter(lambda ratio: ratio.multiplier << max(16 - ratio.shift, 0) < 1 << 31)
"""Ratios of which numerator and denominator leave room for 16 bits behind the point."""


near_ratios = far_ratios.filter(lambda ratio: ratio.shift <= 48)
"""Ratios that ``scale_shortly`` takes."""


@examples(120)
@given(
    st.data(),
    st.lists(far_ratios, min_size=16, max_size=16) | st.lists(near_ratios, min_size=16, max_size=16),
    guards,
    st.booleans(),
)
def test_scalings_half_up(data: st.DataObject, ratio: list[Ratio], guard_bits: int, short: bool) -> None:
    check_half_up(data, ratio, guard_bits, short=short)


@examples(80)
@given(st.data(), st.lists(near_ratios, min_size=32, max_size=32), st.integers(-(1 << 20), 1 << 20), st.booleans())
def test_scale_and_look_at_once(data: st.DataObject, ratio: list[Ratio], add: int, clips: bool) -> None:
    most = strips.SHORT - 1
    limits = [min(one.most, ((most - 1) << one.shift) // max(one.multiplier, 1)) for one in ratio]
    block = data.draw(moved_blocks(limits, limits=False))
    completed(block.parameters, ratio, 0, "half_up")
    assert strips.half_up(block.parameters, 32)
    second = strips.moves(32)
    second[strips.ADD] = add
    if clips:
        second[strips.LOW], second[strips.HIGH] = add - 3, add + 40
    # of a look no parameter is read
    parameters = np.stack([np.full_like(second, 77), block.parameters, second])
    wanted, ranges = strip_loop.counters(3, 32), [strip_loop.LEAST, strip_loop.LARGEST]

    def one_by_one(values: Lanes) -> None:
        strips.see(values, wanted[0])
        strips.scale_shortly(values, block.parameters, wanted[1], True)
        strips.look(values, second, wanted[2])

    values = block.run(one_by_one)
    columns = list(zip(*block.values, strict=True))
    assert [(one.least, one.largest) for one in counted(wanted[0])] == [(min(one), max(one)) for one in columns]
    for at_once, first in ((strips.see_scale_and_look, 0), (strips.scale_and_look, 1)):
        counters, resting = strip_loop.counters(3 - first, 32), strip_loop.counters(3 - first, 32)
        given, rest = parameters[first:], resting.copy()
        assert block.run(lambda lanes: at_once(lanes, given, counters, True)) == values  # noqa: B023
        assert counters.tolist() == wanted[first:].tolist()
        assert block.run(lambda lanes: at_once(lanes, given, resting, False)) == values  # noqa: B023
        last_two = slice(1 - first, None)
        assert resting[last_two, ranges].tolist() == wanted[1:, ranges].tolist()
        resting[last_two, ranges] = rest[last_two, ranges]
        assert resting.tolist() == rest.tolist()


@pytest.mark.parametrize("rows", [1, 2, 3, 8])
def test_squares_of_halves_in_neighbouring_rows(rows: int) -> None:
    # each is 2**30 in units of 1/65536: two of them need 32 bits without a sign
    parameters = np.stack([strips.moves(16)] * 3)
    completed(parameters[1], [Ratio(1, 1)] * 16, 0, "half_up")
    assert strips.half_up(parameters[1], 16)
    values, counters = np.full((rows, 16), -3, np.int32), strip_loop.counters(3, 16)
    strips.see_scale_and_look(values, parameters, counters, True)
    assert values.tolist() == [[-1] * 16] * rows
    assert counters[1, [strip_loop.BIAS, strip_loop.ENERGY, strip_loop.INEXACT]].tolist() == [
        [rows << 15] * 16,
        [rows << 30] * 16,
        [rows] * 16,
    ]


@pytest.mark.parametrize(("multiplier", "shift", "far"), [(3, 15, True), (1 << 29, 15, True), (1 << 30, 15, False)])
@pytest.mark.parametrize("mode", STEADY)
def test_only_what_rounds_half_up_far_enough_is_scaled_so(mode: str, multiplier: int, shift: int, far: bool) -> None:
    parameters = strips.moves(16)
    strips.scaling(parameters, np.full(10, multiplier), np.full(10, shift), 0, code_of(mode))
    before = parameters.copy()
    scales = strips.half_up(parameters, 10)
    assert scales == (mode == "half_up" and far)
    assert scales or np.array_equal(parameters, before)


@pytest.mark.slow
@examples(2000)
@given(st.data(), st.lists(ratios(), min_size=32, max_size=32), st.sampled_from(STEADY), guards, st.booleans())
def test_scalings_at_length(
    data: st.DataObject, ratio: list[Ratio], mode: str, guard_bits: int, negatives: bool
) -> None:
    check_scaling(data, ratio, mode, guard_bits, negatives=negatives)


@pytest.mark.parametrize("guard_bits", [0, 1, 2, 3, 32])
@pytest.mark.parametrize("mode", STEADY)
def test_every_mode_on_every_eighth_around_zero(mode: str, guard_bits: int) -> None:
    values = [[value] * 16 for value in range(-40, 41)]
    ratio = [Ratio(multiplier, shift) for multiplier in (1, 2, 3, 1 << 20) for shift in (0, 1, 3, 23)]
    block = Block(values, strips.moves(16), 0)
    steady = completed(block.parameters, ratio, guard_bits, mode)
    expected = [Counted() for _ in ratio]
    wanted: Rows = []
    for row in values:
        made = [to.of(one, mode, guard_bits) for one, to in zip(row, ratio, strict=True)]
        for one, rounded in zip(expected, made, strict=True):
            one.round(rounded)
        wanted.append([rounded.value for rounded in made])
    counters = strip_loop.counters(16)
    assert scaled(block, counters, steady=steady) == wanted
    assert counted(counters) == expected


@pytest.mark.parametrize("mode", STEADY)
def test_every_shift_at_its_ties_and_their_neighbours(mode: str) -> None:
    for shift in range(63):
        # value * multiplier = (2 n + 1) * 2**(shift - 1), and one more or less; 2**61 is beyond two factors
        bits = max(shift - 1, 0)
        multiplier = 1 << min(bits // 2 + bits % 2, 30)
        unit = max((1 << bits) // multiplier, 1)
        values = {unit * odd + off for odd in (-5, -3, -1, 0, 1, 3, 5) for off in (-1, 0, 1)}
        ratio = [Ratio(multiplier + more, shift) for more in (0, 0, 1, -1) * 4]
        fitting = sorted(value for value in values if abs(value) <= min(one.most for one in ratio))
        block, counters = Block([[value] * 16 for value in fitting], strips.moves(16), 1), strip_loop.counters(16)
        steady = completed(block.parameters, ratio, 0, mode)
        made = [[to.of(value, mode) for to in ratio] for value in fitting]
        assert scaled(block, counters, steady=steady) == [[one.value for one in row] for row in made]
        for one, column in zip(counted(counters), zip(*made, strict=True), strict=True):
            assert one.bias == sum(each.e16 for each in column)
            assert one.inexact == sum(each.inexact for each in column)


def test_columns_behind_the_channels_are_left_alone() -> None:
    parameters, counters = strips.moves(32), strip_loop.counters(32)
    assert strips.scaling(parameters, np.array([3] * 20), np.array([1] * 20), 0, code_of("half_up"))
    values = np.full((5, 32), 7, np.int32)
    strips.scale(values, parameters, counters, True, True)
    assert values.tolist() == [[11] * 20 + [0] * 12] * 5


# --- divisions ----------------------------------------------------------------------------------------


@examples(120)
@given(st.data(), columns_of, st.sampled_from(STEADY))
def test_divide(data: st.DataObject, columns: int, mode: str) -> None:
    values = data.draw(rows_of([data.draw(st.sampled_from([MOST - 1, SHORT]))] * columns))
    divisor = st.sampled_from([1, 2, 3, 4, 9, 49, MOST_DIVISOR]) | st.integers(1, MOST_DIVISOR)
    divisors = data.draw(st.lists(divisor, min_size=len(values), max_size=len(values)))
    check_division(values, divisors, mode)


@pytest.mark.parametrize("mode", STEADY)
def test_divisions_of_every_kind_of_rest(mode: str) -> None:
    for divisor in (1, 2, 3, 4, 5, 6, 64, 16384, 32749, MOST_DIVISOR):
        around = [*range(-3 * min(divisor, 7), 3 * min(divisor, 7) + 1)]
        far = MOST // divisor - 2
        near = [times * divisor + off for times in (-far, -2, -1, 1, 2, far) for off in (-1, 0, 1)]
        halves = [(times * divisor) // 2 + off for times in (-5, -3, -1, 1, 3, 2 * far - 1) for off in (0, 1)]
        check_division([[one] * 16 for one in [*around, *near, *halves]], [divisor] * (len(around) + 30), mode)
        near = [times * divisor // 2 + off for times in range(-9, 10) for off in (-1, 0, 1)]
        ends = [-SHORT, 1 - SHORT, SHORT - 1]
        short = [one for one in [*near, *ends] if -SHORT <= one < SHORT]
        check_division([[one] * 16 for one in short], [divisor] * len(short), mode)


@pytest.mark.slow
@pytest.mark.parametrize("mode", STEADY)
def test_short_divisions_of_all_values(mode: str) -> None:
    # whatever a window of up to 128 bytes adds up to
    for divisor in (1, 3, 6, 9, 49, 64, 128, MOST_DIVISOR):
        whole = np.arange(-SHORT, SHORT).reshape(-1, 16)
        check_division(whole.tolist(), [divisor] * len(whole), mode)


def divided_by(numbers: Sequence[int]) -> Lanes:
    """Return numbers as divisors."""
    divisors = np.zeros((len(numbers), 3), np.int32)
    strips.set_divisors(np.array(numbers, np.int32), divisors)
    return divisors


def check_division(values: Rows, divisors: Sequence[int], mode: str) -> None:
    """Compare divisions row by row with the oracle."""
    columns = len(values[0])
    parameters, counters = strips.moves(columns), strip_loop.counters(columns)
    parameters[strips.TABLE] = strips.table_of(code_of(mode))
    expected, wanted = [Counted() for _ in range(columns)], []
    for row, divisor in zip(values, divisors, strict=True):
        made = [rounded_divide(one, divisor, mode) for one in row]
        for one, rounded in zip(expected, made, strict=True):
            one.round(rounded)
        wanted.append([rounded.value for rounded in made])
    short = all(-SHORT <= one < SHORT for row in values for one in row)
    for shortly in {False, short}:
        lanes, noted = np.array(values, np.int32), counters.copy()
        strips.divide(lanes, divided_by(divisors), parameters, noted, shortly)
        assert lanes.tolist() == wanted
        assert counted(noted) == expected


# --- fits ---------------------------------------------------------------------------------------------


@examples(80)
@given(st.data(), columns_of)
def test_clamp(data: st.DataObject, columns: int) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    limits = strips.moves(columns)
    low, high = -(1 << generator.integers(0, 31, columns)), (1 << generator.integers(0, 31, columns)) - 1
    limits[strips.LOW], limits[strips.HIGH] = np.where(generator.random(columns) < 0.3, 0, low), high
    values = data.draw(rows_of([MOST] * columns))
    counters, here = strip_loop.counters(columns), strip_loop.counters(columns)
    counters[strip_loop.FIRST] = 12345
    expected = [Counted() for _ in range(columns)]
    wanted: Rows = []
    for number, row in enumerate(values):
        pairs = limits[[strips.LOW, strips.HIGH]].T.tolist()
        wanted.append([min(max(one, least), most) for one, (least, most) in zip(row, pairs, strict=True)])
        for one, value, clamped in zip(expected, row, wanted[-1], strict=True):
            one.clamp(value, clamped, number)
    lanes = np.array(values, np.int32)
    strips.clamp(lanes, limits, counters, here)
    assert lanes.tolist() == wanted
    assert here[strip_loop.FIRST].tolist() == [one.first for one in expected]
    for one in expected:
        one.first = 12345
    assert counted(counters) == expected


@dataclass
class Fitting:
    """A format, the values that come to it, and what numbers rows and bits."""

    section: Json
    values: Rows
    channels: int
    key: int
    offset: int
    split: int
    move: Move

    @property
    def most(self) -> int:
        """The largest magnitude of which the histogram notes the bits."""
        return max(abs(self.move.of(one) - self.offset) for row in self.values for one in row)

    def wanted(self) -> tuple[Rows, Json, list[int]]:
        """Return codes, the figures, and the histogram of all columns."""
        point, target = Point("output", self.channels), Format.of(self.section)
        codes: Rows = []
        histogram = [0] * counting.BINS
        for number, row in enumerate(self.values):
            moved = [self.move.of(one) for one in row]
            for one in moved:
                histogram[abs(one - self.offset).bit_length()] += 1
            places = [Place(0, self.key + number, c) for c in range(self.channels)]
            codes.append([point.fit(one, target, place) for one, place in zip(moved, places, strict=False)])
        return codes, figures(point), histogram

    def made(self) -> tuple[Rows, Json, list[int]]:
        """Return the same, from the kernel."""
        columns = len(self.values[0])
        low, high = Format.of(self.section).limits
        limits, parameters = strips.moves(columns), strips.moves(columns)
        limits[strips.LOW], limits[strips.HIGH] = max(low, -NARROW), min(high, NARROW)
        parameters[strips.ADD] = self.move.add
        parameters[strips.LOW], parameters[strips.HIGH] = self.move.low, self.move.high
        counters, here = strip_loop.counters(columns), strip_loop.counters(columns)
        counts, histogram = counting.new_counts(self.channels), np.zeros(counting.BINS, np.int64)
        bins, found = self.most.bit_length() + 1, []
        for first in {0, self.split}:
            last = self.split if first == 0 and self.split else len(self.values)
            lanes = np.array(self.values[first:last], np.int32)
            field = fit_field(self.section)
            fit_block(
                *(lanes, parameters, limits, field, self.key + first, bins, self.offset, True),
                *(counters, here, counts, histogram),
            )
            found += list(zip(range(first, last), lanes[:, : self.channels].tolist(), strict=True))
        fold(counters[:, : self.channels], counts, len(self.values))
        return [row for _, row in sorted(found)], figures_of(counts, positions=NEVER), histogram.tolist()


def fold(counters: Ints, counts: Ints, rows: int) -> None:
    """Add what the lanes have counted to what has been counted at once."""
    assert (counters[[strip_loop.INEXACT, strip_loop.BIAS, strip_loop.ENERGY, strip_loop.ROUNDED]] == 0).all()
    counts[counting.VALUES] += rows
    counts[counting.MINIMUM] = counters[strip_loop.LEAST]
    counts[counting.MAXIMUM] = counters[strip_loop.LARGEST]
    counts[counting.LOW] += counters[strip_loop.BELOW]
    counts[counting.HIGH] += counters[strip_loop.ABOVE]
    counts[counting.CLAMP_ENERGY] += counters[strip_loop.LOST]
    counts[counting.CLAMP_ENERGY + 1] += counters[strip_loop.LOST_MORE]
    counts[counting.FIRST] = np.minimum(counts[counting.FIRST], counters[strip_loop.FIRST])


@composite
def fittings(draw: DrawFn) -> Fitting:
    """Draw a format of any mode, and values of which some, none or all lie outside."""
    section = draw(fits(1, 31) | fits(1, 12) | fits(32, 63).filter(lambda one: "wrap" not in one["overflow"]))
    channels = draw(st.sampled_from([1, 5, 16, 31, 32, 33]))
    columns = -(-channels // 32) * 32
    low, high = Format.of(section).limits
    near = min(max(high, -low) + draw(st.integers(-1, 3)), NARROW)
    values = draw(rows_of([draw(st.sampled_from([max(near, 0), NARROW]))] * columns))
    move = draw(st.sampled_from([Move(), Move(low=0), Move(high=min(high, NARROW)), Move(low=-3, high=3)]))
    key = draw(st.integers(0, 1 << 40))
    return Fitting(section, values, channels, key, draw(integers(16)), draw(st.integers(0, len(values) - 1)), move)


@examples(150)
@given(fittings())
def test_fit_block(fitting: Fitting) -> None:
    assert fitting.made() == fitting.wanted()


@pytest.mark.slow
@examples(3000)
@given(fittings())
def test_fit_block_at_length(fitting: Fitting) -> None:
    assert fitting.made() == fitting.wanted()


@pytest.mark.parametrize("overflow", ["wrap", "saturate", "saturate_symmetric", "saturate_zero", "wrap_sign_magnitude"])
@pytest.mark.parametrize("bits", [1, 2, 8, 16, 30])
def test_the_last_values_inside_and_the_first_outside(bits: int, overflow: str) -> None:
    section: Json = {"bits": bits, "signed": True, "overflow": overflow, "saturated_bits": 0}
    low, high = Format.of(section).limits
    values = [[one] * 32 for one in (low, high, 0, high + 1, low, low - 1, high, -NARROW, NARROW)]
    for rows in (values, values[:3], values[3:4], values[5:6]):
        fitting = Fitting(section, rows, 20, 7, 3, 0, Move())
        assert fitting.made() == fitting.wanted()


def test_the_largest_errors_that_saturation_can_inject() -> None:
    section: Json = {"bits": 1, "signed": True, "overflow": "saturate", "saturated_bits": 0}
    fitting = Fitting(section, [[NARROW, -NARROW] * 16] * 2000, 32, 0, 0, 0, Move())
    assert fitting.made() == fitting.wanted()


def test_no_histogram_is_noted_where_there_is_none() -> None:
    values = np.arange(-32, 32, dtype=np.int32).reshape(2, 32)
    counters = strip_loop.counters(32)
    look_at(values, counters, 3, 0, np.zeros(0, np.int64))
    assert counters[strip_loop.LEAST].tolist() == list(range(-32, 0))
