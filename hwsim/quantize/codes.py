"""The real values that codes stand for, for what is given in real values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.quantize.plan import TensorPlan, WeightPlan

Reals = NDArray[np.float64]


def stored_values(values: NDArray[Any], entry: TensorPlan) -> Reals:
    """Return the reals of the codes nearest to ``values``; ties go to even codes, or to the upper level."""
    form, ratio = entry.format, values / np.float64(entry.scale)
    if entry.levels is not None:
        levels = np.asarray(entry.levels, np.float64)
        index = np.searchsorted(levels[:-1] + levels[1:], 2 * ratio, side="right")
        return np.asarray(levels[index] * entry.scale)
    shift = np.asarray(entry.shift, np.int64) if entry.shift else np.zeros(1, np.int64)
    codes = np.clip(np.rint(np.ldexp(ratio, -shift)) + entry.zero_point, form.minimum, form.maximum)
    return np.asarray(np.ldexp(codes - entry.zero_point, shift) * entry.scale)


def stored_weights(kernel: NDArray[Any], entry: WeightPlan) -> Reals:
    """Return the reals of the codes nearest to the weights of a kernel; ties as in ``stored_values``."""
    scale, form = np.asarray(entry.scale, np.float64), entry.format
    if entry.levels is not None:
        levels = np.asarray(entry.levels, np.float64)
        index = np.searchsorted(levels[:-1] + levels[1:], 2 * (kernel / scale), side="right")
        return np.asarray(levels[index] * scale)
    if entry.shift:
        rows = np.repeat(np.asarray(entry.shift, np.int64), entry.group, axis=0)
        scale = np.ldexp(scale, rows[: kernel.shape[-2] if kernel.ndim > 1 else 1])
    zero_point = np.asarray(entry.zero_point, np.float64)
    codes = np.clip(np.rint(kernel / scale) + zero_point, form.minimum, form.maximum)
    return np.asarray((codes - zero_point) * scale)
