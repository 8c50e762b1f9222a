"""Contractions in Einstein's notation: products by weights, and of two tensors, between rearrangements.

An equation's letters name axes. Those that both operands and the result have count matrices (``batch``, ``groups``);
those of the result that one operand has are rows or columns; those that both operands have and the result lacks are
summed over (``depth``).
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from hwsim.loaders.keras_activation import activate, function_name
from hwsim.loaders.keras_draft import Call, NoIntegerForm
from hwsim.loaders.keras_weights import array, float32
from hwsim.network import Add, Constant, Conv2D, Dense, MatMul, Operation, Rearrange, Reshape, Shape
from hwsim.network.mac import Doubles, Floats

Sizes = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Contraction:
    """The axes of one sample of two operands and of their product, a letter each, and how they meet."""

    first: str
    second: str
    result: str

    @property
    def batch(self) -> str:
        """Axes that all three have."""
        return self._of_result(first=True, second=True)

    @property
    def rows(self) -> str:
        """Axes of the first operand and the result."""
        return self._of_result(first=True, second=False)

    @property
    def columns(self) -> str:
        """Axes of the second operand and the result."""
        return self._of_result(first=False, second=True)

    @property
    def depth(self) -> str:
        """Axes that are summed over."""
        return "".join(one for one in self.first if one in self.second and one not in self.result)

    def _of_result(self, *, first: bool, second: bool) -> str:
        return "".join(one for one in self.result if (one in self.first, one in self.second) == (first, second))


def contraction(equation: str, ranks: Sequence[int], weights: int | None = None) -> Contraction:
    """Return what an equation says of samples; operand number ``weights`` has no batch.

    ``ranks`` are those of the operands, the batch included. Raises NoIntegerForm, with the equation, for all that is no
    matrix product of each sample.
    """
    try:
        *operands, result = _terms(equation, ranks)
        for number, term in enumerate(operands):
            if result[0] in term if number == weights else term[0] != result[0]:
                raise NoIntegerForm("the first axis of its tensors is not the batch of the result, and theirs alone")
        first, second = (term if number == weights else term[1:] for number, term in enumerate(operands))
        alone = sorted(set(first).symmetric_difference(second) - set(result))
        if alone:
            raise NoIntegerForm(f"sums over {', '.join(alone)} of one operand alone")
        if len(result) == 1:
            raise NoIntegerForm("its result has no axis but the batch")
    except NoIntegerForm as reason:
        raise NoIntegerForm(f"equation {equation!r}: {reason}") from None
    return Contraction(first=first, second=second, result=result[1:])


def _terms(equation: str, ranks: Sequence[int]) -> list[str]:
    """Return the letters of both operands and the result, an ellipsis replaced by letters that stand nowhere else."""
    plain = equation.replace(" ", "")
    operands, arrow, result = plain.partition("->")
    terms = operands.split(",")
    if not arrow or len(terms) != len(ranks):
        raise NoIntegerForm(f"hwsim wants {len(ranks)} operands and a result")
    spare = "".join(one for one in string.ascii_letters if one not in plain)
    longest = max(rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True))
    terms = [_spelt(term, rank - len(term.replace("...", "")), spare) for term, rank in zip(terms, ranks, strict=True)]
    terms.append(_spelt(result, longest if "..." in result else 0, spare))
    known = set("".join(terms[:-1]))
    if not set(terms[-1]) <= known:
        raise NoIntegerForm("its result has axes that no operand has")
    if not all(terms):
        raise NoIntegerForm("an operand or the result has no axes")
    return terms


def _spelt(term: str, missing: int, spare: str) -> str:
    letters = term.replace("...", spare[len(spare) - missing :] if missing > 0 else "")
    if missing and "..." not in term:
        raise NoIntegerForm(f"the operand {term!r} has {missing:+} axes more than letters")
    if len(set(letters)) != len(letters) or not set(letters) <= set(string.ascii_letters):
        raise NoIntegerForm(f"takes the diagonal in {term!r}")
    return letters


def sizes_of(terms: Sequence[str], shapes: Sequence[Shape]) -> dict[str, int]:
    """Return the size of each axis; raise NoIntegerForm where operands differ (no axis of size 1 stretches)."""
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, size in zip(term, shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise NoIntegerForm(f"an axis has {sizes[letter]} values in one operand and {size} in another")
    return sizes


class Chain:
    """Operations one behind another, made as they come: each takes what the last one made, unless it says otherwise."""

    def __init__(self, source: str, shape: Shape) -> None:
        self.operations: list[Operation] = []
        self.source, self.shape = source, shape

    def add(self, operation: Operation, *others: Shape) -> None:
        """Append an operation that takes the last result, and perhaps tensors of the shapes ``others``."""
        self.operations.append(operation)
        self.source, self.shape = operation.name, operation.output_shape(self.shape, *others)

    def bring(self, name: str, axes: str, order: str, shape: Shape, sizes: Sizes) -> None:
        """Bring values with ``axes`` to another order of axes, under a ``shape``: with nothing that does nothing."""
        if axes != order:
            full = tuple(sizes[one] for one in axes)
            numbers = np.arange(prod(full), dtype=np.int64).reshape(full)
            index = numbers.transpose([axes.index(one) for one in order]).reshape(shape)
            self.add(Rearrange(name=name, inputs=(self.source,), index=np.ascontiguousarray(index)))
        elif self.shape != shape:
            self.add(Reshape(name=name, inputs=(self.source,), shape=shape))


def size(axes: str, sizes: Sizes) -> int:
    """Return how many values axes have together."""
    return prod(sizes[one] for one in axes)


def einsum_dense(call: Call) -> tuple[Operation, ...]:
    """Import EinsumDense."""
    layer = call.layer
    return weighted(call, layer.equation, array(layer.kernel), layer.bias, layer.activation)


def weighted(
    call: Call, equation: str, kernel: Doubles, bias: Any = None, function: Any = None, *, weights: int = 1
) -> tuple[Operation, ...]:
    """Return the product of a tensor by a ``kernel``, operand number ``weights`` of an equation.

    Axes that tensor, kernel and result have make groups of a 1x1 convolution; without any it is a dense layer.
    """
    ranks = [kernel.ndim, kernel.ndim]
    ranks[1 - weights] = len(call.shapes[0]) + 1
    terms = contraction(equation, ranks, weights)
    if weights == 0:
        terms = replace(terms, first=terms.second, second=terms.first)
    sizes = sizes_of([terms.first, terms.second], [call.shapes[0], kernel.shape])
    groups, rows, order = terms.batch, terms.rows, terms.rows + terms.batch + terms.columns
    out = tuple(sizes[one] for one in terms.result)
    shift = np.zeros(out) if bias is None else np.broadcast_to(array(bias), out)
    shifts = shift.transpose([terms.result.index(one) for one in order]).reshape(size(rows, sizes), -1)
    alike = bool((shifts == shifts[0]).all())
    chain = Chain(call.inputs[0], call.shapes[0])
    lengths = (size(rows, sizes), 1) if groups else tuple(sizes[one] for one in rows)
    shape = (*lengths, size(groups + terms.depth, sizes))
    chain.bring(f"{call.name}/arranged", terms.first, rows + groups + terms.depth, shape, sizes)
    vector = float32(shifts[0] if alike else np.zeros(shifts.shape[1]))
    chain.add(_multiplication(call.name, chain.source, _matrices(kernel, terms, sizes), vector, grouped=bool(groups)))
    early = alike and function_name(function).lower() != "softmax"
    if early:
        _activate(chain, call, function)
    chain.bring(f"{call.name}/rearranged", order, terms.result, out, sizes)
    if not alike:
        held = Constant(name=f"{call.name}/bias", inputs=call.inputs, values=shift.astype(np.float64))
        chain.operations.append(held)
        chain.add(Add(name=f"{call.name}/biased", inputs=(chain.source, held.name)), out)
    if not early:
        _activate(chain, call, function)
    return tuple(chain.operations)


def _matrices(kernel: Doubles, terms: Contraction, sizes: Sizes) -> Doubles:
    """Return a kernel as (groups, depth, columns)."""
    parts = (terms.batch, terms.depth, terms.columns)
    moved = kernel.transpose([terms.second.index(one) for one in "".join(parts)])
    return moved.reshape([size(part, sizes) for part in parts])


def _multiplication(name: str, source: str, matrices: Doubles, bias: Floats, *, grouped: bool) -> Conv2D | Dense:
    if not grouped:
        return Dense(name=name, inputs=(source,), kernel=float32(matrices[0]), bias=bias)
    many, depth, _ = matrices.shape
    kernel = float32(matrices.transpose(1, 0, 2).reshape(1, 1, depth, -1))
    return Conv2D(name=name, inputs=(source,), kernel=kernel, bias=bias, groups=many)


def _activate(chain: Chain, call: Call, function: Any) -> None:
    name = f"{call.name}/{function_name(function).lower()}"
    for one in activate(function, name, chain.source, chain.shape):
        chain.add(one)


def einsum(call: Call) -> tuple[Operation, ...]:
    """Import keras.ops.einsum of two tensors, or of a tensor and a constant."""
    return product(call, str(call.layer.subscripts))


def product(call: Call, equation: str) -> tuple[Operation, ...]:
    """Return what an equation of two operands says; one of them may be a constant."""
    operands = len(call.arguments)
    if operands != 2:
        raise NoIntegerForm(f"equation {equation!r}: hwsim contracts 2 operands, not {operands}")
    if len(call.inputs) == 1:
        kernel = call.constant("contracts").astype(np.float64)
        return weighted(call, equation, kernel, weights=0 if call.constant_first else 1)
    terms = contraction(equation, [len(shape) + 1 for shape in call.shapes])
    sizes = sizes_of([terms.first, terms.second], call.shapes)
    return multiplied(call.name, call.inputs, terms, sizes)


def multiplied(name: str, inputs: Sequence[str], terms: Contraction, sizes: Sizes) -> tuple[Operation, ...]:
    """Return the matrix products of two tensors, (batch, rows, depth) by (batch, depth, columns)."""
    batch, rows, columns, depth = terms.batch, terms.rows, terms.columns, terms.depth
    many = tuple(sizes[one] for one in batch)
    chains, turned = [], []
    operands = (("first", terms.first, rows), ("second", terms.second, columns))
    for (word, axes, own), source in zip(operands, inputs, strict=True):
        chain = Chain(source, tuple(sizes[one] for one in axes))
        # What lies depth first is read so: no value moves for it.
        turned.append(axes == batch + depth + own)
        parts = (depth, own) if turned[-1] else (own, depth)
        shape = (*many, *(size(part, sizes) for part in parts))
        chain.bring(f"{name}/{word}", axes, batch + "".join(parts), shape, sizes)
        chains.append(chain)
    first, second = chains
    chain = Chain(first.source, first.shape)
    transpose = (turned[0], not turned[1])
    chain.add(MatMul(name=name, inputs=(first.source, second.source), transpose=transpose), second.shape)
    out = tuple(sizes[one] for one in terms.result)
    chain.bring(f"{name}/rearranged", batch + rows + columns, terms.result, out, sizes)
    return (*first.operations, *second.operations, *chain.operations)


def matmul(call: Call) -> tuple[Operation, ...]:
    """Import keras.ops.matmul of two tensors of one rank, or of a tensor and a matrix."""
    if len(call.inputs) == 1:
        matrix = call.constant("multiplies")
        if matrix.ndim != 2:
            raise NoIntegerForm(f"multiplies by a constant of the shape {matrix.shape}, which is no matrix")
        return product(call, "ij,...jk->...ik" if call.constant_first else "...j,jk->...k")
    if len({len(shape) for shape in call.shapes}) != 1 or len(call.shapes[0]) < 2:
        raise NoIntegerForm(f"multiplies samples of the shapes {', '.join(map(str, call.shapes))}")
    return (MatMul(name=call.name, inputs=call.inputs),)
