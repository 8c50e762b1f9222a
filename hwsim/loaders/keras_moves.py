"""Keras layers that move, repeat or resize values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hwsim.loaders.keras_draft import Call, NoIntegerForm
from hwsim.loaders.keras_window import pair
from hwsim.network import Operation, Pad, Rearrange, Resize

Ints = NDArray[np.int64]


def moved(call: Call, move: Callable[[Ints], Ints]) -> tuple[Rearrange, ...]:
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


def pad(call: Call) -> tuple[Operation, ...]:
    """Import ``keras.ops.pad``: a constant around, or what lies inside, mirrored."""
    shape, widths = call.shapes[0], [tuple(map(int, one)) for one in call.layer.pad_width]
    widths = widths * (len(shape) + 1) if len(widths) == 1 else widths
    given = call.arguments[1] if len(call.arguments) > 1 else call.keywords.get("constant_values")
    fill = 0.0 if given is None else float(given)
    if len(widths) != len(shape) + 1 or any(widths[0]):
        raise NoIntegerForm(f"pads the axes of {len(widths)} by {widths}, the batch first, which stays as it is")
    if call.layer.mode not in ("constant", "reflect", "symmetric"):
        raise NoIntegerForm(f"mode {call.layer.mode}; hwsim has constant, reflect and symmetric")
    if call.layer.mode != "constant":
        return moved(call, lambda numbers: np.pad(numbers, widths[1:], call.layer.mode))
    if len(shape) == 3 and not any(widths[3]) and fill == 0:  # noqa: PLR2004  rows, columns, channels
        return (Pad(name=call.name, inputs=call.inputs, padding=(pair(widths[1]), pair(widths[2]))),)
    (operation,) = moved(call, lambda numbers: np.pad(numbers, widths[1:], constant_values=-1))
    return (replace(operation, fill=fill),)


def cropping_1d(call: Call) -> tuple[Operation, ...]:
    """Import Cropping1D."""
    before, behind = (int(one) for one in call.layer.cropping)
    return moved(call, lambda numbers: numbers[before : len(numbers) - behind])
