"""Operations that move values, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hwsim.loaders.framework import tensorflow
from hwsim.network import Crop, Pad, Rearrange, Reshape
from hwsim.network.mac import Floats
from hwsim.network.operation import Sides
from hwsim.reference.compiled import run
from hwsim.reference.padding import explicit


def reshape(operation: Reshape, inputs: Sequence[Floats]) -> Floats:
    """Return the values under the new shape."""
    return inputs[0].reshape(-1, *operation.shape)


def pad(operation: Pad, inputs: Sequence[Floats]) -> Floats:
    """Return (n, h, w, c) with zeros around."""
    return run(_padded, (operation.padding,), inputs[0])


def crop(operation: Crop, inputs: Sequence[Floats]) -> Floats:
    """Return (n, h, w, c) without its borders."""
    (top, bottom), (left, right) = operation.cropping
    height, width = inputs[0].shape[1:3]
    return inputs[0][:, top : height - bottom, left : width - right]


def rearrange(operation: Rearrange, inputs: Sequence[Floats]) -> Floats:
    """Return the picked values."""
    rows = inputs[0].reshape(len(inputs[0]), -1)
    picked = rows[:, operation.index]
    return picked if operation.index.min() >= 0 else np.where(operation.index < 0, np.float32(operation.fill), picked)


def _padded(padding: Sides, values: Any) -> Any:
    return tensorflow().pad(values, explicit(padding))
