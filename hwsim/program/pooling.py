"""Lower pooling."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from hwsim.errors import PlanError
from hwsim.network import AveragePool, MaxPool
from hwsim.network.pooling import Pool
from hwsim.program.accumulator import Sums, prove_stages
from hwsim.program.context import Context, to_encode
from hwsim.program.mac import ends_of, operand_range
from hwsim.program.pipeline import NARROW, Pipeline, fit_field, running_sum
from hwsim.program.ratio import scaled_count_mean
from hwsim.program.records import FloatAverage, Ints, MultiplyAccumulate, Point, PoolAverage, PoolMax, Tensor
from hwsim.target import Settings
from hwsim.target.settings import Mac, Stage
from hwsim_kernels import counting
from hwsim_kernels.order import steps_in_order

LEAST_REAL = 2.0**-100
"""Scales above this, and below its reciprocal, leave float32 room for sums and quotients."""

DPU_FACTORS = {(3, 3): (7, 6), (5, 5): (10, 8), (6, 6): (7, 8), (7, 7): (21, 10), (14, 14): (21, 12)}
"""Windows of which the Xilinx DPU has its own N and M: Vitis AI, cpu_task/ops/pool-fix/pool-fix.cpp:51-90."""


def window_of(operation: Pool) -> Ints:
    """Return a window as the kernels take it."""
    before = operation.padding[0][0], operation.padding[1][0]
    return np.array([*operation.window, *operation.strides, *before], np.int64)


def lower_max_pool(operation: MaxPool, context: Context) -> list[PoolMax]:
    """Lower a maximum: codes move unchanged."""
    output = context.shared(operation)
    assert output.format is not None
    zeros = context.settings(operation).pooling.max_padding == "zero"
    return [
        PoolMax(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=(context.stored(operation.inputs[0]).name,),
            output=output,
            window=window_of(operation),
            outside=output.zero_point if zeros else output.format.minimum,
        )
    ]


def dpu_factors(height: int, width: int) -> tuple[int, int]:
    """Return N and M: the Xilinx DPU multiplies the sum of a window by N / 2^M.

    >>> dpu_factors(3, 3), dpu_factors(2, 2), dpu_factors(2, 3)
    ((7, 6), (1, 2), (85, 9))
    """
    if (height, width) in DPU_FACTORS:
        return DPU_FACTORS[height, width]
    many = height * width
    pairs = [(((2 << shift) + many) // (2 * many), shift) for shift in range((128 * many - 1).bit_length())]
    # |N / 2^M - 1 / n|, in whole numbers: times n * 2^largest M
    return min(pairs, key=lambda pair: abs(pair[0] * many - (1 << pair[1])) << (pairs[-1][1] - pair[1]))


def whole_factors(division: str, height: int, width: int) -> list[tuple[str, int, int]]:
    """Return what `pooling.division` makes of a whole window: points, factors and the shifts behind them, in order.

    >>> whole_factors("reciprocals", 3, 2)
    [('division_width', 32768, 16), ('division', 21845, 16)]
    """
    if division == "dpu":
        return [("division", *dpu_factors(height, width))]
    return [("division_width", (1 << 16) // width, 16), ("division", (1 << 16) // height, 16)]


def whole_share(division: str, height: int, width: int) -> float:
    """Return the product of these factors, each divided by its power of two."""
    return math.prod(factor / 2.0**shift for _, factor, shift in whole_factors(division, height, width))


def lower_average_pool(
    operation: AveragePool, context: Context
) -> list[PoolAverage] | list[FloatAverage] | list[MultiplyAccumulate]:
    """Lower a mean: a running sum, then a rounded division by the number of codes inside, or a factor of the window."""
    settings = context.settings(operation)
    source, output = context.stored(operation.inputs[0]), context.shared(operation)
    if output.levels:
        source, output = context.codes(operation.inputs[0]), to_encode(output)
    assert source.format is not None
    if settings.pooling.average == "float32" and covers(operation, source):
        return [whole_window(operation, source, output, settings, context)]
    if settings.pooling.average == "float32":
        return [average_in_float32(operation, source, output, context)]
    if settings.pooling.division != "count":
        return [whole_window(operation, source, output, settings, context)]
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


def covers(operation: AveragePool, source: Tensor) -> bool:
    """Whether a window is the whole image."""
    return operation.window == source.shape[:2] and operation.padding == ((0, 0), (0, 0))


def average_in_float32(operation: AveragePool, source: Tensor, output: Tensor, context: Context) -> FloatAverage:
    """Lower a mean of real values in float32, brought back to codes of the same scale.

    Raises PlanError for a scale that leaves no room in float32.
    """
    settings = context.settings(operation)
    assert source.format is not None
    if not ((output.scales > LEAST_REAL) & (output.scales < 1 / LEAST_REAL)).all():
        raise PlanError(f"{operation.name}: an average in float32 of codes of the scale {output.scale!r}")
    low, high = min(source.format.minimum - source.zero_point, 0), max(source.format.maximum - source.zero_point, 0)
    # sums of float32 can be off by a part of 2^-24 for each of their terms
    most = int(max(-low, high) * (1 + operation.window[0] * operation.window[1] * 2.0**-22)) + 1
    bound = -most if low < 0 else -1, most
    division = Point(name="division", unit=output.scales, rounding=settings.pooling.rounding, bound=bound)
    pipeline = Pipeline(layer=operation.name, bound=bound, unit=output.scales)
    pipeline.output(output, settings.output.overflow)
    points = (division, *pipeline.points)
    return FloatAverage(
        name=operation.name,
        layer=operation.name,
        kind=operation.kind,
        inputs=(source.name,),
        output=output,
        points=points,
        wide=pipeline.wide,
        narrow=pipeline.narrow,
        window=window_of(operation),
        zero_point=source.zero_point,
        scales=output.scales,
        rounding=settings.pooling.rounding,
        steps=tuple(pipeline.steps),
        draws=context.draws(operation, points),
    )


def whole_window(
    operation: AveragePool, source: Tensor, output: Tensor, settings: Settings, context: Context
) -> MultiplyAccumulate:
    """Lower a mean of whole windows: a depthwise convolution with weights of 1, whose sum is multiplied.

    It is shifted behind that, or of a window of the whole image in float32 rounded.
    """
    (height, width), channels, pooling = operation.window, source.shape[-1], settings.pooling
    mac = Mac(stages=(Stage(name="accumulator", **pooling.accumulator.model_dump()),))
    places = steps_in_order(height, width, 1, mac.order, None)
    sums = Sums(
        weights=np.ones((channels, height * width, 1), np.int32),
        operands=operand_range(source),
        ends=ends_of(mac, places),
        start=np.zeros(channels, np.int64),
        start_level=0,
    )
    proof = prove_stages(operation.name, mac, sums, output.scales)
    pipeline = Pipeline(layer=operation.name, bound=proof.bound, unit=output.scales)
    if pooling.average == "float32":
        ratio = scaled_count_mean(operation.name, source.scale, np.full(channels, source.scale), height * width)
        pipeline.scale_float("division", ratio, pooling.rounding)
    else:
        for point, factor, shift in whole_factors(pooling.division, height, width):
            pipeline.scale(point, [factor] * channels, [shift] * channels, pooling.rounding)
    pipeline.output(output, settings.output.overflow)
    constant = Point(name="weight", unit=np.ones(channels), once=True)
    points = (constant, replace(constant, name="bias"), *proof.points, *pipeline.points)
    (top, _), (left, _) = operation.padding
    return MultiplyAccumulate(
        name=operation.name,
        layer=operation.name,
        kind=operation.kind,
        inputs=(source.name,),
        output=output,
        points=points,
        view=(source.shape[0], source.shape[1], channels),
        output_view=(output.shape[0], output.shape[1], channels),
        zero_point=source.zero_point,
        outside=0,
        taps=places - (top, left, 0),
        strides=np.array(operation.strides, np.int64),
        spread=np.ones(2, np.int64),
        weights=sums.weights,
        start=sums.start,
        start_level=0,
        product=proof.product,
        stages=proof.stages,
        ends=sums.ends,
        steps=tuple(pipeline.steps),
        draws=context.draws(operation, points),
        exact=proof.exact,
        wide_sums=proof.wide,
        wide=proof.wide or pipeline.wide,
        narrow=pipeline.narrow,
        initial=counting.new_counts(len(points), channels),
    )
