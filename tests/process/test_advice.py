"""What is advised: it can be pasted, and it does what was said of it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pipeline.tiny import narrow_target, target_with
from process.cases import network, samples

import hwsim
from hwsim.process.remedies import remedies
from hwsim.target import Target, load_target


def pasted(target: Target, text: str) -> Target:
    """Return the target of a file into which YAML was pasted, in place of its ``layers``."""
    kept: dict[str, Any] = yaml.safe_load(target.to_yaml())
    kept.pop("layers", None)
    return Target.from_dict(yaml.safe_load(yaml.safe_dump(kept) + text))


@pytest.mark.parametrize(
    "target",
    [
        narrow_target(12),
        narrow_target(12, layers={"st*": {"requantize": {"rounding": "half_even"}}}),
        target_with(weights={"bits": 3, "granularity": "layer"}),
        target_with(activations={"bits": 5, "symmetric": True, "range": {"method": "percentile", "percent": 90.0}}),
        target_with(requantize={"rounding": "floor"}, activations={"bits": 6}),
    ],
)
def test_advice_can_be_pasted_and_does_what_it_says(target: Target) -> None:
    small, data = network(), samples()
    found = hwsim.attribute(small, target, data)
    assert 1 <= len(found.advice) <= 3
    for one in found.advice:
        assert one.gain_db == pytest.approx(one.sqnr_db - found.whole.sqnr_db)
        assert one.flips <= one.flips_before == found.whole.flips
        if one.yaml:
            again = hwsim.run(small, pasted(target, one.yaml), data)
        else:
            again = hwsim.run(small, target, data, techniques=[one.technique])
        assert again.report.outputs[0].sqnr_db == pytest.approx(one.sqnr_db)
        assert again.report.outputs[0].flip_count == one.flips
    assert found.advice[0].gain_db > 3


def test_narrow_accumulators_are_widened_to_the_bits_needed() -> None:
    small, data = network(), samples()
    best = hwsim.attribute(small, narrow_target(12), data).advice[0]
    layers = yaml.safe_load(best.yaml)["layers"]
    widths = {name: one["mac"]["stages"][0]["bits"] for name, one in layers.items()}
    wide = hwsim.run(small, target_with(), data)
    for row in wide.ledger:
        if row.point.name == "accumulator" and row.layer in widths:
            assert row.bits_needed is not None and 12 < widths[row.layer] <= row.bits_needed + 1
    assert best.gain_db > 10


def test_biased_rounding_is_replaced() -> None:
    small, data = network(), samples()
    target = target_with(requantize={"rounding": "floor"}, activations={"bits": 6})
    found = hwsim.attribute(small, target, data)
    assert any("half_even" in one.yaml and "requantize" in one.yaml for one in found.advice)


def test_clipped_calibration_is_noticed() -> None:
    small, data = network(), samples()
    found = hwsim.attribute(small, target_with(), data * 8, calibration=data)
    assert [one.text for one in found.advice if "calibrate" in one.text]
    assert found.advice[0].gain_db > 10
    assert not [
        one
        for one in hwsim.attribute(small, target_with(), data, calibration=data).advice
        if not one.yaml and not one.technique
    ]


def test_remedies_of_every_shipped_target_keep_its_rules() -> None:
    from hwsim.report.figures import CostFigures

    small = network()
    for name in ("nvdla", "tensil", "hls4ml", "gemmini", "imc-adc6", "max78000", "tflite-int8", "ethos-u55"):
        target = load_target(name)
        costs = [
            CostFigures(layer=layer, kind="", point=point, points=(point,), state="matters")
            for layer, points in {
                "stem": (
                    "weight",
                    "bias",
                    target.settings("conv2d", "stem").mac.stages[0].name,
                    "requantize",
                    "output",
                ),
                "image": ("input",),
                "mean": ("accumulator", "division"),
                "join": ("accumulator", "requantize"),
            }.items()
            for point in points
        ]
        needed = {(one.layer, point): 50 for one in costs for point in one.points}
        found = list(remedies(costs, small, target, needed))
        assert len(found) > 3
        assert all(one.layers for one in found)
