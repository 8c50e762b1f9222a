"""A small MobileNetV2 in Keras whose depthwise layers have uneven weights once their batch normalisations are folded.

What makes them uneven in trained networks: channels that seldom pass their ReLU6 vary little, so the normalisation
behind the depthwise layer, which brings every channel to the same deviation, divides them by little.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from report.planted.networks import CLASSES, SIZE, images

Reals = NDArray[np.float32]

DEPTHWISE = ("block1_depthwise", "block2_depthwise", "block3_depthwise")


@lru_cache(maxsize=4)
def mobile(seed: int = 0, *, quiet: float = 2.5) -> Any:
    """Return a built model; channels are shifted down by up to ``quiet`` deviations before their ReLU6."""
    generator = np.random.default_rng(seed)
    inside = keras.Input((SIZE, SIZE, 3), name="image")
    found = _normalised(layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem"), inside, "stem")
    for number in (1, 2, 3):
        name, entry = f"block{number}", found
        found = _normalised(layers.Conv2D(16, 1, use_bias=False, name=f"{name}_expand"), entry, f"{name}_expand")
        depthwise = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise")
        found = _normalised(depthwise, found, f"{name}_depthwise")
        project = layers.Conv2D(8, 1, use_bias=False, name=f"{name}_project")
        found = _normalised(project, found, f"{name}_project", relu=False)
        found = layers.Add(name=f"{name}_add")([entry, found])
    head = _normalised(layers.Conv2D(24, 1, use_bias=False, name="head"), found, "head")
    mean = layers.GlobalAveragePooling2D(name="mean")(head)
    model = keras.Model(inside, layers.Dense(CLASSES, name="logits")(mean), name="mobile")
    _set_weights(model, generator, quiet)
    return model


def _normalised(layer: Any, source: Any, name: str, *, relu: bool = True) -> Any:
    found = layers.BatchNormalization(name=f"{name}_norm")(layer(source))
    return layers.ReLU(6.0, name=f"{name}_relu")(found) if relu else found


def _set_weights(model: Any, generator: np.random.Generator, quiet: float) -> None:
    """Give layers seeded weights and normalisations the statistics of what they meet, from the first to the last."""
    made: dict[int, Any] = {id(model.input): images()}
    for layer in model.layers[1:]:
        sources = layer.input if isinstance(layer.input, list) else [layer.input]
        given = [made[id(one)] for one in sources]
        if isinstance(layer, layers.BatchNormalization):
            values = np.asarray(given[0])
            mean, variance = values.mean(axis=(0, 1, 2)), values.var(axis=(0, 1, 2))
            shift = generator.normal(0, 0.5, mean.shape)
            if layer.name.endswith("_expand_norm"):
                shift = generator.permutation(np.linspace(-quiet, 0.5, mean.size))
            layer.set_weights([np.ones_like(mean), shift.astype(np.float32), mean, variance])
        elif isinstance(layer, layers.Dense):
            values = np.asarray(given[0])
            kernel = generator.normal(0, 1, layer.kernel.shape).astype(np.float32)
            layer.set_weights([kernel, -values.mean(axis=0) @ kernel])
        elif layer.weights:
            layer.set_weights([generator.normal(0, 1, layer.weights[0].shape).astype(np.float32)])
        made[id(layer.output)] = layer(given[0] if len(given) == 1 else given)
