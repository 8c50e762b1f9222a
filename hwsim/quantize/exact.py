"""Mean and standard deviation from exact sums (``hwsim_kernels.moments``): rounded once, at the very end."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels.moments import UNIT

Ints = NDArray[np.int64]


def integers(numbers: Ints) -> list[int]:
    """Return what digits to the base 2**32 stand for: numbers (n, digits), the lowest digit first."""
    content = np.ascontiguousarray(numbers & 0xFFFFFFFF).astype("<u4").tobytes()
    size = 4 * numbers.shape[1]
    starts = range(0, len(content), size)
    return [int.from_bytes(content[start : start + size], "little", signed=True) for start in starts]


def moments(total: int, square: int, count: int) -> tuple[float, float]:
    """Return mean and standard deviation of ``count`` values from their sum and that of their squares, in units.

    The mean is the float64 nearest to the true one, the deviation is off by less than one unit in the last place.
    """
    # quotients of integers are rounded correctly, whatever their size
    mean = total / (count << -UNIT)
    return mean, math.sqrt((count * square - total**2) / (count**2 << -2 * UNIT))
