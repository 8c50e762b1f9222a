"""The steps behind the accumulator against loops of the oracle's primitives."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.plain import (
    GENERATORS,
    ROUNDINGS,
    STEADY,
    Ints,
    Json,
    array,
    code_of,
    draw_of,
    draws_of,
    figures,
    figures_of,
    fit_field,
    fits,
    integers,
)

import hwsim_kernels as kernels
from hwsim_kernels import counting
from oracle.ledger import Place, Point
from oracle.overflow import Format
from oracle.rescale import WRAP_32, fixed, fixed_double, float32_product, multiplier
from oracle.rounding import rounded_fraction, rounded_shift

LIMIT = Fraction(2**62)
generators = st.sampled_from(GENERATORS)
roundings = st.sampled_from(ROUNDINGS)
multipliers = st.sampled_from([0, 1, 2**30, 2**31 - 1]) | st.integers(0, 2**31 - 1)


@composite
def tables(draw: DrawFn, bits: int) -> tuple[list[list[int]], tuple[int, int]]:
    """Return values (rows, channels) below 2**bits, and (number of the first sample, rows per sample)."""
    channels, samples, rows = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    row = st.lists(integers(bits), min_size=channels, max_size=channels)
    values = draw(st.lists(row, min_size=samples * rows, max_size=samples * rows))
    return values, (draw(st.sampled_from([0, 0, 3])), rows)


def places(values: list[list[int]], position: tuple[int, int]) -> Iterator[tuple[int, int, Place]]:
    """Return each value, its number in its sample, and its place."""
    for index, row in enumerate(values):
        sample, at = divmod(index, position[1])
        for channel, value in enumerate(row):
            yield value, at * len(row) + channel, Place(position[0] + sample, at, channel)


def in_rows(flat: list[int], values: list[list[int]]) -> list[list[int]]:
    """Return a flat list as rows."""
    width = len(values[0])
    return [flat[i : i + width] for i in range(0, len(flat), width)]


@settings(max_examples=60, deadline=None)
@given(tables(60), st.data())
def test_add_constant(table: tuple[list[list[int]], tuple[int, int]], data: st.DataObject) -> None:
    values, _ = table
    constant = data.draw(st.lists(integers(60), min_size=len(values[0]), max_size=len(values[0])))
    made = array(values)
    kernels.add_constant(made, array(constant))
    assert made.tolist() == [[value + constant[c] for c, value in enumerate(row)] for row in values]


@settings(max_examples=60, deadline=None)
@given(tables(31), st.data())
def test_shift_left(table: tuple[list[list[int]], tuple[int, int]], data: st.DataObject) -> None:
    values, _ = table
    shift = data.draw(st.lists(st.integers(0, 31), min_size=len(values[0]), max_size=len(values[0])))
    made = array(values)
    kernels.shift_left(made, array(shift))
    assert made.tolist() == [[value * 2 ** shift[c] for c, value in enumerate(row)] for row in values]


@settings(max_examples=60, deadline=None)
@given(tables(62), st.data())
def test_clip(table: tuple[list[list[int]], tuple[int, int]], data: st.DataObject) -> None:
    values, _ = table
    ends = data.draw(st.lists(st.tuples(integers(62), integers(62)), min_size=len(values[0]), max_size=len(values[0])))
    low, high = [min(one) for one in ends], [max(one) for one in ends]
    made = array(values)
    kernels.clip(made, array(low), array(high))
    assert made.tolist() == [[sorted((low[c], value, high[c]))[1] for c, value in enumerate(row)] for row in values]


@settings(max_examples=200, deadline=None)
@given(tables(61), fits(), integers(20), st.booleans())
def test_fit_values(table: tuple[list[list[int]], tuple[int, int]], section: Json, offset: int, drawn: bool) -> None:
    values, position = table
    point = Point("output", len(values[0]), histogram=True)
    wanted = []
    for value, _, place in places(values, position):
        point.magnitude(value - offset)
        wanted.append(point.fit(value, Format.of(section), place))
    made, counts = array(values), kernels.new_counts(len(values[0]))
    histogram = np.zeros(counting.BINS if drawn else 0, np.int64)
    kernels.fit_values(made, fit_field(section), array(position), counts, histogram, offset)
    assert made.tolist() == in_rows(wanted, values)
    assert figures_of(counts, positions=position[1]) == figures(point)
    assert histogram.tolist() == (point.histogram if drawn else [])


def without_range(point: Point) -> Json:
    """Return the figures of a rounding whose results are not looked at."""
    nothing = [None] * len(point.values)
    return {**figures(point), "values": [0] * len(point.values), "minimum": nothing, "maximum": nothing}


@settings(max_examples=300, deadline=None)
@given(tables(62), st.data(), roundings, generators, st.booleans())
def test_scale_fixed(
    table: tuple[list[list[int]], tuple[int, int]], data: st.DataObject, mode: str, random: Json, ranged: bool
) -> None:
    values, position = table
    channels = len(values[0])
    factors = data.draw(
        st.lists(st.tuples(multipliers, st.sampled_from([0, 1, 31, 32, 33, 62]) | st.integers(0, 62)),
                 min_size=channels, max_size=channels)
    )  # fmt: skip
    # what the caller proves: the result fits 63 bits
    most = [min(2**62, (2**62 << shift) // max(factor, 1)) for factor, shift in factors]
    values = [[max(-most[c], min(value, most[c])) for c, value in enumerate(row)] for row in values]
    point, wanted = Point("requantize", channels), []
    for value, number, place in places(values, position):
        factor, shift = factors[place.channel]
        rounded = rounded_shift(value * factor, shift, mode, *draw_of(random, number, mode))
        wanted.append(point.round_only(rounded, place))
    made, counts = array(values), kernels.new_counts(channels)
    kernels.scale_fixed(
        made,
        array([factor for factor, _ in factors]),
        array([shift for _, shift in factors]),
        code_of(mode),
        draws_of(random),
        array(position),
        int(ranged),
        counts,
    )
    assert made.tolist() == in_rows(wanted, values)
    assert figures_of(counts, positions=position[1]) == (figures(point) if ranged else without_range(point))


ratios = st.floats(2.0**-40, 1.0) | st.sampled_from([0.25, 0.5, 2.0**-31, 2.0**-62, 2.0**-149, 2.0**-160, 0.1, 3.0])


def clipped(product: Fraction) -> Fraction:
    """Return a product within the range that floats are rounded in."""
    return max(-LIMIT, min(product, LIMIT))


@pytest.mark.parametrize("precision", [32, 64])
@settings(max_examples=200, deadline=None)
@given(table=tables(62), data=st.data(), mode=roundings, random=generators)
def test_scale_float(
    precision: int, table: tuple[list[list[int]], tuple[int, int]], data: st.DataObject, mode: str, random: Json
) -> None:
    values, position = table
    channels = len(values[0])
    ratio = data.draw(st.lists(ratios, min_size=channels, max_size=channels))
    point, wanted = Point("requantize", channels), []
    for value, number, place in places(values, position):
        one = ratio[place.channel]
        product = float32_product(value, one) if precision == 32 else Fraction(float(value) * one)
        rounded = rounded_fraction(clipped(product), mode, *draw_of(random, number, mode))
        wanted.append(point.round_only(rounded, place))
    made, counts = array(values), kernels.new_counts(channels)
    reals = np.array(ratio, np.float64)
    kernels.scale_float(made, reals, precision, code_of(mode), draws_of(random), array(position), counts)
    assert made.tolist() == in_rows(wanted, values)
    assert figures_of(counts, positions=position[1]) == figures(point)


@settings(max_examples=200, deadline=None)
@given(tables(62), st.integers(0, 2**15 - 1) | multipliers, st.integers(0, 62), roundings, generators)
def test_leak(table: tuple[list[list[int]], tuple[int, int]], factor: int, shift: int, mode: str, random: Json) -> None:
    values, position = table
    most = min(2**62, (2**62 << shift) // max(factor, 1))
    values = [[max(-most, value) for value in row] for row in values]
    point, wanted = Point("activation", len(values[0])), []
    for value, number, place in places(values, position):
        if value >= 0:
            wanted.append(value)
        else:
            rounded = rounded_shift(value * factor, shift, mode, *draw_of(random, number, mode))
            wanted.append(point.round_only(rounded, place))
    made, counts = array(values), kernels.new_counts(len(values[0]))
    kernels.leak(made, factor, shift, code_of(mode), draws_of(random), array(position), counts)
    assert made.tolist() == in_rows(wanted, values)
    assert figures_of(counts, positions=position[1]) == figures(point)


@pytest.mark.parametrize("mode", STEADY)
@pytest.mark.parametrize("value", [-5, -1, 0, 5])
def test_a_factor_of_zero_leaves_no_sign(value: int, mode: str) -> None:
    wanted = rounded_shift(0, 3, mode).value
    position, no_draws = array([0, 1]), np.zeros(1, np.int64)
    made, counts = array([[value]]), kernels.new_counts(1)
    kernels.scale_fixed(made, array([0]), array([3]), code_of(mode), no_draws, position, 1, counts)
    assert made.item() == wanted
    made = array([[value]])
    kernels.leak(made, 0, 3, code_of(mode), no_draws, position, counts)
    assert made.item() == (wanted if value < 0 else value)


@settings(max_examples=200, deadline=None)
@given(tables(40), st.floats(2.0**-30, 8.0) | st.sampled_from([0.25, 0.5, 1.0, 4.0, 2.0**-31]))
def test_two_roundings_in_a_row(table: tuple[list[list[int]], tuple[int, int]], ratio: float) -> None:
    values, position = table
    channels, (q, _, e) = len(values[0]), multiplier(ratio, 32)
    high, point, wanted = Point("high_multiply", channels), Point("requantize", channels), []
    for value, _, place in places(values, position):
        double = fixed_double(value, ratio)
        high.fit(double.shifted, WRAP_32, place)
        high.round(double.high, place)
        wanted.append(point.round_only(double.rounded, place))

    def each(value: int) -> Ints:
        return array([value] * channels)

    made, counts, after = array(values), kernels.new_counts(channels), kernels.new_counts(channels)
    field, nothing, where = array([32, 1, kernels.WRAP, 0]), np.zeros(0, np.int64), array(position)
    no_draws = np.zeros(1, np.int64)
    kernels.shift_left(made, each(max(e, 0)))
    kernels.fit_values(made, field, where, counts, nothing, 0)
    kernels.scale_fixed(made, each(q), each(31), kernels.HALF_UP, no_draws, where, 0, counts)
    kernels.scale_fixed(made, each(1), each(max(-e, 0)), kernels.HALF_AWAY, no_draws, where, 1, after)
    assert made.tolist() == in_rows(wanted, values)
    assert figures_of(counts, positions=position[1]) == figures(high)
    assert figures_of(after, positions=position[1]) == figures(point)


@settings(max_examples=100, deadline=None)
@given(integers(40), st.floats(2.0**-40, 1.0), st.integers(2, 32), roundings)
def test_one_value_is_rescaled_as_the_oracle_does(value: int, ratio: float, bits: int, mode: str) -> None:
    q, n, _ = multiplier(ratio, bits)
    left, right = max(-n, 0), max(n, 0)
    made = array([[value << left]])
    random = GENERATORS[0]
    counts = kernels.new_counts(1)
    where = array([0, 1])
    kernels.scale_fixed(made, array([q]), array([right]), code_of(mode), draws_of(random), where, 1, counts)
    assert made.item() == fixed(value, ratio, bits, mode, *draw_of(random, 0, mode)).value
