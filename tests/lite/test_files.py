"""What is read of a file, what is refused, and how data may be given."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from lite.converted import CASES, IMAGE, chain, conv, convert

import hwsim
from hwsim.errors import HwsimError, ModelError, UnsupportedError
from hwsim.loaders.tflite_file import read_graph
from hwsim.network import Conv2D, Dense


@pytest.fixture(scope="module")
def content() -> bytes:
    """Return a small file."""
    return convert(*CASES["flatten, dense"])


@pytest.fixture
def path(content: bytes, tmp_path: Path) -> Path:
    """Return the path of the small file."""
    file = tmp_path / "small.tflite"
    file.write_bytes(content)
    return file


def test_codes_and_real_values_give_the_same(path: Path) -> None:
    network = hwsim.load(path)
    assert network.stored is not None
    (one,) = network.inputs
    stored = network.stored.tensors[one.name]
    codes = np.random.default_rng(0).integers(-128, 128, (5, *one.shape)).astype(np.int8)
    by_codes = hwsim.run(path, "tflite-int8", codes)
    by_values = hwsim.run(path, "tflite-int8", stored.scale[0] * (codes.astype(np.float64) - stored.zero_point[0]))
    by_network = hwsim.run(network, "tflite-int8", iter([codes]))
    np.testing.assert_array_equal(by_codes.codes, by_values.codes)
    np.testing.assert_array_equal(by_codes.codes, by_network.codes)
    assert "plan: the scales and zero points that the model file holds" in by_codes.report.notes
    assert len(np.unique(by_codes.codes)) > 1


def test_other_integers_are_real_values(path: Path) -> None:
    ones = np.ones((2, *IMAGE), np.int64)
    wanted = hwsim.run(path, "tflite-int8", ones.astype(np.float32))
    np.testing.assert_array_equal(hwsim.run(path, "tflite-int8", ones).codes, wanted.codes)


def test_a_calibration_takes_the_place_of_the_scales(path: Path) -> None:
    data = np.random.default_rng(0).normal(size=(4, *IMAGE)).astype(np.float32)
    found = hwsim.run(path, "generic-int8", data, calibration=data).plan
    assert found != hwsim.run(path, "generic-int8", data).plan


def test_weights_and_biases_come_back_exactly(path: Path) -> None:
    """The integers of the file are those of the program."""
    graph, network = read_graph(path), hwsim.load(path)
    assert network.stored is not None
    program = hwsim.run(path, "tflite-int8", np.zeros((1, *IMAGE), np.float32)).program
    compared = 0
    for operator in graph.operators:
        if operator.word in ("CONV_2D", "FULLY_CONNECTED"):
            weights, bias = operator.inputs[1], operator.inputs[2]
            assert weights is not None
            assert bias is not None
            assert weights.values is not None
            assert bias.values is not None
            (one,) = (each for each in program.operations if each.name == operator.outputs[0].name)
            outputs = weights.shape[0]
            np.testing.assert_array_equal(one.weights[0].T, weights.values.reshape(outputs, -1))  # type: ignore[attr-defined]
            np.testing.assert_array_equal(one.steps[0].constant, bias.values)  # type: ignore[attr-defined]
            assert isinstance(network.by_name[one.name], Conv2D | Dense)
            compared += 1
    assert compared == 2


def halved(x: Any) -> Any:
    """Return half of a tensor, rounded down."""
    return keras.ops.floor_divide(x, 2.0)


def test_what_is_not_read_is_listed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "refused.tflite"
    build = chain(conv(), keras.ops.cumsum, halved, keras.ops.cumsum)
    path.write_bytes(convert(IMAGE, build))
    with pytest.raises(UnsupportedError) as caught:
        hwsim.load(path)
    assert len(caught.value.layers) > 1
    assert any("CUMSUM, 2 times" in line for line in caught.value.layers)


def test_real_values_outside(tmp_path: Path) -> None:
    model = tmp_path / "real.tflite"
    model.write_bytes(convert(*CASES["dense"], real=True))
    assert hwsim.run(model, "tflite-int8", np.zeros((2, 10), np.float32)).codes.shape == (2, 7)


@pytest.mark.parametrize("text", [b"", b"TFL3", b"\0\0\0\0TFL3", b"\xff" * 64, b"\x10\0\0\0TFL3" + b"\xff" * 64])
def test_what_is_no_file(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.tflite"
    path.write_bytes(text)
    with pytest.raises(ModelError, match="damaged|not a .tflite file|version"):
        hwsim.load(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        hwsim.load(tmp_path / "missing.tflite")


def test_damage_is_an_error_in_words_or_another_model(content: bytes, tmp_path: Path) -> None:
    """Bytes that are changed or cut off never lead out of the file, nor to an error of another kind."""
    generator, path = random.Random(0), tmp_path / "damaged.tflite"
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(generator.choice([1, 4, 40])):
            damaged[generator.randrange(8, len(damaged))] = generator.choice([0, 1, 127, 128, 255])
        path.write_bytes(damaged[: generator.choice([len(damaged), generator.randrange(8, len(damaged))])])
        try:
            hwsim.load(path)
        except HwsimError:
            refused += 1
    assert refused > 50
