"""Random weights under which a deep network behaves like a trained one: nothing vanishes, nothing explodes."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LOGITS = 2.0
"""Standard deviation of what goes into a softmax: some classes lead, none has it all."""


def well_scaled(model: Any, data: Floats, seed: int = 0) -> Any:
    """Give a Functional ``model`` seeded random weights, layer after layer, as a batch of ``data`` passes; return it.

    Kernels are normal and then scaled so that the layer's result has unit variance before its activation, as the
    layer-sequential unit-variance initialisation does (Mishkin and Matas, "All you need is a good init", 2015).
    Batch-normalisation holds the batch's own mean per channel and its own variance, both shaken; its factors and those
    of other normalisations and of layer scales are near 1, offsets and biases near 0, all different.
    """
    _through(model, np.random.default_rng(seed), keras.ops.convert_to_tensor(data))
    return model


def _through(model: Any, generator: np.random.Generator, inputs: Any) -> Any:
    graph = getattr(model, "_functional", model)
    return graph._run_through_graph(inputs, operation_fn=lambda layer: partial(_call, layer, generator))


def _call(layer: Any, generator: np.random.Generator, *arguments: Any, **named: Any) -> Any:
    """Give a layer its weights, then let it run."""
    if isinstance(layer, keras.Model):
        return _through(layer, generator, arguments[0])
    if isinstance(layer, layers.BatchNormalization):
        _normalise(layer, generator, np.asarray(arguments[0]))
    elif hasattr(layer, "_kernel") or hasattr(layer, "kernel") or hasattr(layer, "pointwise_kernel"):
        _scale(layer, generator, arguments[0])
    elif isinstance(layer, layers.Layer):
        _vary(layer.trainable_weights, generator)
    return layer(*arguments, **named)


def _normalise(layer: Any, generator: np.random.Generator, values: Floats) -> None:
    """Let a batch-normalisation undo what its input has, but not quite, and add factors and offsets of its own.

    One variance holds for all channels: of a few values a channel's own would be chance, and 0 where it is dead.
    """
    channels = values.shape[-1]
    means = (values.reshape(-1, channels).mean(axis=0) + values.mean()) / 2
    variance = float(np.mean(np.square(values - means)))
    layer.moving_mean.assign(means + generator.normal(0, 0.1 * np.sqrt(variance), channels))
    layer.moving_variance.assign(variance * generator.uniform(0.7, 1.4, channels) + 1e-9)
    _vary(layer.trainable_weights, generator)


def _vary(weights: list[Any], generator: np.random.Generator) -> None:
    """Draw factors from 0.7 to 1.4, and offsets with a deviation of 0.1."""
    for one in weights:
        offset = one.name in ("beta", "bias")
        one.assign(generator.normal(0, 0.1, one.shape) if offset else generator.uniform(0.7, 1.4, one.shape))


def _scale(layer: Any, generator: np.random.Generator, values: Any) -> None:
    """Draw kernels and scale the last one so that the result has unit variance (a softmax's input: `LOGITS`)."""
    activation, layer.activation = layer.activation, keras.activations.linear
    kernels = [one for one in layer.trainable_weights if one.name != "bias"]
    for one in kernels:
        one.assign(_normal(generator, one.shape))
    deviation = float(np.std(layer(values)))
    wanted = LOGITS if activation is keras.activations.softmax else 1.0
    kernels[-1].assign(np.asarray(kernels[-1]) * np.float32(wanted / max(deviation, 1e-9)))
    if layer.use_bias:
        _vary([layer.bias], generator)
    layer.activation = activation


def _normal(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return normal numbers of about unit gain for the inputs that meet in one output."""
    return generator.standard_normal(shape, np.float32) / np.float32(np.sqrt(np.prod(shape[:-1])))
