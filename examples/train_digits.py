"""Train the network of `hwsim demo` and write it beside the images that it is judged by.

The data are scikit-learn's handwritten digits: 1797 grey images of 8 x 8 pixels with values 0 to 16.
Split, initial weights and order of batches are seeded, so that a second run on the same machine and
with the same versions gives the same weights.

The network is small but has what makes integer hardware interesting: batch normalisation to fold, a
depthwise layer whose channels differ in range, an addition of two tensors with scales of their own, and two
convolutions with 3 * 3 * 32 = 288 and 3 * 3 * 48 = 432 products per output, which a narrow accumulator
cannot hold.

    python examples/train_digits.py

Written files:

- ``hwsim/demo/digits.keras``: the model without optimizer state.
- ``hwsim/demo/digits.npz``: ``images`` float32 (400, 8, 8, 1) and ``labels`` int64 (400,) of the test part,
  ``calibration`` float32 (100, 8, 8, 1) of the training part.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it while it is imported

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

Images = npt.NDArray[np.float32]  # (n, 8, 8, 1), in [0, 1]
Labels = npt.NDArray[np.int64]  # (n,), 0 to 9

SEED = 20
TEST_IMAGES = 400
CALIBRATION_IMAGES = 100
EPOCHS = 60
BATCH = 32
DEMO = Path(__file__).resolve().parents[1] / "hwsim" / "demo"


@dataclass(frozen=True, kw_only=True)
class Digits:
    """The images and labels of both parts; each digit has the same share in both."""

    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels


def split(count: int, images: Images, labels: Labels) -> tuple[Images, Images, Labels, Labels]:
    """Return (images without, images of, labels without, labels of) a stratified sample of ``count``."""
    parts = train_test_split(images, labels, test_size=count, stratify=labels, random_state=SEED)
    return parts[0], parts[1], parts[2], parts[3]


def load_data() -> Digits:
    """Return the digits with pixels scaled from 0..16 to [0, 1]."""
    pixels, labels = load_digits(return_X_y=True)
    images = (pixels / 16.0).astype(np.float32).reshape(-1, 8, 8, 1)
    train_images, test_images, train_labels, test_labels = split(TEST_IMAGES, images, labels.astype(np.int64))
    return Digits(
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
    )


def normalise(x: Any, name: str, *, relu: bool) -> Any:
    """Return batch normalisation of ``x`` and, if asked for, ReLU after it."""
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def convolve(x: Any, name: str, filters: int, size: int, *, relu: bool = True) -> Any:
    """Return a convolution of ``x`` without bias, normalised."""
    x = layers.Conv2D(filters, size, padding="same", use_bias=False, name=name)(x)
    return normalise(x, name, relu=relu)


def build_model() -> keras.Model:
    """Return the untrained network: (n, 8, 8, 1) to the probabilities of ten digits."""
    image = layers.Input((8, 8, 1), name="image")
    stem = convolve(image, "stem", 32, 3)

    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="block1_depthwise")(stem)
    x = normalise(x, "block1_depthwise", relu=True)
    x = convolve(x, "block1_pointwise", 32, 1, relu=False)
    x = layers.Add(name="block1_add")([stem, x])
    x = layers.ReLU(name="block1_relu")(x)
    x = layers.MaxPooling2D(2, name="block1_pool")(x)

    x = convolve(x, "block2_conv", 48, 3)  # 288 products per output
    x = convolve(x, "block3_conv", 48, 3)  # 432 products per output
    x = layers.GlobalAveragePooling2D(name="average_pool")(x)
    x = layers.Dense(10, name="logits")(x)
    return keras.Model(image, layers.Softmax(name="softmax")(x), name="digits")


def train(model: keras.Model, data: Digits) -> None:
    """Fit ``model`` to the training part; the step size falls to zero along a cosine."""
    steps = EPOCHS * -(-len(data.train_images) // BATCH)
    step_size = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    model.compile(
        optimizer=keras.optimizers.AdamW(step_size, weight_decay=1e-2),
        loss=keras.losses.SparseCategoricalCrossentropy(),
    )
    model.fit(data.train_images, data.train_labels, batch_size=BATCH, epochs=EPOCHS, verbose=2)


def accuracy(model: keras.Model, images: Images, labels: Labels) -> float:
    """Return the share of ``images`` to whose digit ``model`` gives the highest probability."""
    return float(np.mean(np.argmax(model.predict(images, verbose=0), axis=1) == labels))


def without_optimizer(model: keras.Model) -> keras.Model:
    """Return the same network, never compiled: its file holds no optimizer state."""
    plain = build_model()
    plain.set_weights(model.get_weights())
    return plain


def write(model: keras.Model, data: Digits, folder: Path) -> None:
    """Write ``digits.keras`` and ``digits.npz`` to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    without_optimizer(model).save(folder / "digits.keras")
    _, calibration, _, _ = split(CALIBRATION_IMAGES, data.train_images, data.train_labels)
    np.savez_compressed(
        folder / "digits.npz",
        images=data.test_images,
        labels=data.test_labels,
        calibration=calibration,
    )


def main() -> None:
    """Train, write the files and print how good the written model is."""
    parser = argparse.ArgumentParser(description="Train the network of `hwsim demo`.")
    parser.add_argument("--folder", type=Path, default=DEMO, help="where the files go (default: %(default)s)")
    folder: Path = parser.parse_args().folder

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    data = load_data()
    model = build_model()
    model.summary()
    train(model, data)
    write(model, data, folder)

    written = keras.models.load_model(folder / "digits.keras", compile=False)
    print(f"accuracy on {len(data.train_labels)} train images: ", end="")
    print(f"{accuracy(written, data.train_images, data.train_labels):.2%}")
    print(f"accuracy on {len(data.test_labels)} test images: ", end="")
    print(f"{accuracy(written, data.test_images, data.test_labels):.2%}")
    for name in ("digits.keras", "digits.npz"):
        print(f"{folder / name}: {(folder / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
