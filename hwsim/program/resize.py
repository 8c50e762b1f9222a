"""Lower interpolation between pixels."""

from __future__ import annotations

import numpy as np

from hwsim.network import Resize
from hwsim.program.context import Context, to_encode
from hwsim.program.pipeline import Pipeline
from hwsim.program.records import Interpolate, Point


def lower_resize(operation: Resize, context: Context) -> list[Interpolate]:
    """Lower a bilinear interpolation: four codes times integer weights, then a rounding shift."""
    settings = context.settings(operation)
    source, output = context.stored(operation.inputs[0]), context.shared(operation)
    if output.levels:
        source, output = context.codes(operation.inputs[0]), to_encode(output)
    assert source.format is not None
    removed = settings.resize.zero_point == "removed"
    zero_point = source.zero_point if removed else 0
    bits = settings.resize.fraction_bits
    real = settings.resize.positions == "float32"
    (rows, row_weights), (columns, column_weights) = (
        operation.taps(source.shape, axis, bits, real=real) for axis in (0, 1)
    )
    most = int(np.abs(row_weights).sum(axis=1).max() * np.abs(column_weights).sum(axis=1).max())
    size = max(zero_point - source.format.minimum, source.format.maximum - zero_point)
    largest = (size * most >> 2 * bits) + 1
    bound = (-largest if source.format.minimum < zero_point else 0, largest)
    point = Point(
        name="interpolation", unit=output.scales, rounding=settings.resize.rounding, shift=2 * bits, bound=bound
    )
    pipeline = Pipeline(layer=operation.name, bound=bound, unit=output.scales)
    pipeline.output(output, settings.output.overflow, add_zero_point=removed)
    points = (point, *pipeline.points)
    return [
        Interpolate(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=(source.name,),
            output=output,
            points=points,
            wide=pipeline.wide,
            narrow=pipeline.narrow,
            rows=rows,
            columns=columns,
            row_weights=row_weights,
            column_weights=column_weights,
            zero_point=zero_point,
            shift=2 * bits,
            rounding=settings.resize.rounding.code,
            steps=tuple(pipeline.steps),
            draws=context.draws(operation, points),
        )
    ]
