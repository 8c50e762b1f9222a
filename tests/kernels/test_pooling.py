"""Pooling against loops over each window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.plain import (
    GENERATORS,
    ONE_WORD,
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
    fit_field,
    fits,
    from_words,
)

import hwsim_kernels as kernels
from hwsim_kernels import counting
from hwsim_kernels.pooling import average_pool, max_pool
from oracle.ledger import Place, Point
from oracle.overflow import Format
from oracle.rounding import rounded_divide

LEAST = -(2**31)
"""A code that changes no maximum."""


@dataclass(frozen=True)
class Case:
    """Codes (n, h, w, c), a window as the kernels take it, and the output's rows and columns."""

    codes: np.ndarray
    window: tuple[int, int, int, int, int, int]
    shape: tuple[int, int]

    def inside(self, n: int, row: int, column: int, channel: int) -> list[int]:
        """Return the codes of a window that lie inside, row by row."""
        height, width, row_stride, column_stride, above, before = self.window
        top, left = row * row_stride - above, column * column_stride - before
        return [
            int(self.codes[n, y, x, channel])
            for y in range(top, top + height)
            for x in range(left, left + width)
            if 0 <= y < self.codes.shape[1] and 0 <= x < self.codes.shape[2]
        ]

    def outputs(self) -> list[tuple[Place, list[int]]]:
        """Return every output's place and the codes of its window, in row-major order."""
        samples, channels = self.codes.shape[0], self.codes.shape[3]
        return [
            (Place(n, row * self.shape[1] + column, channel), self.inside(n, row, column, channel))
            for n in range(samples)
            for row in range(self.shape[0])
            for column in range(self.shape[1])
            for channel in range(channels)
        ]


@composite
def cases(draw: DrawFn, bits: int = 16) -> Case:
    """Return a case in which every window holds something, its end perhaps outside."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = (draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    window = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    strides = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    before = (draw(st.integers(0, window[0] - 1)), draw(st.integers(0, window[1] - 1)))
    shape = tuple(draw(st.integers(1, 1 + (size[i] - 1 + before[i]) // strides[i])) for i in (0, 1))
    limit = 1 << draw(st.integers(0, bits))
    codes = generator.integers(-limit, limit, (draw(st.integers(1, 2)), *size, draw(st.integers(1, 3))))
    return Case(codes.astype(np.int32), (*window, *strides, *before), (shape[0], shape[1]))


@examples(150)
@given(cases(31))
def test_max_pool(case: Case) -> None:
    out = np.zeros((len(case.codes), *case.shape, case.codes.shape[3]), np.int32)
    max_pool(case.codes, array(case.window), LEAST, out)
    assert out.ravel().tolist() == [max(codes) for _, codes in case.outputs()]
    whole = case.window[0] * case.window[1]
    max_pool(case.codes, array(case.window), 7, out)
    assert out.ravel().tolist() == [max([*codes, *[7] * (len(codes) < whole)]) for _, codes in case.outputs()]


def test_the_padding_takes_no_part_in_a_maximum() -> None:
    codes = np.array([[[[-5], [-7]], [[-6], [-(2**31)]]]], np.int32)
    out = np.zeros((1, 3, 3, 1), np.int32)
    max_pool(codes, array([2, 2, 1, 1, 1, 1]), LEAST, out)
    assert out[0, ..., 0].tolist() == [[-5, -5, -7], [-5, -5, -7], [-6, -6, -(2**31)]]


def test_the_padding_counts_as_a_code_in_a_maximum() -> None:
    codes = np.array([[[[-5], [-7]], [[-6], [-128]]]], np.int8)
    out = np.zeros((1, 3, 3, 1), np.int8)
    max_pool(codes, array([2, 2, 1, 1, 1, 1]), -6, out)
    assert out[0, ..., 0].tolist() == [[-5, -5, -6], [-5, -5, -6], [-6, -6, -6]]


def averaged(
    case: Case, words: int, zero_point: int, field: Ints, random: Json, first_sample: int
) -> tuple[list[list[int]], Ints, Ints]:
    """Return means (rows, channels), counts of the accumulator and the division, and the histogram of the sums."""
    channels = case.codes.shape[3]
    out = np.zeros((words, len(case.codes) * case.shape[0] * case.shape[1], channels), np.int64)
    counts, histogram = counting.new_counts(2, channels), np.zeros(counting.BINS, np.int64)
    average_pool(
        case.codes,
        zero_point,
        array(case.window),
        array(case.shape),
        field,
        draws_of(random),
        first_sample,
        out,
        counts,
        histogram,
    )
    return from_words(out), carried(counts), histogram


@examples(300)
@given(
    case=cases(),
    zero_point=st.sampled_from([0, 1, -128, 77]),
    accumulator=fits(1, 40) | fits(),
    mode=st.sampled_from(ROUNDINGS),
    random=st.sampled_from(GENERATORS),
    first_sample=st.sampled_from([0, 0, 5]),
)
def test_average_pool(
    case: Case, zero_point: int, accumulator: Json, mode: str, random: Json, first_sample: int
) -> None:
    channels, positions = case.codes.shape[3], case.shape[0] * case.shape[1]
    sums, division, wanted = Point("accumulator", channels, last=True), Point("division", channels), list[int]()
    for place, codes in case.outputs():
        here = place._replace(sample=first_sample + place.sample)
        total = sums.add_up([code - zero_point for code in codes], Format.of(accumulator), here)
        drawn = draw_of(random, place.position * channels + place.channel, mode)
        wanted.append(division.round_only(rounded_divide(total, len(codes), mode, *drawn), here))
    field = fit_field(accumulator, code_of(mode))
    made, counts, histogram = averaged(case, 2, zero_point, field, random, first_sample)
    assert sum(made, []) == wanted
    area = case.window[0] * case.window[1]
    assert figures_of(counts[0], steps=area, positions=positions, stage=True) == figures(sums)
    assert figures_of(counts[1], positions=positions) == figures(division)
    assert histogram.tolist() == sums.histogram
    if max(map(abs, wanted)) < ONE_WORD:
        again, same_counts, same_histogram = averaged(case, 1, zero_point, field, random, first_sample)
        assert again == made
        assert np.array_equal(same_counts, counts)
        assert np.array_equal(same_histogram, histogram)


@pytest.mark.parametrize("mode", ROUNDINGS)
def test_means_of_sums_around_zero(mode: str) -> None:
    # windows of four codes with sums from -20 to 20, and a wrap to 4 bits that turns signs
    codes = np.array([[total // 4 + (i < total % 4) for i in range(4)] for total in range(-20, 21)], np.int32)
    case = Case(codes.reshape(1, 41, 4, 1), (1, 4, 1, 4, 0, 0), (41, 1))
    section: Json = {"bits": 4, "signed": True, "overflow": "wrap", "saturated_bits": 0}
    sums, wanted = Point("accumulator", 1, last=True), list[int]()
    for place, inside in case.outputs():
        total = sums.add_up(inside, Format.of(section), place)
        wanted.append(rounded_divide(total, 4, mode, *draw_of(GENERATORS[0], place.position, mode)).value)
    for words in (1, 2):
        made, counts, _ = averaged(case, words, 0, fit_field(section, code_of(mode)), GENERATORS[0], 0)
        assert sum(made, []) == wanted
        assert figures_of(counts[0], steps=4, positions=41, stage=True) == figures(sums)


def test_an_average_of_windows_at_the_border() -> None:
    case = Case(np.arange(1, 10, dtype=np.int32).reshape(1, 3, 3, 1), (2, 2, 2, 2, 1, 1), (2, 2))
    field = array([5, 1, kernels.SATURATE, 0, kernels.HALF_AWAY])
    made, counts, histogram = averaged(case, 1, 0, field, GENERATORS[0], 0)
    # 1 / 1 = 1; (2 + 3) / 2 = 2.5, up to 3; (4 + 7) / 2 = 5.5, up to 6;
    # 5 + 6 = 11, 11 + 8 = 19 saturates to 15, 15 + 9 = 24 saturates to 15, 15 / 4 = 3.75, up to 4
    assert made == [[1], [3], [6], [4]]
    assert counts[0, counting.VALUES].tolist() == [1 + 2 + 2 + 4]
    assert counts[0, counting.HIGH].tolist() == [2]
    assert counts[0, counting.FIRST].tolist() == [3 * 4 + 2]
    assert counting.long_sum(counts[0], counting.CLAMP_ENERGY) == [(4 + 9) ** 2]
    # the exact sums 1, 5, 11 and 28 have 1, 3, 4 and 5 bits
    assert histogram[:6].tolist() == [0, 1, 0, 1, 1, 1]


def test_an_unsigned_accumulator_of_64_bits_wraps() -> None:
    case = Case(np.array([[[[2], [-3], [-1]]]], np.int32), (1, 3, 1, 3, 0, 0), (1, 1))
    field = array([64, 0, kernels.WRAP, 0, kernels.HALF_UP])
    made, counts, histogram = averaged(case, 2, 0, field, GENERATORS[0], 0)
    # 2, then -1 becomes 2^64 - 1, then 2^64 - 2; a third of that is 6148914691236517204 2/3, up
    assert made == [[6148914691236517205]]
    assert figures_of(counts[0], steps=3, stage=True)["minimum"] == [-2]  # the exact sum; -1 is what was fitted
    assert counting.value_range(counts[1]) == [(6148914691236517205, 6148914691236517205)]
    assert counting.long_sum(counts[0], counting.CLAMP_ENERGY) == [2**128]
    assert histogram[2] == 1
