"""Figures of errors and nearest codes against plain Python: fractions, and sums in the order that is promised."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hwsim_kernels.measure import DEEP, ERROR, LANES, LARGEST, SIGNAL, compare, nearest

TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float64"]

MANY = 2 * DEEP + 1


def reals(samples: int, values: int, spread: float = 3.0, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, spread, (samples, values)).astype(np.float32)


def codes_of(kind: str, samples: int, values: int, seed: int = 1) -> NDArray[Any]:
    generator = np.random.default_rng(seed)
    if kind == "float64":
        return generator.normal(0, 3, (samples, values))
    limits = np.iinfo(kind)
    return generator.integers(limits.min, limits.max, (samples, values), kind, endpoint=True)


def figures(exact: NDArray[Any], codes: NDArray[Any], scale: float, zero_point: float) -> list[list[float]]:
    """Return the figures of each sample, one Python float after another."""
    found: list[list[float]] = []
    for wanted, given in zip(exact.tolist(), codes.tolist(), strict=True):
        signal, error, largest = [0.0] * LANES, [0.0] * LANES, 0.0
        for i, (real, code) in enumerate(zip(wanted, given, strict=True)):
            apart = scale * (code - zero_point) - real
            signal[i % LANES] += real * real
            error[i % LANES] += apart * apart
            largest = max(largest, abs(apart))
        total_signal = total_error = 0.0
        for one, other in zip(signal, error, strict=True):  # not sum(), which corrects itself from Python 3.12 on
            total_signal += one
            total_error += other
        found.append([total_signal, total_error, largest])
    return found


def measured(exact: NDArray[Any], codes: NDArray[Any], scale: float, zero_point: float) -> NDArray[np.float64]:
    out = np.full((len(exact), 2, 3), np.nan)
    compare(exact, codes, codes, scale, zero_point, out)
    assert out[:, 0].tolist() == out[:, 1].tolist() or np.isnan(out).any()
    return out[:, 0]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("values", [1, LANES - 1, LANES, LANES + 1, DEEP * LANES, MANY * LANES, MANY * LANES + 3])
def test_figures_are_sums_in_the_order_of_the_lanes(kind: str, values: int) -> None:
    exact, codes = reals(2, values), codes_of(kind, 2, values)
    scale, zero_point = (1.0, 0.0) if kind == "float64" else (0.0371, 3.0)
    assert measured(exact, codes, scale, zero_point).tolist() == figures(exact, codes, scale, zero_point)


def test_figures_agree_with_exact_sums() -> None:
    exact, codes = reals(3, 3000), codes_of("int8", 3, 3000)
    found = measured(exact, codes, 0.1, -5.0)
    for sample in range(3):
        apart = [
            Fraction(0.1) * (int(code) + 5) - Fraction(float(real))
            for real, code in zip(exact[sample], codes[sample], strict=True)
        ]
        assert found[sample, SIGNAL] == pytest.approx(
            float(sum(Fraction(float(one)) ** 2 for one in exact[sample])), rel=1e-13
        )
        assert found[sample, ERROR] == pytest.approx(float(sum(one * one for one in apart)), rel=1e-13)
        assert found[sample, LARGEST] == pytest.approx(float(max(map(abs, apart))), rel=1e-15)


def test_two_results_are_measured_as_each_alone() -> None:
    exact, results = reals(3, 3000), (codes_of("uint8", 3, 3000), codes_of("uint8", 3, 3000, seed=2))
    out = np.full((3, 2, 3), np.nan)
    compare(exact, *results, 0.3, 100.0, out)
    for number, codes in enumerate(results):
        assert out[:, number].tolist() == measured(exact, codes, 0.3, 100.0).tolist()


def test_samples_do_not_touch_one_another() -> None:
    exact, codes = reals(5, 777), codes_of("int8", 5, 777)
    whole = measured(exact, codes, 0.02, 1.0)
    for sample in range(5):
        alone = measured(exact[sample : sample + 1], codes[sample : sample + 1], 0.02, 1.0)
        assert alone.tolist() == whole[sample : sample + 1].tolist()


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
def test_the_signal_shows_what_is_not_finite(wrong: float) -> None:
    exact, codes = reals(2, 300), codes_of("int8", 2, 300)
    exact[1, 270] = wrong
    with np.errstate(invalid="ignore"):
        found = measured(exact, codes, 0.02, 1.0)
    assert np.isfinite(found[:, SIGNAL]).tolist() == [True, False]


def test_the_largest_real_values_have_a_finite_signal() -> None:
    exact = np.full((1, 5000), np.finfo(np.float32).max)
    assert np.isfinite(measured(exact, np.zeros((1, 5000), np.int8), 1.0, 0.0)).all()


@pytest.mark.parametrize("kind", TYPES[:-1])
@pytest.mark.parametrize("scale", [0.5, 0.1, 0.0371])
@pytest.mark.parametrize("values", [1, 9 * LANES + 5])
def test_nearest_codes(kind: str, scale: float, values: int) -> None:
    limits, zero_point = np.iinfo(kind), 3
    exact = reals(2, values, spread=40.0)
    exact[:, ::3] = np.rint(exact[:, ::3] * 4) / 4  # with a scale of 0.5 many of these lie in the middle of two codes
    exact[0, 0] = 1e30
    out = np.zeros(exact.shape, kind)
    nearest(exact, scale, float(zero_point), float(limits.min), float(limits.max), out)
    low, high = int(limits.min), int(limits.max)
    wanted = [[min(max(round(real / scale) + zero_point, low), high) for real in row] for row in exact.tolist()]
    assert out.tolist() == wanted


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("scale", [0.0371, 1.0, 3e-5, 1e-38, 1e33])
def test_nearest_codes_about_the_middle_of_two(kind: str, scale: float) -> None:
    limits, zero_point = np.iinfo(kind), -2
    middles = ((np.arange(limits.min - 3, limits.max + 3) + 0.5) * scale).astype(np.float32)
    around = [middles]
    for side in (np.float32(-np.inf), np.float32(np.inf)):
        around += [np.nextafter(middles, side), np.nextafter(np.nextafter(middles, side), side)]
    exact = np.stack(around)
    out = np.zeros(exact.shape, kind)
    nearest(exact, scale, float(zero_point), float(limits.min), float(limits.max), out)
    low, high = int(limits.min), int(limits.max)
    assert out.tolist() == [
        [min(max(round(real / scale) + zero_point, low), high) for real in row] for row in exact.tolist()
    ]


def test_of_two_codes_as_near_the_even_one_before_the_zero_point_is_taken() -> None:
    exact = np.array([[-1.25, -0.75, -0.25, 0.25, 0.75, 1.25]], np.float32)
    out = np.zeros(exact.shape, np.int8)
    nearest(exact, 0.5, 1.0, -128.0, 127.0, out)
    assert np.array_equal(out, [[-1, -1, 1, 1, 3, 3]])
