"""Keras layers that move, repeat or resize values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hwsim.loaders.keras_draft import Call, NoIntegerForm
from hwsim.network import Operation, Rearrange, Resize

Ints = NDArray[np.int64]


def moved(call: Call, move: Callable[[Ints], Ints]) -> tuple[Operation, ...]:
    """Return what brings values to where ``move`` brings their numbers."""
    shape = call.shapes[0]
    numbers = np.arange(np.prod(shape, dtype=np.int64), dtype=np.int64).reshape(shape)
    return (Rearrange(name=call.name, inputs=call.inputs, index=np.ascontiguousarray(move(numbers))),)


def permute(call: Call) -> tuple[Operation, ...]:
    """Import Permute, whose axes count from 1 behind the batch."""
    order = tuple(int(axis) - 1 for axis in call.layer.dims)
    return moved(call, lambda numbers: numbers.transpose(order))


def up_sampling_2d(call: Call) -> tuple[Operation, ...]:
    """Import UpSampling2D, nearest or bilinear."""
    rows, columns = (int(one) for one in call.layer.size)
    if call.layer.interpolation == "nearest":
        return moved(call, lambda numbers: numbers.repeat(rows, axis=0).repeat(columns, axis=1))
    if call.layer.interpolation != "bilinear":
        raise NoIntegerForm(f"interpolation {call.layer.interpolation}; hwsim has nearest and bilinear")
    height, width, _ = call.shapes[0]
    return (Resize(name=call.name, inputs=call.inputs, size=(height * rows, width * columns)),)


def up_sampling_1d(call: Call) -> tuple[Operation, ...]:
    """Import UpSampling1D."""
    return moved(call, lambda numbers: numbers.repeat(int(call.layer.size), axis=0))


def repeat_vector(call: Call) -> tuple[Operation, ...]:
    """Import RepeatVector."""
    return moved(call, lambda numbers: np.broadcast_to(numbers, (int(call.layer.n), *numbers.shape)))


def zero_padding_1d(call: Call) -> tuple[Operation, ...]:
    """Import ZeroPadding1D."""
    before, behind = (int(one) for one in call.layer.padding)
    return moved(call, lambda numbers: np.pad(numbers, ((before, behind), (0, 0)), constant_values=-1))


def cropping_1d(call: Call) -> tuple[Operation, ...]:
    """Import Cropping1D."""
    before, behind = (int(one) for one in call.layer.cropping)
    return moved(call, lambda numbers: numbers[before : len(numbers) - behind])
