"""InceptionV3 on an integer target: the five best classes of float and integer side by side, and where bits are lost.

    python examples/inception_v3.py --image cat.jpg --target edge-npu-acc20 --out report/

With ImageNet weights where Keras can download or find them, else with random weights, which is said plainly: then the
classes mean nothing, but the arithmetic and the report are those of the real network.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import hwsim

SIZE = 299
Images = NDArray[np.float32]


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, help="a picture; random pixels without it")
    parser.add_argument("--target", default="generic-int8", help="a shipped target or a YAML file")
    parser.add_argument("--weights", type=Path, help="an .h5 file of weights instead of ImageNet's")
    parser.add_argument("--out", type=Path, help="a folder for report.html")
    arguments = parser.parse_args()
    model, trained = load_model(arguments.weights)
    images = load_image(arguments.image)
    result = hwsim.run(model, arguments.target, images, calibration=shifted(images))
    print(result.report)
    print_best(result.reference, result.outputs, trained)
    if arguments.out:
        result.report.to_html(arguments.out / "report.html")
        print(f"\nwrote {arguments.out / 'report.html'}")


def load_model(weights: Path | None) -> tuple[Any, bool]:
    """Return InceptionV3 and whether its weights are trained."""
    if weights is not None:
        return keras.applications.InceptionV3(weights=str(weights)), True
    try:
        return keras.applications.InceptionV3(weights="imagenet"), True
    except Exception as error:  # noqa: BLE001  Keras raises what its download raises
        print(f"ImageNet weights cannot be had ({error}): RANDOM weights, so the classes below mean nothing\n")
        keras.utils.set_random_seed(0)
        return keras.applications.InceptionV3(weights=None), False


def load_image(path: Path | None) -> Images:
    """Return one picture (1, 299, 299, 3) as the network wants it: pixels from -1 to 1."""
    if path is None:
        return np.random.default_rng(0).uniform(-1, 1, (1, SIZE, SIZE, 3)).astype(np.float32)
    picture = keras.utils.img_to_array(keras.utils.load_img(path, target_size=(SIZE, SIZE)))
    return np.asarray(picture[None] / 127.5 - 1, np.float32)


def shifted(images: Images) -> Images:
    """Return the pictures and versions of them moved and mirrored: a small calibration set."""
    versions = [images, images[:, :, ::-1], *(np.roll(images, step, axis=2) for step in (-16, 16))]
    return np.concatenate(versions)


def print_best(reference: Images, outputs: NDArray[np.float64], trained: bool) -> None:
    """Print the five best classes of float and integer side by side."""
    names = keras.applications.inception_v3.decode_predictions if trained else numbered
    float_best, integer_best = names(reference, top=5)[0], names(outputs, top=5)[0]
    print(f"\n{'float':40} integer")
    for (_, one, share), (_, other, other_share) in zip(float_best, integer_best, strict=True):
        print(f"{one:30} {share:.5f}   {other:30} {other_share:.5f}")


def numbered(predictions: NDArray[Any], top: int) -> list[list[tuple[str, str, float]]]:
    """Return the best classes by number, for weights that know no classes."""
    best = np.argsort(predictions, axis=1)[:, ::-1][:, :top]
    return [
        [("", f"class {index}", float(row[index])) for index in indices]
        for row, indices in zip(predictions, best, strict=True)
    ]


if __name__ == "__main__":
    main()
