"""Weights as arrays, checked for NaN and infinity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import ModelError


def array(tensor: Any) -> NDArray[np.float64]:
    """Return a Keras variable, a backend tensor or a number as float64."""
    value = getattr(tensor, "value", tensor)
    # Not np.asarray(value): tf.Variable.__array__ knows no `copy`, about which NumPy 2 warns.
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value, dtype=np.float64)


def float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return ``values`` rounded to float32, contiguous."""
    return np.ascontiguousarray(values, dtype=np.float32)


def check_finite(layer: Any, name: str) -> None:
    """Raise ModelError naming the first NaN or infinity in the weights of ``layer``."""
    for weight in getattr(layer, "weights", ()):
        values = array(weight)
        wrong = np.argwhere(~np.isfinite(values))
        if len(wrong):
            index = tuple(int(part) for part in wrong[0])
            raise ModelError(f"{name}: {weight.name} holds {values[index]} at index {index}")
