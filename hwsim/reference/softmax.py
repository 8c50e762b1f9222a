"""The softmax in float32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsim.network import Softmax
from hwsim.network.mac import Floats


def softmax(operation: Softmax, inputs: Sequence[Floats]) -> Floats:
    """Return the softmax over one axis."""
    axis = operation.axis + 1
    values = inputs[0] if operation.mask is None else np.where(operation.mask, inputs[0], np.float32(-np.inf))
    # Less the largest value, so that no exponential overflows.
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True), dtype=np.float32)
