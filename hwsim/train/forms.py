"""From each operation of a network to the layer that computes it, and to what plan and target say of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hwsim.network import (
    Add,
    AveragePool,
    Constant,
    Curve,
    Embedding,
    MatMul,
    Multiply,
    Operation,
    Prelu,
    Resize,
    Weighted,
)
from hwsim.train.constant import Fixed
from hwsim.train.curve import Curved
from hwsim.train.embedding import Rows
from hwsim.train.layers import Mean, OperationLayer, SharedSum, WeightedSums
from hwsim.train.moves import MOVES, Move
from hwsim.train.numbers import Numbers
from hwsim.train.products import Products
from hwsim.train.resize import Between
from hwsim.train.slopes import Sloped


class Form(NamedTuple):
    """A layer, and its settings where it rounds as a plan and a target say."""

    layer: type[OperationLayer]
    settings: Callable[[Numbers, Any], dict[str, Any]] | None = None


FORMS: Mapping[type[Operation], Form] = {
    Add: Form(SharedSum, Numbers.sum),
    AveragePool: Form(Mean, Numbers.mean),
    Constant: Form(Fixed, Numbers.constant),
    Curve: Form(Curved, Numbers.curve),
    Embedding: Form(Rows),
    MatMul: Form(Products, Numbers.product),
    Multiply: Form(Products, Numbers.product),
    Prelu: Form(Sloped, Numbers.slopes),
    Resize: Form(Between, Numbers.resize),
    Weighted: Form(WeightedSums, Numbers.sums),
    **dict.fromkeys(MOVES, Form(Move)),
}
"""The layers, by the kind of operation."""


def form_of(operation: Operation) -> Form | None:
    """Return the layer of an operation, or None if there is none."""
    return next((form for kind, form in FORMS.items() if isinstance(operation, kind)), None)
