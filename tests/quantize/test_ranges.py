"""Ranges by square error, relative entropy and fitted distributions, against brute force, plain Python and SciPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, optimize, stats

from hwsim.formats import IntFormat
from hwsim.quantize import Statistics
from hwsim.quantize.distributions import fit_distributions
from hwsim.quantize.entropy import BINS, least_divergence, tried_ends
from hwsim.quantize.ranges import activation_range, binned, cells_of, grid_of, range_of, weight_range, weight_ranges
from hwsim.quantize.scales import choose_scale
from hwsim.quantize.square_error import Cells, Grid, Points, least_square_error
from hwsim.target.settings import Activations, RangeMethod, TensorFormat, Weights

Reals = NDArray[np.float64]
SEARCHED = ("mean_square", "kl", "fitted")
GRIDS: dict[str, dict[str, Any]] = {
    "symmetric": {"symmetric": True},
    "narrow": {"symmetric": True, "narrow": True},
    "free": {"symmetric": False},
    "unsigned": {"symmetric": True, "signed": False},
    "powers": {"symmetric": True, "step": "power_of_two"},
    "free powers": {"symmetric": False, "step": "power_of_two"},
}


def form_of(method: str, **given: Any) -> TensorFormat:
    """Return a format whose range is chosen by ``method``."""
    return Activations(range=RangeMethod.model_validate({"method": method}), **given)


def sample(kind: str, count: int, seed: int = 5) -> NDArray[np.float32]:
    """Return values of one shape."""
    rng = np.random.default_rng(seed)
    values = {
        "normal": rng.normal(size=count),
        "laplace": rng.laplace(size=count),
        "relu": np.maximum(rng.normal(size=count), 0),
        "shifted": rng.normal(0.7, 1, count),
        "outliers": rng.normal(size=count) * np.where(np.arange(count) % 100 == 7, 20.0, 1.0),
        "negative": -rng.gamma(2.0, 1.0, count),
        "uniform": rng.uniform(-1, 2, count),
    }[kind]
    return values.astype(np.float32)


def true_error(values: NDArray[np.float32], low: float, high: float, form: TensorFormat) -> float:
    """Return the sum of squared errors of quantising ``values``, one by one, as docs/arithmetic.md section 3 says."""
    codes = form.integer_format()
    powers = form.step == "power_of_two"
    scale, zero = choose_scale(low, high, codes, symmetric=form.symmetric, power_of_two=powers)
    errors = []
    for value in values.tolist():
        code = min(max(round(value / scale) + zero, codes.minimum), codes.maximum)
        errors.append((scale * (code - zero) - value) ** 2)
    return math.fsum(errors)


# Square error


@given(
    low=st.floats(-1e6, 0, width=32),
    high=st.floats(0, 1e6, width=32),
    bits=st.integers(1, 16),
    kind=st.sampled_from(list(GRIDS)),
)
def test_scales_of_rows_are_those_of_the_plan(low: float, high: float, bits: int, kind: str) -> None:
    form = form_of("mean_square", bits=max(bits, 2) if kind == "narrow" else bits, **GRIDS[kind])
    grid = grid_of(form)
    scale, zero = grid.scales(np.array([low]), np.array([high]))
    wanted = choose_scale(low, high, grid.form, symmetric=grid.symmetric, power_of_two=grid.power_of_two)
    assert (scale[0], zero[0]) == wanted


@pytest.mark.parametrize("kind", GRIDS)
@pytest.mark.parametrize("bits", [2, 5, 8])
def test_errors_of_points_are_those_of_real_codes(kind: str, bits: int) -> None:
    form = form_of("mean_square", bits=bits, **GRIDS[kind])
    values = sample("shifted", 100)
    total, outside = Points(values[None].astype(np.float64)).errors(
        np.array([0]), np.array([-0.5]), np.array([1.25]), grid_of(form)
    )
    assert total[0] == pytest.approx(true_error(values, -0.5, 1.25, form), rel=1e-12)
    assert 0 <= outside[0] < total[0]


@pytest.mark.parametrize("edges", [(-0.2, 0.9), (0.31, 0.33), (-5.0, 7.0), (1.1, 3.0), (0.5, 0.5)])
def test_errors_of_cells_are_integrals(edges: tuple[float, float]) -> None:
    grid = Grid(IntFormat(bits=3), symmetric=False, power_of_two=False)
    low, high = np.array([-0.7]), np.array([1.3])
    scale, zero = choose_scale(-0.7, 1.3, grid.form, symmetric=False, power_of_two=False)

    def squared(place: float) -> float:
        code = min(max(round(place / scale) + zero, -4), 3)
        return (scale * (code - zero) - place) ** 2

    first, last = edges
    breaks = [scale * (code + 0.5) for code in range(-8, 8) if first < scale * (code + 0.5) < last]
    wanted = squared(first)
    if last > first:
        wanted = integrate.quad(squared, first, last, points=breaks or None)[0] / (last - first)
    cells = Cells(np.array([first]), np.array([last]), np.array([3.0]))
    assert cells.errors(np.array([0]), low, high, grid)[0][0] == pytest.approx(3 * wanted, rel=1e-9)


@pytest.mark.parametrize("kind", ["normal", "laplace", "shifted", "outliers", "uniform"])
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("grid", ["symmetric", "narrow", "powers"])
def test_no_clip_of_a_fine_grid_errs_less(kind: str, bits: int, grid: str) -> None:
    form = form_of("mean_square", bits=bits, **GRIDS[grid])
    values = sample(kind, 150)
    low, high = weight_range(values, form)
    reach = float(np.abs(values).max())
    tried = [true_error(values, -reach * share, reach * share, form) for share in np.linspace(0.004, 1, 250)]
    found = true_error(values, low, high, form)
    # the search steps by 1 %, and the error of so few values is ragged
    assert found <= min(tried) * 1.06
    assert found <= true_error(values, float(values.min()), float(values.max()), form)
    assert values.min() <= low <= high <= values.max()


@pytest.mark.parametrize("kind", ["laplace", "shifted", "outliers", "negative", "relu"])
@pytest.mark.parametrize("bits", [3, 6])
def test_no_pair_of_ends_of_a_grid_errs_less(kind: str, bits: int) -> None:
    form = form_of("mean_square", bits=bits, symmetric=False)
    values = sample(kind, 100)
    low, high = weight_range(values, form)
    lows, highs = (
        np.unique(end * np.linspace(0.05, 1, 30)) for end in (min(values.min(), 0.0), max(values.max(), 0.0))
    )
    tried = [true_error(values, one, other, form) for one in lows for other in highs]
    assert true_error(values, low, high, form) <= min(tried) * 1.05


@pytest.mark.parametrize(
    ("bits", "step"), [(2, 0.9957), (3, 0.5860), (4, 0.3352), (5, 0.1881)], ids=["4", "8", "16", "32"]
)
def test_steps_for_a_normal_density_are_those_of_max(bits: int, step: float) -> None:
    """J. Max, "Quantizing for minimum distortion", 1960, table II, where codes lie at odd halves of a step."""
    edges = np.linspace(-8, 8, 4097)
    # the same quantiser with a code at 0: the density moves by half a step
    density = np.diff(stats.norm.cdf(edges + step / 2))
    grid = Grid(IntFormat(bits=bits), symmetric=True, power_of_two=False)
    reach = np.array([6.0])
    low, high = least_square_error(Cells(edges[:-1], edges[1:], density), grid, -reach, reach)
    assert grid.scales(low, high)[0][0] == pytest.approx(step, rel=0.015)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("kind", ["laplace", "outliers", "shifted"])
def test_what_ends_a_pass_early_changes_nothing(grid: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    form = form_of("mean_square", bits=4, **GRIDS[grid])
    rows = sample(kind, 1200).reshape(8, -1)
    short = weight_ranges(rows, form)
    errors = Points.errors

    def endless(self: Points, *given: Any) -> tuple[Reals, Reals]:
        total, outside = errors(self, *given)
        return total, outside * 0

    monkeypatch.setattr(Points, "errors", endless)
    assert weight_ranges(rows, form) == short


@pytest.mark.parametrize("method", ["minmax", "percentile", "mean_square", "kl"])
def test_rows_do_not_know_of_each_other(method: str) -> None:
    form = form_of(method, bits=4)
    rows = np.stack([sample(kind, 500) for kind in ("normal", "outliers", "relu", "negative")])
    assert weight_ranges(rows, form) == [weight_range(row, form) for row in rows]


@pytest.mark.parametrize("bits", [3, 8])
@pytest.mark.parametrize("symmetric", [True, False])
def test_many_weights_go_by_bins(bits: int, symmetric: bool) -> None:
    form = form_of("mean_square", bits=bits, symmetric=symmetric)
    values = sample("laplace", 70_000)
    ends = values.min(keepdims=True).astype(np.float64), values.max(keepdims=True).astype(np.float64)
    exact = least_square_error(Points(values[None].astype(np.float64)), grid_of(form), *ends)
    best = true_error(values, float(exact[0][0]), float(exact[1][0]), form)
    assert true_error(values, *weight_range(values, form), form) <= 1.005 * best


# Relative entropy


def judged(histogram: list[float], levels: int) -> int:
    """Return where to clip, transcribed in plain lists from the description in docs/arithmetic.md."""
    counts = [histogram[1], *histogram[1:]]
    found, least = len(counts), math.inf
    for end in reversed([*range(levels, len(counts), 16), len(counts)]):
        kept = counts[:end]
        wanted = [*kept[:-1], kept[-1] + sum(counts[end:])]
        given: list[float] = []
        for level in range(levels):
            first, last = level * end // levels, (level + 1) * end // levels
            used = [wanted[place] > 0 for place in range(first, last)]
            share = sum(kept[first:last]) / max(sum(used), 1)
            given += [share if one else 0.0 for one in used]
        divergence = float(stats.entropy(wanted, given)) if sum(given) else math.inf
        if divergence < least - 1e-12:
            found, least = end, divergence
    return found


@pytest.mark.parametrize("kind", ["normal", "laplace", "relu", "outliers", "uniform"])
@pytest.mark.parametrize("levels", [2, 8, 128, 256])
def test_divergence_against_plain_lists(kind: str, levels: int) -> None:
    values = np.abs(sample(kind, 3000))
    histogram = np.histogram(values, BINS, (0, values.max()))[0].astype(np.float64)
    assert least_divergence(histogram[None], levels).tolist() == [judged(histogram.tolist(), levels)]


def test_ends_that_are_tried() -> None:
    assert tried_ends(128)[:2] == [128, 144]
    assert tried_ends(2)[-1] == BINS
    assert least_divergence(np.ones((2, BINS)), BINS).tolist() == [BINS, BINS]
    assert least_divergence(np.zeros((2, BINS)), 16).tolist() == [BINS, BINS]


@pytest.mark.parametrize("kind", ["laplace", "relu", "negative", "outliers"])
def test_entropy_of_weights_and_of_their_bins(kind: str) -> None:
    form = form_of("kl", bits=4)
    values = sample(kind, 60_000)
    exact = weight_range(values, form)
    rough = range_of(form, *binned(values), float(values.min()), float(values.max()))
    assert rough == pytest.approx(exact, rel=0.15)
    assert exact[1] - exact[0] < 0.95 * (values.max() - values.min())


# Fitted distributions


@pytest.mark.parametrize(
    ("frozen", "name"),
    [
        (stats.norm(0.3, 2), "normal"),
        (stats.laplace(-1, 2), "laplace"),
        (stats.gennorm(0.6, 0, 1), "generalised normal"),
        (stats.uniform(-1, 3), "uniform"),
        (stats.halfnorm(0, 2), "half-normal"),
        (stats.expon(0, 2), "exponential"),
        (stats.gamma(5, 0, 2), "gamma"),
    ],
)
def test_fits_name_where_values_come_from(frozen: Any, name: str) -> None:
    values = frozen.rvs(20_000, random_state=3).astype(np.float32)
    fits = fit_distributions(*binned(values))
    close = [fit.name for fit in fits if fit.distance <= fits[0].distance + 0.01]
    assert name in close
    assert fits[0].distance < 0.02
    places = np.linspace(values.min(), values.max(), 50)
    assert np.abs(fits[0].cdf(places) - frozen.cdf(places)).max() < 0.03


@pytest.mark.parametrize("frozen", [stats.norm(0, 2), stats.laplace(0, 3)])
@pytest.mark.parametrize("bits", [2, 4])
def test_fitted_ranges_against_integration(frozen: Any, bits: int) -> None:
    form = form_of("fitted", bits=bits, symmetric=True, narrow=True)
    values = frozen.rvs(50_000, random_state=8).astype(np.float32)
    statistics = Statistics()
    statistics.add(values)
    most = 2 ** (bits - 1) - 1

    def part(code: int, step: float, first: float, last: float) -> float:
        def weighted(place: float) -> float:
            return float((place - step * code) ** 2 * frozen.pdf(place))

        return float(integrate.quad(weighted, first, last)[0])

    def expected(clip: float) -> float:
        step = clip / most
        edges = [0.0, *(step * (code + 0.5) for code in range(most)), np.inf]
        return sum(part(code, step, edges[code], edges[code + 1]) for code in range(most + 1))

    deviation = float(frozen.std())
    best = optimize.minimize_scalar(expected, bounds=(0.3 * deviation, 12 * deviation), method="bounded")
    low, high = activation_range(statistics, form)
    assert max(-low, high) <= np.abs(values).max()
    assert expected(max(-low, high)) == pytest.approx(best.fun, rel=0.01)
    assert max(-low, high) == pytest.approx(best.x, rel=0.06)


def test_fitted_rows_differ_by_their_deviation() -> None:
    base = sample("laplace", 20_000).reshape(4, -1)
    base /= np.sqrt(np.mean(base**2, axis=1, keepdims=True))
    rows = base * np.array([[1], [2], [4], [0]], np.float32)
    ranges = weight_ranges(rows, form_of("fitted", bits=4, symmetric=True))
    reach = [max(-low, high) for low, high in ranges]
    assert reach[1] == pytest.approx(2 * reach[0], rel=1e-4)
    assert reach[2] == pytest.approx(4 * reach[0], rel=1e-4)
    assert ranges[3] == (0, 0)


# Every method


@pytest.mark.parametrize("method", SEARCHED)
def test_single_weights_are_their_ranges(method: str) -> None:
    values = sample("laplace", 1000)
    assert weight_ranges(values[:, None], form_of(method)) == [(value, value) for value in values.tolist()]


def test_more_rows_than_histograms_are_held() -> None:
    form = form_of("kl", bits=4)
    rows = sample("laplace", 600 * 40).reshape(600, 40)
    ranges = weight_ranges(rows, form)
    assert len(ranges) == 600
    assert [ranges[row] for row in (0, 511, 512, 599)] == [weight_range(rows[row], form) for row in (0, 511, 512, 599)]


@pytest.mark.parametrize("method", SEARCHED)
@pytest.mark.parametrize("kind", ["laplace", "relu", "outliers", "negative"])
@pytest.mark.parametrize("bits", [1, 16])
@pytest.mark.parametrize("symmetric", [True, False])
def test_ranges_lie_within_what_was_seen(method: str, kind: str, bits: int, symmetric: bool) -> None:
    form = form_of(method, bits=bits, symmetric=symmetric)
    values = sample(kind, 2000)
    statistics = Statistics()
    statistics.add(values)
    for low, high in (activation_range(statistics, form), weight_range(values, form)):
        assert min(values.min(), 0) <= low <= high <= max(values.max(), 0)


@pytest.mark.parametrize("method", SEARCHED)
@pytest.mark.parametrize(
    "values", [[0.0, 0.0], [3.0], [-2.0, -2.0], [1e-42, -1e-42], [3e38, -3e38, 1.0], [0.0, 0.0, 1.0], [1e-30, 2e-30]]
)
@pytest.mark.parametrize("symmetric", [True, False])
def test_odd_tensors(method: str, values: list[float], symmetric: bool) -> None:
    form = form_of(method, symmetric=symmetric)
    array = np.array(values, np.float32)
    statistics = Statistics()
    statistics.add(array)
    for low, high in (activation_range(statistics, form), weight_range(array, form)):
        assert min(array.min(), 0) <= low <= high <= max(array.max(), 0)
        # all that is there is worth keeping
        assert max(-low, high) >= 0.5 * np.abs(array).max()


@pytest.mark.parametrize("method", SEARCHED)
def test_a_fixed_binary_point_has_the_whole_range(method: str) -> None:
    form = Weights(fraction_bits=3, range=RangeMethod.model_validate({"method": method}))
    values = sample("outliers", 500)
    assert weight_range(values, form) == (values.min(), values.max())


@pytest.mark.parametrize("method", ["minmax", "percentile"])
def test_other_methods_need_no_bins(method: str) -> None:
    with pytest.raises(ValueError, match=f"^{method} needs no bins$"):
        range_of(form_of(method), np.array([1.0]), np.array([1]), 1.0, 1.0)


@settings(max_examples=50)
@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=20))
def test_cells_hold_the_values_of_their_bins(values: list[float]) -> None:
    array = np.array(values, np.float32)
    cells = cells_of(*binned(array), float(array.min()), float(array.max()))
    assert cells.counts.sum() == array.size
    for value in array.tolist():
        assert ((cells.first - 1e-36 <= value) & (value <= cells.last + 1e-36)).any()
    assert (cells.first[1:] >= cells.last[:-1] - 1e-36).all()
