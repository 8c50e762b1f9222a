"""Lower the borders of the datapath: real values that enter it, and what the host computes."""

from __future__ import annotations

import numpy as np

from hwsim.errors import PlanError, WidthError
from hwsim.formats import IntFormat, Overflow, Rounding
from hwsim.network import Input, Operation, Softmax
from hwsim.program.context import Context
from hwsim.program.pooling import LEAST_REAL
from hwsim.program.records import (
    DividedSoftmax,
    FixedSoftmax,
    HostSoftmax,
    IntOperation,
    LineSoftmax,
    Point,
    PolynomialSoftmax,
    Quantize,
    TableSoftmax,
    Tensor,
)
from hwsim_kernels import softmax_lines
from hwsim_kernels.softmax import FRACTION_BITS, LEAST_SCALE, MOST_VALUES, POINTS, SUM_SHIFT, multiplier_of_scale
from hwsim_kernels.softmax_divided import factor_of_scale, scaled_exponentials
from hwsim_kernels.softmax_polynomial import MOST_SCALE, SUM_BITS, largest_power, parabola
from hwsim_kernels.softmax_polynomial import POINTS as PARABOLA_POINTS
from hwsim_kernels.softmax_table import exponentials


def quantize_to(source: str, operation: Operation, context: Context) -> Quantize:
    """Return the operation that turns real values into the codes that the plan foresees, as ``name/codes``."""
    settings = context.settings(operation)
    output = context.made(operation.name, f"{operation.name}/codes")
    assert output.format is not None
    indices = isinstance(operation, Input) and operation.indices
    rounding = Rounding.FLOOR if indices else settings.activations.rounding  # some modes move whole numbers, too
    point = Point(
        name="input",
        unit=output.scales,
        format=output.format,
        overflow=output.format.clamping,
        rounding=rounding,
        zero_point=output.zero_point,
    )
    field = [output.format.bits, output.format.signed, output.format.clamping.code, 0, rounding.code]
    return Quantize(
        name=output.name,
        layer=operation.name,
        kind=operation.kind,
        inputs=(source,),
        output=output,
        points=(point,),
        field=np.array(field, np.int64),
    )


def lower_input(operation: Input, context: Context) -> list[IntOperation]:
    """Lower an input: its real values are quantised; indices stay as they are.

    Raises PlanError if the plan does not let them.
    """
    made = quantize_to(operation.name, operation, context)
    form, output = made.output.format, made.output
    assert form is not None
    as_given = output.plain and (output.scale, output.zero_point) == (1.0, 0) and form.holds(0, operation.indices - 1)
    if operation.indices and not as_given:
        raise PlanError(
            f"{operation.name}: holds indices below {operation.indices}, so the plan must give it the scale 1, the "
            f"zero point 0 and a format that holds them, not {output.scale!r}, {output.zero_point} and {form}"
        )
    return [made]


def lower_softmax(operation: Softmax, context: Context) -> list[IntOperation]:
    """Lower a softmax on the host; where later operations read it, its results are quantised again."""
    source = context.codes(operation.inputs[0])
    run_on = context.settings(operation).softmax.run_on
    if run_on == "fixed":
        return [lower_fixed_softmax(operation, source, context)]
    if run_on == "table":
        return [lower_table_softmax(operation, source, context)]
    if run_on == "divided":
        return [lower_divided_softmax(operation, source, context)]
    if run_on == "interpolated":
        return [lower_line_softmax(operation, source, context)]
    if run_on == "polynomial":
        return [lower_polynomial_softmax(operation, source, context)]
    result = Tensor(name=operation.name, shape=context.shape(operation.name), format=None)
    host = HostSoftmax(
        name=operation.name,
        layer=operation.name,
        kind=operation.kind,
        inputs=(source.name,),
        output=result,
        axis=operation.axis,
        mask=operation.mask,
        scale=source.scale,
        zero_point=source.zero_point,
    )
    read = any(operation.name in other.inputs for other in context.network.operations)
    return [host, quantize_to(operation.name, operation, context)] if read else [host]


def lower_fixed_softmax(operation: Softmax, source: Tensor, context: Context) -> FixedSoftmax:
    """Lower a softmax in fixed point: 8-bit codes in, shares of 1/256 out.

    Raises PlanError for other formats and for an input scale that needs no multiplier above 1, WidthError for lines
    whose powers do not fit the sum.
    """
    output = shares(operation, source, context, "in fixed point")
    if not source.scale > LEAST_SCALE:
        raise PlanError(
            f"{operation.name}: a softmax in fixed point takes an input scale above 2^-{FRACTION_BITS}; the plan has "
            f"{source.scale!r}"
        )
    if output.shape[operation.axis] > MOST_VALUES:
        raise WidthError(f"{operation.name}: a sum of {output.shape[operation.axis]} powers, {MOST_VALUES} fit 32 bits")
    multiplier, shift = multiplier_of_scale(source.scale)
    return FixedSoftmax(
        name=operation.name,
        layer=operation.name,
        kind=operation.kind,
        inputs=(source.name,),
        output=output,
        points=softmax_points(output),
        axis=operation.axis,
        mask=operation.mask,
        multiplier=multiplier,
        shift=shift,
    )


def softmax_points(output: Tensor) -> tuple[Point, ...]:
    """Return the points of a softmax in fixed point, which hold for any codes; registers of 32 bits hold all."""
    largest = 1 << 31
    registers = zip(
        POINTS[:3],
        (2.0**-FRACTION_BITS, 2.0 ** (SUM_SHIFT - 31), 2.0**-31),
        (Rounding.HALF_UP, Rounding.HALF_AWAY, Rounding.HALF_UP),
        (31, SUM_SHIFT, 31),
        ((-31 << FRACTION_BITS, 0), (0, MOST_VALUES << (31 - SUM_SHIFT)), (0, largest - 1)),
        strict=True,
    )
    inside = tuple(
        Point(
            name=name,
            unit=np.full(output.shape[-1], unit),
            format=IntFormat(bits=32),
            overflow=Overflow.SATURATE,
            rounding=rounding,
            shift=shift,
            proven=True,
            bound=bound,
        )
        for name, unit, rounding, shift, bound in registers
    )
    made = Point(
        name=POINTS[3],
        unit=output.scales,
        format=output.format,
        overflow=Overflow.SATURATE,
        rounding=Rounding.HALF_AWAY,
        shift=34,
        bound=(-128, 128),
        zero_point=output.zero_point,
    )
    return (*inside, made)


def lower_table_softmax(operation: Softmax, source: Tensor, context: Context) -> TableSoftmax:
    """Lower a softmax by a table of exponentials: 8-bit codes in, shares of 1/256 out."""
    return TableSoftmax(
        name=operation.name,
        layer=operation.name,
        kind=operation.kind,
        inputs=(source.name,),
        output=shares(operation, source, context, "by a table"),
        axis=operation.axis,
        mask=operation.mask,
        table=exponentials(source.scale),
    )


def lower_divided_softmax(operation: Softmax, source: Tensor, context: Context) -> DividedSoftmax:
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
        name=operation.name,
        layer=operation.name,
        kind=operation.kind,
        inputs=(source.name,),
        output=output,
        axis=operation.axis,
        mask=operation.mask,
        table=scaled_exponentials(source.scale, output.shape[operation.axis]),
        factor=factor_of_scale(output.scale),
    )


def lower_polynomial_softmax(operation: Softmax, source: Tensor, context: Context) -> PolynomialSoftmax:
    """Lower a softmax by a parabola and shifts: 8-bit codes in, shares of 1/256 out.

    Raises PlanError for an input scale above ln(2), WidthError for lines whose powers do not fit the sum.
    """
    output = shares(operation, source, context, "by a parabola")
    if source.scale > MOST_SCALE:
        raise PlanError(
            f"{operation.name}: a softmax by a parabola takes an input scale up to ln(2); the plan has {source.scale!r}"
        )
    most, size = largest_power(source.scale), output.shape[operation.axis]
    if most * size >= 1 << SUM_BITS:
        raise WidthError(
            f"{operation.name}: a sum of {size} powers up to {most} needs {(most * size).bit_length() + 1} bits, "
            f"it has {SUM_BITS + 1}; the powers shrink with the square of the input scale, {source.scale!r}"
        )
    power = Point(
        name=PARABOLA_POINTS[0],
        unit=np.full(output.shape[-1], 0.3585 * source.scale**2),
        rounding=Rounding.FLOOR,
        shift=SUM_BITS,
        bound=(0, most),
    )
    made = Point(
        name=PARABOLA_POINTS[1],
        unit=output.scales,
        format=output.format,
        overflow=Overflow.SATURATE,
        rounding=Rounding.FLOOR,
        shift=SUM_BITS,
        bound=(-128, 128),
        zero_point=output.zero_point,
    )
    return PolynomialSoftmax(
        name=operation.name,
        layer=operation.name,
        kind=operation.kind,
        inputs=(source.name,),
        output=output,
        points=(power, made),
        axis=operation.axis,
        mask=operation.mask,
        numbers=np.array(parabola(source.scale), np.int64),
    )


def lower_line_softmax(operation: Softmax, source: Tensor, context: Context) -> LineSoftmax:
    """Lower a softmax by two tables with lines: 16-bit codes in, shares of 1/32768 out.

    Raises PlanError for other formats and for an input scale that its multiplier does not reach, WidthError for lines
    whose powers do not fit the sum.
    """
    output = shares(operation, source, context, "by lines of two tables", SHARES_OF_16_BITS)
    multiplier, exponent = softmax_lines.multiplier_of_scale(source.scale)
    least, most = softmax_lines.LEAST_SHIFT, softmax_lines.MOST_SHIFT
    if multiplier == 0 or not least <= exponent <= most:
        raise PlanError(
            f"{operation.name}: a softmax by lines of two tables multiplies differences of codes by less than "
            f"2^{most} and at least 2^{least - 1}; the plan has an input scale of {source.scale!r}, which asks for "
            f"{source.scale * 6553.5:.6g}"
        )
    size = output.shape[operation.axis]
    if size > softmax_lines.MOST_VALUES:
        raise WidthError(f"{operation.name}: a sum of {size} powers, {softmax_lines.MOST_VALUES} fit 32 bits")
    return LineSoftmax(
        name=operation.name,
        layer=operation.name,
        kind=operation.kind,
        inputs=(source.name,),
        output=output,
        points=line_points(output, source.scale),
        axis=operation.axis,
        multiplier=multiplier,
        exponent=exponent,
        mask=operation.mask,
        powers=softmax_lines.powers(),
        reciprocals=softmax_lines.reciprocals(),
    )


def line_points(output: Tensor, scale: float) -> tuple[Point, ...]:
    """Return the points of a softmax by lines of two tables; ``scale`` is its input's."""
    wide, word, lines = 1 << 15, IntFormat(bits=16), (0, (1 << 15) - 1)
    least = 32766 - int(scale * 6553.5 * 65535)
    made = (
        (10 / 65535, word, Rounding.HALF_AWAY, 31, (min(least, 0), 32767), 32767),
        (1 / wide, None, Rounding.HALF_UP, 7, lines, 0),
        (0.5 / wide, word, Rounding.HALF_UP, 14, (-wide, wide), -softmax_lines.RECENTRE),
        (1 / wide, None, Rounding.HALF_UP, 7, lines, 0),
        (1 / wide, word, Rounding.HALF_UP, 30, (0, 2 * wide), 0),
    )
    return tuple(
        Point(
            name=name,
            unit=np.full(output.shape[-1], unit),
            format=form,
            overflow=None if form is None else Overflow.SATURATE,
            rounding=rounding,
            shift=shift,
            bound=bound,
            zero_point=zero_point,
        )
        for name, (unit, form, rounding, shift, bound, zero_point) in zip(softmax_lines.POINTS, made, strict=True)
    )


SHARES_OF_8_BITS = IntFormat(bits=8), 2.0**-8, -128
SHARES_OF_16_BITS = IntFormat(bits=16), 2.0**-15, 0
"""Format, scale and zero point of what a softmax gives; its input has the format."""


def shares(
    operation: Softmax,
    source: Tensor,
    context: Context,
    how: str,
    wanted: tuple[IntFormat, float, int] = SHARES_OF_8_BITS,
) -> Tensor:
    """Return the output of a softmax of codes; raise PlanError unless the plan has what TensorFlow Lite asks for."""
    output = context.planned(operation.name)
    form, scale, zero_point = wanted
    plain = source.plain and output.plain and source.format == form
    if not plain or (output.format, output.scale, output.zero_point) != wanted:
        raise PlanError(
            f"{operation.name}: a softmax {how} takes codes of {form} and gives codes of {form} with the "
            f"scale 1/{round(1 / scale)} and the zero point {zero_point}; the plan has {source.format}, "
            f"{output.format}, {output.scale!r} and {output.zero_point}"
        )
    return output
