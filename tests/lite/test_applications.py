"""Networks of keras.applications through TensorFlow's converter: every tensor is that of each implementation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pytest
from applications.networks import build, images, smallest
from lite import judge, test_implementations
from lite.converted import convert_model
from lite.deciding import calibrated_ranges, pair
from lite.judge import codes_for
from lite.test_converter import Share, counted
from lite.test_interpreter import compare

LEAST = {"EfficientNetB0": 200, "InceptionV3": 110, "MobileNetV2": 60}
"""The tensors that are at least compared."""

DECIDED = {"EfficientNetB0": (235, 82, 928464), "InceptionV3": (126, 95, 1143080), "MobileNetV2": (66, 53, 284008)}
"""The tensors with scales, the layers with weights, and the codes that are decided about."""


@dataclass(frozen=True)
class Converted:
    """A network, the samples it was calibrated with, its file, and codes of its input."""

    name: str
    model: Any
    samples: list[Any]
    path: Path
    codes: Any


@pytest.fixture(scope="module", params=LEAST)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """Return a network that the converter has quantised."""
    name: str = request.param
    data = images(name, smallest(name), 4)
    inner = build(name, data, 10)
    fixed = keras.Input(inner.input.shape[1:], batch_size=1)
    model, samples = keras.Model(fixed, inner(fixed)), [one[None] for one in data]
    path = tmp_path_factory.mktemp(name) / "network.tflite"
    path.write_bytes(convert_model(model, samples))
    return Converted(name, model, samples, path, codes_for(path, 2))


@pytest.mark.slow
def test_every_tensor(network: Converted) -> None:
    (wanted,) = judge.judged([network.path], [network.codes])
    assert compare(network.path, network.codes, wanted, lively=False) >= LEAST[network.name]


@pytest.mark.slow
@pytest.mark.parametrize("target", test_implementations.JUDGES)
def test_every_tensor_of_other_implementations(network: Converted, target: str) -> None:
    (wanted,) = test_implementations.judged(target, [network.path], [network.codes])
    assert compare(network.path, network.codes, wanted, target, lively=False) >= LEAST[network.name]


@pytest.mark.slow
def test_all_is_decided_as_by_the_converter(network: Converted) -> None:
    """From the Keras model: scales, zero points, weights, biases, and all codes as the interpreter finds them."""
    (wanted,) = judge.judged([network.path], [network.codes])
    ranges = calibrated_ranges(network.model, network.samples, network.path)
    found, share = pair(network.model, network.samples, network.path, ranges=ranges), Share({}, {})
    counted(share, found, network.codes, wanted)
    tensors, layers, codes = DECIDED[network.name]
    wanted_share = dict.fromkeys(("scales", "zero points"), tensors) | {"codes": codes}
    wanted_share |= dict.fromkeys(("weight scales", "weights", "biases"), layers)
    assert share.equal == wanted_share, (found.scale_steps(), found.zero_points(), found.stored_codes())
    assert share.all == wanted_share
