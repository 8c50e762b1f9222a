"""Lower a mean over a whole image: a sum, and a requantisation that divides by the number of codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwsim.network import Mean
from hwsim.program.accumulator import Sums, prove_stages
from hwsim.program.context import Context
from hwsim.program.mac import check_fixed_scale, ends_of, operand_range
from hwsim.program.pipeline import Pipeline
from hwsim.program.pooling import whole_share
from hwsim.program.ratio import Ratio, float_mean, goes_in_float32, scaled_count_mean
from hwsim.program.records import Ints, MultiplyAccumulate, Tensor
from hwsim.target import Settings
from hwsim.target.settings import Mac, Stage
from hwsim_kernels import counting
from hwsim_kernels.order import steps_in_order


def lower_mean(operation: Mean, context: Context) -> list[MultiplyAccumulate]:
    """Lower a mean as a depthwise convolution with weights of 1, whose sum is that of `pooling.accumulator`.

    Codes are added row by row. Nothing was ever lost of such weights, so they have no points.
    """
    settings = context.settings(operation)
    source, output = context.codes(operation.inputs[0]), context.made(operation.name)
    height, width, channels = source.shape
    count = height * width
    mac = Mac(stages=(Stage(name="accumulator", **settings.pooling.accumulator.model_dump()),))
    taps = steps_in_order(height, width, 1, mac.order, None)
    form = settings.pooling.mean
    zero_point = 0 if form == "folded" else source.zero_point
    sums = Sums(
        weights=np.ones((channels, count, 1), np.int32),
        operands=operand_range(replace(source, zero_point=zero_point)),
        ends=ends_of(mac, taps),
        start=np.zeros(channels, np.int64),
        start_level=0,
    )
    unit = np.full(channels, source.scale / count)
    check_fixed_scale(operation.name, settings, unit, output)
    proof = prove_stages(operation.name, mac, sums, unit)
    pipeline = Pipeline(layer=operation.name, bound=proof.bound, unit=unit)
    ratio = mean_ratio(operation.name, source, output, settings, form)
    if form == "folded":
        pipeline.rescale(ratio)
        pipeline.add(-folded_zero_points(source, output))
        pipeline.output(output, settings.output.overflow)
    else:
        pipeline.finish(None, settings, output, ratio)
    points = (*proof.points, *pipeline.points)
    return [
        MultiplyAccumulate(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=(source.name,),
            output=output,
            points=points,
            view=(height, width, channels),
            output_view=(1, 1, channels),
            zero_point=zero_point,
            outside=0,
            taps=taps,
            strides=np.ones(2, np.int64),
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
    ]


def mean_ratio(layer: str, source: Tensor, output: Tensor, settings: Settings, form: str) -> Ratio:
    """Return what brings a sum over an image (rows, columns, channels) to the output's scale.

    Raises PlanError where float32 cannot hold a ratio that is formed in it.
    """
    height, width, _ = source.shape
    count, scales = height * width, source.scale / output.scales
    whole, divisor = scales / count, 1
    if form in ("folded", "scaled_count"):
        whole = scaled_count_mean(layer, source.scale, output.scales, count)
    elif goes_in_float32(settings.requantize):
        whole = float_mean(layer, source.scale, output.scales, count)
    elif form == "divided":
        whole, divisor = scales, count
    elif settings.pooling.division != "count":
        whole = scales * whole_share(settings.pooling.division, height, width)
    return Ratio.of(layer, whole, settings.requantize, output.scales, divisor)


def folded_zero_points(source: Tensor, output: Tensor) -> Ints:
    """Return the input's zero point in LSBs of the output (channels,), in float32, a half away from 0 and cut off."""
    scaled = np.float32(source.zero_point) * np.float32(source.scale) / output.scales.astype(np.float32)
    half = np.float32(0.5)
    return np.where(scaled > 0, scaled + half, scaled - half).astype(np.int64)
