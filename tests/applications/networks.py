"""All networks of keras.applications: how small they may be, and what pixels they take."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from applications.well_scaled import well_scaled
from numpy.typing import NDArray

Floats = NDArray[np.float32]

NAMES = (
    "ConvNeXtBase",
    "ConvNeXtLarge",
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "ConvNeXtXLarge",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    *(f"EfficientNetB{number}" for number in range(8)),
    *(f"EfficientNetV2B{number}" for number in range(4)),
    *(f"EfficientNetV2{size}" for size in "LMS"),
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Large",
    "MobileNetV3Small",
    "NASNetLarge",
    "NASNetMobile",
    "ResNet101",
    "ResNet101V2",
    "ResNet152",
    "ResNet152V2",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "VGG19",
    "Xception",
)
"""In the order of the alphabet, as ``found`` has them."""

SMALLEST = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}
"""The least height and width that the constructors take, where it is not `USUAL_SMALLEST`."""
USUAL_SMALLEST = 32

FULL = {
    **dict(
        zip((f"EfficientNetB{number}" for number in range(8)), (224, 240, 260, 300, 380, 456, 528, 600), strict=True)
    ),
    "EfficientNetV2B1": 240,
    "EfficientNetV2B2": 260,
    "EfficientNetV2B3": 300,
    "EfficientNetV2S": 384,
    "EfficientNetV2M": 480,
    "EfficientNetV2L": 480,
    "InceptionResNetV2": 299,
    "InceptionV3": 299,
    "NASNetLarge": 331,
    "Xception": 299,
}
"""Height and width for which the networks were made, where they are not `USUAL_FULL`."""
USUAL_FULL = 224

RAW = ("ConvNeXt", "EfficientNet", "MobileNetV3")
"""Beginnings of the names of networks that take pixels from 0 to 255 and scale them on their own."""


def found() -> tuple[str, ...]:
    """Return the names of all constructors that this Keras has."""
    return tuple(sorted(name for name in dir(keras.applications) if name[0].isupper()))


def images(name: str, size: int, count: int, seed: int = 0) -> Floats:
    """Return pictures (count, size, size, 3) in the range that a network takes: smooth noise, as pictures are."""
    generator = np.random.default_rng(seed)
    coarse = generator.random((count, -(-size // 8), -(-size // 8), 3), np.float32)
    smooth = coarse.repeat(8, axis=1).repeat(8, axis=2)[:, :size, :size]
    noise = generator.random((count, size, size, 3), np.float32)
    pixels = np.asarray(0.7 * smooth + 0.3 * noise, np.float32)
    return pixels * np.float32(255) if name.startswith(RAW) else pixels * np.float32(2) - np.float32(1)


def build(name: str, data: Floats, classes: int, seed: int = 0) -> Any:
    """Return a network for images of this size, with random weights that are well scaled for these images.

    For others they are not: without training, a deep network with swish enlarges whatever is larger than these.
    """
    model = getattr(keras.applications, name)(weights=None, input_shape=data.shape[1:], classes=classes)
    return well_scaled(model, data, seed)


def smallest(name: str) -> int:
    """Return the least height and width that a network takes."""
    return SMALLEST.get(name, USUAL_SMALLEST)


def full(name: str) -> int:
    """Return the height and width that a network was made for."""
    return FULL.get(name, USUAL_FULL)
