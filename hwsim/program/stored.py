"""Weights and biases as they are stored, the integers that they stand for, and what was lost on the way."""

from __future__ import annotations

import numpy as np

from hwsim.errors import PlanError
from hwsim.formats import IntFormat, Overflow, Rounding
from hwsim.program.records import Ints, Point, Reals
from hwsim.quantize.plan import WeightPlan
from hwsim.target import Settings
from hwsim.target.settings import Division
from hwsim_kernels import counting
from hwsim_kernels.levels import quantize_to_levels
from hwsim_kernels.quantize import quantize


def quantize_weights(kernel: np.ndarray, entry: WeightPlan, settings: Settings) -> tuple[Ints, Point, Ints]:
    """Return the integers that are multiplied (the kernel's shape), the point of weights, and what was lost."""
    channels = kernel.shape[-1]
    scale = np.broadcast_to(np.asarray(entry.scale, np.float64), (channels,)).copy()
    point = Point(
        name="weight",
        unit=scale,
        format=entry.format,
        overflow=entry.format.clamping,
        rounding=settings.weights.rounding,
        once=True,
    )
    if entry.levels is not None:
        integers, counts = _to_levels(kernel, scale, np.asarray(entry.levels, np.int64))
    elif entry.shift:
        integers, counts = _shifted(kernel, scale, entry, settings.weights.rounding)
    else:
        zero_point = np.broadcast_to(np.asarray(entry.zero_point, np.int64), (channels,)).copy()
        form, mode = entry.format, settings.weights.rounding
        values, unit = divided(kernel, scale, settings.weights.division)
        codes, counts = quantize_reals(values, unit, zero_point, form, form.clamping, mode)
        integers = codes - zero_point
    return integers, point, counts


def _to_levels(kernel: np.ndarray, scale: Reals, levels: Ints) -> tuple[Ints, Ints]:
    rows = kernel.reshape(-1, scale.size).astype(np.float64)
    indices = np.empty(rows.shape, np.int64)
    counts = counting.new_counts(scale.size)
    quantize_to_levels(rows, scale, levels, 0, indices, counts)
    return levels[indices].reshape(kernel.shape), counts


def _shifted(kernel: np.ndarray, scale: Reals, entry: WeightPlan, rounding: Rounding) -> tuple[Ints, Ints]:
    inputs = kernel.shape[-2] if kernel.ndim > 1 else 1
    wanted = -(-inputs // entry.group)
    if len(entry.shift) != wanted:
        raise PlanError(
            f"the plan has {len(entry.shift)} rows of shifts, but {inputs} input channels in groups of {entry.group} "
            f"need {wanted}"
        )
    values, zero_point = kernel.reshape(-1, inputs, scale.size), np.zeros(scale.size, np.int64)
    found, counts = np.empty(values.shape, np.int64), counting.new_counts(scale.size)
    for number, row in enumerate(entry.shift):
        part = slice(number * entry.group, (number + 1) * entry.group)
        shift = np.asarray(row, np.int64)
        codes, lost = quantize_reals(
            values[:, part], np.ldexp(scale, shift), zero_point, entry.format, entry.format.clamping, rounding
        )
        found[:, part] = codes << shift
        counting.enlarge(lost, shift)
        counting.merge(counts[np.newaxis], lost[np.newaxis], 0)
    return found.reshape(kernel.shape), counts


def divided(values: np.ndarray, scale: Reals, division: Division) -> tuple[np.ndarray, Reals]:
    """Return values (…, channels) and scales (channels,) of which the quotient is what ``division`` computes.

    ``float32_reciprocal``: value * (1 / scale), the reciprocal and the product rounded to float32, 0 for a scale of 0.
    Source: ``SymmetricPerChannelQuantizeValues`` and ``SymmetricBiasQuantize`` of TensorFlow's MLIR quantizer.
    """
    if division == "float64":
        return values, scale
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        single = scale.astype(np.float32).astype(np.float64)
        inverse = np.where(single > 0, 1.0 / single, 0.0).astype(np.float32)
        products = values.astype(np.float32) * inverse
    return np.nan_to_num(products), np.ones_like(scale)


def quantize_reals(
    values: np.ndarray,
    scale: Reals,
    zero_point: Ints,
    form: IntFormat,
    overflow: Overflow,
    rounding: Rounding,
) -> tuple[Ints, Ints]:
    """Return the codes of ``values`` (…, channels) and the counts (COLUMNS, channels) of what was lost."""
    rows = values.reshape(-1, scale.size).astype(np.float64)
    codes = np.empty(rows.shape, np.int64)
    counts = counting.new_counts(scale.size)
    field = np.array([form.bits, form.signed, overflow.code, 0, rounding.code], np.int64)
    quantize(rows, scale, zero_point, field, np.array([0, rows.shape[0]]), codes, counts)
    return codes.reshape(values.shape), counts
