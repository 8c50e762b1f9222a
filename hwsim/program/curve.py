"""Lower activation functions of one number to tables: an entry for each code, or entries between which lies a line."""

from __future__ import annotations

import numpy as np

from hwsim.network import Curve
from hwsim.program.context import Context
from hwsim.program.pipeline import NO_ERRORS, Pipeline
from hwsim.program.records import Ints, Reals, Rescale, Tensor
from hwsim.target.settings import CurveUnit
from hwsim_kernels.hard_silu import hard_silu
from hwsim_kernels.rounding import round_float

LARGEST = 1 << 30
"""What entries are limited to; every format of a stored code lies within."""


def lower_curve(operation: Curve, context: Context) -> list[Rescale]:
    """Lower a function: a table from the input's codes, the zero point, the output's format."""
    settings = context.settings(operation)
    source, output = context.codes(operation.inputs[0]), context.made(operation.name)
    assert source.format is not None
    unit, first, last = settings.curve, source.format.minimum, source.format.maximum
    pipeline = Pipeline(layer=operation.name, bound=(first, last), unit=output.scales)
    shift = max(source.format.bits - unit.index_bits, 0) if unit.form == "interpolated" else 0
    codes = np.arange(first, last + (1 << shift) + (shift > 0), 1 << shift, dtype=np.int64)
    scales = output.scales if output.shift else output.scales[:1]
    tables, errors = zip(*(entries(operation, codes, source, scale, unit) for scale in scales.tolist()), strict=True)
    lost = NO_ERRORS if shift else np.stack(errors)
    pipeline.tabulate("curve", np.stack(tables), lost, first, shift, unit.rounding)
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


def entries(operation: Curve, codes: Ints, source: Tensor, scale: float, unit: CurveUnit) -> tuple[Ints, Ints]:
    """Return the entries of codes, in units of the output's ``scale``, and their errors in 1/65536 of that."""
    reals: Reals = np.asarray(source.scale * (codes - source.zero_point), np.float64)
    with np.errstate(all="ignore"):
        if unit.precision == 32:
            inverse = single(1 / single(np.full(1, scale)))
            found = single(single(operation.real(single(reals))) * inverse)
        else:
            found = operation.real(reals) / scale
    found = np.clip(np.nan_to_num(found, nan=0.0, posinf=LARGEST, neginf=-LARGEST), -LARGEST, LARGEST)
    if operation.function == "hard_silu" and unit.hard_silu == "fixed":
        table = np.array([hard_silu(int(code) - source.zero_point, source.scale, scale) for code in codes], np.int64)
    else:
        table = np.array([_rounded(one, unit) for one in found.tolist()], np.int64)
    return table, (table << 16) - np.floor(found * 65536).astype(np.int64)


def single(values: Reals) -> Reals:
    """Return values rounded to float32, in float64."""
    return values.astype(np.float32).astype(np.float64)


def _rounded(value: float, unit: CurveUnit) -> int:
    high, low = round_float(value, unit.rounding.code)
    return (int(high) << 62) + int(low)
