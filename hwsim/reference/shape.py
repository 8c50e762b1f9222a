"""Operations that move values, in float32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsim.network import Crop, Pad, Reshape
from hwsim.network.mac import Floats
from hwsim.reference.mac import explicit


def reshape(operation: Reshape, inputs: Sequence[Floats]) -> Floats:
    """Return the values under the new shape."""
    return inputs[0].reshape(-1, *operation.shape)


def pad(operation: Pad, inputs: Sequence[Floats]) -> Floats:
    """Return (n, h, w, c) with zeros around."""
    return np.pad(inputs[0], explicit(operation.padding))


def crop(operation: Crop, inputs: Sequence[Floats]) -> Floats:
    """Return (n, h, w, c) without its borders."""
    (top, bottom), (left, right) = operation.cropping
    height, width = inputs[0].shape[1:3]
    return inputs[0][:, top : height - bottom, left : width - right]
