"""Levels that are fitted, and scales that are shared: against scikit-learn, all possible levels, and fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from hwsim.formats import IntFormat
from hwsim.quantize.levels import codebook, lloyd_max, logarithmic, quadratic, shared_scale

MOST = 3


def error_of(values: np.ndarray, counts: np.ndarray, levels: np.ndarray) -> float:
    """Return the sum of squared distances of values from the nearest level."""
    return float((((values[:, None] - levels) ** 2).min(axis=1) * counts).sum())


@given(st.lists(st.tuples(st.integers(-30, 30), st.integers(1, 9)), min_size=1, max_size=8), st.integers(1, 4))
def test_few_values_get_the_best_levels_that_there_are(pairs: list[tuple[int, int]], number: int) -> None:
    held = dict(pairs)
    values, counts = np.array(sorted(held), float), np.array([held[one] for one in sorted(held)])
    levels = lloyd_max(values, counts, number)
    assert levels.size == min(number, values.size)
    best = min(
        sum(
            float((counts[a:b] * (values[a:b] - np.average(values[a:b], weights=counts[a:b])) ** 2).sum())
            for a, b in zip((0, *cuts), (*cuts, values.size), strict=True)
        )
        for cuts in combinations(range(1, values.size), levels.size - 1)
    )
    assert error_of(values, counts, levels) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("number", [2, 7, 16])
@pytest.mark.parametrize("shape", ["bell", "tails", "half", "steps"])
def test_levels_are_as_good_as_those_of_k_means(shape: str, number: int) -> None:
    random = np.random.default_rng(number)
    values = {
        "bell": random.normal(size=4000),
        "tails": random.normal(size=4000) ** 5,
        "half": np.maximum(random.normal(size=4000), 0),
        "steps": random.integers(0, 40, 4000) * 1.0,
    }[shape]
    found, counts = np.unique(values.astype(np.float64), return_counts=True)
    levels = lloyd_max(found, counts, number)
    theirs = KMeans(number, n_init=3, random_state=0).fit(found[:, None], sample_weight=counts).inertia_
    assert error_of(found, counts, levels) <= theirs * 1.001
    assert (np.diff(levels) > 0).all()


@given(
    st.lists(st.tuples(st.floats(-9, 9), st.integers(1, 9)), min_size=1, max_size=30),
    st.integers(2, 4),
    st.booleans(),
)
def test_a_codebook_ascends_and_holds_zero(pairs: list[tuple[float, int]], bits: int, signed: bool) -> None:
    held = dict(pairs)
    values = np.array(sorted(held if signed else {abs(one) for one in held}))
    widest = IntFormat(bits=bits + 1, signed=signed)
    levels = codebook(values, np.ones(values.size, int), 1 << bits, widest)
    assert len(levels) == 1 << bits
    assert list(levels) == sorted(set(levels))
    assert 0 in levels
    assert widest.holds(levels[0], levels[-1])


def test_a_codebook_of_values_that_fit_is_exact() -> None:
    values = np.array([-100.0, -7.0, 0.0, 1.0, 2.0, 90.0])
    levels = codebook(values, np.array([1, 5, 9, 3, 3, 1]), 8, IntFormat(bits=8))
    assert set(values.astype(int).tolist()) <= set(levels)


def test_a_format_too_narrow_for_the_levels_is_refused() -> None:
    with pytest.raises(ValueError, match="16 levels do not fit s3"):
        codebook(np.array([1.0]), np.array([1]), 16, IntFormat(bits=3))


@pytest.mark.parametrize("form", [IntFormat(bits=4), IntFormat(bits=4, narrow=True), IntFormat(bits=3, signed=False)])
def test_formulas(form: IntFormat) -> None:
    codes = range(form.minimum, form.maximum + 1)
    signs = [(code > 0) - (code < 0) for code in codes]
    assert quadratic(form) == tuple(sign * code**2 for sign, code in zip(signs, codes, strict=True))
    assert logarithmic(form) == tuple(
        int(sign * 2.0 ** (abs(code) - 1)) for sign, code in zip(signs, codes, strict=True)
    )


@given(st.lists(st.floats(2.0**-20, 2.0**20) | st.just(0.0), min_size=1, max_size=6))
def test_shared_scales_cover_and_are_no_larger_than_they_must(wanted: list[float]) -> None:
    (scale,), shifts = shared_scale(np.array(wanted)[:, None], MOST)
    largest = max(wanted)
    if not largest:
        assert scale > 0
        return
    held = [Fraction(scale) * 2**shift for shift in shifts[:, 0].tolist()]
    assert max(held) == largest
    for one, got in zip(wanted, held, strict=True):
        halves = [Fraction(largest) / 2**n for n in range(MOST + 1) if Fraction(largest) / 2**n >= Fraction(one)]
        assert got == (min(halves) if one else min(held))


def test_no_shared_scale_is_subnormal() -> None:
    scale, shift = shared_scale(np.array([[2.0**-124], [2.0**-126]]), MOST)
    assert (scale.tolist(), shift.tolist()) == ([2.0**-126], [[2], [0]])
