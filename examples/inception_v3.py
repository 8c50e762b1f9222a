"""InceptionV3 quantised in three steps, the five best classes after each beside those of float.

    python examples/inception_v3.py --image cat.jpg --target edge-npu-acc20 --out report/

1. Weights of the 94 convolutions at 8 bits: symmetric, a scale for each pair of input and output channel, clipped, then
   rounded half to even; what the store loses, layer by layer and in all.
2. Activations, too: every tensor on the grid of the target, in float.
3. On the target itself, in integers, bit for bit, and where bits are lost.

With ImageNet weights where Keras can download or find them, or with ``--weights`` from a file; else with random
weights, which is said plainly: then the classes mean nothing, but the arithmetic and the reports are those of the real
network.
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
    """Read the arguments, take the three steps, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, help="a picture; random pixels without it")
    parser.add_argument("--target", default="generic-int8", help="a shipped target or a YAML file")
    parser.add_argument("--weights", type=Path, help="an .h5 file of weights instead of ImageNet's")
    parser.add_argument("--out", type=Path, help="a folder for report.html")
    arguments = parser.parse_args()
    model, trained = load_model(arguments.weights)
    images = load_image(arguments.image)
    calibration = shifted(images)
    found = {"float": predict(model, images)}

    stored, report = store(model)
    print(report)
    found["8-bit weights"] = predict(stored, images)

    plan = plan_of(stored, arguments.target, calibration)
    found["and activations"] = predict(hwsim.fake_quantize(stored, plan, target=arguments.target), images)

    result = hwsim.run(stored, arguments.target, images, plan=plan)
    print("", result.report, sep="\n")
    found["in integers"] = result.outputs
    print_best(found, trained)
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


def store(model: Any) -> tuple[Any, hwsim.StoreReport]:
    """Return a copy whose convolutions hold what the 8-bit store can, and what that loses."""
    return hwsim.store_weights(model, bits=8, granularity="full_channel", narrow=True, include="conv2d*")


def plan_of(model: Any, target: str, calibration: Images) -> hwsim.Plan:
    """Return the formats and scales of all tensors on a target."""
    network = hwsim.load(model)
    return hwsim.decide(network, hwsim.profile(network, calibration), hwsim.load_target(target))


def predict(model: Any, images: Images) -> Images:
    """Return a Keras model's results."""
    return np.asarray(model.predict(images, verbose=0))


def print_best(found: dict[str, Any], trained: bool) -> None:
    """Print the five best classes of every run side by side."""
    names = keras.applications.inception_v3.decode_predictions if trained else numbered
    best = [names(np.asarray(scores), top=5)[0] for scores in found.values()]
    print("\n" + "  ".join(f"{title:26}" for title in found))
    for row in zip(*best, strict=True):
        print("  ".join(f"{name[:17]:17} {share:8.5f}" for _, name, share in row))


def numbered(predictions: NDArray[Any], top: int) -> list[list[tuple[str, str, float]]]:
    """Return the best classes by number, for weights that know no classes."""
    best = np.argsort(predictions, axis=1)[:, ::-1][:, :top]
    return [
        [("", f"class {index}", float(row[index])) for index in indices]
        for row, indices in zip(predictions, best, strict=True)
    ]


if __name__ == "__main__":
    main()
