"""Lower pooling."""

from __future__ import annotations

import numpy as np

from hwsim.formats import IntFormat
from hwsim.network import AveragePool, MaxPool
from hwsim.network.pooling import Pool
from hwsim.program.context import Context
from hwsim.program.pipeline import Pipeline, check_room
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
            inputs=(context.codes(operation.inputs[0]).name,),
            output=context.shared(operation),
            window=window_of(operation),
        )
    ]


def lower_average_pool(operation: AveragePool, context: Context) -> list[PoolAverage]:
    """Lower a mean: a running sum, then a rounded division by the number of codes inside."""
    settings = context.settings(operation)
    source, output = context.codes(operation.inputs[0]), context.shared(operation)
    assert source.format is not None
    removed = settings.pooling.zero_point == "removed"
    zero_point = source.zero_point if removed else 0
    accumulator, area = settings.pooling.accumulator, operation.window[0] * operation.window[1]
    low, high = source.format.minimum - zero_point, source.format.maximum - zero_point
    sums = min(low, 0) * area, max(high, 0) * area
    form = IntFormat(bits=accumulator.bits, signed=accumulator.signed)
    unit = np.full(output.shape[-1], output.scale)
    proven = form.under(accumulator.overflow).holds(*sums)
    check_room(f"{operation.name}: accumulator", form, proven, max(-sums[0], sums[1]))
    held = (min(low, 0), max(high, 0)) if proven else (form.minimum, form.maximum)
    points: tuple[Point, ...] = (
        Point(
            name="accumulator",
            unit=unit,
            format=form,
            overflow=accumulator.overflow,
            saturated_bits=accumulator.saturated_bits,
            steps=area,
            stage=True,
            proven=proven,
            bound=sums,
        ),
        Point(name="division", unit=unit, rounding=settings.pooling.rounding, bound=(held[0], held[1] + 1)),
    )
    pipeline = Pipeline(layer=operation.name, bound=(held[0], held[1] + 1), unit=unit)
    pipeline.output(output, settings.output.overflow, add_zero_point=removed)
    points += tuple(pipeline.points)
    rounding = settings.pooling.rounding.code
    field = [
        accumulator.bits,
        accumulator.signed,
        accumulator.overflow.code,
        accumulator.saturated_bits,
        rounding,
    ]
    return [
        PoolAverage(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=(source.name,),
            output=output,
            points=points,
            window=window_of(operation),
            zero_point=zero_point,
            field=np.array(field, np.int64),
            steps=tuple(pipeline.steps),
            draws=context.draws(operation, points),
        )
    ]
