"""Lower the matrix product of two feature maps."""

from __future__ import annotations

import numpy as np

from hwsim.network import MatMul
from hwsim.program.accumulator import Sums, prove_stages
from hwsim.program.context import Context
from hwsim.program.mac import check_fixed_scale, ends_of, operand_range
from hwsim.program.pipeline import Pipeline
from hwsim.program.ratio import Ratio, Reals, float_product, float_ratio, forming_rule
from hwsim.program.records import MatrixProduct, Tensor
from hwsim.quantize.decide import dropped_bits
from hwsim.target import Settings
from hwsim_kernels.order import steps_in_order


def lower_matmul(operation: MatMul, context: Context) -> list[MatrixProduct]:
    """Lower a matrix product: sums as those of a dense layer, whose weights are the second input's codes."""
    settings = context.settings(operation)
    first, second = (context.codes(name) for name in operation.inputs)
    output = context.made(operation.name)
    depth = first.shape[-2 if operation.transpose[0] else -1]
    unit = np.full(output.shape[-1], first.scale * second.scale * 2.0 ** dropped_bits(settings))
    check_fixed_scale(operation.name, settings, unit, output)
    tile = settings.mac.tile.input_channel if settings.mac.tile else None
    places = steps_in_order(1, 1, depth, settings.mac.order, tile)
    sums = Sums(
        weights=np.full((1, depth, 1), largest(second), np.int32),
        operands=(-largest(first), largest(first)),
        ends=ends_of(settings.mac, places),
        start=np.zeros(1, np.int64),
        start_level=len(settings.mac.stages) - 1,
    )
    proof = prove_stages(operation.name, settings.mac, sums, unit)
    pipeline = Pipeline(layer=operation.name, bound=proof.bound, unit=unit)
    real = ratio_of(operation.name, settings, first, second, unit, output.scales)
    pipeline.finish(None, settings, output, Ratio.of(operation.name, real, settings.requantize, output.scales))
    points = (*proof.points, *pipeline.points)
    return [
        MatrixProduct(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=(first.name, second.name),
            output=output,
            points=points,
            wide=proof.wide or pipeline.wide,
            narrow=pipeline.narrow,
            transpose=operation.transpose,
            zero_points=np.array([first.zero_point, second.zero_point], np.int64),
            places=places[:, 2].copy(),
            product=proof.product,
            stages=proof.stages,
            ends=sums.ends,
            steps=tuple(pipeline.steps),
            draws=context.draws(operation, points),
            exact=proof.exact,
            wide_sums=proof.wide,
        )
    ]


def largest(source: Tensor) -> int:
    """Return the largest magnitude of a code less its zero point."""
    low, high = operand_range(source)
    return max(-low, high)


def ratio_of(layer: str, settings: Settings, first: Tensor, second: Tensor, unit: Reals, output: Reals) -> Reals:
    """Return the real ratio (channels,) from the last stage's LSB to the output's."""
    rule = forming_rule(settings.requantize)
    if rule == "float_ratio":
        return float_ratio(layer, first.scale, second.scale, output, dropped_bits(settings))
    if rule == "nearest":
        return unit / output
    return float_product(layer, first.scale, np.full(unit.size, second.scale), output, dropped_bits(settings))
