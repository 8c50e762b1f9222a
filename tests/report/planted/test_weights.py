"""Planted into weights: channels that differ, under one scale for the whole layer."""

from __future__ import annotations

import pytest
from report.planted.mobile import DEPTHWISE, mobile
from report.planted.naming import LARGEST_SHARE, WORSE_DB, assert_named_first, costs_of, sound_sqnr, sqnr_of
from report.planted.plants import made, outlier_channel

import hwsim
from hwsim.process.attribution import attributed
from hwsim.process.case import case_of


@pytest.mark.parametrize(
    ("layer", "factor"), [("first_depthwise", 48), pytest.param("last_depthwise", 64, marks=pytest.mark.slow)]
)
def test_outlier_channel_of_a_depthwise_layer(layer: str, factor: float) -> None:
    assert_named_first(outlier_channel(layer, factor))


@pytest.mark.slow
@pytest.mark.parametrize("channel", [0, 15])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("layer", ["first_depthwise", "middle_depthwise", "last_depthwise"])
def test_outlier_in_any_channel(layer: str, channel: int, seed: int) -> None:
    """What feeds the channel is made that much smaller, so the fault may cost more there than in the layer itself."""
    planted, feeder = outlier_channel(layer, 64, channel, seed), layer.replace("depthwise", "expand")
    result = planted.case.run()
    first = costs_of(planted.case, result)[0]
    assert sqnr_of(result) <= sound_sqnr(seed) - WORSE_DB
    assert (first.layer, first.point) in {(layer, "weight"), (feeder, "weight"), (feeder, "output")}


def test_folded_depthwise_layers_are_found() -> None:
    network = hwsim.load(mobile())
    per_layer = made(network, weights={"granularity": "layer"})
    per_channel = made(network, weights={"granularity": "output_channel"})
    result, fine = per_layer.run(), per_channel.run()
    assert sqnr_of(result) < sqnr_of(fine) - 6

    case = case_of(result, per_layer.target, per_layer.data)
    with attributed(result, case, None, len(per_layer.data), quick=False) as found:
        costs, advice = [one for one in found.costs if one.cost is not None], found.advice
    assert all(one.layer in DEPTHWISE and one.point == "weight" for one in costs[:2])
    together = sum(one.cost or 0.0 for one in costs if one.layer in DEPTHWISE and one.point == "weight")
    assert together > 0.6
    local = [one.figures for one in result.report.worst_points() if one.figures.point == "weight"]
    assert {one.layer for one in local[:3]} == set(DEPTHWISE)

    without = costs_of(per_channel, fine)
    assert without[0].cost is not None
    assert without[0].cost < LARGEST_SHARE
    assert without[0].layer not in DEPTHWISE

    by_channel = [one for one in advice if "granularity: output_channel" in one.yaml]
    assert by_channel
    assert max(one.gain_db for one in by_channel) > 3
    assert any(name in one.yaml for one in by_channel for name in DEPTHWISE)
