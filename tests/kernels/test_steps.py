"""The steps behind the accumulator against the oracle: in two words, and in one where that holds all values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.plain import (
    GENERATORS,
    ONE_WORD,
    ROUNDINGS,
    STEADY,
    Ints,
    Json,
    array,
    carried,
    code_of,
    draw_of,
    draws_of,
    examples,
    figures,
    figures_of,
    fit_field,
    fits,
    from_words,
    in_words,
    integers,
)

import hwsim_kernels as kernels
from hwsim_kernels import counting, steps
from hwsim_kernels.lookup import look_up
from oracle.ledger import Place, Point
from oracle.lfsr import NO_RANDOM
from oracle.overflow import Format
from oracle.rescale import Unit, fixed, multiplier
from oracle.rounding import Rounded, rounded_shift
from oracle.steps import Walk, expand, rescaling, resolve, rounded_by

NO_ERRORS = np.zeros((0, 0), np.int64)

BITS = 124
"""Values of so many bits of magnitude are sent through the steps, and none of them may make one that is wider."""

MOST = (1 << BITS) - 1
WIDTHS = (8, 48, 62, 63, 64, 92, BITS)

Values = list[list[int]]

generators = st.sampled_from(GENERATORS)
roundings = st.sampled_from(ROUNDINGS)
multipliers = st.sampled_from([0, 1, 2**30, 2**31 - 1, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1)
shifts = st.sampled_from([0, 1, 31, 32, 33, 62, 63, 94, 124]) | st.integers(0, 124)


@dataclass(frozen=True)
class Table:
    """Values (rows, channels), and (number of the first sample, rows per sample)."""

    values: Values
    position: tuple[int, int]

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return len(self.values[0])

    def places(self) -> Iterator[tuple[int, int, Place]]:
        """Return each value, its number in its sample, and its place."""
        for index, row in enumerate(self.values):
            sample, at = divmod(index, self.position[1])
            for channel, value in enumerate(row):
                yield value, at * len(row) + channel, Place(self.position[0] + sample, at, channel)

    def limited(self, most: Sequence[int]) -> Table:
        """Return values whose magnitudes are at most ``most`` (channels,)."""
        rows = [[min(max(value, -most[c]), most[c]) for c, value in enumerate(row)] for row in self.values]
        return Table(rows, self.position)

    def map(self, function: Callable[[int, int], int]) -> Values:
        """Return ``function`` of each value and its channel."""
        return [[function(value, c) for c, value in enumerate(row)] for row in self.values]

    def rows(self, flat: Sequence[int]) -> Values:
        """Return a flat list as rows."""
        return [list(flat[i : i + self.channels]) for i in range(0, len(flat), self.channels)]


@composite
def tables(draw: DrawFn, widths: Sequence[int] = WIDTHS) -> Table:
    """Return values of up to so many bits."""
    bits = draw(st.sampled_from(widths))
    channels, samples, rows = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    row = st.lists(integers(bits), min_size=channels, max_size=channels)
    values = draw(st.lists(row, min_size=samples * rows, max_size=samples * rows))
    return Table(values, (draw(st.sampled_from([0, 0, 3])), rows))


def each(draw: st.DataObject, table: Table, entries: st.SearchStrategy[int]) -> list[int]:
    """Return an entry for each channel."""
    return draw.draw(st.lists(entries, min_size=table.channels, max_size=table.channels))


@dataclass(frozen=True)
class Tally:
    """Where a kernel counts."""

    counts: Ints
    histogram: Ints

    def equals(self, other: Tally) -> bool:
        """Whether every number is the same."""
        return np.array_equal(self.counts, other.counts) and np.array_equal(self.histogram, other.histogram)


Kernel = Callable[[Ints, Tally], None]


def run_in(words: int, table: Table, kernel: Kernel) -> tuple[Values, Tally]:
    """Run a kernel on a table in one or two words."""
    made = in_words(table.values, words)
    tally = Tally(counting.new_counts(table.channels), np.zeros(counting.BINS, np.int64))
    kernel(made, tally)
    return from_words(made), Tally(carried(tally.counts), tally.histogram)


def is_narrow(values: Values) -> bool:
    """Whether one word holds all values."""
    return all(abs(value) < ONE_WORD for row in values for value in row)


def run(table: Table, kernel: Kernel) -> tuple[Values, Tally]:
    """Run a kernel in two words, and in one where that holds everything: both must do the same."""
    made, tally = run_in(2, table, kernel)
    if is_narrow(table.values) and is_narrow(made):
        same, same_tally = run_in(1, table, kernel)
        assert same == made
        assert same_tally.equals(tally)
    return made, tally


# --- exact steps --------------------------------------------------------------------------------------


def exactly(table: Table, kernel: Callable[[Ints], None]) -> Values:
    """Run a kernel that counts nothing."""
    return run(table, lambda values, tally: kernel(values))[0]


@examples(100)
@given(tables(), st.data())
def test_add_constant(table: Table, data: st.DataObject) -> None:
    constant = each(data, table, integers(62))
    table = table.limited([MOST - abs(one) for one in constant])
    made = exactly(table, lambda values: steps.add_constant(values, array(constant)))
    assert made == table.map(lambda value, c: value + constant[c])


@examples(150)
@given(tables(), st.data())
def test_shift_left(table: Table, data: st.DataObject) -> None:
    shift = each(data, table, st.integers(0, 124) | st.integers(0, 31))
    table = table.limited([MOST >> one for one in shift])
    made = exactly(table, lambda values: steps.shift_left(values, array(shift)))
    assert made == table.map(lambda value, c: value << shift[c])


@examples(150)
@given(tables(), st.data())
def test_multiply_by(table: Table, data: st.DataObject) -> None:
    factors = each(data, table, multipliers)
    table = table.limited([MOST // max(one, 1) for one in factors])
    made = exactly(table, lambda values: steps.multiply_by(values, array(factors)))
    assert made == table.map(lambda value, c: value * factors[c])


@examples(60)
@given(tables())
def test_absolute(table: Table) -> None:
    assert exactly(table, steps.absolute) == table.map(lambda value, c: abs(value))


@examples(100)
@given(tables(), st.data())
def test_clips(table: Table, data: st.DataObject) -> None:
    limit = each(data, table, integers(62))
    made = exactly(table, lambda values: steps.clip_low(values, array(limit)))
    assert made == table.map(lambda value, c: max(value, limit[c]))
    made = exactly(table, lambda values: steps.clip_high(values, array(limit)))
    assert made == table.map(lambda value, c: min(value, limit[c]))


@examples(100)
@given(tables((2, 4, 62, BITS)), st.data())
def test_both_clips(table: Table, data: st.DataObject) -> None:
    ends = [sorted(data.draw(st.tuples(integers(5), integers(62)))) for _ in range(table.channels)]
    low, high = [one[0] for one in ends], [one[1] for one in ends]

    def clip(values: Ints) -> None:
        steps.clip_low(values, array(low))
        steps.clip_high(values, array(high))

    assert exactly(table, clip) == table.map(lambda value, c: sorted((low[c], value, high[c]))[1])


@examples(150)
@given(tables((4, 62, 63, BITS)), st.lists(integers(4) | integers(62), min_size=1, max_size=9), integers(62))
def test_thresholds(table: Table, levels: list[int], first: int) -> None:
    first = min(max(first, 1 - 2**61), 2**61)  # the result holds one word, too
    rising = sorted(levels)
    made = exactly(table, lambda values: steps.thresholds(values, array(rising), first))
    assert made == table.map(lambda value, c: first + sum(level <= value for level in rising))


# --- fits ---------------------------------------------------------------------------------------------


def fitted(section: Json, table: Table, offset: int = 0) -> tuple[Kernel, Point, Values]:
    """Return the kernel of a fit, and the oracle's point and values."""
    point = Point("output", table.channels, histogram=True)
    wanted = []
    for value, _, place in table.places():
        point.magnitude(value - offset)
        wanted.append(point.fit(value, Format.of(section), place))
    field, position = fit_field(section), array(table.position)

    def kernel(values: Ints, tally: Tally) -> None:
        steps.fit_values(values, field, position, tally.counts, tally.histogram, offset)

    return kernel, point, table.rows(wanted)


@examples(300)
@given(tables(), fits(), integers(20) | integers(62))
def test_fit_values(table: Table, section: Json, offset: int) -> None:
    table = table.limited([MOST - abs(offset)] * table.channels)
    kernel, point, wanted = fitted(section, table, offset)
    made, tally = run(table, kernel)
    assert made == wanted
    assert figures_of(tally.counts, positions=table.position[1]) == figures(point)
    assert tally.histogram.tolist() == point.histogram


@pytest.mark.parametrize("words", [1, 2])
def test_an_empty_histogram_notes_nothing(words: int) -> None:
    values, nothing = in_words([[300], [-5]], words), np.zeros(0, np.int64)
    counts = counting.new_counts(1)
    steps.fit_values(values, array([8, 1, kernels.SATURATE, 0]), array([0, 2]), counts, nothing, 0)
    assert from_words(values) == [[127], [-5]]
    assert counts[counting.HIGH].tolist() == [1]


@pytest.mark.parametrize("overflow", ["wrap", "saturate", "saturate_symmetric", "saturate_zero", "wrap_sign_magnitude"])
def test_fits_at_the_limits_of_64_bits(overflow: str) -> None:
    ends = [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, -1, 0, -(2**64), 2**124 - 1, 1 - 2**124]
    for signed in (True,) if overflow == "wrap_sign_magnitude" else (True, False):
        for bits in (62, 63, 64):
            section = {"bits": bits, "signed": signed, "overflow": overflow, "saturated_bits": 0}
            table = Table([[end] for end in ends], (0, len(ends)))
            kernel, point, wanted = fitted(section, table)
            made, tally = run(table, kernel)
            assert made == wanted
            assert figures_of(tally.counts, positions=len(ends)) == figures(point)


# --- multiplications and shifts -----------------------------------------------------------------------


@dataclass(frozen=True)
class Scaling:
    """A multiplication by integers and a rounding shift, for each channel."""

    multiplier: list[int]
    shift: list[int]
    mode: str
    random: Json
    guard_bits: int = 0
    negatives_only: bool = False

    def limited(self, table: Table) -> Table:
        """Return values whose products fit two words: what the caller proves."""
        return table.limited([MOST // max(one, 1) for one in self.multiplier])

    def wanted(self, table: Table, point: Point) -> Values:
        """Return what the oracle makes of a table."""
        results = []
        for value, number, place in table.places():
            if self.negatives_only and value >= 0:
                results.append(value)
                continue
            product, shift = value * self.multiplier[place.channel], self.shift[place.channel]
            drawn = draw_of(self.random, number, self.mode)
            rounded = rounded_shift(product, shift, self.mode, *drawn, self.guard_bits or None)
            results.append(point.round_only(rounded, place))
        return table.rows(results)

    def kernel(self, position: tuple[int, int]) -> Kernel:
        """Return the kernel."""

        def scale(values: Ints, tally: Tally) -> None:
            steps.scale_fixed(
                values,
                array(self.multiplier),
                array(self.shift),
                self.guard_bits,
                code_of(self.mode),
                draws_of(self.random),
                array(position),
                self.negatives_only,
                tally.counts,
            )

        return scale

    def check(self, table: Table) -> Values:
        """Compare the kernel with the oracle in every number; return the values."""
        table = self.limited(table)
        point = Point("requantize", table.channels)
        wanted = self.wanted(table, point)
        made, tally = run(table, self.kernel(table.position))
        assert made == wanted
        assert figures_of(tally.counts, positions=table.position[1]) == figures(point)
        return made


@examples(300)
@given(tables(), st.data(), roundings, generators, st.sampled_from([0, 0, 1, 16, 32]) | st.integers(0, 32))
def test_scale_fixed(table: Table, data: st.DataObject, mode: str, random: Json, guard_bits: int) -> None:
    multiplier, shift = each(data, table, multipliers), each(data, table, shifts)
    Scaling(multiplier, shift, mode, random, guard_bits).check(table)


@examples(150)
@given(tables(), st.data(), roundings, generators, st.sampled_from([0, 0, 5]))
def test_a_leaky_slope(table: Table, data: st.DataObject, mode: str, random: Json, guard_bits: int) -> None:
    multiplier, shift = each(data, table, multipliers), each(data, table, shifts)
    Scaling(multiplier, shift, mode, random, guard_bits, negatives_only=True).check(table)


ACCUMULATORS = {
    "48 bits by 32": (48, 2**31 - 1, 47),
    "48 bits by 32 unsigned": (48, 2**32 - 1, 79),
    "64 bits by 32": (64, 2**31 - 1, 62),
    "64 bits by 32 unsigned": (64, 2**32 - 1, 94),
    "64 bits, all gone": (64, 2**32 - 1, 124),
    "64 bits by 16": (64, 2**15 - 1, 15),
}
"""The bits of an accumulator, its multiplier, its shift."""


@pytest.mark.parametrize("mode", STEADY)
@pytest.mark.parametrize("name", ACCUMULATORS)
def test_accumulators_at_their_limits(name: str, mode: str) -> None:
    bits, multiplier, shift = ACCUMULATORS[name]
    last = 1 << (bits - 1)
    values = [last - 1, last - 2, -last, 1 - last, last >> 1, -(last >> 1), 1, -1, 0, (1 << bits) - 1, 12345678901]
    ties = [tie for one in (1, -1, 3, -3) if abs(tie := (one << shift >> 1) // multiplier) < 1 << bits]
    table = Table([[value] for value in [*values, *ties]], (0, 1))
    Scaling([multiplier], [shift], mode, GENERATORS[0]).check(table)


@pytest.mark.parametrize("mode", STEADY)
@pytest.mark.parametrize("value", [-5, -1, 0, 5, -(2**70), 2**70])
def test_a_factor_of_zero_leaves_no_sign(value: int, mode: str) -> None:
    wanted, table = rounded_shift(0, 3, mode).value, Table([[value]], (0, 1))
    assert Scaling([0], [3], mode, GENERATORS[0]).check(table) == [[wanted]]
    leaky = Scaling([0], [3], mode, GENERATORS[0], negatives_only=True).check(table)
    assert leaky == [[wanted if value < 0 else value]]


@pytest.mark.parametrize("mode", ROUNDINGS)
@pytest.mark.parametrize("multiplier", [0, 1, 7])
def test_a_shift_by_nothing_drops_nothing(multiplier: int, mode: str) -> None:
    values = [[-4], [-3], [0], [1], [2**80], [-(2**80)]]
    made = Scaling([multiplier], [0], mode, GENERATORS[0]).check(Table(values, (0, 1)))
    assert made == [[value * multiplier] for (value,) in values]


@examples(200)
@given(tables(), st.data(), st.integers(0, 124), roundings, generators)
def test_a_product_and_a_shift_in_one_step_or_two(
    table: Table, data: st.DataObject, shift: int, mode: str, random: Json
) -> None:
    factors = each(data, table, multipliers)
    joined = Scaling(factors, [shift] * table.channels, mode, random)
    table = joined.limited(table)
    alone = Scaling([1] * table.channels, [shift] * table.channels, mode, random)

    def in_two(values: Ints, tally: Tally) -> None:
        steps.multiply_by(values, array(factors))
        alone.kernel(table.position)(values, tally)

    made, tally = run_in(2, table, joined.kernel(table.position))
    again, same = run_in(2, table, in_two)
    assert again == made
    assert same.equals(tally)


# --- products with floats -----------------------------------------------------------------------------

ratios = st.one_of(
    st.floats(2.0**-40, 1.0),
    st.sampled_from([0.25, 0.5, 2.0**-31, 2.0**-62, 2.0**-149, 2.0**-160, 0.1, 3.0, 2.0**10, 1e6, 2.0**-100]),
)


def check_float(
    table: Table,
    ratio: list[float],
    precision: int,
    mode: str,
    random: Json,
    divisor: float = 1.0,
    added: int = 0,
) -> Values:
    """Compare ``scale_float`` with the oracle in every number; return the values."""
    point, wanted = Point("requantize", table.channels), []
    for value, number, place in table.places():
        step = {"step": "multiply_float", "by": ratio[place.channel], "precision": precision, "rounding": mode}
        rounded = rounded_by(value, {**step, "divisor": divisor, "added": added}, *draw_of(random, number, mode))
        wanted.append(point.round_only(rounded, place))
    reals, draws, position = np.array(ratio, np.float64), draws_of(random), array(table.position)
    by, offsets = np.full(len(ratio), divisor), np.full(len(ratio), added, np.int64)

    def kernel(values: Ints, tally: Tally) -> None:
        mode_code = code_of(mode)
        steps.scale_float(values, reals, by, offsets, precision, mode_code, draws, position, tally.counts)

    made, tally = run(table, kernel)
    assert made == table.rows(wanted)
    assert figures_of(tally.counts, positions=table.position[1]) == figures(point)
    return made


@pytest.mark.parametrize("precision", [32, 64])
@examples(200)
@given(table=tables(), data=st.data(), mode=roundings, random=generators)
def test_scale_float(precision: int, table: Table, data: st.DataObject, mode: str, random: Json) -> None:
    ratio = data.draw(st.lists(ratios, min_size=table.channels, max_size=table.channels))
    divisor = data.draw(st.one_of(st.just(1.0), st.floats(2.0**-40, 2.0**40), st.sampled_from([0.1, 3.0])))
    added = data.draw(st.sampled_from([0, 0, 1, -1, 127, -128, 65535]))
    check_float(table, ratio, precision, mode, random, divisor, added)


def test_a_zero_point_inside_is_rounded_with_the_product() -> None:
    """In float32 113.5 less its last bit, and 2^7 more, is 241.5; a half goes to the even 242, less 2^7 to 114."""
    just_below = 113.5 - 2.0**-17
    made = [
        check_float(Table([[1]], (0, 1)), [just_below], 32, "half_even", GENERATORS[0], 1.0, added)
        for added in (0, 128)
    ]
    assert made == [[[113]], [[114]]]


@pytest.mark.parametrize("mode", ["half_even", "floor", "magnitude"])
@pytest.mark.parametrize("precision", [32, 64])
def test_large_products_with_floats_are_limited(precision: int, mode: str) -> None:
    edges = [2**120, 2**120 - 1, 2**120 - 2**96, 2**119, 2**124 - 1, 2**123, 2**64, 2**25 - 1, 2**54 - 1]
    table = Table([[sign * edge] for edge in edges for sign in (1, -1)], (0, 2))
    for ratio in (1.0, 0.5, 2.0, 1.0 + 2.0**-23, 3.0, 2.0**30):
        made = check_float(table, [ratio], precision, mode, GENERATORS[0])
        assert max(max(row) for row in made) == 2**120
        assert min(min(row) for row in made) == -(2**120) + (mode == "magnitude")


# --- whole lists --------------------------------------------------------------------------------------


def run_exact(step: Json, values: Ints) -> None:
    """Run a step that loses nothing."""

    def every(value: int) -> Ints:
        return array([value] * values.shape[2])

    match step["step"]:
        case "add":
            steps.add_constant(values, every(step["value"]))
        case "shift_left":
            steps.shift_left(values, every(step["by"]))
        case "multiply":
            steps.multiply_by(values, every(step["by"]))
        case "absolute":
            steps.absolute(values)
        case "thresholds":
            steps.thresholds(values, array(step["levels"]), step["first"])
        case "clip":
            if step["low"] is not None:
                steps.clip_low(values, every(step["low"]))
            if step["high"] is not None:
                steps.clip_high(values, every(step["high"]))
        case _:
            raise ValueError(step["step"])


def kernel_of(step: Json, channels: int, random: Json, position: tuple[int, int]) -> Kernel:
    """Return the kernel of a resolved step of the oracle."""

    def every(value: int) -> Ints:
        return array([value] * channels)

    def kernel(values: Ints, tally: Tally) -> None:
        draws, where = draws_of(random), array(position)
        mode = code_of(step["rounding"]) if step.get("rounding") else 0
        match step["step"]:
            case "shift_right":
                steps.shift_left(values, every(max(-step["by"], 0)))
                by, guard = every(max(step["by"], 0)), step.get("guard_bits") or 0
                steps.scale_fixed(values, every(1), by, guard, mode, draws, where, False, tally.counts)
            case "multiply_float":
                ratio, ones = np.full(channels, step["by"]), np.ones(channels)
                steps.scale_float(values, ratio, ones, every(0), step["precision"], mode, draws, where, tally.counts)
            case "fit":
                steps.fit_values(values, fit_field(step), where, tally.counts, np.zeros(0, np.int64), 0)
            case "lookup":
                linear = step["interpolation"] == "linear"
                table, first, shift = array(step["table"]), step["first"], step["shift"]
                look_up(values, table[None], NO_ERRORS, first, shift, linear, mode, draws, where, tally.counts)
            case _:
                run_exact(step, values)

    return kernel


def check_list(table: Table, listed: Sequence[Json], random: Json = GENERATORS[0]) -> Values:
    """Compare the kernels of a resolved list with the oracle's walk, step by step; return the values."""
    walk = Walk(listed, random, table.channels)
    wanted = [walk.run(value, listed, number, place) for value, number, place in table.places()]
    points = iter(walk.points)
    for step in listed:
        values, tally = run(table, kernel_of(step, table.channels, random, table.position))
        table = Table(values, table.position)
        losing = step["step"] in ("shift_right", "multiply_float", "fit") or step.get("interpolation") == "linear"
        if losing:
            assert figures_of(tally.counts, positions=table.position[1]) == figures(next(points)), step
    assert next(points, None) is None
    assert table.values == table.rows(wanted)
    return table.values


@composite
def any_steps(draw: DrawFn) -> Json:
    """Return one step with its amounts."""
    word = draw(
        st.sampled_from(["add", "shift_left", "shift_right", "multiply", "multiply_float", "fit", "clip"])
        | st.sampled_from(["absolute", "lookup", "thresholds", "fit", "shift_right"])
    )
    rounding = draw(roundings)
    constants = integers(12) | integers(61)
    match word:
        case "add":
            more: Json = {"value": draw(constants)}
        case "shift_left":
            more = {"by": draw(st.integers(0, 12) | st.integers(0, 60))}
        case "shift_right":
            guard_bits = draw(st.sampled_from([None, None, 1, 16, 32]))
            more = {"by": draw(shifts), "rounding": rounding, "guard_bits": guard_bits}
        case "multiply":
            more = {"by": draw(multipliers)}
        case "multiply_float":
            more = {"by": draw(st.floats(2.0**-20, 2.0)), "precision": draw(st.sampled_from([32, 64]))}
            more["rounding"] = rounding
        case "fit":
            more = draw(fits())
        case "clip":
            low, high = sorted((draw(constants), draw(constants)))
            more = draw(st.sampled_from([{"low": low, "high": high}, {"low": None, "high": high}]))
        case "lookup":
            table = draw(st.lists(integers(31), min_size=2, max_size=5))
            more = {"table": table, "first": draw(constants), "shift": draw(st.sampled_from([0, 1, 5, 24]))}
            more |= {"interpolation": draw(st.sampled_from(["none", "linear"])), "rounding": rounding}
        case "thresholds":
            levels = sorted(draw(st.lists(constants, min_size=1, max_size=5)))
            more = {"levels": levels, "first": draw(integers(9))}
        case _:
            more = {}
    return {"step": word, "name": None, **more}


def widest(listed: Sequence[Json], most: int) -> int:
    """Return a magnitude that no value of a list exceeds, on its way either."""
    found = most
    for step in listed:
        match step["step"]:
            case "add":
                most += abs(step["value"])
            case "shift_left":
                most <<= step["by"]
            case "multiply":
                most *= max(step["by"], 1)
            case "multiply_float":
                most = min(2 * most + 2, 2**120)
            case "fit" | "clip":
                most = max(most, 1 << 64)
            case "lookup" | "thresholds":
                most = 1 << 33
            case _:
                most += 1
        found = max(found, most)
    return found


@examples(200)
@given(tables(), st.lists(any_steps(), min_size=1, max_size=5), generators)
def test_any_list_of_steps(table: Table, listed: list[Json], random: Json) -> None:
    while widest(listed, MOST >> 60) > MOST:
        listed = listed[:-1]
    room = 60
    while room > 0 and widest(listed, MOST >> (room - 4)) <= MOST:
        room -= 4
    if listed:
        check_list(table.limited([MOST >> room] * table.channels), listed, random)


def double(rule: str = "nearest") -> Json:
    """Return the two roundings of TensorFlow Lite."""
    return {"kind": "fixed_double", "rule": rule}


@examples(250)
@given(tables((8, 32, 40, 62, 64, 80)), st.floats(2.0**-30, 8.0) | st.sampled_from([0.25, 0.5, 1.0, 4.0, 2.0**-31]))
def test_two_roundings_in_a_row(table: Table, ratio: float) -> None:
    listed = resolve(rescaling(expand(double())), Unit(ratio), 1.0)
    assert [step["step"] for step in listed] == ["shift_left", "fit", "multiply", "shift_right", "shift_right"]
    check_list(table, [dict(step) for step in listed])


KINDS: list[Json] = [
    {"kind": "fixed", "multiplier_bits": 32, "rule": "nearest"},
    {"kind": "fixed", "multiplier_bits": 9, "rule": "half_down"},
    {"kind": "fixed", "multiplier_bits": 16, "rule": "truncate"},
    {"kind": "fixed", "multiplier_bits": 32, "rule": "saturated"},
    {"kind": "fixed_reduced", "multiplier_bits": 16},
    {"kind": "float32"},
    {"kind": "float64"},
    {"kind": "power_of_two"},
    {"kind": "none"},
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind['kind']} {kind.get('rule', '')}".strip())
@examples(60)
@given(
    table=tables((8, 32, 48, 62, 64)),
    ratio=st.floats(2.0**-30, 8.0) | st.sampled_from([0.25, 4.0]),
    mode=roundings,
    random=generators,
)
def test_kinds_of_rescaling(kind: Json, table: Table, ratio: float, mode: str, random: Json) -> None:
    if kind["kind"] == "power_of_two":
        ratio = 2.0 ** (Fraction(ratio).numerator.bit_length() % 40 - 37)
    listed = resolve(rescaling(expand({**kind, "rounding": mode})), Unit(ratio), 1.0)
    check_list(table, [dict(step) for step in listed], random)


@examples(150)
@given(integers(64), st.floats(2.0**-40, 1.0), st.integers(2, 32), roundings)
def test_one_value_is_rescaled_as_the_oracle_does(value: int, ratio: float, bits: int, mode: str) -> None:
    q, n, _ = multiplier(ratio, bits)
    table = Table([[value << max(-n, 0)]], (0, 1))
    made = Scaling([q], [max(n, 0)], mode, GENERATORS[0]).check(table)
    assert made == [[fixed(value, ratio, bits, mode, *draw_of(GENERATORS[0], 0, mode)).value]]


# --- five arithmetics that go by the name of TensorFlow Lite int8 -------------------------------------

VALUES = (-10, -6, -5, -3, -2, -1, 1, 2, 3, 5, 6, 10, 25)
FIVE = {
    "single": [-2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 3, 6],
    "double": [-3, -2, -1, -1, -1, 0, 1, 1, 1, 2, 2, 3, 7],
    "ruy": [-2, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 3, 7],
    "f64": [-3, -2, -1, -1, -1, 0, 0, 1, 1, 1, 2, 3, 6],
    "fp32": [-2, -2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 2, 6],
}
"""A quarter of each of VALUES, as the runtimes compute it."""

RUY: Json = {
    "kind": "steps",
    "steps": [
        {"step": "shift_left", "by": "ratio"},
        {"step": "multiply", "by": "ratio", "bits": 32, "rule": "nearest"},
        {"step": "shift_right", "by": 31, "rounding": "half_up", "name": None},
        {"step": "shift_right", "by": "ratio", "rounding": "half_up", "name": "requantize"},
    ],
}
FIVE_KINDS: dict[str, Json] = {
    "single": {"kind": "fixed", "multiplier_bits": 32, "rule": "nearest", "rounding": "half_up"},
    "double": double(),
    "ruy": RUY,
    "f64": {"kind": "float64", "rounding": "half_away"},
    "fp32": {"kind": "float32", "rounding": "half_even"},
}


@pytest.mark.parametrize("name", FIVE)
def test_a_quarter_in_five_arithmetics(name: str) -> None:
    listed = [dict(step) for step in resolve(rescaling(expand(FIVE_KINDS[name])), Unit(0.25), 1.0)]
    made = check_list(Table([[value] for value in VALUES], (0, 1)), listed, NO_RANDOM)
    assert made == [[value] for value in FIVE[name]]


@pytest.mark.parametrize("words", [1, 2])
def test_a_quarter_in_five_arithmetics_by_hand(words: int) -> None:
    no_draws, position, counts = array([0]), array([0, 1]), counting.new_counts(1)

    def scaled(multiplier: int, shift: int, mode: int, values: Ints) -> Ints:
        steps.scale_fixed(values, array([multiplier]), array([shift]), 0, mode, no_draws, position, False, counts)
        return values

    def floated(precision: int, mode: int, values: Ints) -> Ints:
        ratio, one, nothing = np.array([0.25]), np.ones(1), array([0])
        steps.scale_float(values, ratio, one, nothing, precision, mode, no_draws, position, counts)
        return values

    def fresh() -> Ints:
        return in_words([[value] for value in VALUES], words)

    made = {
        "single": scaled(1 << 30, 32, kernels.HALF_UP, fresh()),
        "double": scaled(1, 1, kernels.HALF_AWAY, scaled(1 << 30, 31, kernels.HALF_UP, fresh())),
        "ruy": scaled(1, 1, kernels.HALF_UP, scaled(1 << 30, 31, kernels.HALF_UP, fresh())),
        "f64": floated(64, kernels.HALF_AWAY, fresh()),
        "fp32": floated(32, kernels.HALF_EVEN, fresh()),
    }
    for name, values in made.items():
        assert from_words(values) == [[value] for value in FIVE[name]], name


# --- tables -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entries:
    """A look-up table."""

    table: list[int]
    first: int
    shift: int

    def rounded(self, value: int, mode: str | None, drawn: tuple[int, int]) -> Rounded:
        """Return the table's value at a point, by docs/arithmetic.md alone."""
        last = (len(self.table) - 1) << self.shift
        at = min(max(value - self.first, 0), last)
        index, rest = at >> self.shift, at % (1 << self.shift)
        if mode is None or rest == 0:
            return Rounded(self.table[index], False, 0)
        rise = (self.table[index + 1] - self.table[index]) * rest
        rounded = rounded_shift(rise, self.shift, mode, *drawn)
        return rounded._replace(value=self.table[index] + rounded.value)


@composite
def entries(draw: DrawFn) -> Entries:
    """Return a look-up table."""
    wide = integers(31).map(lambda value: min(max(value, 1 - 2**31), 2**31 - 1))
    table = draw(st.lists(wide | st.integers(-9, 9), min_size=1, max_size=9))
    first = draw(st.integers(-9, 9) | integers(30) | integers(62))
    return Entries(table, first, draw(st.sampled_from([0, 1, 2, 7, 24]) | st.integers(0, 24)))


@composite
def beside(draw: DrawFn, given_entries: Entries) -> Table:
    """Return values around a table, and some far from it."""
    span = len(given_entries.table) << given_entries.shift
    near = st.integers(-2, span + 2).map(lambda offset: given_entries.first + offset)
    on = st.integers(0, len(given_entries.table)).map(lambda i: given_entries.first + (i << given_entries.shift))
    rows = draw(st.integers(1, 4))
    values = draw(st.lists(st.lists(near | on | integers(BITS), min_size=2, max_size=2), min_size=rows, max_size=rows))
    return Table(values, (draw(st.sampled_from([0, 3])), rows))


def check_entries(one: Entries, table: Table, mode: str | None, random: Json) -> Values:
    """Compare ``look_up`` with the definition in every number; return the values."""
    point, wanted = Point("lookup", table.channels), []
    for value, number, place in table.places():
        drawn = draw_of(random, number, mode) if mode else (0, 1)
        wanted.append(point.round_only(one.rounded(value, mode, drawn), place))
    position, draws, code = array(table.position), draws_of(random), code_of(mode) if mode else 0

    def kernel(values: Ints, tally: Tally) -> None:
        table, linear = array([one.table]), mode is not None
        look_up(values, table, NO_ERRORS, one.first, one.shift, linear, code, draws, position, tally.counts)

    made, tally = run(table, kernel)
    assert made == table.rows(wanted)
    nothing = carried(counting.new_counts(table.channels))
    if mode:
        assert figures_of(tally.counts, positions=table.position[1]) == figures(point)
    else:
        assert np.array_equal(tally.counts, nothing)
    return made


@examples(250)
@given(st.data(), entries(), st.none() | roundings, generators)
def test_look_up(data: st.DataObject, one: Entries, mode: str | None, random: Json) -> None:
    check_entries(one, data.draw(beside(one)), mode, random)


@pytest.mark.parametrize("mode", [None, *ROUNDINGS])
@example(first=-4)
@example(first=2**62 - 1)
@example(first=1 - 2**62)
@examples(10)
@given(first=integers(62))
def test_every_value_around_a_small_table(mode: str | None, first: int) -> None:
    one = Entries([5, -3, 100, 100, -(2**31) + 1, 2**31 - 1, 0], first, 2)
    table = Table([[first + offset] for offset in range(-6, 32)], (0, 19))
    made = check_entries(one, table, mode, GENERATORS[1])
    assert made[0] == [5]
    assert made[-1] == [0]


def test_a_table_by_hand() -> None:
    # entries at -4, 0 and 4; between them a quarter of the way for each step: 0 + 10 / 4 = 2.5, up to 3, and so on
    one, table = Entries([0, 10, -5], -4, 2), Table([[value] for value in range(-5, 6)], (0, 11))
    assert sum(check_entries(one, table, "half_up", NO_RANDOM), []) == [0, 0, 3, 5, 8, 10, 6, 3, -1, -5, -5]
    assert sum(check_entries(one, table, None, NO_RANDOM), []) == [0, 0, 0, 0, 0, 10, 10, 10, 10, -5, -5]


@pytest.mark.parametrize("mode", ["stochastic_weighted", "stochastic_equal"])
def test_a_table_draws_by_the_number_of_the_output(mode: str) -> None:
    table = Table([[row + channel for channel in range(3)] for row in range(9)], (0, 3))
    check_entries(Entries([0, 7, -9], 0, 2), table, mode, GENERATORS[1])


def test_a_table_of_one_entry() -> None:
    for mode in (None, "half_even"):
        table = Table([[-(2**80)], [-1], [0], [5], [2**80]], (0, 5))
        assert check_entries(Entries([42], 0, 3), table, mode, NO_RANDOM) == [[42]] * 5


def test_thresholds_by_hand() -> None:
    table: Any = Table([[-(2**70)], [-3], [-2], [0], [1], [6], [7], [2**70]], (0, 1))
    made = exactly(table, lambda values: steps.thresholds(values, array([-2, 1, 1, 7]), -8))
    assert made == [[-8], [-8], [-7], [-7], [-5], [-5], [-4], [-4]]
