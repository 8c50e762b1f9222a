"""Small networks, targets and data that the tests of whole runs share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

import hwsim
from hwsim.engine import Row
from hwsim.network import Add, AveragePool, Conv2D, Dense, Input, MaxPool, Network, Relu, Reshape
from hwsim.target import Target

Reals = NDArray[np.float32]
Json = dict[str, Any]

DEMO = Path(hwsim.__file__).parent / "demo"
DIGITS = DEMO / "digits.keras"
IMAGES = DEMO / "digits.npz"


def digits() -> tuple[Reals, NDArray[np.int64]]:
    """Return the demonstration's images and labels."""
    with np.load(IMAGES) as archive:
        return archive["images"], archive["labels"]


def reals(*shape: int, seed: int = 0, width: float = 1.0) -> Reals:
    """Return seeded values from a bell."""
    return np.random.default_rng(seed).normal(0, width, shape).astype(np.float32)


def image_network(size: int = 6, seed: int = 0) -> Network:
    """Return a convolution, a depthwise one, an addition, both poolings and a dense layer."""
    return Network(
        name="tiny",
        operations=(
            Input(name="image", shape=(size, size, 3)),
            Conv2D(
                name="stem",
                inputs=("image",),
                kernel=reals(3, 3, 3, 4, seed=seed + 1, width=1 / 3),
                bias=reals(4, seed=seed + 2, width=1 / 4),
                padding=((1, 1), (1, 1)),
                activation=Relu(),
            ),
            Conv2D(
                name="depthwise",
                inputs=("stem",),
                kernel=reals(3, 3, 1, 4, seed=seed + 3, width=1 / 2),
                bias=reals(4, seed=seed + 4, width=1 / 4),
                padding=((1, 1), (1, 1)),
                groups=4,
                activation=Relu(negative_slope=0.1),
            ),
            Add(name="join", inputs=("stem", "depthwise"), activation=Relu(max_value=6.0)),
            MaxPool(name="largest", inputs=("join",), window=(2, 2), strides=(2, 2)),
            AveragePool(name="mean", inputs=("largest",), window=(2, 2), strides=(1, 1)),
            Reshape(name="flat", inputs=("mean",), shape=((size // 2 - 1) ** 2 * 4,)),
            dense("logits", "flat", (size // 2 - 1) ** 2 * 4, 5, seed + 5),
        ),
        outputs=("logits",),
    )


def dense(name: str, source: str, inputs: int, outputs: int, seed: int = 0) -> Dense:
    """Return a dense layer with seeded weights."""
    kernel = reals(inputs, outputs, seed=seed, width=inputs**-0.5)
    return Dense(name=name, inputs=(source,), kernel=kernel, bias=reals(outputs, seed=seed + 100, width=1 / 4))


def vector_network(inputs: int = 6, outputs: int = 3) -> Network:
    """Return a single dense layer behind the input ``x``."""
    operations = (Input(name="x", shape=(inputs,)), dense("fc", "x", inputs, outputs))
    return Network(name="vector", operations=operations, outputs=("fc",))


def double_network() -> Network:
    """Return two inputs, ``a`` (4,) and ``b`` (3,), and two results, ``sum`` (2,) and ``left`` (2,)."""
    return Network(
        name="double",
        operations=(
            Input(name="a", shape=(4,)),
            Input(name="b", shape=(3,)),
            dense("left", "a", 4, 2, seed=1),
            dense("right", "b", 3, 2, seed=2),
            Add(name="sum", inputs=("left", "right")),
        ),
        outputs=("sum", "left"),
    )


def keras_model() -> Any:
    """Return a small built Keras model with seeded weights."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2), name="image"),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="conv"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flat"),
            layers.Dense(3, name="logits"),
        ],
        name="small",
    )
    generator = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(generator.normal(0, 0.4, weight.shape))
    return model


def target_with(**sections: Any) -> Target:
    """Return the defaults of a target with other ``sections``."""
    return Target.from_dict({"name": "made", **sections})


def narrow_target(bits: int, overflow: str = "saturate", **sections: Any) -> Target:
    """Return a target whose accumulator, of ``bits``, is fitted after every addition."""
    stages = [{"name": "accumulator", "bits": bits, "overflow": overflow}]
    return target_with(mac={"stages": stages}, bias={"bits": min(bits, 32)}, **sections)


def rows_of(ledger: hwsim.Ledger) -> dict[tuple[str, str], Row]:
    """Return the rows of a ledger by layer and point."""
    return {(row.layer, row.point.name): row for row in ledger}
