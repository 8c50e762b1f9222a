"""Lower a network by its plan for a target: from here on there are only integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hwsim.errors import PlanError
from hwsim.network import (
    Activation,
    Add,
    AveragePool,
    Concatenate,
    Constant,
    Conv2D,
    Conv2DTranspose,
    Crop,
    Curve,
    Dense,
    Embedding,
    Input,
    MatMul,
    MaxPool,
    Mean,
    Multiply,
    Network,
    Normalize,
    Operation,
    Pad,
    Prelu,
    Rearrange,
    Reshape,
    Resize,
    ScaleShift,
    Softmax,
    Subtract,
    Weighted,
)
from hwsim.program.activation import lower_activation, lower_prelu
from hwsim.program.constant import lower_constant
from hwsim.program.context import Context
from hwsim.program.curve import lower_curve
from hwsim.program.embedding import lower_embedding
from hwsim.program.input import lower_input
from hwsim.program.levels import stored_forms
from hwsim.program.mac import lower_weighted
from hwsim.program.matmul import lower_matmul
from hwsim.program.mean import lower_mean
from hwsim.program.memory import Memory
from hwsim.program.merge import lower_add, lower_concatenate, lower_multiply
from hwsim.program.normalize import lower_normalize
from hwsim.program.pooling import lower_average_pool, lower_max_pool
from hwsim.program.program import Program
from hwsim.program.records import IntOperation, Tensor
from hwsim.program.resize import lower_resize
from hwsim.program.shape import lower_crop, lower_pad, lower_rearrange, lower_reshape
from hwsim.program.softmax import lower_softmax
from hwsim.quantize.plan import Plan
from hwsim.target import Target

LOWERINGS: Mapping[type[Operation], Callable[[Any, Context], Sequence[IntOperation]]] = {
    Activation: lower_activation,
    Add: lower_add,
    AveragePool: lower_average_pool,
    Concatenate: lower_concatenate,
    Constant: lower_constant,
    Conv2D: lower_weighted,
    Conv2DTranspose: lower_weighted,
    Crop: lower_crop,
    Curve: lower_curve,
    Dense: lower_weighted,
    Embedding: lower_embedding,
    Input: lower_input,
    MatMul: lower_matmul,
    MaxPool: lower_max_pool,
    Mean: lower_mean,
    Multiply: lower_multiply,
    Normalize: lower_normalize,
    Pad: lower_pad,
    Prelu: lower_prelu,
    Rearrange: lower_rearrange,
    Reshape: lower_reshape,
    Resize: lower_resize,
    ScaleShift: lower_weighted,
    Softmax: lower_softmax,
    Subtract: lower_add,
}


def lower(network: Network, plan: Plan, target: Target, memory: Memory | None = None) -> Program:
    """Turn a network and its plan into a program of integers for a target.

    With a ``memory`` of earlier lowerings of this network, operations of which nothing differs are the same records.

    Raises PlanError where the plan does not fit the network or the target, and WidthError where a value could leave the
    simulator's own 125 bits.
    """
    check_names(network, plan)
    context = Context(network=network, plan=plan, target=target)
    for one in network.inputs:
        context.tensors[one.name] = Tensor(name=one.name, shape=one.shape, format=None, indices=one.indices)
    operations: list[IntOperation] = []
    recall = Memory() if memory is None else memory
    for operation in network.operations:
        for made in recall.lowered(operation, context, with_stored_forms):
            operations.append(made)
            context.tensors[made.output.name] = made.output
    inputs = {one.name for one in network.inputs}
    return Program(
        network=network.name,
        target=target.name,
        inputs=tuple(context.tensors[one.name] for one in network.inputs),
        outputs=tuple(f"{name}/codes" if name in inputs else name for name in network.outputs),
        operations=tuple(operations),
    )


def with_stored_forms(operation: Operation, context: Context) -> list[IntOperation]:
    """Lower one operation, and the way to stored codes and back where they are no plain integers."""
    lowered = LOWERINGS[type(operation)](operation, context)
    return [one for made in lowered for one in (made, *stored_forms(made, operation, context))]


def check_names(network: Network, plan: Plan) -> None:
    """Raise PlanError if the plan names what the network does not have."""
    strangers = sorted({*plan.tensors, *plan.weights} - set(network.shapes))
    if strangers:
        raise PlanError(f"the plan names {', '.join(strangers)}, which the network {network.name!r} does not have")
    weightless = sorted(name for name in plan.weights if not isinstance(network.by_name[name], Weighted | Prelu))
    if weightless:
        raise PlanError(f"the plan gives weights to {', '.join(weightless)}, which have none")
