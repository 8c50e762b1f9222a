"""Lower activation functions that stand alone."""

from __future__ import annotations

import numpy as np

from hwsim.network import Activation
from hwsim.program.context import Context
from hwsim.program.merge import from_code, refuse_unscaled, rescales
from hwsim.program.ratio import Ratio
from hwsim.program.records import Rescale


def lower_activation(operation: Activation, context: Context) -> list[Rescale]:
    """Lower an activation: rescale to the output's scale, and the function before or after that."""
    settings = context.settings(operation)
    source, output = context.codes(operation.inputs[0]), context.made(operation.name)
    pipeline = from_code(operation.name, source, output.shape[-1])
    if operation.function and operation.function.max_value is not None and settings.activation.bounded == "clamped":
        pipeline.activate(operation.function, settings.activation, pipeline.unit)
        pipeline.add(np.full(pipeline.channels, source.zero_point, np.int64))
        pipeline.output(output, settings.output.overflow, add_zero_point=False)
    else:
        if not rescales(settings):
            refuse_unscaled(operation.name, [source], output, settings)
        unit = output.scales
        ratio = Ratio.of(operation.name, pipeline.unit / unit, settings.requantize, unit)
        pipeline.finish(operation.function, settings, output, ratio)
    points = tuple(pipeline.points)
    return [
        Rescale(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=(source.name,),
            output=output,
            points=points,
            wide=pipeline.wide,
            narrow=pipeline.narrow,
            steps=tuple(pipeline.steps),
            draws=context.draws(operation, points),
        )
    ]
