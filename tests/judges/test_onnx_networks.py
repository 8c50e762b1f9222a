"""Whole networks of Keras: hwsim on the target ``onnxruntime``, and ONNX Runtime on a graph of the same plan.

Weights have 7 bits: without VNNI instructions, x86 adds pairs of products in 16 bits that saturate.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from judges.onnx_graph import run
from keras import layers

import hwsim
from hwsim.network import Input, Operation
from hwsim.target import Target, load_target
from hwsim.target.target import merge

Built = tuple[keras.KerasTensor, keras.KerasTensor]

SAMPLES = 24


def residual() -> Built:
    """Return convolutions, a sum with a fused ReLU, a concatenation, pooling, a global mean and a dense layer."""
    image = keras.Input((12, 11, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same")(image)))
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    y = layers.Conv2D(16, 1)(y)
    x = layers.ReLU()(layers.Add()([x, y]))
    left, right = layers.MaxPooling2D(2)(x), layers.AveragePooling2D(2)(x)
    right = layers.Conv2D(7, 3, padding="same")(right)
    x = layers.Concatenate()([left, right])
    x = layers.AveragePooling2D(3, strides=1, padding="same")(layers.Conv2D(12, 3, strides=2)(x))
    few = layers.Dense(10, kernel_initializer=keras.initializers.RandomNormal(stddev=0.004))
    return image, layers.Softmax()(few(layers.GlobalAveragePooling2D()(x)))


def squeezed() -> Built:
    """Return an image whose channels are weighed by a sigmoid of their means."""
    image = keras.Input((9, 10, 4))
    x = layers.Conv2D(24, 3, activation="relu")(image)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(24, 1, activation="sigmoid")(layers.Conv2D(6, 1, activation="relu")(gate))
    x = layers.Multiply()([x, gate])
    return image, layers.Dense(5)(layers.Flatten()(layers.Conv2D(4, 3, strides=2)(x)))


def smooth() -> Built:
    """Return SiLUs, leaky ReLUs, a sum of three tensors, and a concatenation of rows."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="silu")(image)
    y = layers.LeakyReLU(negative_slope=0.1)(layers.Conv2D(8, 3, padding="same")(x))
    z = layers.LeakyReLU(negative_slope=0.3)(layers.DepthwiseConv2D(3, padding="same")(x))
    return image, layers.Concatenate(axis=1)([layers.Add()([x, y, z]), y])


NETWORKS: dict[str, Callable[[], Built]] = {"residual": residual, "squeezed": squeezed, "smooth": smooth}


def target(signed: bool) -> Target:
    """Return the target ``onnxruntime``, of signed or unsigned codes, with weights of 7 bits."""
    changes = {"weights": {"bits": 7}, "activations": {"signed": signed}}
    return Target.from_dict(merge(load_target("onnxruntime").model_dump(exclude_unset=True), changes))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor(name: str, signed: bool) -> None:
    keras.utils.set_random_seed(7)
    source, output = NETWORKS[name]()
    model, where = keras.Model(source, output), target(signed)
    generator = np.random.default_rng(1)
    for variable in model.weights:  # means and variances, too, so that every channel has a range of its own
        spread = generator.uniform(0.5, 2, variable.shape)
        variable.assign(np.asarray(variable) * spread + (0.1 if "variance" not in variable.name else 0))
    data = generator.normal(size=(SAMPLES, *source.shape[1:])).astype(np.float32)
    result = hwsim.run(model, where, data, reference=False, tensors=True)
    network = hwsim.load(model, target=where)
    first = next(one.name for one in network.operations if isinstance(one, Input))
    ours = dict(result.tensors)
    theirs = run(network, result.plan, {first: ours[f"{first}/codes"]})
    different = [one.name for one in network.operations if told_apart(one, ours, theirs)]
    assert not different
    assert len(theirs) == len(network.operations) - 1
    assert len(np.unique(theirs[network.outputs[0]])) > 20


def told_apart(one: Operation, ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> bool:
    """Whether the codes of a tensor differ."""
    return one.name in theirs and not np.array_equal(ours[one.name], theirs[one.name])
