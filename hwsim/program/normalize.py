"""Lower normalisation by mean and variance: sums, a division, a square root and a reciprocal in integers."""

from __future__ import annotations

import math

import numpy as np

from hwsim.errors import WidthError
from hwsim.network import Normalize
from hwsim.program.context import Context
from hwsim.program.mac import operand_range
from hwsim.program.matmul import largest
from hwsim.program.pipeline import ONE_WORD, Pipeline
from hwsim.program.ratio import Ratio
from hwsim.program.records import NormalizeCodes, Point


def lower_normalize(operation: Normalize, context: Context) -> list[NormalizeCodes]:
    """Lower a normalisation; raises WidthError where a sum of squares could leave the simulator's word."""
    settings = context.settings(operation)
    source, output = context.codes(operation.inputs[0]), context.made(operation.name)
    unit, channels = settings.normalization, output.shape[-1]
    many = (math.prod(source.shape) if operation.whole else channels) // operation.groups
    most = 2 * largest(operand_range(source)) << unit.fraction_bits
    if most * most * many >= ONE_WORD:
        needed = (most * most * many).bit_length() + 1
        raise WidthError(
            f"{operation.name}: the sum of {many} squares needs {needed} bits, the simulator has 63; use fewer "
            f"normalization.fraction_bits than {unit.fraction_bits}, or activations of fewer bits"
        )
    if most << unit.reciprocal_bits >= ONE_WORD:
        needed = (most << unit.reciprocal_bits).bit_length() + 1
        raise WidthError(
            f"{operation.name}: a value times the reciprocal of the deviation needs {needed} bits, the simulator has "
            f"63; use fewer normalization.reciprocal_bits than {unit.reciprocal_bits}"
        )
    fine = np.full(channels, source.scale * 2.0**-unit.fraction_bits)
    result = np.full(channels, 2.0**-unit.result_bits)
    bound = bound_of(many, most, unit.reciprocal_bits, unit.result_bits)
    names = ("mean", "variance", "root", "reciprocal", "normalized")
    units = (fine, fine * fine, fine, 2.0**-unit.reciprocal_bits / fine, result)
    points = [
        Point(name=name, unit=one, rounding=unit.rounding, shift=1)
        for name, one in zip(names, units, strict=True)
        if name != "mean" or operation.centered
    ]
    pipeline = Pipeline(layer=operation.name, bound=(-bound, bound), unit=result)
    ratio = Ratio.of(operation.name, result / output.scales, settings.requantize, output.scales)
    pipeline.finish(None, settings, output, ratio)
    every = (*points, *pipeline.points)
    return [
        NormalizeCodes(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=(source.name,),
            output=output,
            points=every,
            wide=pipeline.wide,
            narrow=pipeline.narrow,
            zero_point=source.zero_point,
            groups=operation.groups,
            whole=operation.whole,
            centered=operation.centered,
            # as an integer, for it can need more bits than a float64 holds exactly
            epsilon=min(round(operation.epsilon / float(fine[0]) ** 2), ONE_WORD >> 1),
            field=np.array(
                [unit.fraction_bits, unit.reciprocal_bits, unit.result_bits, unit.rounding.code, bound], np.int64
            ),
            steps=tuple(pipeline.steps),
            draws=context.draws(operation, every),
        )
    ]


def bound_of(many: int, most: int, reciprocal_bits: int, result_bits: int) -> int:
    """Return what no result exceeds: of ``many`` values normalised together, none further than ``most`` from the mean.

    Of n values one lies sqrt(n) deviations from their mean at most. Rounding leaves a deviation a third of itself or
    more, makes its reciprocal greater by less than 1, and rounds each result once more.
    """
    return (3 * (math.isqrt(many) + 1) << result_bits) + (most << result_bits >> reciprocal_bits) + 2
