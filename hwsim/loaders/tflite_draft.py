"""A network under construction from the records of a ``.tflite`` file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from hwsim.formats import IntFormat
from hwsim.loaders.tflite_file import FileGraph, FileOperator, FileTensor
from hwsim.network import Constant, Input, Operation, Shape
from hwsim.network.stored import Codes

FORMATS: Mapping[str, IntFormat] = {
    "INT8": IntFormat(bits=8),
    "UINT8": IntFormat(bits=8, signed=False),
    "INT16": IntFormat(bits=16),
}
"""The formats of feature maps, and, but for the last, of weights."""


SHAPE_OPERATORS = frozenset(
    {"CONCATENATION", "GATHER", "MUL", "PACK", "REDUCE_PROD", "SHAPE", "STRIDED_SLICE", "SLICE", "CAST"}
)
"""What the converter writes for a batch of unknown size."""


class RefusedError(Exception):
    """An operator or a tensor of a form that hwsim does not have; its text says which."""


class Draft:
    """Operations made so far; ``made`` is the name of the operation that holds a tensor, by the tensor's number."""

    def __init__(self, graph: FileGraph) -> None:
        self.operations: list[Operation] = []
        self.tensors: dict[str, Codes] = {}
        self.weights: dict[str, Codes] = {}
        self.made: dict[int, str] = {}
        self._lost: set[int] = set()
        self._shapes: dict[str, Shape] = {}
        self._graph = graph
        self._readers = Counter(one.index for each in graph.operators for one in each.inputs if one is not None)
        self._results = {one.index for one in graph.outputs}
        batches = {one.shape[0] for one in graph.inputs if one.shape}
        self.batch = batches.pop() if len(batches) == 1 else 1
        constants = {
            one.index: one for each in graph.operators for one in each.inputs if one and one.values is not None
        }
        named = [*graph.inputs, *constants.values(), *(one for each in graph.operators for one in each.outputs)]
        self._names = Counter(one.name for one in named)

    def name(self, tensor: FileTensor) -> str:
        """Return the name of the operation that makes a tensor: its own, with its number if others share it."""
        alone = tensor.name and self._names[tensor.name] <= 1 and not tensor.name.endswith("/codes")
        return tensor.name if alone else f"{tensor.name or 'tensor'}#{tensor.index}"

    def take_input(self, tensor: FileTensor) -> None:
        """Take in an input of the graph: integers, or real values that are quantised before anything else."""
        kind = tensor if tensor.kind != "FLOAT32" else self._quantized(tensor)
        self.add(Input(name=self.name(tensor), shape=self.shape(tensor)), tensor, codes(kind))

    def _quantized(self, tensor: FileTensor) -> FileTensor:
        """Return what the only reader of real values makes of them."""
        readers = [each for each in self._graph.operators if any(one is tensor for one in each.inputs)]
        if len(readers) != 1 or readers[0].word != "QUANTIZE" or not readers[0].outputs:
            raise RefusedError("is of real values that are not quantised first; convert the model to integers")
        return readers[0].outputs[0]

    def shape(self, tensor: FileTensor) -> Shape:
        """Return the shape of one sample of a tensor; with a batch of 1, a first axis of another size is part of it."""
        if self.batch == 1 and tensor.shape and tensor.shape[0] != 1:
            return tensor.shape
        if not tensor.shape or tensor.shape[0] != self.batch:
            raise RefusedError(f"has the shape {tensor.shape}, whose first axis is no batch of {self.batch}")
        return tensor.shape[1:]

    def source(self, operator: FileOperator, number: int = 0) -> tuple[str, FileTensor]:
        """Return the name and the record of a feature map that an operator takes."""
        tensor = given(operator, number)
        if tensor.values is not None:
            raise RefusedError(f"takes the constant {tensor.name!r} where hwsim has feature maps alone")
        if tensor.index in self._lost:
            raise LostError
        if tensor.index not in self.made:
            raise RefusedError(f"takes the tensor {tensor.name!r}, which nothing made before")
        return self.made[tensor.index], tensor

    def constant(self, tensor: FileTensor) -> str:
        """Return the name of the operation that holds a constant feature map, made once."""
        if tensor.index not in self.made:
            stored = codes(tensor)
            assert tensor.values is not None
            # a leading axis of 1 is the batch's, if there are others; a scalar becomes a vector
            shape = tensor.shape[1:] if len(tensor.shape) > 1 and tensor.shape[0] == 1 else tensor.shape or (1,)
            values = stored.scale[0] * (tensor.values.reshape(shape).astype(np.float64) - stored.zero_point[0])
            first = next(one.name for one in self.operations if isinstance(one, Input))
            self.add(Constant(name=self.name(tensor), inputs=(first,), values=values), tensor)
        return self.made[tensor.index]

    def shape_of(self, name: str) -> Shape:
        """Return the shape of one sample of what an operation makes."""
        if name not in self._shapes:
            operation = next(one for one in self.operations if one.name == name)
            self._shapes[name] = operation.output_shape(*(self.shape_of(one) for one in operation.inputs))
        return self._shapes[name]

    def add(self, operation: Operation, tensor: FileTensor, stored: Codes | None = None) -> None:
        """Add the operation that makes a tensor, stored as the file says or as ``stored`` says."""
        if tensor.index in self.made:
            raise RefusedError("makes a tensor that another operator made before")
        self.add_inner(operation, stored or codes(tensor))
        self.made[tensor.index] = operation.name

    def add_inner(self, operation: Operation, stored: Codes) -> None:
        """Add an operation whose tensor the file does not have."""
        self.operations.append(operation)
        self.tensors[operation.name] = stored

    def same(self, operator: FileOperator) -> None:
        """Let an operator's output be its input."""
        self.made[result(operator).index] = self.source(operator)[0]

    def is_result(self, tensor: FileTensor) -> bool:
        """Whether a tensor is an output of the graph that no operator reads."""
        return tensor.index in self._results and not self._readers[tensor.index]

    def give_up(self, operator: FileOperator) -> None:
        """Remember that an operator's outputs are lacking, so that their readers are not blamed."""
        self._lost.update(one.index for one in operator.outputs)


class LostError(RefusedError):
    """An operator takes what a refused one would have made, so that it is not to blame."""


def makes_a_shape(operator: FileOperator) -> bool:
    """Whether an operator works out the shape for a RESHAPE, which stands in the file anyway."""
    makes = {(one.kind in ("INT32", "INT64") and not one.scale) for one in operator.outputs}
    return makes == {True} and operator.word in SHAPE_OPERATORS


def given(operator: FileOperator, number: int) -> FileTensor:
    """Return an operator's input; raise RefusedError if the file leaves it out."""
    tensor = operator.inputs[number] if number < len(operator.inputs) else None
    if tensor is None:
        raise RefusedError(f"lacks its input {number}")
    return tensor


def result(operator: FileOperator) -> FileTensor:
    """Return an operator's only output."""
    if len(operator.outputs) != 1:
        raise RefusedError(f"makes {len(operator.outputs)} tensors instead of one")
    return operator.outputs[0]


def codes(tensor: FileTensor) -> Codes:
    """Return how a feature map is stored; raise RefusedError for what is not quantised as one whole."""
    form = FORMATS.get(tensor.kind)
    if form is None:
        raise RefusedError(f"has values of {tensor.kind}, hwsim has {', '.join(FORMATS)}")
    if len(tensor.scale) != 1:
        raise RefusedError(f"has {len(tensor.scale)} scales, a feature map has one")
    if not form.holds(tensor.zero_point[0], tensor.zero_point[0]):
        raise RefusedError(f"has the zero point {tensor.zero_point[0]}, which is no code of {tensor.kind}")
    return Codes(format=form, scale=tensor.scale, zero_point=tensor.zero_point)
