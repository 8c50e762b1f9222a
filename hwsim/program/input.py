"""Lower the border of the datapath where real values enter it."""

from __future__ import annotations

import numpy as np

from hwsim.errors import PlanError
from hwsim.formats import Rounding
from hwsim.network import Input, Operation
from hwsim.program.context import Context
from hwsim.program.records import IntOperation, Point, Quantize


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
