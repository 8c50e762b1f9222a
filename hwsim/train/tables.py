"""What the integer program makes of every code of a function's input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwsim.engine import Engine
from hwsim.engine.storage import storage
from hwsim.network import Curve, Input, Network
from hwsim.program import lower
from hwsim.quantize import Plan
from hwsim.target import Target


def table_of(operation: Curve, plan: Plan, target: Target) -> NDArray[np.float64]:
    """Return the real values (codes, channels) that a program makes of each code, from the smallest up.

    There is one channel unless those of the input or of the output have scales of their own.
    """
    (name,) = operation.inputs
    source, result = plan.tensors[name], plan.tensors[operation.name]
    channels = len(source.shift or result.shift or (0,))
    alone = Network(
        name=plan.network, operations=(Input(name=name, shape=(channels,)), operation), outputs=(operation.name,)
    )
    tensors = {name: source, operation.name: result}
    program = lower(alone, plan.model_copy(update={"tensors": tensors, "weights": {}}), target)
    codes = np.arange(source.format.minimum, source.format.maximum + 1)
    # the codes themselves: to quantise real values could move them, as some rounding modes do
    values = {f"{name}/codes": np.repeat(codes[:, None], channels, axis=1).astype(storage(source.format))}
    with Engine(len(codes), counted=False) as engine:
        for one in program.operations:
            if all(read in values for read in one.inputs):
                values[one.output.name], _ = engine.run(one, [values[read] for read in one.inputs], 0)
    return program.tensors[operation.name].real(values[operation.name])
