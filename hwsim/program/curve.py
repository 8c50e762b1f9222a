"""Lower activation functions of one number to tables: an entry for each code, or entries between which lies a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import PlanError
from hwsim.formats import IntFormat, Rounding
from hwsim.network import Curve
from hwsim.program.context import Context
from hwsim.program.pipeline import NO_ERRORS, Pipeline
from hwsim.program.ratio import float_ratio
from hwsim.program.records import Ints, Reals, Rescale, Tensor
from hwsim.target.settings import CurveUnit
from hwsim_kernels import gates, integer_gelu, rational
from hwsim_kernels.hard_silu import hard_silu
from hwsim_kernels.rounding import round_floats

GATES: Mapping[str, Callable[[int, float], int]] = {"sigmoid": gates.sigmoid, "tanh": gates.tanh}
GELUS = ("gelu", "gelu_tanh")
WIDE = 16

LARGEST = 1 << 30
"""What entries are limited to; every format of a stored code lies within."""

LARGEST_ERROR = (1 << 32) - 1
"""What their errors are limited to, in 1/65536: far more than rounding makes."""

MOST_ENTRIES = 1 << 22
"""Entries of all channels of one curve."""


def lower_curve(operation: Curve, context: Context) -> list[Rescale]:
    """Lower a function: a table from the input's codes, the zero point, the output's format.

    Raises PlanError for more entries than anyone would build.
    """
    settings = context.settings(operation)
    source, output = context.codes(operation.inputs[0]), context.made(operation.name)
    assert source.format is not None
    unit, first, last = settings.curve, source.format.minimum, source.format.maximum
    pipeline = Pipeline(layer=operation.name, bound=(first, last), unit=output.scales)
    shift = max(source.format.bits - unit.index_bits, 0) if unit.form != "table" else 0
    lines = operation.function != "abs" and fixed_point(operation, source, 1.0, unit) is None
    corrected = unit.form == "corrected" and shift > 0 and lines
    shift = 0 if unit.form == "corrected" and not corrected else shift
    codes = np.arange(first, last + (1 << shift) + (shift > 0), 1 << shift, dtype=np.int64)
    scales = output.scales if output.shift else output.scales[:1]
    if codes.size * scales.size > MOST_ENTRIES:
        raise PlanError(
            f"{operation.name}: needs {scales.size} tables of {codes.size} entries, at most {MOST_ENTRIES} in all are "
            f"possible; set curve.form: interpolated, or activations.granularity: layer"
        )
    if in_fixed_point(operation, unit):
        refuse_beyond_8_bits(operation, source, scales)

    def made() -> tuple[Ints, Ints]:
        if corrected:
            lines = [corrected_entries(operation, source, output, scale, unit) for scale in scales.tolist()]
            return np.stack(lines), NO_ERRORS
        pairs = (entries(operation, codes, source, scale, unit) for scale in scales.tolist())
        tables, errors = zip(*pairs, strict=True)
        return np.stack(tables), NO_ERRORS if shift else np.stack(errors)

    forms = (source.format, source.scale, source.zero_point, output.format, output.zero_point, corrected)
    tables, lost = context.once((operation.function, operation.parameters, forms, tuple(scales.tolist()), unit), made)
    pipeline.tabulate("curve", tables, lost, first, shift, Rounding.HALF_UP if corrected else unit.rounding)
    pipeline.output(output, settings.output.overflow)
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


def refuse_beyond_8_bits(operation: Curve, source: Tensor, scales: Reals) -> None:
    """Raise PlanError for codes or ratios that ``hard_silu: fixed`` is not made for."""
    assert source.format is not None
    if source.format.bits > 8:
        raise PlanError(
            f"{operation.name}: curve.hard_silu fixed takes codes of at most 8 bits, not {source.format.bits}; set "
            f"curve.hard_silu: table"
        )
    float_ratio(operation.name, source.scale, 1 / 128, scales, 0)


def entries(operation: Curve, codes: Ints, source: Tensor, scale: float, unit: CurveUnit) -> tuple[Ints, Ints]:
    """Return the entries of codes, in units of the output's ``scale``, and their errors in 1/65536 of that."""
    reals: Reals = np.asarray(source.scale * (codes - source.zero_point), np.float64)
    with np.errstate(all="ignore"):
        values = function_of(operation, unit)(reals)
        if unit.precision == 32:
            alone = single(np.full(1, scale))
            found = single(values / alone if unit.division == "direct" else values * single(1 / alone))
        else:
            found = values / scale
    found = np.clip(np.nan_to_num(found, nan=0.0, posinf=LARGEST, neginf=-LARGEST), -LARGEST, LARGEST)
    fixed = fixed_point(operation, source, scale, unit)
    if fixed is not None:
        exact = [fixed(distance) for distance in (codes - source.zero_point).tolist()]
        table = np.array([min(max(one, -LARGEST), LARGEST) for one in exact], np.int64)
    else:
        table = np.empty(found.shape, np.int64)
        round_floats(found, unit.rounding.code, table)
    errors = (table << 16) - np.floor(found * 65536).astype(np.int64)
    return table, np.clip(errors, -LARGEST_ERROR, LARGEST_ERROR)


def function_of(operation: Curve, unit: CurveUnit) -> Callable[[Reals], Reals]:
    """Return what computes a function of real values, in the floats that the target does it in."""
    if operation.function == "sigmoid" and unit.gates == "rational":
        return lambda reals: rational.sigmoid(single(reals))
    if unit.precision == 32:
        return lambda reals: operation.single(single(reals))
    return operation.real


def corrected_entries(operation: Curve, source: Tensor, output: Tensor, scale: float, unit: CurveUnit) -> Ints:
    """Return entries in units of the output's ``scale``, less half of the error in the middle of their lines.

    All in float32 or float64, operation by operation (TensorFlow Lite, internal/common.h, ``LUTPopulateInt16``).
    """
    assert source.format is not None
    assert output.format is not None
    form: Any = np.float32 if unit.precision == 32 else np.float64
    many = 1 << unit.index_bits
    low, high = (form(source.scale) * form(end - source.zero_point) for end in ends(source.format))
    least, most = (form(scale) * form(end - output.zero_point) for end in ends(output.format))
    inverse = form(1 << output.format.bits) / (most - least)
    step = (high - low) / form(many)

    def real(places: NDArray[Any]) -> Reals:
        with np.errstate(all="ignore"):
            found = function_of(operation, unit)(places.astype(np.float64)).astype(form) * inverse
        whole: Reals = np.nan_to_num(found.astype(np.float64), nan=0.0, posinf=LARGEST, neginf=-LARGEST)
        return np.clip(whole, -LARGEST, LARGEST)

    def rounded(values: Reals) -> Ints:
        whole = np.empty(values.shape, np.int64)
        round_floats(values, unit.rounding.code, whole)
        return whole

    places = low + np.arange(many + 1, dtype=form) * step
    at, between = real(places), rounded(real(places[:-1] + step / form(2)))
    table = rounded(at)
    middles = ((at[1:].astype(form) + table[:-1].astype(form)) / form(2)).astype(np.float64)
    table[:-1] -= rounded((rounded(middles) - between) / 2)
    table[-1] = rounded(real(np.full(1, high)))[0]
    first, last = (end - output.zero_point for end in ends(output.format))
    return np.clip(table, first, last)


def ends(form: IntFormat) -> tuple[int, int]:
    """Return the smallest and the largest code of a format."""
    return form.minimum, form.maximum


def in_fixed_point(operation: Curve, unit: CurveUnit) -> bool:
    """Whether the entries of `hard_silu` come from fixed-point arithmetic of 8-bit codes."""
    return operation.function == "hard_silu" and unit.hard_silu == "fixed"


def fixed_point(operation: Curve, source: Tensor, scale: float, unit: CurveUnit) -> Callable[[int], int] | None:
    """Return what computes a function of a code less its zero point in integers; None where floats do."""
    if in_fixed_point(operation, unit):
        return lambda code: hard_silu(code, source.scale, scale)
    if operation.function in GELUS and unit.gelu == "polynomial":
        return lambda code: integer_gelu.gelu(code, source.scale, scale, unit.rounding.code)
    wide = source.format is not None and source.format.bits == WIDE and source.zero_point == 0
    if operation.function in GATES and unit.gates == "fixed" and wide:
        return lambda code: GATES[operation.function](code, source.scale)
    return None


def single(values: Reals) -> Reals:
    """Return values rounded to float32, in float64."""
    return values.astype(np.float32).astype(np.float64)
