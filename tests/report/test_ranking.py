"""Losses at unlike points come to one measure: the RMS error in one output, in LSB of that output."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from report.synthetic import LAYER, POINT

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
