"""Losses at unlike points come to one measure: the RMS error in one output, in LSB of that output."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from pipeline.tiny import image_network, reals, target_with
from report.synthetic import LAYER, POINT

import hwsim
from hwsim.network import Conv2D
from hwsim.report.ranking import layer_losses, point_losses, worst_first

OUT = replace(POINT, point="output", kind_of_point="value", values=1000, low=0, high=0, clamp_rms_real=0.0)


def test_clamping_of_sums_counts_once_per_output() -> None:
    sums = replace(POINT, values=64_000, sums=1000, clamp_rms_real=0.04)
    [loss, _] = point_losses([LAYER], [sums, OUT])
    assert loss.clamping == pytest.approx(0.04 / 0.02)


def test_errors_of_several_sums_and_products_add_up_in_one_output() -> None:
    tree = replace(POINT, values=64_000, sums=4000, clamp_rms_real=0.04)
    product = replace(OUT, point="product", values=64_000, inexact=1, round_rms_real=0.01)
    [in_tree, in_product, _] = point_losses([LAYER], [tree, product, OUT])
    assert in_tree.clamping == pytest.approx(2 * 0.04 / 0.02)
    assert in_product.round_off == pytest.approx(8 * 0.01 / 0.02)


def test_bias_errs_in_every_output_and_weights_count_in_their_own_unit() -> None:
    bias = replace(OUT, point="bias", kind_of_point="once", values=16, inexact=16, round_rms_real=0.01)
    weight = replace(bias, point="weight", values=144, round_rms_lsb=0.29, round_rms_real=5.0)
    [of_weight, of_bias, _] = point_losses([LAYER], [weight, bias, OUT])
    assert of_bias.round_off == pytest.approx(0.5)
    assert of_weight.round_off == 0.29
    assert layer_losses([LAYER], [weight, bias, OUT])[0].round_off == pytest.approx(0.5)


def test_worst_first_leaves_out_what_lost_nothing() -> None:
    mild = replace(POINT, point="input", kind_of_point="value", values=1000, clamp_rms_real=0.001)
    assert [one.figures.point for one in worst_first([LAYER], [OUT, mild, POINT])] == ["accumulator", "input"]


def test_points_of_unknown_or_float_layers_count_in_their_own_lsb() -> None:
    [loss] = point_losses([], [POINT])
    assert loss.clamping == POINT.clamp_rms_lsb
    [loss] = point_losses([replace(LAYER, scale=None)], [POINT])
    assert loss.total == POINT.clamp_rms_lsb


def test_worst_clamping_of_a_layer_is_the_one_that_costs_most() -> None:
    often = replace(OUT, high=900, hit_rate=0.9, clamp_rms_real=0.001)
    rare = replace(POINT, sums=1000, hit_rate=0.01, clamp_rms_real=1.0)
    [layer] = layer_losses([LAYER], [rare, often])
    assert layer.worst_clamping is rare
    assert layer.clamping == pytest.approx(math.hypot(1.0, 0.001) / 0.02)


SIGNAL = 0.61 * 10 ** (28.4 / 20)
"""The root mean square of the layer's output in LSB: its error is 0.61 LSB, 28.4 dB below it."""


def test_losses_are_relative_to_the_output() -> None:
    sums = replace(POINT, values=64_000, sums=1000, clamp_rms_real=0.04)
    [loss, _] = point_losses([LAYER], [sums, OUT])
    assert loss.relative == pytest.approx(2 / SIGNAL)
    [silent, _] = point_losses([replace(LAYER, sqnr_cumulative_db=-math.inf)], [sums, OUT])
    assert silent.relative == math.inf
    [exact, _] = point_losses([replace(LAYER, sqnr_cumulative_db=math.inf, rmse_lsb=0.0)], [sums, OUT])
    assert exact.relative == 0
    [unknown, _] = point_losses([replace(LAYER, sqnr_cumulative_db=None, rmse_lsb=None)], [sums, OUT])
    assert unknown.relative is None


def test_a_coarser_scale_is_worse_though_it_is_as_many_lsb() -> None:
    rounded = replace(OUT, point="requantize", inexact=1000, round_rms_lsb=0.289, round_rms_real=0.289 * 0.02)
    coarse = replace(LAYER, name="coarse", scale=0.32, sqnr_cumulative_db=28.4 - 20 * math.log10(16))
    other = replace(rounded, layer="coarse", round_rms_real=0.289 * 0.32)
    losses = worst_first([LAYER, coarse], [rounded, OUT, other])
    assert [one.figures.layer for one in losses] == ["coarse", "conv1"]
    assert losses[0].total == pytest.approx(losses[1].total)
    assert losses[0].relative == pytest.approx(16 * (losses[1].relative or 0))


def test_without_a_reference_lsb_decide() -> None:
    blind = replace(LAYER, sqnr_cumulative_db=None, rmse_lsb=None)
    mild = replace(POINT, point="input", kind_of_point="value", values=1000, clamp_rms_real=0.001)
    assert [one.figures.point for one in worst_first([blind], [OUT, mild, POINT])] == ["accumulator", "input"]


@pytest.mark.parametrize("granularity", ["layer", "output_channel"])
def test_error_of_weights_is_relative_to_their_channel(granularity: str) -> None:
    network, data = image_network(), reals(4, 6, 6, 3, seed=9)
    sizes = np.array([1.0, 0.05, 0.002, 1e-4], np.float32)  # of one scale the last two are 0, or nearly so
    depthwise = network.by_name["depthwise"]
    assert isinstance(depthwise, Conv2D)
    kernel = depthwise.kernel * sizes
    operations = tuple(replace(one, kernel=kernel) if one is depthwise else one for one in network.operations)
    network = replace(network, operations=operations)
    result = hwsim.run(network, target_with(weights={"granularity": granularity}), data)
    [found] = [one for one in result.report.points if (one.layer, one.point) == ("depthwise", "weight")]
    scale = np.asarray(result.plan.weights["depthwise"].scale)
    exact = kernel.astype(np.float64).reshape(-1, 4)
    stored = np.rint(exact / scale) * scale
    error, signal = np.square(stored - exact).sum(axis=0), np.square(stored).sum(axis=0)
    expected = np.sqrt(np.mean(error / np.maximum(signal, error)))
    assert found.relative_error == pytest.approx(expected, rel=1e-3)
    assert (expected > 0.5) == (granularity == "layer")
    assert all(one.relative_error is None for one in result.report.points if one.point != "weight")
