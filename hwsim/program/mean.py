"""Lower a mean over a whole image: a sum, and a requantisation that divides by the number of codes."""

from __future__ import annotations

import numpy as np

from hwsim.network import Mean
from hwsim.program.accumulator import Sums, prove_stages
from hwsim.program.context import Context
from hwsim.program.mac import check_fixed_scale, ends_of, operand_range
from hwsim.program.pipeline import Pipeline
from hwsim.program.pooling import dpu_share
from hwsim.program.ratio import Ratio
from hwsim.program.records import MultiplyAccumulate
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
    sums = Sums(
        weights=np.ones((channels, count, 1), np.int32),
        operands=operand_range(source),
        ends=ends_of(mac, taps),
        start=np.zeros(channels, np.int64),
        start_level=0,
    )
    unit = np.full(channels, source.scale / count)
    check_fixed_scale(operation.name, settings, unit, output)
    proof = prove_stages(operation.name, mac, sums, unit)
    pipeline = Pipeline(layer=operation.name, bound=proof.bound, unit=unit)
    scales = source.scale / output.scales
    share = scales * dpu_share(height, width) if settings.pooling.division == "dpu" else scales / count
    whole, divisor = (scales, count) if settings.pooling.mean == "divided" else (share, 1)
    pipeline.finish(
        None, settings, output, Ratio.of(operation.name, whole, settings.requantize, output.scales, divisor)
    )
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
            zero_point=source.zero_point,
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
