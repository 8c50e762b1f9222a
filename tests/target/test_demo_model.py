"""Every shipped target runs the shipped network of handwritten digits from end to end, by a plan of its own."""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np
import pytest

import hwsim
from hwsim.target import explain, load_target, shipped_targets

LEAST = {
    "binary-weights": 0.2,  # weights that were not trained for one bit
    "ternary-weights": 0.2,
    "hls4ml": 0.4,  # feature maps beyond 32 wrap
    "imc-adc6": 0.6,
    "narrow-acc16-saturate": 0.4,
}
"""Share of digits that are right at least, where it is not nearly all."""


@pytest.mark.parametrize("name", shipped_targets())
def test_a_target_recognises_digits(name: str) -> None:
    with as_file(files("hwsim") / "demo") as folder:
        with np.load(folder / "digits.npz") as data:
            images, labels, calibration = data["images"][:100], data["labels"][:100], data["calibration"]
        result = hwsim.run(folder / "digits.keras", name, images, calibration=calibration, reference=False)
    right = float(np.mean(result.outputs.argmax(axis=-1) == labels))
    assert right >= LEAST.get(name, 0.9)


@pytest.mark.parametrize("name", shipped_targets())
def test_a_target_explains_itself(name: str) -> None:
    text = explain(load_target(name))
    for part in ("Formats", "Accumulation", "From sum to output", "Where bits can be lost", "Other operations"):
        assert f"\n{part}" in text
    assert max(map(len, text.splitlines())) <= 110
