"""The options that many operators of ``.tflite`` files share."""

from __future__ import annotations

from hwsim.loaders.tflite_draft import RefusedError
from hwsim.loaders.tflite_file import FileOperator
from hwsim.network import Relu

PADDINGS = {0: "same", 1: "valid"}
ACTIVATIONS = {0: None, 1: Relu(), 3: Relu(max_value=6.0)}
NAMES = {2: "RELU_N1_TO_1", 4: "TANH", 5: "SIGN_BIT"}


def activation_of(operator: FileOperator) -> Relu | None:
    """Return an operator's fused activation; raise RefusedError for one that hwsim does not have."""
    number = int(operator.options.get("FusedActivationFunction", 0))
    if number not in ACTIVATIONS:
        raise RefusedError(f"has the fused activation {NAMES.get(number, number)}")
    return ACTIVATIONS[number]


def padding_of(operator: FileOperator) -> str:
    """Return `same` or `valid`."""
    number = int(operator.options.get("Padding", 0))
    if number not in PADDINGS:
        raise RefusedError(f"has the padding {number}, it is 0 (same) or 1 (valid)")
    return PADDINGS[number]


def pair_of(operator: FileOperator, first: str, second: str) -> tuple[int, int]:
    """Return two options that are at least 1."""
    pair = int(operator.options.get(first, 0)), int(operator.options.get(second, 0))
    if min(pair) < 1:
        raise RefusedError(f"has {first} {pair[0]} and {second} {pair[1]}, they are 1 at least")
    return pair
