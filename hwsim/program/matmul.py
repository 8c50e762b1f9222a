"""Lower the matrix product of two feature maps."""

from __future__ import annotations

import numpy as np

from hwsim.network import MatMul
from hwsim.program.accumulator import Bounds, Sums, prove_stages
from hwsim.program.context import Context
from hwsim.program.mac import check_fixed_scale, code_range, ends_of, operand_range, ratio_of
from hwsim.program.pipeline import Pipeline
from hwsim.program.ratio import Ratio
from hwsim.program.records import MatrixProduct
from hwsim.quantize.decide import dropped_bits
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
    removed = settings.mac.second_zero_point == "removed"
    sums = Sums(
        weights=np.full((1, depth, 1), largest(operand_range(second) if removed else code_range(second)), np.int32),
        operands=(-largest(operand_range(first)), largest(operand_range(first))),
        ends=ends_of(settings.mac, places),
        start=np.zeros(1, np.int64),
        start_level=len(settings.mac.stages) - 1,
    )
    proof = prove_stages(operation.name, settings.mac, sums, unit)
    pipeline = Pipeline(layer=operation.name, bound=proof.bound, unit=unit)
    real = ratio_of(operation.name, settings, first.scale, np.array([second.scale]), unit, output.scales)
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
            zero_points=np.array([first.zero_point, second.zero_point if removed else 0], np.int64),
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


def largest(operand: Bounds) -> int:
    """Return the largest magnitude of an operand."""
    low, high = operand
    return max(-low, high)
