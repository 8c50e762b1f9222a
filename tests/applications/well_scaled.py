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
    Batch-normalisations hold variances about the batch's own and means near 0; their factors and those of other
    normalisations and of layer scales are near 1, offsets and biases near 0, all different.
    """
    _through(model, np.random.default_rng(seed), keras.ops.convert_to_tensor(data))
    return model


def _through(model: Any, generator: np.random.Generator, inputs: Any) -> Any:
    graph = getattr(model, "_functional", model)
    return graph._run_through_graph(inputs, operation_fn=partial(partial, _call, generator))


def _call(generator: np.random.Generator, layer: Any, *arguments: Any, **named: Any) -> Any:
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
    """Let a batch-normalisation bring its input to about unit size, and add factors and offsets of its own.

    Its means are near 0, not those of the few samples: to take large means off enlarges whatever lies off these
    samples, and after a hundred layers nothing else would be left. One size holds for all channels: of a few values a
    channel's own would be chance, and 0 where it is dead.
    """
    channels = values.shape[-1]
    square = float(np.mean(np.square(values)))
    layer.moving_mean.assign(generator.normal(0, 0.1 * np.sqrt(square), channels))
    layer.moving_variance.assign(square * generator.uniform(0.7, 1.4, channels) + 1e-9)
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
