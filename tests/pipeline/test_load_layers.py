"""Layers of Keras that a network has in other words: each model agrees with Keras, in float and in 16 bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import hwsim

Build = Callable[[Any], Any]


def chain(*parts: Build) -> Build:
    """Return parts one behind another."""

    def build(x: Any) -> Any:
        for part in parts:
            x = part(x)
        return x

    return build


def activated(*names: str) -> Build:
    """Return the same convolution under several activations, joined."""

    def build(x: Any) -> Any:
        return layers.Concatenate()([layers.Conv2D(3, 1, activation=name)(x) for name in names])

    return build


def difference(x: Any) -> Any:
    """Return a dense layer less another."""
    return layers.Subtract()([layers.Dense(3)(x), layers.Dense(3)(x)])


IMAGE, LINE = (8, 8, 6), (12, 4)
MODELS: Mapping[str, tuple[tuple[int, ...], Build]] = {
    "gates": (IMAGE, activated("sigmoid", "tanh", "hard_sigmoid", "softsign", "sparse_sigmoid", "hard_tanh")),
    "swishes": (IMAGE, activated("silu", "gelu", "mish", "hard_silu", "softplus", "squareplus", "sparse_plus")),
    "units": (IMAGE, activated("elu", "selu", "celu", "exponential", "log_sigmoid", "tanh_shrink", "soft_shrink")),
    "slopes": (IMAGE, chain(layers.PReLU(shared_axes=[1, 2], alpha_initializer="random_normal"), layers.ELU(0.7))),
    "layer norm": (IMAGE, chain(layers.LayerNormalization(), layers.Conv2D(4, 1))),
    "group norm": (IMAGE, chain(layers.GroupNormalization(3), layers.Conv2D(4, 1))),
    "RMS norm": (LINE, chain(layers.RMSNormalization(), layers.Dense(4))),
    "conv of lines": (LINE, chain(layers.Conv1D(5, 3, padding="causal"), layers.SeparableConv1D(6, 3, padding="same"))),
    "pools of lines": (LINE, chain(layers.MaxPooling1D(2), layers.AveragePooling1D(2), layers.GlobalMaxPooling1D())),
    "depthwise lines": (LINE, chain(layers.DepthwiseConv1D(3), layers.GlobalAveragePooling1D())),
    "resizing": (IMAGE, chain(layers.UpSampling2D(2), layers.UpSampling2D((1, 2), interpolation="bilinear"))),
    "moving": (IMAGE, chain(layers.Permute((3, 1, 2)), layers.Conv2D(3, 2))),
    "moving lines": (LINE, chain(layers.UpSampling1D(2), layers.ZeroPadding1D(1), layers.Cropping1D((1, 0)))),
    "constants": (LINE, chain(lambda x: x * 2.0 + 1.0, lambda x: 3.0 - x, lambda x: x / 4.0)),
    "constant images": (LINE, chain(lambda x: x + np.linspace(-1, 1, 48, dtype="f4").reshape(12, 4), layers.Dense(2))),
    "differences": (LINE, difference),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_layer_is_what_keras_computes(name: str) -> None:
    shape, build = MODELS[name]
    keras.utils.set_random_seed(1)
    inputs = keras.Input(shape)
    model = keras.Model(inputs, build(inputs))
    generator = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(weight.numpy() + 0.1 * generator.normal(size=weight.shape))
    data = generator.normal(size=(6, *shape)).astype(np.float32)
    result = hwsim.run(model, "generic-int16", data)
    (made,), (wanted,) = (
        [array] if isinstance(array, np.ndarray) else array for array in (result.outputs, result.reference)
    )
    np.testing.assert_allclose(wanted, model.predict(data, verbose=0), rtol=1e-4, atol=1e-4)
    noise = np.square(np.asarray(made, np.float64) - wanted).mean()
    assert 10 * np.log10(np.square(wanted).mean() / noise) > 40
