"""Operations of keras.ops that pick, move, split or repeat values: each is done to the numbers of values instead.

They count the batch among their axes. So each is done to the numbers of two samples, and refused if it mixes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.loaders.keras_draft import Call, NoIntegerForm, Several
from hwsim.network import Constant, Operation, Rearrange, Reshape

Ints = NDArray[np.int64]
Importer = Callable[[Call], tuple[Operation, ...]]


def _numbers(call: Call) -> Ints:
    """Return the numbers of the values of two samples."""
    shape = call.shapes[0]
    return np.arange(2 * prod(shape), dtype=np.int64).reshape(2, *shape)


def _picked(call: Call, name: str, numbers: Ints) -> Operation:
    """Return what gives one sample the values that two have by their numbers."""
    size = prod(call.shapes[0])
    apart = numbers.ndim > 1 and len(numbers) == 2 and numbers.size and (numbers[0] + size == numbers[1]).all()
    if not apart or numbers[0].max() >= size:
        raise NoIntegerForm("moves values from sample to sample, or leaves no axis but the batch")
    index = np.ascontiguousarray(numbers[0])
    if np.array_equal(index.ravel(), np.arange(size)):
        return Reshape(name=name, inputs=call.inputs, shape=index.shape)
    return Rearrange(name=name, inputs=call.inputs, index=index)


def view(move: Callable[[Ints, Any, Call], Any]) -> Importer:
    """Return the importer of an operation that does to values what ``move`` does to numbers."""

    def imported(call: Call) -> tuple[Operation, ...]:
        return (_picked(call, call.name, _moved(lambda: move(_numbers(call), call.layer, call))),)

    return imported


def views(move: Callable[[Ints, Any, Call], Sequence[Any]]) -> Callable[[Call], Several]:
    """Return the importer of an operation with several results."""

    def imported(call: Call) -> Several:
        parts = _moved(lambda: list(move(_numbers(call), call.layer, call)))
        found = tuple(_picked(call, f"{call.name}/{number}", part) for number, part in enumerate(parts))
        return Several(found, tuple(one.name for one in found))

    return imported


def _moved(move: Callable[[], Any]) -> Any:
    try:
        return move()
    except (IndexError, TypeError, ValueError) as error:
        raise NoIntegerForm(str(error)) from error


def _item(numbers: Ints, layer: Any, call: Call) -> Any:
    key = call.arguments[1] if len(call.arguments) > 1 else call.keywords.get("key")
    # A file brings the parts of a key as a list; TensorFlow takes both for the same.
    parts = tuple(key) if isinstance(key, tuple | list) else (key,)
    if not all(one is None or one is Ellipsis or isinstance(one, int | slice) for one in parts):
        raise NoIntegerForm(f"picks by {key!r}; hwsim picks by numbers and slices")
    return numbers[parts]


def _reshaped(numbers: Ints, layer: Any, call: Call) -> Any:
    return numbers.reshape([2 if size is None else int(size) for size in layer.newshape])


def _parted(numbers: Ints, layer: Any, call: Call) -> Sequence[Any]:
    return np.split(numbers, layer.indices_or_sections, axis=layer.axis)


def _unstacked(numbers: Ints, layer: Any, call: Call) -> Sequence[Any]:
    return [np.take(numbers, number, axis=layer.axis) for number in range(numbers.shape[layer.axis])]


def _filled(call: Call, value: float) -> tuple[Operation, ...]:
    return (Constant(name=call.name, inputs=call.inputs, values=np.full(call.shapes[0], value, np.float64)),)


VIEWS: dict[str, Callable[[Call], tuple[Operation, ...] | Several]] = {
    "ops.ExpandDims": view(lambda numbers, layer, _: np.expand_dims(numbers, layer.axis)),
    "ops.Flip": view(lambda numbers, layer, _: np.flip(numbers, layer.axis)),
    "ops.GetItem": view(_item),
    "ops.Moveaxis": view(lambda numbers, layer, _: np.moveaxis(numbers, layer.source, layer.destination)),
    "ops.OnesLike": lambda call: _filled(call, 1.0),
    "ops.Repeat": view(lambda numbers, layer, _: np.repeat(numbers, layer.repeats, layer.axis)),
    "ops.Reshape": view(_reshaped),
    "ops.Split": views(_parted),
    "ops.Squeeze": view(lambda numbers, layer, _: np.squeeze(numbers, layer.axis)),
    "ops.Swapaxes": view(lambda numbers, layer, _: np.swapaxes(numbers, layer.axis1, layer.axis2)),
    "ops.Tile": view(lambda numbers, layer, _: np.tile(numbers, layer.repeats)),
    "ops.Transpose": view(lambda numbers, layer, _: np.transpose(numbers, layer.axes)),
    "ops.Unstack": views(_unstacked),
    "ops.ZerosLike": lambda call: _filled(call, 0.0),
}
"""Importers of these operations."""
