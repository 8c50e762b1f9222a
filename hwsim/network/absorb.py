"""Products and sums with constants, taken into the layers beside them as TensorFlow Lite's converter does it.

Every step is rounded to float32. Source: tensorflow/compiler/mlir/lite/transforms, optimize_pass.cc and
optimize_patterns.td.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from hwsim.network.activation import Activation
from hwsim.network.constant import Constant
from hwsim.network.graph import Network
from hwsim.network.mac import Conv2D, Conv2DTranspose, Dense, Floats, Weighted
from hwsim.network.merge import Add, Multiply
from hwsim.network.operation import Operation, Shape, same
from hwsim.network.shape import Pad, Reshape

LAYERS = (Conv2D, Conv2DTranspose, Dense)


@dataclass(frozen=True, kw_only=True, eq=False)
class ByConstant(Operation):
    """What ``record`` makes of a tensor and of ``values``, which have the shape that they have in the model.

    The values are a number, or those of one sample with or without an axis for the batch in front. ``first``: they
    stand before the tensor. Such operations are gone once `absorb` or `spread_constants` has seen them.
    """

    kind: ClassVar[str] = "by_constant"
    record: type[Add | Multiply]
    values: Floats
    first: bool = False

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape to which input and values stretch."""
        return np.broadcast_shapes(inputs[0], self.of_sample(len(inputs[0])).shape)

    def of_sample(self, rank: int) -> Floats:
        """Return the values with as many axes as a sample has."""
        shape = self.values.shape[1:] if self.values.ndim > rank else self.values.shape
        return self.values.reshape((1,) * (rank - len(shape)) + shape)


def spread_constants(network: Network) -> Network:
    """Return ``network`` with a `Constant` and an operation of two tensors for each that goes by a constant.

    Constants stand in the model, so that all of them hang on the network's first input.
    """
    operations: list[Operation] = []
    for one in network.operations:
        if isinstance(one, ByConstant):
            held = f"{one.name}/constant"
            values = one.of_sample(len(network.shapes[one.inputs[0]])).astype(np.float64)
            operands = (held, *one.inputs) if one.first else (*one.inputs, held)
            operations += [
                Constant(name=held, inputs=(network.inputs[0].name,), values=values),
                one.record(name=one.name, inputs=operands, step_of=one.step_of),
            ]
        else:
            operations.append(one)
    return replace(network, operations=tuple(operations))


def absorb(network: Network) -> Network:
    """Return ``network`` in which layers have taken in the products, sums and pads beside them that they can.

    A layer before takes a product or a sum in if nothing else reads it; then one behind takes in what it reads, which
    others go on reading. What stands behind a reshape is put before it, where its constant fits there.
    """
    for behind in (False, True):
        draft = _Draft(network, behind)
        for operation in network.operations:
            draft.add(operation)
        outputs = tuple(draft.now.get(name, name) for name in network.outputs)
        network = replace(network, operations=tuple(draft.kept.values()), outputs=outputs)
    return network


@dataclass
class _Draft:
    network: Network
    behind: bool
    """Whether layers take in what is before them, else what is behind them; dense layers always do the former first."""
    kept: dict[str, Operation] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    now: dict[str, str] = field(default_factory=dict)
    """The tensor that stands for one that is gone."""
    uses: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.uses.update(self.network.uses)

    def add(self, original: Operation) -> None:
        """Take in an operation, or what it becomes."""
        one = replace(original, inputs=tuple(self.now.get(name, name) for name in original.inputs))
        first = self.behind or isinstance(one, Dense)
        while first and len(one.inputs) == 1 and (wider := self._behind(one)) is not None:
            one = wider
        if self.behind or len(one.inputs) != 1 or not (self._before(one) or self._ahead(one)):
            self._keep(one)

    def _keep(self, one: Operation) -> None:
        self.kept[one.name] = one
        self.shapes[one.name] = one.output_shape(*(self.shapes[name] for name in one.inputs))

    def _behind(self, one: Operation) -> Operation | None:
        """Return an operation that has taken in what it reads, or None."""
        source = self.kept[one.inputs[0]]
        if isinstance(source, Reshape):
            inner = self.kept[source.inputs[0]]
            if isinstance(inner, Reshape) and self.shapes[inner.inputs[0]] == self.shapes[source.name]:
                return self._reading(one, inner.inputs[0])
            if isinstance(one, Dense) and self.uses[source.name] == 1 and isinstance(inner, ByConstant):
                taken = _taken(inner, one, self.shapes[inner.name])
                if taken is not None and self.shapes[source.name][-1:] == self.shapes[inner.name][-1:]:
                    self.kept[source.name] = self._reading(source, inner.inputs[0])
                    return replace(taken, inputs=(source.name,))
            return None
        taken = _taken(source, one, self.shapes[source.name])
        return None if taken is None else self._reading(replace(taken, inputs=one.inputs), source.inputs[0])

    def _reading(self, one: Operation, name: str) -> Operation:
        """Return an operation that reads another tensor; what nothing reads any longer is gone."""
        self.uses[name] += 1
        self._leave(one.inputs[0])
        return replace(one, inputs=(name,))

    def _leave(self, name: str) -> None:
        self.uses[name] -= 1
        if not self.uses[name]:
            for each in self.kept.pop(name).inputs:
                self._leave(each)

    def _before(self, one: Operation) -> bool:
        """Let the operation before ``one``, a product or sum with a constant, take it in; return whether it did."""
        source = self.kept[one.inputs[0]]
        if not isinstance(one, ByConstant) or self.uses[source.name] != 1:
            return False
        wider = _given(one, source)
        if wider is None:
            return False
        self.kept[source.name] = wider
        self._stands_for(source.name, one.name)
        return True

    def _ahead(self, one: Operation) -> bool:
        """Put ``one`` before the reshape that it alone reads; return whether that was possible."""
        source = self.kept[one.inputs[0]]
        if not isinstance(one, ByConstant | Activation) or not isinstance(source, Reshape) or one.step_of:
            return False
        inner = source.inputs[0]
        fits = isinstance(one, Activation) or (
            one.values.ndim <= 1
            and (one.values.size == 1 or one.values.shape == self.shapes[inner][-1:] == self.shapes[source.name][-1:])
        )
        if self.uses[source.name] != 1 or not fits:
            return False
        del self.kept[source.name]
        moved = f"{one.name}/image"
        self.uses[moved] = 1
        self.add(replace(one, name=moved, inputs=(inner,)))
        self._keep(replace(source, inputs=(self.now.get(moved, moved),)))
        self._stands_for(source.name, one.name)
        return True

    def _stands_for(self, name: str, gone: str) -> None:
        self.now[gone] = name
        self.uses[name] = self.uses[gone]


def _given(one: ByConstant, source: Operation) -> Operation | None:
    """Return ``source`` with the product or sum behind it taken in, or None."""
    if isinstance(source, ByConstant):
        added = one.record is source.record is Add
        return replace(source, values=np.asarray(source.values + one.values)) if added else None
    if not isinstance(source, LAYERS) or source.activation is not None or one.first:
        return None
    outputs = len(source.bias)
    if one.values.size != 1 and not one.values.size == one.values.shape[-1] == outputs:
        return None
    values, bias = np.broadcast_to(one.values.reshape(-1), outputs), _single(source)
    if one.record is Multiply:
        return replace(source, kernel=source.kernel * values, bias=bias * values)
    if one.record is Add:
        return replace(source, bias=bias + values)
    return None if isinstance(source, Dense) else replace(source, bias=bias - values)


def _taken(source: Operation, one: Operation, shape: Shape) -> Operation | None:
    """Return ``one`` with what makes its input, a tensor of ``shape``, taken in, or None."""
    if isinstance(source, Pad) and isinstance(one, Conv2D) and not _pads(one):
        sizes = (shape[axis] - sum(source.padding[axis]) for axis in (0, 1))
        as_same = tuple(map(same, sizes, one.kernel.shape, one.strides, one.dilation))
        return replace(one, padding=source.padding) if source.padding == as_same else None
    if not isinstance(source, ByConstant) or source.first or not isinstance(one, Conv2D | Dense):
        return None
    if source.record is Multiply:
        return _multiplied(one, source.values)
    return _shifted(one, source.values, source.record)


def _multiplied(one: Conv2D | Dense, values: Floats) -> Operation | None:
    """Return a layer for inputs that are not multiplied by ``values``, or None."""
    if values.size == 1:
        return replace(one, kernel=one.kernel * values.reshape(()))
    if isinstance(one, Dense) and values.shape == one.kernel.shape[:1]:
        return replace(one, kernel=one.kernel * values[:, None])
    return None


def _shifted(one: Conv2D | Dense, values: Floats, record: type[Add | Multiply]) -> Operation | None:
    """Return a layer for inputs to which ``values`` are not added, or from which they are not subtracted, or None."""
    if values.size == 1 and not (isinstance(one, Conv2D) and _pads(one)):
        number = values.reshape(())
        return replace(one, bias=_summed(_single(one), one.kernel * (number if record is Add else -number)))
    if isinstance(one, Dense) and record is Add and values.size == values.shape[-1] == len(one.kernel):
        return replace(one, bias=_compensated(_single(one), one.kernel * values.reshape(-1, 1)))
    return None


def _pads(one: Conv2D) -> bool:
    return any(size for side in one.padding for size in side)


def _single(one: Weighted) -> Floats:
    return one.bias.astype(np.float32)


def _summed(start: Floats, products: Floats) -> Floats:
    """Return ``start`` and, one after another, the products of each output channel."""
    total = start
    for row in products.reshape(-1, products.shape[-1]):
        total = total + row
    return total


def _compensated(start: Floats, products: Floats) -> Floats:
    """Return ``start`` and, one after another, the products of each output channel, by Neumaier's summation."""
    total, lost = start, np.zeros_like(start)
    for row in products:
        after = total + row
        larger, smaller = np.where(abs(total) >= abs(row), (total, row), (row, total))
        lost += (larger - after) + smaller
        total = after
    return total + lost
