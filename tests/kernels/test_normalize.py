"""Normalisation against plain integers: every result and every figure of the ledger."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.plain import STEADY, carried, code_of, examples, figures, figures_of

from hwsim_kernels import counting
from hwsim_kernels.normalize import beyond_root, normalize, root
from oracle.ledger import Place, Point
from oracle.rounding import Rounded, rounded_fraction, rounded_shift


@given(st.integers(0, 2**62 - 1) | st.integers(0, 2**31 - 1).map(lambda one: one * one))
@examples(500)
def test_roots(value: int) -> None:
    found = int(root(np.int64(value)))
    assert found == isqrt(value)
    assert int(beyond_root(np.int64(value), np.int64(found))) == isqrt(value << 32) - (found << 16)


@pytest.mark.parametrize("value", [0, 1, 2, 3, 2**62 - 1, (2**31 - 1) ** 2, (2**31 - 1) ** 2 - 1])
def test_roots_at_the_ends(value: int) -> None:
    assert int(root(np.int64(value))) == isqrt(value)


@composite
def cases(draw: DrawFn) -> tuple[np.ndarray, int, bool, bool, int, list[int], str]:
    """Return codes (n, rows, groups, channels), a zero point, and how they are normalised."""
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 5)))
    bits = draw(st.sampled_from([2, 8, 16]))
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    codes = draw(st.lists(st.integers(low, high), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    reciprocal = draw(st.sampled_from([1, 30]) | st.integers(1, 34))
    field = [draw(st.integers(0, 8)), reciprocal, draw(st.sampled_from([0, reciprocal]) | st.integers(0, reciprocal))]
    epsilon = draw(st.sampled_from([0, 1, 2**40]) | st.integers(0, 1000))
    mode = draw(st.sampled_from(STEADY))
    zero_point = draw(st.integers(low, high))
    return np.array(codes).reshape(shape), zero_point, draw(st.booleans()), draw(st.booleans()), epsilon, field, mode


@given(cases())
@examples(300)
def test_every_value_and_figure(case: tuple[np.ndarray, int, bool, bool, int, list[int], str]) -> None:
    codes, zero_point, whole, centered, epsilon, (fine, reciprocal, result), mode = case
    samples, rows, groups, channels = codes.shape
    points = [Point(name, groups * channels) for name in ("mean", "variance", "root", "reciprocal", "normalized")]
    wanted = np.zeros(codes.shape, dtype=object)
    for n in range(samples):
        for lines in [range(rows)] if whole else [[row] for row in range(rows)]:
            for group in range(groups):
                place = Place(n, 0, group * channels)
                values = [int(one) - zero_point for row in lines for one in codes[n, row, group]]
                many = len(values)
                mean = 0
                if centered:
                    mean = points[0].round_only(rounded_fraction(Fraction(sum(values) << fine, many), mode), place)
                distances = [(one << fine) - mean for one in values]
                squares = Fraction(sum(one * one for one in distances), many)
                variance = points[1].round_only(rounded_fraction(squares, mode), place) + epsilon
                deviation = isqrt(variance)
                error = (deviation << 16) - isqrt(variance << 32)
                points[2].round_only(Rounded(deviation, deviation**2 != variance, error), place)
                one_over = Fraction(1 << reciprocal, max(deviation, 1))
                factor = points[3].round_only(rounded_fraction(one_over, mode), place)
                for number, distance in enumerate(distances):
                    row, channel = list(lines)[number // channels], number % channels
                    there = Place(n, row, group * channels + channel)
                    rounded = rounded_shift(distance * factor, reciprocal - result, mode)
                    wanted[n, row, group, channel] = points[4].round_only(rounded, there)
    made = np.empty(codes.shape, np.int64)
    kept = points if centered else points[1:]
    counts = counting.new_counts(len(kept), groups * channels)
    field = np.array([fine, reciprocal, result, code_of(mode), 0], np.int64)
    normalize(codes.astype(np.int32), zero_point, whole, centered, epsilon, field, made, counts)
    assert made.tolist() == wanted.tolist()
    for point, found in zip(kept, counts, strict=True):
        assert figures_of(found, positions=rows) == figures(point), point.name
    assert carried(counts).shape == counts.shape
