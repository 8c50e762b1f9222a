"""What the shipped targets are made of: the datapath that each name promises."""

from __future__ import annotations

import pytest

from hwsim.formats import Overflow, Rounding
from hwsim.target import load_target, shipped_targets
from hwsim.target.bounds import levels
from hwsim.target.target import KINDS


def test_generic_int8() -> None:
    target = load_target("generic-int8")
    assert (target.weights.bits, target.weights.granularity, target.weights.narrow) == (
        8,
        "output_channel",
        True,
    )
    assert (target.activations.bits, target.activations.symmetric) == (8, False)
    assert [(stage.bits, stage.overflow) for stage in target.mac.stages] == [(32, Overflow.WRAP)]
    assert (target.requantize.kind, target.requantize.multiplier_bits) == ("fixed", 32)
    assert target.requantize.rounding is Rounding.HALF_UP


def test_generic_int16() -> None:
    target = load_target("generic-int16")
    assert (target.weights.bits, target.activations.bits, target.activations.symmetric) == (8, 16, True)
    assert [(stage.bits, stage.overflow) for stage in target.mac.stages] == [(48, Overflow.SATURATE)]
    assert target.requantize.multiplier_bits == 16


def test_edge_npu_acc20() -> None:
    target = load_target("edge-npu-acc20")
    tree, accumulator = target.mac.stages
    assert (tree.terms, tree.bits, tree.overflow, tree.check) == (16, 20, Overflow.WRAP, "last")
    assert (accumulator.bits, accumulator.overflow, accumulator.check) == (20, Overflow.SATURATE, "each")
    assert (target.bias.bits, target.bias.position, target.bias.overflow) == (20, "first", Overflow.SATURATE)
    assert target.activations.range.percent == 99.99
    assert [level.holds for level in levels(target)] == [True, True, False]  # as its header says


def test_narrow_acc12_wrap() -> None:
    target = load_target("narrow-acc12-wrap")
    assert [(stage.bits, stage.overflow, stage.check) for stage in target.mac.stages] == [(12, Overflow.WRAP, "each")]
    assert target.bias.bits == 12
    assert levels(target)[-1].safe_products == 19  # as its header says


def test_pow2_int8() -> None:
    target = load_target("pow2-int8")
    assert {target.weights.step, target.activations.step} == {"power_of_two"}
    assert (target.requantize.kind, target.requantize.rounding) == ("power_of_two", Rounding.HALF_UP)


SOFTMAX = {
    "cmsis-nn": "fixed",
    "onnxruntime": "divided",
    "tflite-int16x8": "interpolated",
    "tflite-int8": "fixed",
    "tflite-int8-optimized": "table",
    "tflite-int8-single-rounding": "fixed",
    "tflite-int8-xnnpack": "table",
    "tflite-micro-int8": "fixed",
}


@pytest.mark.parametrize("name", shipped_targets())
@pytest.mark.parametrize("kind", KINDS)
def test_settings_of_every_kind(name: str, kind: str) -> None:
    assert load_target(name).settings(kind, "any").softmax.run_on == SOFTMAX.get(name, "host")
