"""Keras models to measure: those of keras.applications with random weights, and trained ones beside the checkout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.figures import Missing
from bench.peers import package

Reals = NDArray[np.float32]

TRAINED = Path(__file__).resolve().parents[3] / "shared" / "models"
CALIBRATION = 8
"""Images by which batch normalisations learn their statistics."""


@dataclass(frozen=True)
class Subject:
    """A model to be: its images (``size``, ``size``, 3) from ``low`` to ``high``, and how many at a time."""

    name: str
    make: Callable[[], Any]
    size: int
    batch: int = 8
    low: float = -1.0
    high: float = 1.0

    def images(self, count: int, seed: int = 0) -> Reals:
        """Return smooth random pictures with a little noise."""
        random = np.random.default_rng(seed)
        coarse = random.uniform(0, 1, (count, 8, 8, 3))
        index = np.linspace(0, 7, self.size)
        lower = np.minimum(index.astype(int), 6)
        part = index - lower
        rows = coarse[:, lower] * (1 - part)[:, None, None] + coarse[:, lower + 1] * part[:, None, None]
        smooth = rows[:, :, lower] * (1 - part)[:, None] + rows[:, :, lower + 1] * part[:, None]
        noisy = np.clip(smooth + random.normal(0, 0.05, smooth.shape), 0, 1)
        images: Reals = (self.low + (self.high - self.low) * noisy).astype(np.float32)
        return images


def untrained(name: str) -> Callable[[], Any]:
    """Return a maker of a model of keras.applications with random weights."""

    def make() -> Any:
        keras = package("keras")
        keras.utils.set_random_seed(0)
        return getattr(keras.applications, name)(weights=None)

    return make


def trained(file: str) -> Callable[[], Any]:
    """Return a maker of a model beside the checkout."""

    def make() -> Any:
        if not (TRAINED / file).exists():
            raise Missing(f"no file {TRAINED / file}")
        return package("keras").models.load_model(TRAINED / file, compile=False)

    return make


INCEPTION = Subject("InceptionV3", untrained("InceptionV3"), 299)
MOBILENET = Subject("MobileNetV2", untrained("MobileNetV2"), 224)
RESNET50 = Subject("ResNet50", untrained("ResNet50"), 224)
TINY_RESNET = Subject("MLPerf Tiny ResNet", trained("pretrainedResnet.h5"), 32, batch=64, low=0, high=255)


@cache
def model(subject: Subject) -> Any:
    """Return a subject's model. Where its weights are random, so are its batch normalisations, and they normalise."""
    made = subject.make()
    if subject is not TINY_RESNET:
        normalise(made, subject.images(CALIBRATION, seed=1))
    return made


def normalise(made: Any, images: Reals) -> None:
    """Give every batch normalisation seeded scales and offsets, and the statistics that it meets on ``images``."""
    import keras

    random = np.random.default_rng(0)
    layers = [one for one in made.layers if isinstance(one, keras.layers.BatchNormalization)]
    momenta = [one.momentum for one in layers]
    for one in layers:
        one.momentum = 0.0
        if one.scale:
            one.gamma.assign(random.uniform(0.5, 1.5, one.gamma.shape))
        if one.center:
            one.beta.assign(random.normal(0, 0.25, one.beta.shape))
    made(images, training=True)
    for one, momentum in zip(layers, momenta, strict=True):
        one.momentum = momentum
