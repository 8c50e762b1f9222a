"""Lower activation functions that stand alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hwsim.errors import PlanError
from hwsim.formats import Overflow
from hwsim.network import Activation, Prelu, Relu
from hwsim.program.context import Context
from hwsim.program.merge import from_code, refuse_unscaled, rescales, shared_points, widest
from hwsim.program.pipeline import Pipeline, fit_field, running_sum
from hwsim.program.ratio import Ratio, Reals, float_ratio, goes_in_float32
from hwsim.program.records import Rescale, SlopedSum, Sum, Tensor
from hwsim.program.stored import quantize_weights
from hwsim.target import Settings
from hwsim.target.section import Fit
from hwsim_kernels import counting


def lower_activation(operation: Activation, context: Context) -> list[Rescale] | list[Sum]:
    """Lower an activation: rescale to the output's scale, and the function before or after that."""
    settings = context.settings(operation)
    function = operation.function
    if function is not None and function.negative_slope and settings.activation.slope == "apart":
        return [lower_apart(operation, function, context)]
    source, output = context.codes(operation.inputs[0]), context.made(operation.name)
    pipeline = from_code(operation.name, source, output.shape[-1])
    if function and function.max_value is not None and settings.activation.bounded == "clamped":
        pipeline.activate(function, settings.activation, pipeline.unit)
        pipeline.add(np.full(pipeline.channels, source.zero_point, np.int64))
        pipeline.output(output, settings.output.overflow, add_zero_point=False)
    else:
        if not rescales(settings):
            refuse_unscaled(operation.name, [source], output, settings)
        real = real_ratio(source, output, settings, 1.0 if function else None)
        ratio = Ratio.of(operation.name, real, settings.requantize, output.scales)
        pipeline.finish(function, settings, output, ratio)
    points = tuple(pipeline.points)
    return [
        Rescale(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=(source.name,),
            output=output,
            points=points,
            wide=pipeline.wide,
            narrow=pipeline.narrow,
            steps=tuple(pipeline.steps),
            draws=context.draws(operation, points),
        )
    ]


def lower_apart(operation: Activation, function: Relu, context: Context) -> Sum:
    """Lower a leaky ReLU whose values below 0 have a ratio of their own: the sum of what is above 0 and what is below.

    One of the two is 0 before it is rescaled, and mostly behind it.
    """
    settings = context.settings(operation)
    if not rescales(settings):
        raise PlanError(
            f"{operation.name}: activation.slope apart makes the slope {function.negative_slope} part of a ratio, but "
            f"nothing in requantize goes by ratio"
        )
    source, output = context.codes(operation.inputs[0]), context.made(operation.name)
    parts = [from_code(operation.name, source, output.shape[-1]) for _ in range(2)]
    for part, slope, ends in zip(parts, (1.0, function.negative_slope), ((0, None), (None, 0)), strict=True):
        part.clip(*ends)
        real = real_ratio(source, output, settings, slope)
        part.rescale(Ratio.of(operation.name, real, settings.requantize, output.scales), prefix="input")
    return Sum(**meeting(operation, parts, function.max_value, (source, output), context))


def meeting(
    operation: Activation | Prelu,
    parts: Sequence[Pipeline],
    limit: float | None,
    tensors: tuple[Tensor, Tensor],
    context: Context,
) -> dict[str, Any]:
    """Return the fields of the sum of two parts of one tensor, lowered to a real limit, if there is one."""
    (source, output), settings, total = tensors, context.settings(operation), Fit(bits=64, overflow=Overflow.SATURATE)
    low, high = widest(parts)
    bound = 2 * min(low, 0), 2 * max(high, 0)
    point, wide = running_sum(operation.name, total, output.scales, 2, bound)
    pipeline = Pipeline(layer=operation.name, bound=point.leaving(bound), unit=output.scales)
    pipeline.limit(limit, settings.activation, output.scales)
    pipeline.output(output, settings.output.overflow)
    points = (*shared_points(parts), point, *pipeline.points)
    return {
        "name": operation.name,
        "layer": operation.name,
        "kind": operation.kind,
        "inputs": (source.name, source.name),
        "output": output,
        "points": points,
        "wide": wide or any(one.wide for one in (*parts, pipeline)),
        "narrow": point.proven and all(one.narrow for one in (*parts, pipeline)),
        "input_steps": tuple(tuple(one.steps) for one in parts),
        "field": np.array(fit_field(total), np.int64),
        "steps": tuple(pipeline.steps),
        "draws": context.draws(operation, points),
    }


def lower_prelu(operation: Prelu, context: Context) -> list[SlopedSum]:
    """Lower a ReLU with a slope for each channel: below 0 an exact product with the slope's code, then a ratio."""
    settings = context.settings(operation)
    source, output = context.codes(operation.inputs[0]), context.made(operation.name)
    channels = output.shape[-1]
    entry = context.weights(operation.name, channels)
    codes, weight, lost = quantize_weights(operation.slopes, entry, settings)
    if not rescales(settings):
        raise PlanError(f"{operation.name}: the target does not requantise, so it has no slopes for values below 0")
    positive, negative = (from_code(operation.name, source, channels) for _ in range(2))
    positive.clip(0, None)
    real = real_ratio(source, output, settings, 1.0)
    positive.rescale(Ratio.of(operation.name, real, settings.requantize, output.scales), prefix="input")
    negative.clip(None, 0)
    negative.multiply(np.abs(codes).tolist())
    negative.negate((codes < 0).astype(np.int64))
    scales = np.broadcast_to(np.asarray(entry.scale, np.float64), (channels,))
    ratios = real_ratio(source, output, settings, scales)
    negative.rescale(Ratio.of(operation.name, ratios, settings.requantize, output.scales), prefix="input")
    fields = meeting(operation, (positive, negative), None, (source, output), context)
    fields["points"] = (weight, *fields["points"])
    initial = counting.new_counts(len(fields["points"]), channels)
    initial[0] = lost
    return [SlopedSum(**fields, initial=initial)]


def real_ratio(source: Tensor, output: Tensor, settings: Settings, slope: Reals | float | None) -> Reals:
    """Return the ratio (channels,) of two scales, times a function's slope; None: only from one scale to the other."""
    if slope is not None and goes_in_float32(settings.requantize):
        return float_ratio(output.name, source.scale, slope, output.scales, 0)
    return source.scale * (1.0 if slope is None else slope) / output.scales
