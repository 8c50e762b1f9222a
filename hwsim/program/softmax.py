"""Lower a softmax in one of its forms: by the host, or from codes to codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from hwsim.errors import PlanError, WidthError
from hwsim.formats import IntFormat, Overflow, Rounding
from hwsim.network import Softmax
from hwsim.program.context import Context
from hwsim.program.input import quantize_to
from hwsim.program.pooling import LEAST_REAL
from hwsim.program.records import (
    DividedSoftmax,
    FixedSoftmax,
    HostSoftmax,
    IntOperation,
    LineSoftmax,
    Point,
    PolynomialSoftmax,
    SoftmaxOfCodes,
    TableSoftmax,
    Tensor,
)
from hwsim.quantize.decide import SHARES
from hwsim.quantize.plan import TensorPlan
from hwsim_kernels import softmax as fixed
from hwsim_kernels import softmax_divided as divided
from hwsim_kernels import softmax_lines as lines
from hwsim_kernels import softmax_polynomial as polynomial
from hwsim_kernels import softmax_table as table


def lower_softmax(operation: Softmax, context: Context) -> list[IntOperation]:
    """Lower a softmax in the target's form; what the host gives and later operations read is quantised again.

    Raises PlanError and WidthError where its form cannot take the plan.
    """
    form = FORMS[context.settings(operation).softmax.run_on]
    made = form(operation, context.codes(operation.inputs[0]), context)
    read = any(operation.name in other.inputs for other in context.network.operations)
    again = read and made.output.format is None
    return [made, quantize_to(operation.name, operation, context)] if again else [made]


def on_host(operation: Softmax, source: Tensor, context: Context) -> HostSoftmax:
    """Lower a softmax on the host: real values out."""
    output = Tensor(name=operation.name, shape=context.shape(operation.name), format=None)
    return HostSoftmax(**common(operation, source, output), scale=source.scale, zero_point=source.zero_point)


def in_fixed_point(operation: Softmax, source: Tensor, context: Context) -> FixedSoftmax:
    """Lower a softmax in fixed point: 8-bit codes in, shares of 1/256 out; registers of 32 bits hold any codes' values.

    Raises PlanError for other formats and for an input scale that needs no multiplier above 1, WidthError for lines
    whose powers do not fit the sum.
    """
    output = shares(operation, source, context, "in fixed point", SHARES[8])
    bits, most = fixed.FRACTION_BITS, fixed.MOST_VALUES
    if not source.scale > fixed.LEAST_SCALE:
        raise PlanError(
            f"{operation.name}: a softmax in fixed point takes an input scale above 2^-{bits}; the plan has "
            f"{source.scale!r}"
        )
    refuse_longer(operation, output, most)
    multiplier, shift = fixed.multiplier_of_scale(source.scale)
    word, kept = IntFormat(bits=32), 31 - fixed.SUM_SHIFT
    points = points_of(
        output,
        fixed.POINTS,
        Register(2.0**-bits, Rounding.HALF_UP, 31, (-31 << bits, 0), word, proven=True),
        Register(2.0**-kept, Rounding.HALF_AWAY, fixed.SUM_SHIFT, (0, most << kept), word, proven=True),
        Register(2.0**-31, Rounding.HALF_UP, 31, (0, (1 << 31) - 1), word, proven=True),
        share_of(output, Rounding.HALF_AWAY, 34, (-128, 128)),
    )
    return FixedSoftmax(
        **common(operation, source, output),
        points=points,
        multiplier=multiplier,
        shift=shift,
    )


def by_table(operation: Softmax, source: Tensor, context: Context) -> TableSoftmax:
    """Lower a softmax by a table of exponentials: 8-bit codes in, shares of 1/256 out."""
    output = shares(operation, source, context, "by a table", SHARES[8])
    return TableSoftmax(**common(operation, source, output), table=table.exponentials(source.scale))


def by_division(operation: Softmax, source: Tensor, context: Context) -> DividedSoftmax:
    """Lower a softmax by a table of exponentials and a division, of 8-bit codes to such of the same sign.

    Raises PlanError for other formats, and for scales that float32 does not hold.
    """
    output = context.planned(operation.name)
    forms = source.format, output.format
    eight = forms[0] == forms[1] == IntFormat(bits=8, signed=bool(forms[0] and forms[0].signed))
    if not (eight and source.plain and output.plain):
        raise PlanError(
            f"{operation.name}: a softmax that divides takes and gives codes of 8 bits, all signed or all unsigned; "
            f"the plan has {forms[0]} and {forms[1]}"
        )
    if not (LEAST_REAL < source.scale < 1 / LEAST_REAL and LEAST_REAL < output.scale <= 1):
        raise PlanError(
            f"{operation.name}: a softmax that divides takes scales above 2^-100, of its output up to 1; the plan has "
            f"{source.scale!r} and {output.scale!r}"
        )
    return DividedSoftmax(
        **common(operation, source, output),
        table=divided.scaled_exponentials(source.scale, output.shape[operation.axis]),
        factor=divided.factor_of_scale(output.scale),
    )


def by_parabola(operation: Softmax, source: Tensor, context: Context) -> PolynomialSoftmax:
    """Lower a softmax by a parabola and shifts: 8-bit codes in, shares of 1/256 out.

    Raises PlanError for an input scale above ln(2), WidthError for lines whose powers do not fit the sum.
    """
    output = shares(operation, source, context, "by a parabola", SHARES[8])
    if source.scale > polynomial.MOST_SCALE:
        raise PlanError(
            f"{operation.name}: a softmax by a parabola takes an input scale up to ln(2); the plan has {source.scale!r}"
        )
    bits, most, size = polynomial.SUM_BITS, polynomial.largest_power(source.scale), output.shape[operation.axis]
    if most * size >= 1 << bits:
        raise WidthError(
            f"{operation.name}: a sum of {size} powers up to {most} needs {(most * size).bit_length() + 1} bits, "
            f"it has {bits + 1}; the powers shrink with the square of the input scale, {source.scale!r}"
        )
    points = points_of(
        output,
        polynomial.POINTS,
        Register(0.3585 * source.scale**2, Rounding.FLOOR, bits, (0, most)),
        share_of(output, Rounding.FLOOR, bits, (-128, 128)),
    )
    return PolynomialSoftmax(
        **common(operation, source, output),
        points=points,
        numbers=np.array(polynomial.parabola(source.scale), np.int64),
    )


def by_lines(operation: Softmax, source: Tensor, context: Context) -> LineSoftmax:
    """Lower a softmax by two tables with lines: 16-bit codes in, shares of 1/32768 out.

    Raises PlanError for other formats and for an input scale that its multiplier does not reach, WidthError for lines
    whose powers do not fit the sum.
    """
    output = shares(operation, source, context, "by lines of two tables", SHARES[16])
    multiplier, exponent = lines.multiplier_of_scale(source.scale)
    if multiplier == 0 or not lines.LEAST_SHIFT <= exponent <= lines.MOST_SHIFT:
        raise PlanError(
            f"{operation.name}: a softmax by lines of two tables multiplies differences of codes by less than "
            f"2^{lines.MOST_SHIFT} and at least 2^{lines.LEAST_SHIFT - 1}; the plan has an input scale of "
            f"{source.scale!r}, which asks for {source.scale * 6553.5:.6g}"
        )
    refuse_longer(operation, output, lines.MOST_VALUES)
    word, wide, most = IntFormat(bits=16), 1 << 15, (1 << 15) - 1
    least = min(most - 1 - int(source.scale * 6553.5 * 65535), 0)
    points = points_of(
        output,
        lines.POINTS,
        Register(10 / 65535, Rounding.HALF_AWAY, 31, (least, most), word, most),
        Register(1 / wide, Rounding.HALF_UP, 7, (0, most)),
        Register(0.5 / wide, Rounding.HALF_UP, 14, (-wide, wide), word, -lines.RECENTRE),
        Register(1 / wide, Rounding.HALF_UP, 7, (0, most)),
        share_of(output, Rounding.HALF_UP, 30, (0, 2 * wide)),
    )
    return LineSoftmax(
        **common(operation, source, output),
        points=points,
        multiplier=multiplier,
        exponent=exponent,
        powers=lines.powers(),
        reciprocals=lines.reciprocals(),
    )


class Register(NamedTuple):
    """What a softmax keeps on its way: one unit for all channels; what has a format saturates to it."""

    unit: float
    rounding: Rounding
    shift: int
    bound: tuple[int, int]
    format: IntFormat | None = None
    zero_point: int = 0
    proven: bool = False


def share_of(output: Tensor, rounding: Rounding, shift: int, bound: tuple[int, int]) -> Register:
    """Return the last register: the output's codes."""
    return Register(output.scale, rounding, shift, bound, output.format, output.zero_point)


def points_of(output: Tensor, names: Sequence[str], *registers: Register) -> tuple[Point, ...]:
    """Return the points of a softmax, one for each register, under the names that its kernel counts by."""
    return tuple(
        Point(
            name=name,
            unit=np.full(output.shape[-1], one.unit),
            format=one.format,
            overflow=None if one.format is None else Overflow.SATURATE,
            rounding=one.rounding,
            shift=one.shift,
            proven=one.proven,
            bound=one.bound,
            zero_point=one.zero_point,
        )
        for name, one in zip(names, registers, strict=True)
    )


def common(operation: Softmax, source: Tensor, output: Tensor) -> dict[str, Any]:
    """Return what the records of all forms say."""
    return {
        "name": operation.name,
        "layer": operation.name,
        "kind": operation.kind,
        "inputs": (source.name,),
        "output": output,
        "axis": operation.axis,
        "mask": operation.mask,
    }


def shares(operation: Softmax, source: Tensor, context: Context, how: str, wanted: TensorPlan) -> Tensor:
    """Return the output of a softmax of codes; raise PlanError unless the plan has what TensorFlow Lite asks for."""
    output, form = context.planned(operation.name), wanted.format
    plain = source.plain and output.plain and source.format == output.format == form
    if not plain or (output.scale, output.zero_point) != (wanted.scale, wanted.zero_point):
        raise PlanError(
            f"{operation.name}: a softmax {how} takes codes of {form} and gives codes of {form} with the "
            f"scale 1/{round(1 / wanted.scale)} and the zero point {wanted.zero_point}; the plan has {source.format}, "
            f"{output.format}, {output.scale!r} and {output.zero_point}"
        )
    return output


def refuse_longer(operation: Softmax, output: Tensor, most: int) -> None:
    """Raise WidthError for lines of more than ``most`` values."""
    size = output.shape[operation.axis]
    if size > most:
        raise WidthError(f"{operation.name}: a sum of {size} powers, {most} fit 32 bits")


FORMS: Mapping[str, Callable[[Softmax, Tensor, Context], SoftmaxOfCodes]] = {
    "divided": by_division,
    "fixed": in_fixed_point,
    "host": on_host,
    "interpolated": by_lines,
    "polynomial": by_parabola,
    "table": by_table,
}
"""What a softmax is lowered by, under the target's words."""
