"""Lower values that stand in the model: they are stored as feature maps are."""

from __future__ import annotations

import numpy as np

from hwsim.network import Constant
from hwsim.program.context import Context
from hwsim.program.records import ConstantCodes, Point
from hwsim.program.stored import quantize_reals


def lower_constant(operation: Constant, context: Context) -> list[ConstantCodes]:
    """Lower a constant: its values become codes once, when the program is made."""
    settings = context.settings(operation)
    output = context.made(operation.name)
    assert output.format is not None
    form, rounding = output.format, settings.activations.rounding
    zero_point = np.full(output.shape[-1], output.zero_point, np.int64)
    codes, counts = quantize_reals(operation.values, output.scales, zero_point, form, form.clamping, rounding)
    point = Point(
        name="constant",
        unit=output.scales,
        format=form,
        overflow=form.clamping,
        rounding=rounding,
        zero_point=output.zero_point,
        once=True,
    )
    return [
        ConstantCodes(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=(context.stored(operation.inputs[0]).name,),
            output=output,
            points=(point,),
            codes=codes,
            initial=counts[None],
        )
    ]
