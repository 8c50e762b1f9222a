"""Steps on 64-bit lanes against Python's integers and the definitions of docs/arithmetic.md and docs/ledger.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.fast.datapaths import compiled
from kernels.fast.test_strips import Counted, Fitting, Move, Ratio, Rows, counted, fold
from kernels.plain import ONE_WORD, STEADY, Ints, Json, code_of, examples, figures_of, fit_field, fits, integers

from hwsim_kernels import counting
from hwsim_kernels.fast import strip_loop, strips, wide_strips
from hwsim_kernels.fast.wide_passage import fit_wide_block
from hwsim_kernels.fast.wide_strips import ANY, HALF_UP, HALF_UP_IN_PARTS
from oracle.overflow import Format
from oracle.rounding import Rounded

pytestmark = [compiled, pytest.mark.slow]

NEVER = (1 << 63) - 1
MOST = ONE_WORD - 1
"""The largest magnitude that a lane may hold."""

columns_of = st.sampled_from([8, 16, 16, 24, 32])


@composite
def rows_of(draw: DrawFn, limits: Sequence[int], near: Sequence[int] = (1,)) -> Rows:
    """Draw rows whose magnitudes stay within limits: at these, near 0, and near multiples of some of ``near``."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows: Rows = []
    for _ in range(draw(st.integers(1, 9))):
        kind = int(generator.integers(0, 6))
        row: list[int] = []
        for limit in limits:
            step = int(near[int(generator.integers(0, len(near)))])
            multiple = step * int(generator.integers(0, max(limit // step, 0) + 1)) + int(generator.integers(-1, 2))
            drawn = (
                0,
                int(generator.integers(0, 10)),
                int(generator.integers(0, limit + 1)),
                limit - int(generator.integers(0, 3)),
                1 << int(generator.integers(0, 62)),
                multiple,
            )[kind]
            row.append(min(max(drawn, 0), limit) * int(generator.choice([-1, 1])))
        rows.append(row)
    return rows


def run(values: Rows, split: int, kernel: Callable[[Ints], None]) -> Rows:
    """Run a kernel on both parts of some rows, of a row at least, in place; return what they hold."""
    whole, found = np.array(values, np.int64), []
    for part in [whole] if split in (0, len(values)) else [whole[:split], whole[split:]]:
        kernel(part)
        found += part.tolist()
    return found


@composite
def moves(draw: DrawFn, columns: int, *, factors: bool = False) -> tuple[Ints, list[Move]]:
    """Draw moves of values below half of what a word holds, with or without ``factors``, and their parameters."""
    parameters = strips.moves(columns, 64)
    if draw(st.booleans()):
        return parameters, [Move(0, -NEVER, NEVER)] * columns
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    made: list[Move] = []
    for _ in range(columns):
        factor = 1 << int(generator.integers(0, 62)) if factors and generator.random() < 0.3 else 1
        factor += int(generator.integers(0, factor))
        most = MOST // factor
        low, high = sorted(int(one) for one in generator.integers(-most, most + 1, 2))
        kind = int(generator.integers(0, 3))
        limits = (-most if kind == 0 else low, most if kind == 1 else high if kind else low)
        made.append(Move(int(generator.integers(-MOST, MOST)), *limits, factor))
    parameters[strips.ADD], parameters[strips.FACTOR] = [one.add for one in made], [one.factor for one in made]
    parameters[strips.LOW], parameters[strips.HIGH] = [one.low for one in made], [one.high for one in made]
    return parameters, made


# --- moves --------------------------------------------------------------------------------------------


@examples(80)
@given(st.data(), columns_of)
def test_moves(data: st.DataObject, columns: int) -> None:
    parameters, made = data.draw(moves(columns, factors=True))
    values = data.draw(rows_of([MOST] * columns))
    split = data.draw(st.integers(0, len(values)))
    wanted = [[move.of(one) for move, one in zip(made, row, strict=True)] for row in values]
    assert run(values, split, lambda part: wide_strips.move(part, parameters)) == wanted


@examples(60)
@given(st.data(), columns_of)
def test_looks(data: st.DataObject, columns: int) -> None:
    parameters, made = data.draw(moves(columns))
    values = data.draw(rows_of([MOST] * columns))
    split, counters = data.draw(st.integers(0, len(values))), strip_loop.counters(columns)
    wanted = [[move.of(one) for move, one in zip(made, row, strict=True)] for row in values]
    expected = [Counted() for _ in range(columns)]
    for row in wanted:
        for one, value in zip(expected, row, strict=True):
            one.look(value)
    assert run(values, split, lambda part: wide_strips.look(part, parameters, counters)) == wanted
    assert counted(counters) == expected


def test_fresh_parameters_and_counters_change_nothing() -> None:
    values = np.array([[MOST, -MOST] * 8], np.int64)
    wide_strips.move(values, strips.moves(16, 64))
    assert values.tolist() == [[MOST, -MOST] * 8]


@examples(40)
@given(st.data(), columns_of)
def test_values_are_shortened(data: st.DataObject, columns: int) -> None:
    values = data.draw(rows_of([(1 << 31) - 1] * columns))
    short = np.ones((len(values), columns), np.int32)
    wide_strips.shorten(np.array(values, np.int64), short)
    assert short.tolist() == values


# --- scalings -----------------------------------------------------------------------------------------


@composite
def ratios(draw: DrawFn) -> Ratio:
    """Draw a ratio; powers of two and small numbers, whose products often lie half way, among them."""
    shift = draw(st.sampled_from([0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 61, 62]) | st.integers(0, 62))
    most = (1 << 31) - 1
    small = st.integers(0, 30).map(lambda power: 1 << power) | st.sampled_from([0, 1, 3, 32767])
    return Ratio(draw(small | st.integers(0, most) | st.integers(most - 3, most)), shift)


guards = st.just(0) | st.integers(1, 32) | st.sampled_from([1, 16, 17, 31, 32])


def half_steps(ratio: Sequence[Ratio]) -> list[int]:
    """Return numbers whose odd multiples lie half way between two results, for multipliers of few bits."""
    halves = (max(1 << max(one.shift - 1, 0), 1) // (one.multiplier & -one.multiplier or 1) for one in ratio)
    return [max(min(one, MOST), 1) for one in halves]


def parameters_of(ratio: Sequence[Ratio], mode: str, guard_bits: int, bound: int) -> tuple[Ints, int | None]:
    """Return the parameters of a scaling, and its way."""
    parameters = strips.moves(len(ratio), 64)
    multiplier = np.array([one.multiplier for one in ratio], np.int64)
    shift = np.array([one.shift for one in ratio], np.int64)
    return parameters, wide_strips.scaling(parameters, multiplier, shift, guard_bits, code_of(mode), bound)


def check(values: Rows, split: int, ratio: Sequence[Ratio], mode: str, guard_bits: int, bound: int) -> int:
    """Compare a scaling with the oracle, value by value and figure by figure, in all ways that there are."""
    columns = len(ratio)
    parameters, way = parameters_of(ratio, mode, guard_bits, bound)
    assert way is not None
    expected, wanted = [Counted() for _ in range(columns)], []
    for row in values:
        made = [to.of(value, mode, guard_bits) for value, to in zip(row, ratio, strict=True)]
        note(expected, made)
        wanted.append([one.value for one in made])
    for one_way in {way, ANY, HALF_UP_IN_PARTS} if way == HALF_UP else {way}:
        counters = strip_loop.counters(columns)
        assert run(values, split, lambda part: wide_strips.scale(part, parameters, counters, one_way)) == wanted  # noqa: B023
        assert counted(counters) == expected
    return way


def note(expected: Sequence[Counted], made: Sequence[Rounded]) -> None:
    """Take a row of roundings in."""
    for one, rounded in zip(expected, made, strict=True):
        one.round(rounded)


@examples(300)
@given(st.data(), st.lists(ratios(), min_size=8, max_size=8), st.sampled_from(STEADY), guards, st.integers(0, 62))
def test_scale(data: st.DataObject, ratio: list[Ratio], mode: str, guard_bits: int, bits: int) -> None:
    bound = max(min((1 << bits) - data.draw(st.integers(0, 2)), MOST), 0)
    # a channel that needs another way is given one that has it
    ratio = [one if parameters_of([one], mode, guard_bits, bound)[1] is not None else Ratio(3, 62) for one in ratio]
    assume(parameters_of(ratio, mode, guard_bits, bound)[1] is not None)
    values = data.draw(rows_of([bound] * len(ratio), half_steps(ratio)))
    check(values, data.draw(st.integers(0, len(values))), ratio, mode, guard_bits, bound)


@examples(100)
@given(st.data(), st.lists(st.integers(16, 46), min_size=16, max_size=16), guards, st.integers(1, 45))
def test_scale_half_up(data: st.DataObject, shifts: list[int], guard_bits: int, bits: int) -> None:
    ratio = [Ratio(data.draw(st.integers(0, 32767)), shift) for shift in shifts]
    bound = (1 << bits) - 1
    values = data.draw(rows_of([bound] * 16, half_steps(ratio)))
    way = check(values, data.draw(st.integers(0, len(values))), ratio, "half_up", guard_bits, bound)
    assert way == HALF_UP


@pytest.mark.parametrize("mode", STEADY)
@pytest.mark.parametrize("guard_bits", [0, 1, 16])
def test_scalings_at_the_limits_of_their_proofs(mode: str, guard_bits: int) -> None:
    top = (1 << 31) - 1
    for multiplier, bound in ((top, MOST), (1 << 30, MOST), (1 << 30, 1 << 32), (1, MOST), (32767, MOST), (3, MOST)):
        lower = wide_strips.lower_bits(multiplier, bound)
        for shift in {lower + 16, lower + 17, 62}:
            if not (lower + 16 <= shift <= 62 and guard_bits <= shift - lower):
                continue
            ratio, half = Ratio(multiplier, shift), 1 << (shift - 1)
            tie = half // (multiplier & -multiplier)
            some = [0, 1, 2, bound, bound - 1, bound >> 1, 1 << lower, (1 << lower) - 1, tie, tie - 1, tie + 1, 3 * tie]
            # near a half of the product, as near as values get
            some += [half // multiplier + off for off in (-1, 0, 1, 2)]
            values = [[sign * one] * 8 for one in some if one <= bound for sign in (1, -1)]
            check(values, 3, [ratio] * 8, mode, guard_bits, bound)


def test_what_no_proof_covers_is_refused() -> None:
    top = (1 << 31) - 1
    lower = wide_strips.lower_bits(top, MOST)
    assert lower == 32
    assert parameters_of([Ratio(top, lower + 15)], "floor", 0, MOST)[1] is None
    assert parameters_of([Ratio(top, lower + 16)], "floor", 0, MOST)[1] == ANY
    assert parameters_of([Ratio(top, lower + 16)], "half_up", 0, MOST)[1] == HALF_UP_IN_PARTS
    # a rounder that sees more of the fraction than what is kept of it, but not all
    assert parameters_of([Ratio(top, lower + 16)], "floor", 17, MOST)[1] is None
    assert parameters_of([Ratio(top, lower + 16)], "floor", 16, MOST)[1] == ANY
    assert parameters_of([Ratio(1 << 20, 16)], "half_up", 0, (1 << 42) - 1)[1] == HALF_UP
    assert parameters_of([Ratio(1 << 20, 15)], "half_up", 0, (1 << 42) - 1)[1] == ANY
    assert parameters_of([Ratio(1 << 20, 16)], "half_up", 0, 1 << 42)[1] is None
    assert parameters_of([Ratio(0, 0), Ratio(1, 20)], "half_up", 0, MOST)[1] == HALF_UP


@pytest.mark.parametrize("mode", STEADY)
def test_channels_of_no_ratio_lose_nothing_whatever_the_others_do(mode: str) -> None:
    ratio = [Ratio(0, 0), Ratio(0, 7), Ratio((1 << 31) - 1, 60), Ratio(1, 0), Ratio(5, 30), Ratio(0, 62)] + [
        Ratio(1, 16),
        Ratio(1, 62),
    ]
    values = [[one] * 8 for one in (0, 1, -1, 7, -7, MOST, -MOST, 1 << 40, -(1 << 40) - 1)]
    check(values, 4, ratio, mode, 0, MOST)


def test_the_largest_errors_of_all_rows() -> None:
    ratio = [Ratio(1, 62)] * 8
    check([[MOST] * 8, [-1] * 8] * 3000, 0, ratio, "ceil", 0, MOST)
    check([[1] * 8, [-MOST] * 8] * 3000, 0, ratio, "floor", 0, MOST)


# --- fits ---------------------------------------------------------------------------------------------


@dataclass
class WideFitting(Fitting):
    """As ``Fitting``, in 64-bit lanes."""

    def made(self) -> tuple[Rows, Json, list[int]]:
        """Return codes, the figures, and the histogram of all columns, from the kernel."""
        columns = len(self.values[0])
        low, high = Format.of(self.section).limits
        limits, parameters = strips.moves(columns, 64), strips.moves(columns, 64)
        limits[strips.LOW], limits[strips.HIGH] = max(low, -ONE_WORD), min(high, ONE_WORD)
        parameters[strips.ADD] = self.move.add
        parameters[strips.LOW], parameters[strips.HIGH] = self.move.low, self.move.high
        counters, here = strip_loop.counters(columns), strip_loop.counters(columns)
        counts, histogram = counting.new_counts(self.channels), np.zeros(counting.BINS, np.int64)
        field, bins = fit_field(self.section), self.most.bit_length() + 1
        found: list[Any] = []
        for first in sorted({0, self.split}):
            last = self.split if first == 0 and self.split else len(self.values)
            lanes = np.array(self.values[first:last], np.int64)
            fit_wide_block(
                *(lanes, parameters, limits, field, self.key + first, bins, self.offset, True),
                *(counters, here, counts, histogram),
            )
            found += lanes[:, : self.channels].tolist()
            silent = np.array(self.values[first:last], np.int64)
            unseen, resting = counting.new_counts(self.channels), strip_loop.counters(columns)
            fit_wide_block(
                *(silent, parameters, limits, field, self.key + first, 0, self.offset, False),
                *(resting, strip_loop.counters(columns), unseen, np.zeros(0, np.int64)),
            )
            assert silent[:, : self.channels].tolist() == lanes[:, : self.channels].tolist()
        fold(counters[:, : self.channels], counts, len(self.values))
        return found, figures_of(counts, positions=NEVER), histogram.tolist()


@composite
def fittings(draw: DrawFn) -> WideFitting:
    """Draw a format of any mode whose codes one word holds, and values of which some, none or all lie outside."""
    section = draw(fits(1, 62) | fits(1, 12) | fits(40, 62))
    channels = draw(st.sampled_from([1, 5, 16, 17]))
    low, high = Format.of(section).limits
    near = min(max(high, -low) + draw(st.integers(-1, 3)), MOST - (1 << 17))
    limit = draw(st.sampled_from([max(near, 0), MOST - (1 << 17)]))
    values = draw(rows_of([limit] * (-(-channels // 16) * 16)))
    wide = Move(0, -NEVER, NEVER)
    move = draw(st.sampled_from([wide, replace(wide, low=0), replace(wide, add=1 << 16), Move(low=-3, high=3)]))
    key = draw(st.integers(0, 1 << 40))
    return WideFitting(section, values, channels, key, draw(integers(16)), draw(st.integers(0, len(values) - 1)), move)


@examples(200)
@given(fittings())
def test_fit_wide_block(fitting: WideFitting) -> None:
    assert fitting.made() == fitting.wanted()
