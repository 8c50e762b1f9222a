"""What is decided about a Keras model is what TensorFlow's converter decides.

The converter's calibrator runs TensorFlow Lite's float kernels, which sum in another order than Keras: its ranges
differ in their last bits. On its own ranges everything must be equal; on those of the float run here, scales may differ
by a few steps of float32, and what follows from them by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import layers
from lite.converted import (
    CASES,
    CONSTANTS,
    IMAGE,
    OPERATORS,
    Build,
    Shape,
    chain,
    conv,
    convert_model,
    converted_to_float,
    made,
)
from lite.deciding import Pair, calibrated_ranges, float_constants, own_constants, pair
from lite.judge import codes_for, judged
from lite.networks import NETWORKS

import hwsim
from hwsim.quantize import collect, decide

ALL = {**CASES, **OPERATORS, **CONSTANTS, **NETWORKS}
STEPS = 16
"""By how many float32 numbers a scale may be off where ranges come from other float kernels."""

Models = dict[str, tuple[Any, list[Any]]]
Files = dict[str, tuple[Path, Any, dict[str, Any]]]


@dataclass
class Share:
    """How many of some things are equal, by what they are."""

    equal: dict[str, int]
    all: dict[str, int]

    def add(self, what: str, equal: int, together: int) -> None:
        """Count some more."""
        self.equal[what] = self.equal.get(what, 0) + equal
        self.all[what] = self.all.get(what, 0) + together

    def of(self, what: str) -> float:
        """Return the share of equal ones."""
        return self.equal[what] / self.all[what]

    def __str__(self) -> str:
        return "\n".join(f"{what:14} {self.equal[what]:6} of {self.all[what]:6}" for what in self.all)


def counted(share: Share, found: Pair, codes: Any, wanted: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Take in what is equal of one network; return the differing codes."""
    for what, values in (
        ("scales", [one == 0 for one in found.scale_steps().values()]),
        ("zero points", [one == 0 for one in found.zero_points().values()]),
        ("weight scales", list(found.weight_scales().values())),
        ("weights", [one == 0 for one, _ in found.stored_codes().values()]),
        ("biases", [one == 0 for _, one in found.stored_codes().values()]),
    ):
        share.add(what, sum(values), len(values))
    differing = found.differing(codes, wanted)
    share.add("codes", sum(one for _, one in differing.values()), sum(map(sum, differing.values())))
    return differing


@pytest.mark.parametrize("name", ALL)
def test_all_is_equal_on_the_calibrators_ranges(name: str, models: Models, files: Files) -> None:
    """Scales, zero points, weights, biases, and every code of every tensor, are the converter's and interpreter's."""
    path, codes, wanted = files[name]
    model, samples = models[name]
    found = pair(model, samples, path, ranges=calibrated_ranges(model, samples, path))
    share = Share({}, {})
    counted(share, found, codes, wanted)
    assert share.equal == share.all, (found.scale_steps(), found.zero_points(), found.stored_codes())
    assert share.all["codes"] > 0
    assert share.all["scales"] >= 2


@pytest.mark.parametrize("name", [*CONSTANTS, "as MobileNetV2", "as Inception"])
def test_constants_are_the_converters_before_quantisation(name: str, models: Models, tmp_path: Path) -> None:
    """What has weights or a constant is the same operation with the same numbers in float32, to the last bit."""
    model, path = models[name][0], tmp_path / "float.tflite"
    path.write_bytes(converted_to_float(model))
    assert own_constants(hwsim.load(model, target="tflite-int8")) == float_constants(path)


def test_most_is_equal_on_the_float_runs_ranges(
    models: Models, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scales are off by some steps of float32, zero points, biases and codes by 1 where that meets a tie."""
    share, furthest = Share({}, {}), 0
    for name in ALL:
        (model, samples), (path, codes, wanted) = models[name], files[name]
        found = pair(model, samples, path)
        differing = counted(share, found, codes, wanted)
        steps, stored = found.scale_steps(), found.stored_codes()
        furthest = max(furthest, *steps.values())
        assert furthest <= STEPS, (name, steps)
        assert max(found.zero_points().values()) <= 1, name
        assert all(weights == 0 and bias <= 1 for weights, bias in stored.values()), (name, stored)
        if not any(steps.values()):
            assert not any(one for one, _ in differing.values()), (name, differing)
    with capsys.disabled():
        print(f"\nequal to the converter's decisions, on the ranges of the float run:\n{share}")
        print(f"scales are off by {furthest} steps of float32 at most")
    assert share.of("weight scales") == share.of("weights") == 1
    assert share.of("scales") > 0.4
    assert share.of("zero points") > 0.97
    assert share.of("biases") > 0.95
    assert share.of("codes") > 0.999


@pytest.mark.slow
@pytest.mark.parametrize("name", ["concatenate", "as MobileNetV2", "sigmoid", "tanh", "softmax, quantize"])
def test_all_is_equal_with_16_bits(name: str, models: Models, tmp_path: Path) -> None:
    path = tmp_path / "wide.tflite"
    model, samples = models[name]
    path.write_bytes(convert_model(model, samples, wide=True))
    found = pair(model, samples, path, "tflite-int16x8", calibrated_ranges(model, samples, path))
    codes = codes_for(path, 4)
    (wanted,) = judged([path], [codes])
    share = Share({}, {})
    counted(share, found, codes, wanted)
    assert share.equal == share.all


def filled(value: float) -> Any:
    """Return a function that fills an array."""

    def change(array: Any) -> Any:
        return np.full_like(array, value)

    return change


def changed(build: Build, shape: Shape = IMAGE, **arrays: Any) -> tuple[Any, list[Any]]:
    """Return a model of which one layer's weights are others, and its samples."""
    model, samples = made(shape, build)
    layer = model.layers[1]
    layer.set_weights([arrays[name](np.asarray(one)) for name, one in zip(arrays, layer.get_weights(), strict=True)])
    return model, samples


def one_channel(factor: float) -> Any:
    """Return a function that multiplies the second channel."""

    def change(kernel: Any) -> Any:
        kernel[..., 1] *= factor
        return kernel

    return change


@pytest.mark.parametrize("factor", [0.0, 1e-9, 1e-6])
@pytest.mark.parametrize("bias", [0.0, 0.5, -3.0, 1e-9])
def test_channels_of_nothing(factor: float, bias: float, tmp_path: Path) -> None:
    """A channel of zeros has a tiny scale, which grows until its bias fits."""
    path = tmp_path / "file.tflite"
    model, samples = changed(conv(), kernel=one_channel(factor), bias=filled(bias))
    path.write_bytes(convert_model(model, samples))
    found = pair(model, samples, path, ranges=calibrated_ranges(model, samples, path))
    assert not any(found.scale_steps().values())
    assert all(found.weight_scales().values())
    assert set(found.stored_codes().values()) == {(0, 0)}


@pytest.mark.parametrize("bias", [-1.0, 0.0, 1e-7, 1e-6, 2e-6, 0.5])
def test_tensors_of_nothing(bias: float, tmp_path: Path) -> None:
    """A tensor whose values are all the same, or nearly 0."""
    path = tmp_path / "file.tflite"
    build = chain(conv(kernel_size=1, activation="relu"), layers.Conv2D(2, 1))
    model, samples = changed(build, kernel=filled(0.0), bias=filled(bias))
    path.write_bytes(convert_model(model, samples))
    found = pair(model, samples, path, ranges=calibrated_ranges(model, samples, path))
    assert not any(found.scale_steps().values())
    assert not any(found.zero_points().values())
    assert all(found.weight_scales().values())


def test_micro_decides_the_same(models: Models) -> None:
    """TensorFlow Lite Micro runs files of the same converter."""
    model, samples = models["as MobileNetV2"]
    networks = [hwsim.load(model, target=target) for target in ("tflite-int8", "tflite-micro-int8")]
    plans = [
        decide(one, collect(one, [[np.concatenate(samples)]]), hwsim.load_target(target))
        for one, target in zip(networks, ("tflite-int8", "tflite-micro-int8"), strict=True)
    ]
    assert plans[0].tensors == plans[1].tensors
    assert plans[0].weights == plans[1].weights


def test_another_target_decides_otherwise(models: Models, files: Files) -> None:
    """The judge can fail: with double precision and scales of their own, scales are not the converter's."""
    path, _, _ = files["concatenate"]
    model, samples = models["concatenate"]
    ranges = calibrated_ranges(model, samples, path)
    network = hwsim.load(model)
    own = decide(network, collect(network, [[np.concatenate(samples)]]), hwsim.load_target("generic-int8"))
    wanted = pair(model, samples, path, ranges=ranges).stored
    assert {one.scale for one in own.tensors.values()}.isdisjoint({one.scale for one in wanted.tensors.values()})
