"""A deployed file on other datapaths, measured against TensorFlow Lite's own arithmetic."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lite.converted import CASES
from lite.networks import NETWORKS

import hwsim
from hwsim.target import Target, load_target

Files = dict[str, tuple[Path, Any, dict[str, Any]]]


def narrowed(bits: int) -> Target:
    """Return TensorFlow Lite's arithmetic with an accumulator of so many bits that saturates after every product."""
    given: Any = load_target("tflite-int8").model_dump(mode="json", exclude_unset=True)
    stage = {"name": "accumulator", "bits": bits, "overflow": "saturate", "check": "each"}
    return Target.from_dict({**given, "name": "narrowed", "mac": {"stages": [stage]}})


@pytest.mark.parametrize("name", ["conv", "concatenate", "softmax", "as MobileNetV2", "as ResNet"])
def test_against_itself_nothing_is_lost(name: str, files: Files) -> None:
    path, codes, _ = files[name]
    result = hwsim.run(path, "tflite-int8", codes, reference="tflite-int8")
    for layer in result.report.layers:
        assert layer.max_error == 0
        assert layer.rmse_lsb in (0, None)
        assert layer.sqnr_cumulative_db == math.inf
        assert layer.sqnr_local_db in (math.inf, None)
    for output in result.report.outputs:
        assert output.max_error == 0
        assert output.flip_count == 0
    np.testing.assert_array_equal(result.reference, result.outputs)
    assert "reference: the same plan on the target 'tflite-int8', not float" in result.report.notes


def test_the_reference_is_what_the_file_gives(files: Files) -> None:
    path, codes, _ = files["as ResNet"]
    exact = hwsim.run(path, "tflite-int8", codes).outputs
    found = hwsim.run(path, "edge-npu-acc20", codes, reference="tflite-int8", batch_size=2)
    np.testing.assert_array_equal(found.reference, exact)
    assert found.reference.dtype == np.float64
    largest = np.abs(found.outputs - exact).max()
    assert largest > 0
    assert found.report.outputs[0].max_error == pytest.approx(largest, rel=1e-12)


@pytest.mark.parametrize("name", [*CASES, *NETWORKS])
def test_every_file_runs_on_a_20_bit_accumulator(name: str, files: Files) -> None:
    path, codes, _ = files[name]
    result = hwsim.run(path, "edge-npu-acc20", codes, reference="tflite-int8")
    assert result.report.samples == len(codes)
    assert all(layer.max_error is not None for layer in result.report.layers)


@pytest.mark.parametrize("bits", [13, 14, 15, 16, 17])
def test_errors_begin_where_sums_are_clamped(bits: int, files: Files) -> None:
    """With a narrow accumulator and nothing else changed, equal inputs give other results only where sums clamp."""
    path, codes, _ = files["as ResNet"]
    found = hwsim.run(path, narrowed(bits), codes, reference="tflite-int8")
    network, errors = hwsim.load(path), {one.name: one.max_error for one in found.report.layers}
    begins = {
        name for name, error in errors.items() if error and not any(errors[one] for one in network.by_name[name].inputs)
    }
    assert begins <= clamped(found)
    assert bool(begins) == any(errors.values())
    assert bits > 15 or begins


def test_a_wide_accumulator_loses_nothing(files: Files) -> None:
    path, codes, _ = files["as ResNet"]
    found = hwsim.run(path, narrowed(24), codes, reference="tflite-int8")
    assert not clamped(found)
    assert not any(one.max_error for one in found.report.layers)


def clamped(result: hwsim.Result) -> set[str]:
    """Return the layers whose ledger has clamped sums."""
    names = ("accumulator", "bias_sum")
    return {one.layer for one in result.report.points if one.point in names and one.low + one.high}


def test_a_keras_model_too(models: dict[str, tuple[Any, list[Any]]]) -> None:
    """What the plan loses does not count, what the datapath loses does."""
    model, samples = models["as MobileNetV2"]
    data = np.concatenate(samples)
    wide = hwsim.run(model, "generic-int8", data, reference="generic-int8")
    assert all(one.max_error == 0 for one in wide.report.layers)
    narrow = hwsim.run(model, "narrow-acc16-saturate", data, reference="generic-int8")
    assert narrow.plan.tensors == wide.plan.tensors


def test_a_reference_that_is_no_target(files: Files) -> None:
    path, codes, _ = files["conv"]
    with pytest.raises(hwsim.TargetError, match="nowhere"):
        hwsim.run(path, "tflite-int8", codes, reference="nowhere")
