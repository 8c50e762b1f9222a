"""Networks of keras.applications through TensorFlow's converter: every tensor is that of each implementation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest
from applications.networks import build, images, smallest
from lite import judge, test_implementations
from lite.converted import convert_model
from lite.judge import codes_for
from lite.test_interpreter import compare

LEAST = {"EfficientNetB0": 200, "InceptionV3": 110, "MobileNetV2": 60}
"""The tensors that are at least compared."""


@pytest.fixture(scope="module", params=LEAST)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Any]:
    """Return the name of a network, its file, and codes of its input."""
    name: str = request.param
    data = images(name, smallest(name), 4)
    model = build(name, data, 10)
    fixed = keras.Input(model.input.shape[1:], batch_size=1)
    path = tmp_path_factory.mktemp(name) / "network.tflite"
    path.write_bytes(convert_model(keras.Model(fixed, model(fixed)), [one[None] for one in data]))
    return name, path, codes_for(path, 2)


@pytest.mark.slow
def test_every_tensor(network: tuple[str, Path, Any]) -> None:
    name, path, codes = network
    (wanted,) = judge.judged([path], [codes])
    assert compare(path, codes, wanted, lively=False) >= LEAST[name]


@pytest.mark.slow
@pytest.mark.parametrize("target", test_implementations.JUDGES)
def test_every_tensor_of_other_implementations(network: tuple[str, Path, Any], target: str) -> None:
    name, path, codes = network
    (wanted,) = test_implementations.judged(target, [path], [codes])
    assert compare(path, codes, wanted, target, lively=False) >= LEAST[name]
