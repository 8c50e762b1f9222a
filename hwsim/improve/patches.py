"""The inputs that each sum of a weighted operation multiplies, as rows that its weights are multiplied by.

Weights are (groups, outputs of a group, weights of an output), in the order kernel height, kernel width, input channel.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from hwsim.network import Conv2D, Conv2DTranspose, ScaleShift, Weighted
from hwsim.network.mac import Floats
from hwsim.network.operation import Sides

Positions = NDArray[np.int64]
T = TypeVar("T", bound=np.generic)


def groups_of(operation: Weighted) -> int:
    """Return into how many groups of channels an operation falls that have nothing to do with one another."""
    if isinstance(operation, ScaleShift):
        return operation.scale.size
    return operation.groups if isinstance(operation, Conv2D) else 1


def as_rows(operation: Weighted, kernel: NDArray[T]) -> NDArray[T]:
    """Return what has the kernel's shape as (groups, outputs of a group, weights of an output)."""
    return kernel.reshape(-1, groups_of(operation), kernel.shape[-1] // groups_of(operation)).transpose(1, 2, 0)


def as_kernel(rows: NDArray[T], shape: tuple[int, ...]) -> NDArray[T]:
    """Return what `as_rows` made rows of, in the kernel's shape."""
    return rows.transpose(2, 0, 1).reshape(shape)


def sums_at(operation: Weighted, sums: Floats, positions: Positions) -> Floats:
    """Return (groups, positions, outputs of a group) of the sums (n, …, channels) at flat ``positions``."""
    picked = sums.reshape(-1, sums.shape[-1])[positions]
    return picked.reshape(len(positions), groups_of(operation), -1).swapaxes(0, 1)


def patches(operation: Weighted, values: Floats, positions: Positions, shape: tuple[int, ...]) -> Floats:
    """Return (groups, positions, weights of an output) of an input (n, …).

    ``positions`` count the outputs' samples, rows and columns as one; ``shape`` is that of one sample of the output.
    """
    if not isinstance(operation, Conv2D | Conv2DTranspose):
        rows = values.reshape(-1, values.shape[-1])[positions]
        return rows.T[:, :, None] if isinstance(operation, ScaleShift) else rows[None]
    sample, row, column = np.unravel_index(positions, (len(values), *shape[:2]))
    windows, strides = _windows(operation, values, shape)
    picked = windows[sample, row * strides[0], column * strides[1]]
    grouped = picked.reshape(len(positions), groups_of(operation), -1, *picked.shape[2:])
    return grouped.transpose(1, 0, 3, 4, 2).reshape(grouped.shape[1], len(positions), -1)


def _windows(conv: Conv2D | Conv2DTranspose, values: Floats, shape: tuple[int, ...]) -> tuple[Floats, tuple[int, int]]:
    """Return the window (n, row, column, channel, kernel height, kernel width) at every place, and the strides."""
    reach = [(conv.kernel.shape[axis] - 1) * conv.dilation[axis] + 1 for axis in (0, 1)]
    if isinstance(conv, Conv2D):
        padded, strides = np.pad(values, ((0, 0), *conv.padding, (0, 0))), conv.strides
    else:
        # the same as a convolution of the input spread by the strides, with the kernel turned around
        spread = _spread(values, conv.strides)
        padded, strides = np.pad(spread, ((0, 0), *_around(conv, spread, reach, shape), (0, 0))), (1, 1)
        padded = padded[:, conv.cut[0] :, conv.cut[1] :]
    windows = sliding_window_view(padded, reach, axis=(1, 2))[..., :: conv.dilation[0], :: conv.dilation[1]]
    return (windows if isinstance(conv, Conv2D) else windows[..., ::-1, ::-1]), strides


def _spread(values: Floats, strides: tuple[int, int]) -> Floats:
    height, width = ((values.shape[1 + axis] - 1) * strides[axis] + 1 for axis in (0, 1))
    spread = np.zeros((len(values), height, width, values.shape[-1]), np.float32)
    spread[:, :: strides[0], :: strides[1]] = values
    return spread


def _around(conv: Conv2DTranspose, spread: Floats, reach: list[int], shape: tuple[int, ...]) -> Sides:
    """Return the zeros around the spread input so that every output has its window."""
    before = [size - 1 for size in reach]
    needed = [conv.cut[axis] + shape[axis] + reach[axis] - 1 for axis in (0, 1)]
    behind = [max(needed[axis] - before[axis] - spread.shape[1 + axis], 0) for axis in (0, 1)]
    return ((before[0], behind[0]), (before[1], behind[1]))
