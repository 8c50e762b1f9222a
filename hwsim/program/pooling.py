"""Lower pooling."""

from __future__ import annotations

import numpy as np

from hwsim.network import AveragePool, MaxPool
from hwsim.network.pooling import Pool
from hwsim.program.context import Context, to_encode
from hwsim.program.pipeline import NARROW, Pipeline, fit_field, running_sum
from hwsim.program.records import Ints, Point, PoolAverage, PoolMax


def window_of(operation: Pool) -> Ints:
    """Return a window as the kernels take it."""
    before = operation.padding[0][0], operation.padding[1][0]
    return np.array([*operation.window, *operation.strides, *before], np.int64)


def lower_max_pool(operation: MaxPool, context: Context) -> list[PoolMax]:
    """Lower a maximum: codes move unchanged."""
    return [
        PoolMax(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=(context.stored(operation.inputs[0]).name,),
            output=context.shared(operation),
            window=window_of(operation),
        )
    ]


def lower_average_pool(operation: AveragePool, context: Context) -> list[PoolAverage]:
    """Lower a mean: a running sum, then a rounded division by the number of codes inside."""
    settings = context.settings(operation)
    source, output = context.stored(operation.inputs[0]), context.shared(operation)
    if output.levels:
        source, output = context.codes(operation.inputs[0]), to_encode(output)
    assert source.format is not None
    removed = settings.pooling.zero_point == "removed"
    zero_point = source.zero_point if removed else 0
    accumulator, area = settings.pooling.accumulator, operation.window[0] * operation.window[1]
    low, high = min(source.format.minimum - zero_point, 0), max(source.format.maximum - zero_point, 0)
    unit = output.scales
    point, wide = running_sum(operation.name, accumulator, unit, area, (low * area, high * area))
    smallest, largest = point.leaving((low, high))
    division = Point(name="division", unit=unit, rounding=settings.pooling.rounding, bound=(smallest, largest + 1))
    pipeline = Pipeline(layer=operation.name, bound=(smallest, largest + 1), unit=unit)
    pipeline.output(output, settings.output.overflow, add_zero_point=removed)
    points = (point, division, *pipeline.points)
    field = [*fit_field(accumulator), settings.pooling.rounding.code]
    return [
        PoolAverage(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=(source.name,),
            output=output,
            points=points,
            wide=wide or pipeline.wide,
            narrow=point.proven and pipeline.narrow and max(-low, high) * area < NARROW,
            window=window_of(operation),
            zero_point=zero_point,
            field=np.array(field, np.int64),
            steps=tuple(pipeline.steps),
            draws=context.draws(operation, points),
        )
    ]
