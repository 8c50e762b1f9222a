"""Lower the operations at which branches meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hwsim.errors import PlanError
from hwsim.formats import Rounding
from hwsim.network import Add, Concatenate, Multiply, Subtract
from hwsim.program.accumulator import product_field, product_point
from hwsim.program.context import Context
from hwsim.program.mac import check_fixed_scale, operand_range
from hwsim.program.pipeline import NARROW, ONE_WORD, Pipeline, fit_field, running_sum
from hwsim.program.ratio import Ratio, Reals, float_ratio, goes_in_float32, sum_weights, within_float32
from hwsim.program.records import FloatSum, Join, Point, Product, Sum, Tensor
from hwsim.quantize.decide import product_unit
from hwsim.target import Settings
from hwsim.target.settings import Requantize
from hwsim.target.steps import ShiftRightStep, fixed_scale, goes_by_ratio
from hwsim_kernels.float_sums import multiply_add


def widest(pipelines: Sequence[Pipeline]) -> tuple[int, int]:
    """Return what bounds the results of all of several pipelines."""
    return min(one.bound[0] for one in pipelines), max(one.bound[1] for one in pipelines)


def shared_points(pipelines: Sequence[Pipeline], *, side_by_side: bool = False) -> tuple[Point, ...]:
    """Return the points that several inputs count into, with bounds that hold for all of them.

    ``side_by_side`` says that the inputs' channels stand next to each other in the output, each with a unit of its own.
    Raises PlanError where vectors of channels take some inputs whole and leave channels of others.
    """
    counting = [one for one in pipelines if one.points]
    if len({tuple(point.name for point in one.points) for one in counting}) > 1:
        channels = ", ".join(str(one.unit.size) for one in pipelines)
        raise PlanError(
            f"{counting[0].layer}: joins inputs of {channels} channels, which the vector of a shift_right takes "
            "apart in different ways; give operations.concatenate a requantize without vector"
        )
    return tuple(
        shared_point(same, pipelines, side_by_side) for same in zip(*(one.points for one in counting), strict=True)
    )


def shared_point(same: Sequence[Point], pipelines: Sequence[Pipeline], side_by_side: bool) -> Point:
    """Return one point that stands for the ``same`` point of several inputs."""
    units = iter(point.unit for point in same)
    parts = [next(units) if one.points else one.unit for one in pipelines] if side_by_side else [same[0].unit]
    bounds = [point.bound for point in same if point.bound is not None]
    return replace(
        same[0],
        unit=np.concatenate(parts),
        bound=(min(low for low, _ in bounds), max(high for _, high in bounds)),
        proven=all(point.proven for point in same),
        shift=max(point.shift for point in same),
    )


def from_code(layer: str, source: Tensor, channels: int) -> Pipeline:
    """Start a pipeline at a stored code: take off its zero point."""
    assert source.format is not None
    low, high = source.format.minimum, source.format.maximum
    pipeline = Pipeline(layer=layer, bound=(low, high), unit=np.full(channels, source.scale))
    if source.zero_point:
        pipeline.add(np.full(channels, -source.zero_point, np.int64))
    return pipeline


def lower_add(operation: Add, context: Context) -> list[Sum] | list[FloatSum]:
    """Lower a sum or a difference: inputs brought to one scale, added, activated, requantised."""
    settings = context.settings(operation)
    if settings.addition.kind == "float32":
        return [add_in_float32(operation, context)]
    sources = [context.codes(name) for name in operation.inputs]
    output = context.made(operation.name)
    weighted = settings.addition.kind == "weighted"
    inputs, ratio = (weigh if weighted else bring_to_common)(operation.name, sources, output, settings)
    unit = inputs[0].unit
    if isinstance(operation, Subtract):
        inputs[1].negate()
    low, high = widest(inputs)
    sums = min(low, 0) * len(sources), max(high, 0) * len(sources)
    point, wide = running_sum(operation.name, settings.addition.accumulator, unit, len(sources), sums)
    pipeline = Pipeline(layer=operation.name, bound=point.leaving(sums), unit=unit)
    pipeline.finish(operation.activation, settings, output, ratio)
    points = (*shared_points(inputs), point, *pipeline.points)
    return [
        Sum(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=tuple(source.name for source in sources),
            output=output,
            points=points,
            wide=wide or any(one.wide for one in (*inputs, pipeline)),
            narrow=point.proven and all(one.narrow for one in (*inputs, pipeline)),
            input_steps=tuple(tuple(one.steps) for one in inputs),
            field=np.array(fit_field(settings.addition.accumulator), np.int64),
            steps=tuple(pipeline.steps),
            draws=context.draws(operation, points),
        )
    ]


def add_in_float32(operation: Add, context: Context) -> FloatSum:
    """Lower a sum in float32, which takes zero points along, and is rounded once.

    Raises PlanError for scales that make it too large.
    """
    settings = context.settings(operation)
    sources = [context.codes(name) for name in operation.inputs]
    output = context.made(operation.name)
    signs = [1, -1] if isinstance(operation, Subtract) else [1] * len(sources)
    scales = output.scales.astype(np.float32)
    with np.errstate(all="ignore"):
        ratios = [within_float32(operation.name, np.float32(source.scale) / scales) for source in sources]
    pairs = [(source, sign * ratio) for source, sign, ratio in zip(sources, signs, ratios, strict=True)]
    if repeats_pixels(sources, output):
        pairs.reverse()
    bound = bound_of_sum(operation.name, pairs)
    pipeline = Pipeline(layer=operation.name, bound=bound, unit=output.scales)
    pipeline.activate(operation.activation, settings.activation, output.scales)
    pipeline.output(output, settings.output.overflow)
    rounded = Point(name="requantize", unit=output.scales, rounding=settings.addition.rounding, bound=bound)
    points = (rounded, *pipeline.points)
    return FloatSum(
        name=operation.name,
        layer=operation.name,
        kind=operation.kind,
        inputs=tuple(source.name for source, _ in pairs),
        output=output,
        points=points,
        wide=pipeline.wide,
        narrow=pipeline.narrow,
        ratios=np.stack([ratio for _, ratio in pairs]),
        fixed=zero_points_of_sum([(source.zero_point, ratio) for source, ratio in pairs], output.zero_point),
        rounding=settings.addition.rounding,
        steps=tuple(pipeline.steps),
        draws=context.draws(operation, points),
    )


def repeats_pixels(sources: Sequence[Tensor], output: Tensor) -> bool:
    """Whether the first of two inputs alone has one pixel for many of the output: ONNX Runtime then swaps them."""
    one_pixel = [output.shape[:-1] != source.shape[:-1] == (1,) * (len(source.shape) - 1) for source in sources]
    return one_pixel == [True, False]


def bound_of_sum(layer: str, pairs: Sequence[tuple[Tensor, Reals]]) -> tuple[int, int]:
    """Return what bounds a rounded sum of codes by their ratios; raise PlanError where float32 stops to be exact."""
    low, high = -2.0, 2.0
    for source, ratios in pairs:
        assert source.format is not None
        ends = [ratios * (end - source.zero_point) for end in (source.format.minimum, source.format.maximum)]
        low += 1.001 * min(0.0, float(np.min(ends)))
        high += 1.001 * max(0.0, float(np.max(ends)))
    if max(-low, high) >= NARROW:
        raise PlanError(
            f"{layer}: a sum in float32 reaches {max(-low, high):.4g} codes of the output, at most 2^30 are possible; "
            f"the scales of its inputs and its output are too far apart"
        )
    return int(low) - 1, int(high) + 1


def zero_points_of_sum(pairs: Sequence[tuple[int, Reals]], zero_point: int) -> Reals:
    """Return the output's zero point less the inputs' by their ratios, the last input first, in float32."""
    found: list[float] = []
    for channel in range(pairs[0][1].size):
        total = 0.0
        for source, ratios in reversed(pairs):
            total = multiply_add(float(ratios[channel]), float(source), total)
        found.append(float(np.float32(zero_point - total)))
    return np.array(found)


def bring_to_common(
    layer: str, sources: Sequence[Tensor], output: Tensor, settings: Settings
) -> tuple[list[Pipeline], Ratio]:
    """Bring the inputs of a sum to a common scale; return them and what brings the sum to the output's scale."""
    channels, left_shift = output.shape[-1], settings.addition.left_shift
    common = 2 * max(source.scale for source in sources)
    unit = np.full(channels, common / 2.0**left_shift)
    if not rescales(settings):
        refuse_unscaled(layer, sources, output, settings)
        unit = np.full(channels, sources[0].scale)
    inputs = [from_code(layer, source, channels) for source in sources]
    for pipeline, source in zip(inputs, sources, strict=True) if rescales(settings) else ():
        pipeline.shift_left([left_shift] * channels)
        real = np.full(channels, source.scale / common)
        pipeline.rescale(Ratio.of(layer, real, settings.requantize, unit), prefix="input")
    for pipeline in inputs:
        pipeline.unit = unit
    return inputs, Ratio.of(layer, unit / output.scales, settings.requantize, output.scales)


def weigh(layer: str, sources: Sequence[Tensor], output: Tensor, settings: Settings) -> tuple[list[Pipeline], Ratio]:
    """Multiply the inputs of a sum by integers; return them and the one shift behind the sum.

    Raises PlanError for an output whose channels have scales of their own.
    """
    if any(output.shift):
        raise PlanError(
            f"{layer}: with `addition.kind: weighted` one integer multiplies all channels of an input, but the output "
            f"has channels which have scales of their own; give {layer!r} activations.granularity layer"
        )
    channels, addition = output.shape[-1], settings.addition
    weights, shift = sum_weights(layer, [source.scale for source in sources], output.scale, addition.multiplier_bits)
    inputs = [from_code(layer, source, channels) for source in sources]
    for pipeline, weight in zip(inputs, weights, strict=True):
        pipeline.multiply([weight] * channels)
        pipeline.unit = output.scales / 2.0**shift
    last = ShiftRightStep(step="shift_right", by=shift, rounding=addition.rounding, name="requantize")
    listed = Requantize(kind="steps", steps=(last,))
    return inputs, Ratio.of(layer, np.full(channels, 2.0**-shift), listed, output.scales)


def rescales(settings: Settings) -> bool:
    """Whether the target can bring a tensor to another scale."""
    return goes_by_ratio(settings.requantize.expanded())


def refuse_unscaled(layer: str, sources: Sequence[Tensor], output: Tensor, settings: Settings | None = None) -> None:
    """Raise PlanError if tensors of different scales meet on a target that cannot rescale them.

    With ``settings`` the output's scale is that of the inputs times the target's own ratio.
    """
    wanted = fixed_scale(sources[0].scale, settings.requantize.expanded()) if settings else sources[0].scale
    if len({tensor.scale for tensor in sources}) > 1 or output.scale != wanted:
        scales = sorted({tensor.scale for tensor in [*sources, output]})
        raise PlanError(f"{layer}: the target does not requantise, so inputs and output need one scale, not {scales}")


def lower_multiply(operation: Multiply, context: Context) -> list[Product]:
    """Lower an element-wise product."""
    settings = context.settings(operation)
    sources = [context.codes(name) for name in operation.inputs]
    output = context.made(operation.name)
    unit = np.full(output.shape[-1], product_unit(sources[0].scale, sources[1].scale, settings))
    check_fixed_scale(operation.name, settings, unit, output)
    ends = [one * two for one in operand_range(sources[0]) for two in operand_range(sources[1])]
    bound = min(ends), max(ends)
    section = settings.multiplication.product
    points: tuple[Point, ...] = ()
    if section is not None:
        point = product_point(section, bound, 1, unit)
        points, bound = (point,), point.leaving(point.bound or bound)
    pipeline = Pipeline(layer=operation.name, bound=bound, unit=unit)
    real = product_ratio(operation.name, (sources[0].scale, sources[1].scale), output, settings)
    ratio = Ratio.of(operation.name, real, settings.requantize, output.scales)
    pipeline.finish(operation.activation, settings, output, ratio)
    points = (*points, *pipeline.points)
    return [
        Product(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=tuple(source.name for source in sources),
            output=output,
            points=points,
            wide=pipeline.wide or max(-bound[0], bound[1]) >= ONE_WORD,
            narrow=pipeline.narrow and section is None,
            zero_points=np.array([source.zero_point for source in sources], np.int64),
            product=product_field(section),
            steps=tuple(pipeline.steps),
            draws=context.draws(operation, points),
        )
    ]


def product_ratio(layer: str, scales: tuple[float, float], output: Tensor, settings: Settings) -> Reals:
    """Return the real ratios (channels,) from the product's LSB to the output's.

    Raises PlanError where float32 cannot hold what `forming: float_ratio` forms.
    """
    if not goes_in_float32(settings.requantize):
        return product_unit(*scales, settings) / output.scales
    product = settings.multiplication.product
    return float_ratio(layer, *scales, output.scales, product.shift if product else 0)


def lower_concatenate(operation: Concatenate, context: Context) -> list[Join]:
    """Lower a concatenation: inputs of another scale than the output's are rescaled first."""
    settings = context.settings(operation)
    output = context.planned(operation.name)
    sources = [context.stored(name) for name in operation.inputs]
    parts = parts_of(output, sources, operation.axis)
    if not all(map(same, sources, parts)):
        output = context.made(operation.name)
        sources = [context.codes(name) for name in operation.inputs]
        parts = parts_of(output, sources, operation.axis)
    inputs = [bring_to_output(operation.name, *pair, settings) for pair in zip(sources, parts, strict=True)]
    points = shared_points(inputs, side_by_side=operation.axis == len(output.shape) - 1)
    return [
        Join(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=tuple(source.name for source in sources),
            output=output,
            points=points,
            wide=any(one.wide for one in inputs),
            narrow=all(one.narrow for one in inputs),
            axis=operation.axis,
            input_steps=tuple(tuple(one.steps) for one in inputs),
            draws=context.draws(operation, points),
        )
    ]


def parts_of(output: Tensor, sources: Sequence[Tensor], axis: int) -> list[Tensor]:
    """Return the part of a concatenation that each input becomes."""
    side_by_side, first, parts = axis == len(output.shape) - 1, 0, list[Tensor]()
    for source in sources:
        own = output.shift[first : first + source.shape[-1]] if side_by_side else output.shift
        parts.append(replace(output, shape=source.shape, shift=own))
        first += source.shape[-1]
    return parts


def same(source: Tensor, output: Tensor) -> bool:
    """Whether codes of one tensor stand for the same in the other."""
    compared = ("scale", "zero_point", "format", "levels", "shift")
    return all(getattr(source, name) == getattr(output, name) for name in compared)


def bring_to_output(layer: str, source: Tensor, output: Tensor, settings: Settings) -> Pipeline:
    """Rescale one input of a concatenation to its part of the output, or leave it alone where they agree."""
    if same(source, output):
        return Pipeline(layer=layer, bound=(0, 0), unit=output.scales)
    pipeline = from_code(layer, source, source.shape[-1])
    if settings.concatenation.kind == "float32":
        pipeline.unit = output.scales
        pipeline.scale_float(
            "input", np.full(source.shape[-1], source.scale), Rounding.HALF_EVEN, divisor=output.scales
        )
    elif rescales(settings):
        real = pipeline.unit / output.scales
        pipeline.rescale(Ratio.of(layer, real, settings.requantize, output.scales), prefix="input")
    else:
        refuse_unscaled(layer, [source], output)
    pipeline.output(output, settings.output.overflow)
    return pipeline
