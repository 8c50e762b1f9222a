"""Interpolation between pixels against plain sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.plain import (
    GENERATORS,
    ROUNDINGS,
    array,
    carried,
    code_of,
    draw_of,
    draws_of,
    examples,
    figures,
    figures_of,
)

from hwsim.network import Resize
from hwsim_kernels import counting
from hwsim_kernels.resize import interpolate
from oracle.ledger import Place, Point
from oracle.rounding import rounded_shift

Pairs = list[list[int]]


@dataclass(frozen=True)
class Case:
    """Codes (n, h, w, c), and two places with two weights for each row and column of the output."""

    codes: np.ndarray
    zero_point: int
    rows: Pairs
    row_weights: Pairs
    columns: Pairs
    column_weights: Pairs
    shift: int

    def total(self, n: int, y: int, x: int, c: int) -> int:
        """Return the weighted sum of four codes."""
        return sum(
            (int(self.codes[n, self.rows[y][i], self.columns[x][j], c]) - self.zero_point)
            * self.row_weights[y][i]
            * self.column_weights[x][j]
            for i in (0, 1)
            for j in (0, 1)
        )


@composite
def cases(draw: DrawFn) -> Case:
    """Return places anywhere inside, and weights that need not add up to anything."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    samples, height, width, channels = (draw(st.integers(1, most)) for most in (2, 4, 4, 3))
    limit, heavy = 1 << draw(st.integers(0, 15)), 1 << draw(st.integers(0, 13))
    codes = generator.integers(-limit, limit, (samples, height, width, channels))

    def axis(inputs: int) -> tuple[Pairs, Pairs]:
        outputs = draw(st.integers(1, 5))
        places = generator.integers(0, inputs, (outputs, 2))
        return places.tolist(), generator.integers(-heavy, heavy + 1, (outputs, 2)).tolist()

    zero_point = draw(st.sampled_from([0, -128, 77, 2**15 - 1]))
    return Case(
        codes.astype(np.int32), zero_point, *axis(height), *axis(width), draw(st.one_of(st.just(0), st.integers(0, 26)))
    )


def check(case: Case, mode: str, generator: int = 0) -> list[int]:
    """Compare the kernel with sums in plain integers, and its counts with the oracle's; return the values."""
    random, channels = GENERATORS[generator], case.codes.shape[3]
    shape = (len(case.codes), len(case.rows), len(case.columns), channels)
    point, wanted = Point("interpolation", channels), list[int]()
    for n, y, x, c in np.ndindex(shape):
        number = (y * shape[2] + x) * channels + c
        drawn = draw_of(random, number, mode)
        place = Place(n, y * shape[2] + x, c)
        wanted.append(point.round_only(rounded_shift(case.total(n, y, x, c), case.shift, mode, *drawn), place))
    out, counts = np.zeros(shape, np.int64), counting.new_counts(channels)
    interpolate(
        case.codes,
        case.zero_point,
        array(case.rows),
        array(case.row_weights),
        array(case.columns),
        array(case.column_weights),
        case.shift,
        code_of(mode),
        draws_of(random),
        out,
        counts,
    )
    assert out.ravel().tolist() == wanted
    assert figures_of(carried(counts), positions=shape[1] * shape[2]) == figures(point)
    return wanted


@examples(200)
@given(cases(), st.sampled_from(ROUNDINGS), st.integers(0, 2))
def test_interpolate(case: Case, mode: str, generator: int) -> None:
    check(case, mode, generator)


@pytest.mark.parametrize("mode", ROUNDINGS)
def test_every_remainder(mode: str) -> None:
    # one row of two pixels, and sums from -12 to 12 of which two bits are dropped: ties among them
    for total in range(-12, 13):
        codes = np.array([[[[total], [0]]]], np.int32)
        check(Case(codes, 0, [[0, 0]], [[1, 0]], [[0, 1]], [[1, 3]], 2), mode)


def test_between_four_pixels_by_hand() -> None:
    # a quarter of the way down, half of the way across: (3 * (10 + 20) + (30 + 50)) / 8 = 21.25
    codes = np.array([10, 20, 30, 50], np.int32).reshape(1, 2, 2, 1)
    case = Case(codes, 0, [[0, 1]], [[3, 1]], [[0, 1]], [[2, 2]], 4)
    assert check(case, "floor") == [21]
    assert check(case, "ceil") == [22]


def of_tflite(inputs: int, resized: Resize, i: int) -> tuple[list[int], list[int]]:
    """Return two places and their weights as internal/reference/resize_bilinear.h computes them, in 1/1024."""
    outputs = resized.size[0]
    step = (inputs * 1024 + outputs // 2) // outputs
    if resized.align_corners and outputs > 1:
        step = ((inputs - 1) * 1024 + (outputs - 1) // 2) // (outputs - 1)
    at = i * step + (step // 2 - 512 if resized.half_pixel else 0)
    low, high = max(int(at / 1024), 0), min(int((at + 1023) / 1024), inputs - 1)
    return [low, high], [1024 - (at - 1024 * low), at - 1024 * low]


@pytest.mark.parametrize(("align_corners", "half_pixel"), [(False, False), (True, False), (False, True)])
def test_places_and_weights_are_those_of_tensorflow_lite(align_corners: bool, half_pixel: bool) -> None:
    for inputs in range(1, 9):
        row = np.random.default_rng(inputs).integers(-128, 128, inputs).tolist()
        for outputs in range(1, 20):
            resized = Resize(name="r", size=(outputs, 1), align_corners=align_corners, half_pixel=half_pixel)
            places, weights = resized.taps((inputs, 1, 1), 0, 10)
            for i in range(outputs):
                theirs, their_weights = of_tflite(inputs, resized, i)
                mine = sum(row[at] * w for at, w in zip(places[i].tolist(), weights[i].tolist(), strict=True))
                assert mine == sum(row[at] * w for at, w in zip(theirs, their_weights, strict=True))


@pytest.mark.parametrize("bits", range(1, 13))
def test_places_lie_inside_however_few_bits_a_weight_has(bits: int) -> None:
    for inputs in range(1, 6):
        for outputs in (1, 2, 3, 5, 7, 30, 1000):
            for align_corners, half_pixel in ((False, False), (True, False), (False, True)):
                resized = Resize(name="r", size=(outputs, 1), align_corners=align_corners, half_pixel=half_pixel)
                places, weights = resized.taps((inputs, 1, 1), 0, bits)
                assert places.min() >= 0
                assert places.max() < inputs
                assert weights.min() >= 0
                assert (weights.sum(axis=1) == 1 << bits).all()
