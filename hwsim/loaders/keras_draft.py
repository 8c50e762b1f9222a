"""A network in the making: names, shapes, and the layers that have no integer form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hwsim.network import Operation, Shape
from hwsim.target.settings import Reading


class NoIntegerForm(Exception):
    """A layer cannot be imported; the message is the reason, to be listed with all the others."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a layer: the tensors it takes (with the shape of one sample) and a name for its result.

    ``arguments`` and ``keywords`` are those of the call in Keras, ``tensors`` the inputs as they stand in them.
    ``reading`` says which of several forms it takes, as a target asks for.
    """

    layer: Any
    name: str
    inputs: tuple[str, ...]
    shapes: tuple[Shape, ...]
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict[str, Any])
    reading: Reading = Reading()
    tensors: tuple[Any, ...] = ()

    def place(self, tensor: Any) -> int:
        """Return the number, among the inputs, of a tensor that stands in the arguments."""
        return next(number for number, one in enumerate(self.tensors) if one is tensor)

    def constant(self, name: str) -> np.ndarray:
        """Return the one argument that is no tensor of the graph, in float32; ``name`` says what is done with it."""
        found = [one for one in self.arguments if not hasattr(one, "_keras_history")]
        if len(found) != 1:
            raise NoIntegerForm(f"{name} {len(found)} constants")
        values = np.asarray(found[0], np.float32)
        if not np.isfinite(values).all():
            raise NoIntegerForm(f"{name} a constant that is not finite")
        return values

    @property
    def constant_first(self) -> bool:
        """Whether the constant stands before the tensor."""
        return bool(self.arguments) and not hasattr(self.arguments[0], "_keras_history")


@dataclass(frozen=True)
class Several:
    """What a layer with several results is imported as: operations, and the names of those that make the results."""

    operations: tuple[Operation, ...]
    results: tuple[str, ...]


@dataclass
class Draft:
    """What the walk through a model has found so far.

    A shape is None where a layer before it has no integer form and Keras does not know it either.
    """

    reading: Reading = field(default_factory=Reading)
    operations: list[Operation] = field(default_factory=list[Operation])
    shapes: dict[str, Shape | None] = field(default_factory=dict[str, Shape | None])
    unsupported: list[str] = field(default_factory=list[str])
    names: set[str] = field(default_factory=set[str])

    def unique(self, name: str) -> str:
        """Return ``name``, or ``name:1``, ``name:2`` and so on for a layer that is called again."""
        count, free = 0, name
        while free in self.names:
            count += 1
            free = f"{name}:{count}"
        self.names.add(free)
        return free

    def add(self, operations: Sequence[Operation]) -> None:
        """Append operations; raise NoIntegerForm, and append none, if shapes do not fit."""
        shapes = dict(self.shapes)
        for operation in operations:
            inputs = [_known(shapes[name]) for name in operation.inputs]
            try:
                shapes[operation.name] = operation.output_shape(*inputs)
            except ValueError as error:
                raise NoIntegerForm(str(error)) from error
        self.shapes = shapes
        self.operations += operations

    def stand_in(self, name: str, shape: Sequence[int | None]) -> str:
        """Note a tensor that no operation makes, so that the layers after it can be judged too."""
        self.shapes[name] = None if None in shape else tuple(size for size in shape if size is not None)
        return name


def _known(shape: Shape | None) -> Shape:
    if shape is None:
        raise NoIntegerForm("the shape of its input is not known")
    return shape
