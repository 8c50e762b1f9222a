"""Real networks: they run on real targets, the oracle agrees, and memory stays flat."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from pipeline.plain import plain_network, plain_plan, plain_settings
from pipeline.test_oracle_agreement import compare_codes, compare_ledger, compare_values
from pipeline.tiny import Reals

import hwsim
from hwsim.network import AveragePool, Input, Network, Operation
from hwsim.report import PointFigures
from oracle.network import run as oracle

ROOT = Path(hwsim.__file__).parents[1]
MODELS = Path(__file__).parents[3] / "shared" / "models"
TARGETS = ["generic-int8", "edge-npu-acc20", "narrow-acc12-wrap"]


def model(name: str) -> Path:
    """Return the path of a model beside the checkout; skip the test if it is missing."""
    path = MODELS / name
    if not path.exists():
        pytest.skip(f"{name} is not beside the checkout")
    return path


def images(count: int, size: int = 32) -> Reals:
    """Return noise of the range that the image network was trained for."""
    return np.random.default_rng(0).uniform(0, 255, (count, size, size, 3)).astype(np.float32)


def spectra(count: int) -> Reals:
    """Return noise in decibels, about what the audio network was trained for."""
    return np.random.default_rng(0).normal(-20, 5, (count, 640)).astype(np.float32)


DATA: dict[str, Callable[[int], Reals]] = {"pretrainedResnet.h5": images, "ad01.h5": spectra}


def check_whole(result: hwsim.Result) -> None:
    """Assert that a report has every layer and point, and that no figure is impossible."""
    report = result.report
    assert [one.name for one in report.layers] == [one.name for one in result.network.operations]
    assert len(report.points) == sum(len(one.points) for one in result.program.operations)
    for point in report.points:
        check_point(point)
    for layer in report.layers:
        assert layer.sqnr_cumulative_db is not None
        assert not math.isnan(layer.sqnr_cumulative_db)
        assert layer.max_error is not None
        assert 0 <= layer.max_error < math.inf
    for output in report.outputs:
        assert output.top1_agreement is None or 0 <= output.top1_agreement <= 1
    json.loads(report.to_json())
    assert hwsim.Report.from_json(report.to_json()) == report
    assert str(report)


def check_point(point: PointFigures) -> None:
    """Assert that the figures of a point are possible."""
    where = (point.layer, point.point)
    counts = (point.values, point.low, point.high, point.transient, point.persistent, point.inexact)
    assert min(counts) >= 0, where
    assert point.hits <= point.values, where
    assert point.inexact <= point.values, where
    assert 0 <= point.hit_rate <= 1, where
    assert min(point.clamp_rms_lsb, point.clamp_rms_real, point.round_rms_lsb, point.round_rms_real) >= 0, where
    assert abs(point.round_bias_lsb) <= 1, where
    assert point.round_rms_lsb <= 1, where
    assert point.unit > 0, where
    assert all(hits >= 0 for hits in point.channel_hits), where
    assert sum(point.channel_hits) == point.hits, where
    assert all(count >= 0 for count in point.histogram), where
    assert not (point.proven and point.hits and point.kind_of_point != "once"), where
    if point.minimum is not None and point.maximum is not None:
        assert point.minimum <= point.maximum, where
        if point.proven and point.bound is not None and point.kind_of_point == "stage":
            assert point.bound[0] <= point.minimum <= point.maximum <= point.bound[1], where


# Trained models


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", DATA)
def test_trained_models_run(name: str, target: str) -> None:
    result = hwsim.run(model(name), target, DATA[name](8))
    check_whole(result)
    assert result.report.samples == 8


@pytest.mark.parametrize("name", DATA)
def test_trained_models_keep_their_signal_in_8_bits(name: str) -> None:
    result = hwsim.run(model(name), "generic-int8", DATA[name](16))
    for layer in result.report.layers:
        assert layer.sqnr_cumulative_db is not None
        assert layer.sqnr_cumulative_db > 20, layer
        assert layer.sqnr_local_db is None or layer.sqnr_local_db > 30, layer
    assert all(point.proven for point in result.report.points if point.kind_of_point == "stage")
    if name == "pretrainedResnet.h5":
        assert result.report.outputs[0].top1_agreement is not None
        assert result.report.outputs[0].top1_agreement >= 0.9


@pytest.mark.parametrize("name", DATA)
def test_a_narrow_accumulator_overflows_and_the_report_says_where(name: str) -> None:
    wide, narrow = (
        hwsim.run(model(name), target, DATA[name](4)) for target in ("generic-int8", "narrow-acc16-saturate")
    )
    hits = [point for point in narrow.report.points if point.point == "accumulator" and point.hits]
    assert hits
    for point in hits:
        assert point.first.startswith("sample ")
        assert point.persistent + point.transient > 0
        assert point.bits_needed is not None
        assert point.bits_needed > 16
    assert (narrow.report.outputs[0].sqnr_db or 0) < (wide.report.outputs[0].sqnr_db or 0) - 10


def agree(network: Network, target: str, data: Reals) -> None:
    """Assert that the oracle computes the same codes, accumulators and ledger."""
    result = hwsim.run(network, target, data, reference=False)
    names = [one.name for one in network.operations]
    ours = result.program.run(data, trace=names)
    theirs = oracle(
        plain_network(network), plain_plan(result.plan), plain_settings(network, hwsim.load_target(target)),
        [data.tolist()],
    )  # fmt: skip
    compare_codes(result.program, ours, theirs.codes)
    compare_values(ours, theirs.values)
    compare_ledger(ours, theirs.ledger)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["edge-npu-acc20", "generic-int8", "narrow-acc12-wrap"])
def test_the_oracle_agrees_on_a_whole_autoencoder(target: str) -> None:
    agree(hwsim.load(model("ad01.h5")), target, spectra(1))


def cropped(network: Network, size: int) -> Network:
    """Return an image network for smaller images: the last pooling shrinks with them."""
    operations: list[Operation] = []
    for one in network.operations:
        if isinstance(one, Input):
            operations.append(replace(one, shape=(size, size, 3)))
        elif isinstance(one, AveragePool):
            window = (one.window[0] * size // 32, one.window[1] * size // 32)
            operations.append(replace(one, window=window, strides=window))
        else:
            operations.append(one)
    return replace(network, operations=tuple(operations))


@pytest.mark.parametrize(
    ("target", "size"),
    [
        ("edge-npu-acc20", 4),
        pytest.param("narrow-acc12-wrap", 4, marks=pytest.mark.slow),
        pytest.param("generic-int8", 8, marks=pytest.mark.slow),
        pytest.param("edge-npu-acc20", 16, marks=pytest.mark.slow),
    ],
)
def test_the_oracle_agrees_on_a_residual_network(target: str, size: int) -> None:
    agree(cropped(hwsim.load(model("pretrainedResnet.h5")), size), target, images(2 if size == 4 else 1, size))


# Large architectures


def application(make: Callable[..., Any], size: int) -> Any:
    """Return an architecture with seeded weights and normalisations that do something."""
    keras.utils.set_random_seed(0)
    built = make(weights=None, input_shape=(size, size, 3))
    generator = np.random.default_rng(0)
    for layer in built.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(generator.normal(0, 0.1, layer.moving_mean.shape))
            layer.moving_variance.assign(generator.uniform(0.5, 1.5, layer.moving_variance.shape))
    return built


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("make", "size", "samples"),
    [
        (keras.applications.MobileNetV2, 32, 2),
        (keras.applications.ResNet50, 32, 2),
        (keras.applications.InceptionV3, 75, 2),
        (keras.applications.InceptionV3, 299, 1),
    ],
    ids=["MobileNetV2", "ResNet50", "InceptionV3", "InceptionV3 in full"],
)
def test_applications(make: Callable[..., Any], size: int, samples: int, target: str, tmp_path: Path) -> None:
    data = np.random.default_rng(1).random((samples, size, size, 3), np.float32)
    result = hwsim.run(application(make, size), target, data)
    check_whole(result)
    result.report.to_html(tmp_path / "report.html")
    again = result.program.run(data, batch_size=1)
    np.testing.assert_array_equal(again.codes[result.network.outputs[0]], result.codes)
    assert again.ledger == result.ledger
    if target == "generic-int8" and size < 299:
        result.program.save(tmp_path / "program.hwsim")
        loaded = hwsim.Program.load(tmp_path / "program.hwsim").run(data)
        np.testing.assert_array_equal(loaded.codes[result.network.outputs[0]], result.codes)
        assert loaded.ledger == result.ledger


# Memory

PEAK = """
import resource, sys
import numpy as np
import hwsim
from hwsim.network import Conv2D, Input, Network, Relu, MaxPool

samples, reference = int(sys.argv[1]), sys.argv[2] == "reference"
generator = np.random.default_rng(0)

def conv(name, source, inputs):
    kernel = generator.normal(0, 0.3, (1, 1, inputs, 16)).astype(np.float32)
    return Conv2D(name=name, inputs=(source,), kernel=kernel, bias=np.zeros(16, np.float32), activation=Relu())

network = Network(
    name="flat",
    operations=(
        Input(name="image", shape=(96, 96, 3)),
        conv("one", "image", 3),
        conv("two", "one", 16),
        MaxPool(name="small", inputs=("two",), window=(96, 96), strides=(1, 1)),
    ),
    outputs=("small",),
)
calibration = generator.random((4, 96, 96, 3), np.float32)
stream = (generator.random((1, 96, 96, 3), np.float32) for _ in range(samples))
result = hwsim.run(
    network, "generic-int8", stream, calibration=calibration, reference=reference, batch_size=8
)
assert len(result.codes) == samples
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_mib(samples: int, mode: str) -> int:
    """Return the most memory that a streamed run of its own process took."""
    roots = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(samples), mode],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": roots, "HWSIM_THREADS": "2"},
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["integers", "reference"])
def test_memory_does_not_grow_with_the_data(mode: str) -> None:
    # 128 samples are the largest block of a float run; one tensor of 384 samples more has 216 MiB in float32
    few, many = peak_mib(128, mode), peak_mib(512, mode)
    assert many - few < 60, (few, many)
