"""Lower values that stand in the model: they are stored as feature maps are."""

from __future__ import annotations

from typing import Any

import numpy as np

from hwsim.network import Constant, Operation
from hwsim.program.context import Context
from hwsim.program.records import ConstantCodes, Point, Tensor
from hwsim.program.stored import quantize_reals


def lower_constant(operation: Constant, context: Context) -> list[ConstantCodes]:
    """Lower a constant: its values become codes once, when the program is made."""
    source = context.stored(operation.inputs[0])
    return [ConstantCodes(**constant_codes(operation, operation.values, source, context))]


def constant_codes(operation: Operation, values: np.ndarray, source: Tensor, context: Context) -> dict[str, Any]:
    """Return the fields of an operation that holds ``values`` (…, channels) as codes of its output."""
    settings = context.settings(operation)
    output = context.made(operation.name)
    assert output.format is not None
    form, rounding = output.format, settings.activations.rounding
    zero_point = np.full(output.shape[-1], output.zero_point, np.int64)
    codes, counts = quantize_reals(values, output.scales, zero_point, form, form.clamping, rounding)
    point = Point(
        name="constant",
        unit=output.scales,
        format=form,
        overflow=form.clamping,
        rounding=rounding,
        zero_point=output.zero_point,
        once=True,
    )
    return {
        "name": operation.name,
        "layer": operation.name,
        "kind": operation.kind,
        "inputs": (source.name,),
        "output": output,
        "points": (point,),
        "codes": codes,
        "initial": counts[None],
    }
