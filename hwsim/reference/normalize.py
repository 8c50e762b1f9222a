"""Normalisation by mean and variance, in float32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsim.network import Normalize
from hwsim.network.mac import Floats


def normalize(operation: Normalize, inputs: Sequence[Floats]) -> Floats:
    """Return the normalised values; sums are taken in float64."""
    values = inputs[0].astype(np.float64)
    grouped = values.reshape(len(values), -1, operation.groups, values.shape[-1] // operation.groups)
    axes = (1, 3) if operation.whole else (3,)
    mean = grouped.mean(axis=axes, keepdims=True) if operation.centered else 0.0
    variance = np.square(grouped - mean).mean(axis=axes, keepdims=True)
    found = (grouped - mean) / np.sqrt(variance + operation.epsilon)
    return np.ascontiguousarray(found.reshape(values.shape).astype(np.float32))
