"""Sums in float32 against exact fractions, rounded where float32 rounds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.plain import (
    GENERATORS,
    ROUNDINGS,
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
)

from hwsim_kernels import counting, rational
from hwsim_kernels.float_sums import add_in_float32, average_in_float32, multiply_add
from oracle.curve import rational_sigmoid
from oracle.ledger import Place, Point
from oracle.rescale import to_float32
from oracle.rounding import rounded_fraction

floats = st.floats(-(2.0**40), 2.0**40, width=32, allow_subnormal=False)
ratios = st.floats(2.0**-20, 64.0, width=32)
modes = st.sampled_from(ROUNDINGS)
generators = st.sampled_from(GENERATORS)
POSITION = 3, 4
"""The first sample in the run, rows per sample."""


@examples(1000)
@given(floats, floats, floats)
def test_multiply_add(a: float, b: float, c: float) -> None:
    assert multiply_add(a, b, c) == to_float32(Fraction(a) * Fraction(b) + Fraction(c))


@pytest.mark.parametrize("exponent", [-20, -31, -40, -53, -60, -80])
def test_products_between_two_floats_go_where_little_more_pulls_them(exponent: int) -> None:
    """2^24 + 1 lies in the middle: what is added decides, however little it is, and is lost in float64."""
    a, b = 257.0, 65281.0
    assert a * b == 2**24 + 1
    assert multiply_add(a, b, 2.0**exponent) == 2**24 + 2
    assert multiply_add(a, b, -(2.0**exponent)) == 2**24
    assert multiply_add(-a, b, -(2.0**exponent)) == -(2**24) - 2
    assert multiply_add(a, b, 0.0) == 2**24


def rounded(value: Fraction, zero_point: int, mode: str, random: Json, place: Place, number: int, point: Point) -> int:
    """Return a rounded value, which holds the zero point, less that."""
    one = rounded_fraction(value, mode, *draw_of(random, number, mode))
    return point.round_only(one._replace(value=one.value - zero_point), place)


@examples(200)
@given(st.data(), st.integers(1, 4), st.integers(1, 3), st.integers(-128, 255), modes, generators)
def test_add(data: st.DataObject, tensors: int, channels: int, zero_point: int, mode: str, random: Json) -> None:
    rows = POSITION[1] * 2
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    terms = generator.integers(-128, 256, (tensors, rows, channels)).astype(np.int32)
    many = tensors * channels
    by = np.array(data.draw(st.lists(ratios, min_size=many, max_size=many))).reshape(tensors, channels)
    first = np.array(data.draw(st.lists(floats, min_size=channels, max_size=channels))) / 2.0**20
    first = first.astype(np.float32).astype(np.float64)
    point, wanted = Point("requantize", channels), []
    for number in range(rows * channels):
        row, channel = divmod(number, channels)
        total = Fraction(first[channel])
        for tensor in reversed(range(tensors)):
            total = to_float32(int(terms[tensor, row, channel]) * Fraction(by[tensor, channel]) + total)
        place = Place(POSITION[0] + row // POSITION[1], row % POSITION[1], channel)
        within = number % (POSITION[1] * channels)
        wanted.append(rounded(total, zero_point, mode, random, place, within, point))
    out, counts = np.zeros((1, rows, channels), np.int64), counting.new_counts(channels)
    add_in_float32(terms, by, first, zero_point, code_of(mode), draws_of(random), array(POSITION), out, counts)
    assert out.ravel().tolist() == wanted
    assert figures_of(carried(counts), positions=POSITION[1]) == figures(point)


@examples(100)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.floats(2.0**-20, 2.0**20), min_size=2, max_size=2),
    st.integers(-128, 255),
    modes,
    generators,
)
def test_average(seed: int, scales: list[float], zero_point: int, mode: str, random: Json) -> None:
    generator = np.random.default_rng(seed)
    codes = generator.integers(-128, 256, (2, 4, 5, 2)).astype(np.int32)
    window, outputs = (3, 2, 2, 1, 1, 1), (2, 6)
    point, wanted, number = Point("division", 2), [], 0
    for sample, row, column, channel in np.ndindex(2, *outputs, 2):
        scale, total = to_float32(Fraction(scales[channel])), Fraction(0)
        ys = [y for y in range(2 * row - 1, 2 * row + 2) if 0 <= y < 4]
        xs = [x for x in range(column - 1, column + 1) if 0 <= x < 5]
        for y in ys:
            for x in xs:
                total = to_float32(total + to_float32(scale * (int(codes[sample, y, x, channel]) - zero_point)))
        mean = to_float32(to_float32(total / (len(ys) * len(xs))) / scale)
        position = row * outputs[1] + column
        place = Place(sample, position, channel)
        within = position * 2 + channel
        wanted.append(rounded(to_float32(mean + zero_point), zero_point, mode, random, place, within, point))
        number += 1
    out, counts = np.zeros((1, number // 2, 2), np.int64), counting.new_counts(2)
    ways: tuple[Ints, Ints, int, Ints, int] = (array(window), array(outputs), code_of(mode), draws_of(random), 0)
    average_in_float32(codes, zero_point, np.array(scales), *ways, out, counts)
    assert out.ravel().tolist() == wanted
    assert figures_of(carried(counts), positions=outputs[0] * outputs[1]) == figures(point)


@examples(500)
@given(st.floats(-30, 30, width=32))
def test_sigmoid(value: float) -> None:
    assert rational.sigmoid(np.array([value])).tolist() == [rational_sigmoid(value)]
