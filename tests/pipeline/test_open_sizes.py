"""Models that leave sizes open: data, calibration data or shapes give them, and every operation sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from pipeline.tiny import reals
from typer.testing import CliRunner

import hwsim
from hwsim.cli import app
from hwsim.data import OpenInput, Samples

IMAGES = reals(5, 8, 9, 3)


def open_model() -> Any:
    """Return a model of images of any size, whose result has a fixed one."""
    keras.utils.set_random_seed(1)
    image = keras.Input((None, None, 3), name="image")
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="conv")(image)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(x), name="open")


def open_sequence() -> Any:
    """Return a model of sequences of any length, with attention, whose scores depend on it."""
    keras.utils.set_random_seed(2)
    line = keras.Input((None, 8), name="line")
    x = layers.MultiHeadAttention(2, 4, name="attention")(line, line, use_causal_mask=True)
    x = layers.Conv1D(6, 3, padding="causal")(x + line)
    return keras.Model(line, layers.GlobalMaxPooling1D()(x))


@pytest.mark.parametrize(
    "data",
    [
        IMAGES,
        {"image": IMAGES},
        [IMAGES[:2], IMAGES[2:]],
        list(IMAGES),
        tf.data.Dataset.from_tensor_slices(IMAGES).batch(2),
        [(IMAGES, np.arange(5))],
    ],
    ids=["array", "mapping", "batches", "samples", "dataset", "labels"],
)
def test_the_data_gives_the_sizes(data: Any) -> None:
    model = open_model()
    result = hwsim.run(model, "generic-int8", data)
    assert result.network.inputs[0].shape == (8, 9, 3)
    assert result.report.samples == 5
    assert result.network.import_error is not None
    np.testing.assert_allclose(result.reference, model.predict(IMAGES, verbose=0), rtol=1e-4, atol=1e-5)


def test_nothing_of_an_iterator_is_lost() -> None:
    whole = hwsim.run(open_model(), "generic-int8", IMAGES)
    parts = hwsim.run(open_model(), "generic-int8", iter([IMAGES[:2], IMAGES[2:]]))
    np.testing.assert_array_equal(parts.codes, whole.codes)
    same = hwsim.run(open_model(), "generic-int8", IMAGES, calibration=iter([IMAGES]))
    assert same.plan.tensors == whole.plan.tensors


def test_other_data_gives_other_sizes() -> None:
    model = open_sequence()
    for length in (4, 7):
        data = reals(6, length, 8)
        result = hwsim.run(model, "generic-int16", data)
        wanted = model.predict(data, verbose=0)
        np.testing.assert_allclose(result.reference, wanted, rtol=1e-4, atol=1e-5)
        assert result.network.shapes["attention/softmax"] == (2, length, length)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_files_and_calibration(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model.{suffix}"
    open_model().save(path)
    by_data = hwsim.run(path, "generic-int8", IMAGES)
    by_calibration = hwsim.run(path, "generic-int8", calibration=IMAGES)
    assert by_data.network.shapes == by_calibration.network.shapes
    assert by_calibration.report.synthetic
    np.testing.assert_array_equal(by_data.codes, hwsim.run(open_model(), "generic-int8", IMAGES).codes)


def test_shapes_instead_of_data() -> None:
    network = hwsim.load(open_model(), shapes={"image": (8, 9, 3)})
    assert network.shapes == hwsim.run(open_model(), "generic-int8", IMAGES).network.shapes
    assert hwsim.truncation_points(network, "generic-int8").rows
    fixed = keras.Sequential([keras.Input((4,), name="x"), layers.Dense(2)])
    assert hwsim.load(fixed, shapes={"x": (4,)}).inputs[0].shape == (4,)


MESSAGES: dict[str, tuple[Callable[[Any], object], str]] = {
    "no data": (
        lambda model: hwsim.run(model, "generic-int8"),
        "image: the input shape (None, None, 3) leaves sizes open: give data or calibration data that has them, or the "
        "network hwsim.load(model, shapes={'image': (32, 32, 3)}); on the command line --data, or of points and "
        "profile --shape 'image=32,32,3'",
    ),
    "load": (hwsim.load, "leaves sizes open"),
    "points": (lambda model: hwsim.truncation_points(model, "generic-int8"), "leaves sizes open"),
    "other channels": (
        lambda model: hwsim.run(model, "generic-int8", reals(5, 8, 9, 4)),
        "input 'image' takes samples of shape (None, None, 3), the data has shape (5, 8, 9, 4)",
    ),
    "a single sample": (
        lambda model: hwsim.run(model, "generic-int8", IMAGES[0]),
        "takes samples of shape (None, None, 3), the data has shape (8, 9, 3); a single sample needs an axis in front",
    ),
    "two sizes of batches": (
        lambda model: hwsim.run(model, "generic-int8", [IMAGES[:2], IMAGES[2:, :7]]),
        "element 1 of the data: input 'image' takes samples of shape (8, 9, 3), as those before have, "
        "the data has shape (3, 7, 9, 3)",
    ),
    "two sizes of samples": (
        lambda model: hwsim.run(model, "generic-int8", iter([IMAGES[0], IMAGES[1, :, :5]])),
        "takes samples of shape (8, 9, 3), as those before have, the data has shape (8, 5, 3)",
    ),
    "another calibration": (
        lambda model: hwsim.run(model, "generic-int8", IMAGES, calibration=IMAGES[:, :5]),
        "input 'image' takes samples of shape (8, 9, 3), the data has shape (5, 5, 9, 3)",
    ),
    "empty": (lambda model: hwsim.run(model, "generic-int8", iter([])), "the data is empty"),
    "shapes that do not fit": (
        lambda model: hwsim.load(model, shapes={"image": (8, 9, 4)}),
        "image: the shape (8, 9, 4) is given for an input of the shape (None, None, 3)",
    ),
    "a size of 0": (
        lambda model: hwsim.load(model, shapes={"image": (0, 9, 3)}),
        "image: the shape (0, 9, 3) is given",
    ),
    "an unknown input": (
        lambda model: hwsim.load(model, shapes={"x": (8, 9, 3)}),
        "shapes are given for ['x'], the model's inputs are ['image']",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_is_wrong_is_said(name: str) -> None:
    call, message = MESSAGES[name]
    with pytest.raises(hwsim.HwsimError) as caught:
        call(open_model())
    assert message in str(caught.value)


def test_the_other_steps_take_the_sizes_from_data_too() -> None:
    model = open_model()
    assert hwsim.profile(model, IMAGES).tensors["image"].count == IMAGES.size
    assert hwsim.negligible(model, "edge-npu-acc20", IMAGES, samples=4).rows
    rows = hwsim.compare_techniques(model, "generic-int8", iter([IMAGES]), techniques=["correct_bias"]).rows
    assert [row.name for row in rows] == ["none", "correct_bias"]
    assert not any(row.failure for row in rows)


def test_commands(tmp_path: Path) -> None:
    model, data = str(tmp_path / "model.keras"), str(tmp_path / "images.npy")
    open_model().save(model)
    np.save(data, IMAGES)
    for words in (["run", model, "-t", "generic-int8"], ["analyse", model, "-t", "generic-int8"], ["profile", model]):
        found = CliRunner().invoke(app, [*words, "--data", data])
        assert found.exit_code == 0, found.output
    found = CliRunner().invoke(app, ["points", model, "-t", "generic-int8"])
    assert found.exit_code
    assert "leaves sizes open" in found.output
    for words in (["points", model, "-t", "generic-int8"], ["profile", "--weights", model]):
        found = CliRunner().invoke(app, [*words, "--shape", "image=8,9,3"])
        assert found.exit_code == 0, found.output
    for shape, said in (("8,9,3", "takes an input's name"), ("image=8,x", "takes sizes above 0"), ("x=8,9,3", "['x']")):
        found = CliRunner().invoke(app, ["points", model, "-t", "generic-int8", "--shape", shape])
        assert found.exit_code
        assert said in found.output


def test_samples_settle_once() -> None:
    samples = Samples(iter([IMAGES[0], IMAGES[1]]), [OpenInput("image", (None, 9, None))])
    assert samples.settle() == {"image": (8, 9, 3)}
    assert samples.inputs == [OpenInput("image", (8, 9, 3))]
    assert [len(block[0]) for block in samples.blocks(8)] == [2]
