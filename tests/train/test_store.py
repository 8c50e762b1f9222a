"""The kernel store against transcriptions of its formulas in plain Python."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from pipeline.tiny import image_network, keras_model, reals

import hwsim
from hwsim.errors import ModelError
from hwsim.program.records import MultiplyAccumulate
from hwsim.train import Store, store_weights


def symmetric(values: list[float], bits: int = 8) -> list[float]:
    """Return what a store of one scale holds: clip, then round half to even, as the document has it."""
    limit = 2 ** (bits - 1) - 1
    s = max(map(abs, values)) / limit
    # Python's round is half to even
    return values if s == 0 else [round(max(-limit, min(limit, w / s))) * s for w in values]


def by_full_channel(kernel: np.ndarray, bits: int = 8) -> np.ndarray:
    """Return a kernel (h, w, inputs, outputs) held with a scale for each input and output channel."""
    held = np.empty(kernel.shape, np.float32)
    for i in range(kernel.shape[-2]):
        for o in range(kernel.shape[-1]):
            taps = kernel[..., i, o]
            held[..., i, o] = np.reshape(symmetric([float(w) for w in taps.ravel()], bits), taps.shape)
    return held


def mixed_model() -> Any:
    """Return a model with a kernel of every layout, and a batch normalisation."""
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.DepthwiseConv2D(2, depth_multiplier=2, name="deep")(x)
    x = layers.SeparableConv2D(5, 2, name="apart")(x)
    x = layers.Conv2DTranspose(3, 2, name="back")(x)
    model = keras.Model(inputs, layers.Dense(4, name="dense")(layers.Flatten()(x)))
    generator = np.random.default_rng(5)
    for weight in model.weights:
        weight.assign(generator.normal(1 if "variance" in weight.path else 0, 0.2, weight.shape))
    return model


def kernels(model: Any) -> dict[str, np.ndarray]:
    """Return every weight under its path."""
    return {weight.path: np.asarray(weight) for weight in model.weights}


@pytest.mark.parametrize("bits", [2, 4, 8, 11])
def test_full_channels_are_the_document_s_formula(bits: int) -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv")])
    kernel = reals(3, 3, 3, 4, seed=bits)
    kernel[..., 1, 2] = 0  # a range of nothing
    kernel[0, 0, 0, 0] = 40
    model.layers[0].kernel.assign(kernel)
    copy, report = store_weights(model, bits=bits)
    expected = by_full_channel(kernel, bits)
    assert (np.asarray(copy.layers[0].kernel) == expected).all()
    assert (np.asarray(model.layers[0].kernel) == kernel).all()
    loss = math.fsum((float(w) - float(q)) ** 2 for w, q in zip(kernel.ravel(), expected.ravel(), strict=True))
    assert report.loss == pytest.approx(loss, rel=1e-12)
    assert report.layers[0].max_error == pytest.approx(float(np.abs(kernel - expected).max()), rel=1e-6)
    assert (report.bits_before, report.bits_after) == (108 * 32, 108 * bits + 12 * 32)


def test_ties_go_to_even() -> None:
    model = keras.Sequential([keras.Input((1,)), layers.Dense(6, use_bias=False)])
    model.set_weights([np.asarray([[7, 0.5, 1.5, -0.5, -2.5, 3]], np.float32)])
    copy, _ = store_weights(model, bits=4, granularity="layer")
    assert np.asarray(copy.layers[0].kernel).tolist() == [[7, 0, 2, 0, -2, 3]]


def test_every_layout_shares_scales_by_output_channel() -> None:
    model = mixed_model()
    before = kernels(model)
    after = kernels(store_weights(model, bits=5, granularity="output_channel")[0])
    for path, kernel in before.items():
        if not path.endswith("kernel"):
            assert (after[path] == kernel).all()
            continue
        outputs = {"conv": -1, "dense": -1, "back": -2, "deep": None, "apart": -1}[path.split("/")[0]]
        if "depthwise" in path or outputs is None:
            groups = kernel.reshape(-1, kernel.shape[-2] * kernel.shape[-1]).T
            held = after[path].reshape(-1, kernel.shape[-2] * kernel.shape[-1]).T
        else:
            groups, held = (
                np.moveaxis(one, outputs, 0).reshape(kernel.shape[outputs], -1) for one in (kernel, after[path])
            )
        for row, stored in zip(groups, held, strict=True):
            assert stored.tolist() == np.asarray(symmetric([float(w) for w in row], 5), np.float32).tolist()


def test_groups_share_scales() -> None:
    kernel = reals(3, 3, 5, 2, seed=1)
    held, scales = Store(granularity=("group", 2), bits=4).held(kernel)
    assert scales == 3 * 2
    for rows in (slice(0, 2), slice(2, 4), slice(4, 5)):
        for o in range(2):
            part = kernel[:, :, rows, o].astype(float)
            assert held[:, :, rows, o].ravel().tolist() == symmetric(part.ravel().tolist(), 4)


def test_an_asymmetric_store_uses_all_its_codes() -> None:
    values = np.asarray([[-0.25], [0.5], [3.0], [3.5], [1.1]])
    held, _ = Store(bits=4, signed=False, symmetric=False, granularity="layer").held(values)
    assert held.ravel().tolist() == [-0.25, 0.5, 3.0, 3.5, 1.0]


def test_power_of_two_scales() -> None:
    held, _ = Store(bits=4, step="power_of_two", granularity="layer").held(np.asarray([[0.9], [0.3], [-0.06]]))
    assert held.ravel().tolist() == [1.0, 0.25, 0.0]


@pytest.mark.parametrize(("step", "levels"), [("quadratic", [0, 1, 4, 9]), ("logarithmic", [0, 1, 2, 4])])
def test_uneven_steps(step: str, levels: list[int]) -> None:
    kernel = reals(4, 4, seed=3).astype(float)
    held, _ = Store(bits=3, step=step, granularity="layer").held(kernel)
    s = np.abs(kernel).max() / levels[-1]
    every = [sign * one for one in levels for sign in (1, -1)]
    nearest = [min(every, key=lambda q, w=w: abs(q * s - w)) * s for w in kernel.ravel().tolist()]  # type: ignore[misc]
    assert held.ravel().tolist() == pytest.approx(nearest)


@pytest.mark.parametrize("target", ["generic-int8", "pow2-int8"])
def test_with_a_target_weights_are_the_engine_s(target: str) -> None:
    network = image_network()
    plan = hwsim.decide(network, hwsim.profile(network, reals(8, 6, 6, 3)), hwsim.load_target(target))
    program = hwsim.lower(network, plan, hwsim.load_target(target))
    for given in (target, plan):
        copy, _ = store_weights(network, given)
        for one in program.operations:
            if not isinstance(one, MultiplyAccumulate):
                continue
            held = np.asarray(copy.get_layer(one.name).kernel)
            integers = one.weights.transpose(1, 0, 2).reshape(held.shape)
            scale = np.asarray(plan.weights[one.name].scale)
            assert (held == (integers * scale).astype(np.float32)).all()


def test_patterns_choose_layers() -> None:
    model = mixed_model()
    names = [one.layer for one in store_weights(model, include=["conv", "a*", "dense"], exclude="de*")[1].layers]
    assert names == ["conv", "apart/depthwise_kernel", "apart/pointwise_kernel"]
    with pytest.raises(ModelError, match="no convolution or dense layer"):
        store_weights(model, include="nothing")


def test_the_report_fits_a_terminal(tmp_path: Path) -> None:
    keras_model().save(tmp_path / "small.keras")
    text = str(store_weights(str(tmp_path / "small.keras"))[1])
    assert max(map(len, text.splitlines())) <= 120
    assert "total" in text.splitlines()[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"bits": 1},
        {"granularity": "channel"},
        {"granularity": ("group", 0)},
        {"step": "cubic"},
        {"rounding": "stochastic_equal"},
        {"signed": False},
        {"step": "quadratic", "symmetric": False},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"bits|granularity|step|random|zero point"):
        store_weights(keras_model(), **wrong)


def test_holes_are_named() -> None:
    model = keras_model()
    kernel = np.asarray(model.get_layer("logits").kernel).copy()
    kernel[2, 1] = np.nan
    model.get_layer("logits").kernel.assign(kernel)
    with pytest.raises(ModelError, match=r"logits: the kernel holds nan at \(2, 1\)"):
        store_weights(model)
