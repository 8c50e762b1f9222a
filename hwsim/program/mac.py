"""Lower the operations that multiply by weights and accumulate."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import DatapathOverflow, PlanError, WidthError
from hwsim.formats import IntFormat, Overflow, bits_needed
from hwsim.network import Conv2D, Conv2DTranspose, Dense, Weighted
from hwsim.program.accumulator import Bounds, Sums, prove_stages
from hwsim.program.context import Context
from hwsim.program.pipeline import Pipeline
from hwsim.program.ratio import Ratio, float_product, float_ratio, forming
from hwsim.program.records import Codes, Ints, MultiplyAccumulate, Point, Reals, Tensor
from hwsim.program.stored import divided, quantize_reals, quantize_weights
from hwsim.quantize.decide import accumulator_unit, dropped_bits, kernel_of
from hwsim.quantize.plan import WeightPlan
from hwsim.target import Settings
from hwsim.target.settings import Bias, Mac
from hwsim.target.steps import BiasStep, fixed_scale, goes_by_ratio
from hwsim_kernels import counting
from hwsim_kernels.order import loop_ends, steps_in_order, sums_end

Array = NDArray[Any]


def lower_weighted(operation: Weighted, context: Context) -> list[MultiplyAccumulate]:
    """Lower a convolution, a dense layer or a scale-and-shift."""
    settings = context.settings(operation)
    source = context.codes(operation.inputs[0])
    output = context.made(operation.name)
    kernel = kernel_of(operation)
    channels = kernel.shape[-1]
    entry = context.weights(operation.name, channels)
    unit = np.broadcast_to(accumulator_unit(source.scale, entry, settings), (channels,)).copy()
    coarser = bias_shifts(operation.name, settings.bias, entry, unit)
    finer = np.maximum(-coarser, 0)
    total = np.ldexp(unit, -finer)
    check_fixed_scale(operation.name, settings, total, output)
    scales = np.asarray(entry.scale, np.float64)
    real = np.ldexp(ratio_of(operation.name, settings, source.scale, scales, unit, output.scales), -finer)
    ratio = Ratio.of(operation.name, real, settings.requantize, output.scales)
    weight_codes, weight_point, weight_counts = quantize_weights(kernel, entry, settings)
    bias_codes, bias_point, bias_counts = quantize_bias(
        operation.bias, bias_unit(settings, ratio, unit, entry), settings.bias
    )
    refuse_overflow(operation.name, bias_point, bias_counts)
    taps, order = taps_in_order(operation, kernel.shape, settings.mac)
    weights = arrange_weights(operation, weight_codes, order)
    if operation.step_of:
        weights = context.once((operation.step_of, weights.tobytes()), partial(np.asarray, weights))
    removed = settings.mac.input_zero_point == "removed"
    added = bias_codes.astype(object) << np.maximum(coarser, 0)
    if not removed:
        refuse_other_units(operation.name, source, settings)
        added -= source.zero_point * weights.sum(axis=1, dtype=np.int64).reshape(channels).astype(object) << finer
    bias = in_64_bits(operation.name, added)
    starts = settings.bias.position in ("first", "inner")
    sums = Sums(
        weights=weights,
        operands=operand_range(source) if removed else code_range(source),
        ends=ends_of(settings.mac, order),
        start=bias if starts else np.zeros(channels, np.int64),
        start_level=0 if settings.bias.position == "inner" else len(settings.mac.stages) - 1,
    )
    proof = prove_stages(operation.name, settings.mac, sums, unit)
    pipeline = Pipeline(layer=operation.name, bound=proof.bound, unit=unit)
    if settings.bias.position == "last":
        if finer.any():
            pipeline.shift_left(finer.tolist())
            pipeline.unit = total
        pipeline.add(bias)
        pipeline.fit_section("bias_sum", settings.mac.stages[-1])
    pipeline.finish(operation.activation, settings, output, ratio, bias=bias)
    points = (weight_point, bias_point, *proof.points, *pipeline.points)
    initial = counting.new_counts(len(points), channels)
    initial[0], initial[1] = weight_counts, bias_counts
    return [
        MultiplyAccumulate(
            name=operation.name,
            layer=operation.name,
            kind=operation.kind,
            inputs=(source.name,),
            output=output,
            points=points,
            view=as_image(operation, source.shape),
            output_view=as_image(operation, output.shape),
            zero_point=source.zero_point if removed else 0,
            outside=0 if removed else source.zero_point,
            taps=taps,
            strides=np.array(operation.strides if isinstance(operation, Conv2D) else (1, 1), np.int64),
            spread=np.array(operation.strides if isinstance(operation, Conv2DTranspose) else (1, 1), np.int64),
            weights=weights,
            start=sums.start,
            start_level=sums.start_level,
            product=proof.product,
            stages=proof.stages,
            ends=sums.ends,
            steps=tuple(pipeline.steps),
            draws=context.draws(operation, points),
            exact=proof.exact,
            wide_sums=proof.wide,
            wide=proof.wide or pipeline.wide,
            narrow=pipeline.narrow,
            initial=initial,
        )
    ]


def check_fixed_scale(layer: str, settings: Settings, unit: Reals, output: Tensor) -> None:
    """Raise PlanError if the target's list has a ratio of its own and the plan's scales have another."""
    steps = settings.requantize.expanded()
    if goes_by_ratio(steps):
        return
    for one, scale in zip(unit.tolist(), output.scales.tolist(), strict=True):
        if fixed_scale(one, steps) != scale:
            raise PlanError(
                f"{layer}: the target does not requantise by the ratio of scales, so the plan must give the output the "
                f"scale {fixed_scale(one, steps)!r}, not {scale!r}"
            )


def ratio_of(layer: str, settings: Settings, source: float, weights: Reals, unit: Reals, output: Reals) -> Reals:
    """Return the real ratio (channels,) from the last stage's LSB to the output's; ``weights`` are their scales.

    Raises PlanError where float32 cannot hold what is formed in it.
    """
    how = forming(settings.requantize)
    if how == "float64" or (how == "float_product_layer" and weights.size > 1):
        return unit / output
    form = float_ratio if how == "float_ratio" else float_product
    return form(layer, source, np.broadcast_to(weights, unit.shape), output, dropped_bits(settings))


def operand_range(source: Tensor) -> Bounds:
    """The range of an operand: a code less its zero point, or 0 from the padding."""
    assert source.format is not None
    return min(source.format.minimum - source.zero_point, 0), max(source.format.maximum - source.zero_point, 0)


def code_range(source: Tensor) -> Bounds:
    """The range of an operand that is multiplied as it is stored."""
    assert source.format is not None
    return source.format.minimum, source.format.maximum


def bias_shifts(layer: str, settings: Bias, entry: WeightPlan, unit: Reals) -> Ints:
    """Return how many bits (channels,) an LSB of the bias codes is above that of the sum; a finer one is below it.

    Raises PlanError if the plan gives no scale to biases that need one, or one that no shift brings to the sum's.
    """
    if (settings.scale == "own") != (entry.bias_scale is not None):
        has = "none" if entry.bias_scale is None else "one"
        raise PlanError(f"{layer}: the target's bias.scale is {settings.scale}, but the plan has {has} (bias_scale)")
    if entry.bias_scale is None:
        return np.full(unit.size, settings.shift, np.int64)
    fraction, exponent = np.frexp(entry.bias_scale / unit)
    if np.any(fraction != 0.5):
        raise PlanError(
            f"{layer}: the plan gives biases the scale {entry.bias_scale!r} and sums the unit {float(unit[0])!r}; the "
            "target shifts by powers of two"
        )
    return exponent.astype(np.int64) - 1


def bias_unit(settings: Settings, ratio: Ratio, unit: Reals, entry: WeightPlan) -> Reals:
    """Return what an LSB of the bias codes is worth, (channels,); 0 where a multiplication by 0 comes behind it."""
    if entry.bias_scale is not None:
        return np.full(unit.size, entry.bias_scale)
    at = next((number for number, step in enumerate(ratio.steps) if isinstance(step, BiasStep)), None)
    there = unit if at is None or not ratio.scaled_before(at) else ratio.unit_behind(at)
    return there * 2.0**settings.bias.shift


def refuse_other_units(layer: str, source: Tensor, settings: Settings) -> None:
    """Raise PlanError if an input's zero point is to be corrected where sums count other LSBs than products."""
    if source.zero_point and (dropped_bits(settings) or settings.bias.position == "steps"):
        raise PlanError(
            f"{layer}: its input {source.name!r} has the zero point {source.zero_point}, which the target corrects in "
            "the sum, but products or stages drop bits before, or the bias comes later; give it a zero point of 0"
        )


def in_64_bits(layer: str, values: Array) -> Ints:
    """Return Python integers as int64; raise WidthError if one does not fit."""
    needed = max(bits_needed(int(value), int(value)) for value in values)
    if needed > 64:
        raise WidthError(f"{layer}: the bias, shifted and corrected, needs {needed} bits, the simulator has 64 for it")
    return values.astype(np.int64)


def ends_of(mac: Mac, places: Ints) -> Ints:
    """Return (levels, steps) 1 where the sums of each stage end; ``places`` are the steps', in order."""
    tile = mac.tile.input_channel if mac.tile else None
    loops = [stage.within or mac.order[0] for stage in mac.stages]
    bounds = [loop_ends(places, mac.order, loop, tile) for loop in loops]
    return sums_end([stage.terms or 0 for stage in mac.stages], bounds)


def as_image(operation: Weighted, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (h, w, c) as the kernel sees a tensor: a vector becomes one pixel, leading axes become rows."""
    if isinstance(operation, Conv2D | Conv2DTranspose):
        return shape[0], shape[1], shape[2]
    return prod(shape[:-1]), 1, shape[-1]


def quantize_bias(bias: np.ndarray, unit: Reals, settings: Bias) -> tuple[Ints, Point, Ints]:
    """Return the bias codes (channels,), their point, and what was lost."""
    form = IntFormat(bits=settings.bits)
    zero = np.zeros(bias.size, np.int64)
    reals, units = np.where(unit > 0, bias, 0.0), np.where(unit > 0, unit, 1.0)
    # biases of quantised files are in float64: multiples of their unit, which must come back
    division = settings.division if bias.dtype == np.float32 else "float64"
    values, units = divided(reals.astype(bias.dtype), units, division)
    codes, counts = quantize_reals(values, units, zero, form, settings.overflow, settings.rounding)
    point = Point(
        name="bias", unit=unit, format=form, overflow=settings.overflow, rounding=settings.rounding, once=True
    )
    return codes, point, counts


def refuse_overflow(layer: str, point: Point, counts: Ints) -> None:
    """Raise DatapathOverflow if a bias came from outside a format whose overflow mode is ``error``."""
    hits = counts[counting.LOW] + counts[counting.HIGH]
    if point.overflow is Overflow.ERROR and point.format is not None and hits.any():
        channel = int(np.flatnonzero(hits)[0])
        low, high = counting.value_range(counts)[channel]
        value = low if counts[counting.LOW, channel] else high
        raise DatapathOverflow(
            f"{layer}: {point.name} left {point.format} ({point.format.minimum} to {point.format.maximum}) first in "
            f"channel {channel}, where it is {value}"
        )


def taps_in_order(operation: Weighted, shape: tuple[int, ...], mac: Mac) -> tuple[Ints, Ints]:
    """Return each step's (row, column, channel) in the image and in the kernel, in the target's order.

    Both are (steps, 3); rows and columns of the image are relative to the window's corner.
    """
    tile = mac.tile.input_channel if mac.tile else None
    places = steps_in_order(*kernel_extent(operation, shape), mac.order, tile)
    taps = places.copy()
    if isinstance(operation, Conv2D):
        taps[:, :2] = places[:, :2] * operation.dilation - (operation.padding[0][0], operation.padding[1][0])
    elif isinstance(operation, Conv2DTranspose):
        taps[:, :2] = operation.cut - places[:, :2] * operation.dilation
    return taps, places


def kernel_extent(operation: Weighted, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return (height, width, channels) of the products that one output takes."""
    if isinstance(operation, Conv2D | Conv2DTranspose):
        return shape[0], shape[1], shape[2]
    return 1, 1, shape[0] if isinstance(operation, Dense) else 1


def arrange_weights(operation: Weighted, codes: Ints, order: Ints) -> Codes:
    """Return the weights as (groups, steps, outputs of a group), steps in the target's order."""
    if isinstance(operation, Conv2D | Conv2DTranspose):
        groups = operation.groups if isinstance(operation, Conv2D) else 1
        steps = codes[order[:, 0], order[:, 1], order[:, 2]]
    elif isinstance(operation, Dense):
        groups, steps = 1, codes[order[:, 2]]
    else:
        groups, steps = codes.size, codes.reshape(1, -1)
    arranged = steps.reshape(len(steps), groups, -1).transpose(1, 0, 2)
    return np.ascontiguousarray(arranged, np.int32)
