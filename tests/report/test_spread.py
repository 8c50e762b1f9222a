"""How values lie about codes: counts against plain Python, drawings against the figures."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report.synthetic import LAYER, POINT, TENSOR

from hwsim.formats import IntFormat
from hwsim.network import Dense, Input, Network
from hwsim.program.records import Tensor
from hwsim.quantize import Plan
from hwsim.quantize.plan import WeightPlan
from hwsim.report.figures import FINEST
from hwsim.report.page.spread_plots import GRID, spreads
from hwsim.report.spread import BINS, MOST_VALUES, bit_weights, equal_bins, some, tensor_figures, weight_figures

INT8 = IntFormat(bits=8, signed=True)


@given(st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 0.5, -0.5, 2.0**-8, 2.0**-9, 1.0, 127.5]), min_size=1))
@settings(deadline=None)
def test_bit_weights_count_powers_of_two(values: list[float]) -> None:
    expected: dict[int, int] = {}
    for value in values:
        magnitude, j = abs(Fraction(value)), 0
        while magnitude >= Fraction(2) ** (j - FINEST):
            j += 1
        expected[j] = expected.get(j, 0) + 1
    found = bit_weights(np.array(values))
    assert {j: count for j, count in enumerate(found) if count} == expected


@given(st.lists(st.integers(-1000, 1000), min_size=1))
@settings(deadline=None)
def test_equal_bins_count_every_value_once(values: list[int]) -> None:
    low, high = min(values), max(values)
    found = equal_bins(np.array(values, np.float64), low, high)
    assert sum(found) == len(values)
    expected = [0] * (1 if low == high else BINS)
    for value in values:
        expected[0 if low == high else min((value - low) * BINS // (high - low), BINS - 1)] += 1
    assert abs(np.array(found) - expected).sum() <= 2 * sum(
        (one - low) * BINS % max(high - low, 1) == 0 for one in values
    )


def test_values_are_counted_in_lsb_of_the_output() -> None:
    tensor = Tensor(name="x", shape=(4,), format=INT8, scale=0.5, zero_point=-128)
    found = tensor_figures(
        "conv1", tensor, np.array([[0.0, 0.2, 1.0, 127.5], [0.25, -0.25, 127.74, 127.8]], np.float32)
    )
    assert found is not None
    assert (found.low, found.high, found.scale, found.values) == (0, 255, 0.5, 8)
    assert [found.minimum, found.maximum] == pytest.approx([-0.5, 255.6])
    # 127.74 is 255.48 LSB and rounds to 255, -0.25 is -0.5 LSB and at the limit; 0.2 is 0.4 LSB
    assert (found.outside, found.below) == (1, 1)
    assert sum(found.bits) == sum(found.counts) == 8
    assert found.bits[0] == 1


def test_levels_and_shifts_give_range_and_unit() -> None:
    form = IntFormat(bits=2, signed=True)
    levels = Tensor(name="x", shape=(2,), format=form, scale=2.0, levels=(-9, 0, 1, 20))
    found = tensor_figures("a", levels, np.array([[-18.0, 44.0]], np.float32))
    assert found is not None and (found.low, found.high, found.outside, found.scale) == (-9, 20, 1, 2.0)
    shifted = Tensor(name="x", shape=(2,), format=form, scale=1.0, shift=(0, 3))
    found = tensor_figures("a", shifted, np.array([[1.0, 8.0]], np.float32))
    assert found is not None and (found.minimum, found.maximum, found.scale) == (1.0, 1.0, None)


def test_reals_on_the_host_have_no_codes_to_lie_about() -> None:
    assert tensor_figures("a", Tensor(name="x", shape=(2,), format=None), np.zeros((1, 2), np.float32)) is None


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_lie_nowhere(wrong: float) -> None:
    tensor = Tensor(name="x", shape=(2,), format=INT8)
    assert tensor_figures("a", tensor, np.array([[1.0, wrong], [2.0, 3.0]], np.float32)) is None


def test_weights_are_counted_in_lsb_of_their_channel() -> None:
    kernel = np.array([[0.5, 4.0], [-1.27, 0.04], [0.0, 12.8]], np.float32)
    dense = Dense(name="d", inputs=("x",), kernel=kernel, bias=np.zeros(2, np.float32))
    network = Network(name="n", operations=(Input(name="x", shape=(3,)), dense), outputs=("d",))
    entry = WeightPlan(bits=8, signed=True, narrow=True, scale=(0.01, 0.1), zero_point=(0, 0))
    [found] = weight_figures(network, Plan(network="n", target="t", tensors={}, weights={"d": entry}))
    assert (found.layer, found.tensor, found.low, found.high, found.scale) == ("d", "weight", -127, 127, None)
    assert [found.minimum, found.maximum] == pytest.approx([-127, 128])
    assert (found.outside, found.below) == (1, 1)


def test_no_more_values_are_looked_at_than_said() -> None:
    values = np.arange(5 * 1000 * 100, dtype=np.float32).reshape(5, 1000, 100)
    rows = some(values)
    assert rows.size <= MOST_VALUES < 2 * rows.size + 200
    assert rows.shape[1] == 100 and (rows[0] == values[0, 0]).all()


def test_drawing_shows_word_range_and_losses() -> None:
    [drawn] = spreads([TENSOR], [LAYER], [POINT]).shown
    bins = len(TENSOR.bits)
    # the word's 8 bits lie to the left of 1 LSB; 2**-8 and zero are the last bars
    step = 264 / bins
    assert drawn.word == (round((bins - 1 - 8 - FINEST) * step, 1), round((bins - 1 - FINEST) * step, 1))
    assert [one.css for one in drawn.weights] == ["zero", "below", "inside", "outside"]
    assert drawn.weights[0].path == f"M{bins - 1} {GRID}V0"
    assert {one.css for one in drawn.sizes} == {"inside"}
    width = 264 / 262
    assert drawn.range == (round(2 * width, 1), round(257 * width, 1))
    assert drawn.ends == ("0", "5.1")
    assert drawn.losses == "3.00 % outside range, 2.00 % below precision"
    assert drawn.nearest.startswith("nearest but for zeros: ")
    assert drawn.lost


def test_layers_that_only_move_values_are_not_drawn() -> None:
    assert not spreads([TENSOR], [LAYER], []).shown
    assert not spreads([replace(TENSOR, layer="other")], [LAYER], [POINT]).shown


def test_values_that_are_all_equal_have_no_density() -> None:
    flat = replace(TENSOR, minimum=3.0, maximum=3.0, counts=(1000,))
    [drawn] = spreads([flat], [LAYER], [POINT]).shown
    assert (drawn.density, drawn.nearest) == ("", "all values are equal")
    assert math.isfinite(drawn.range[1])
