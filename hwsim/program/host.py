"""Lower the borders of the datapath: real values that enter it, and what the host computes."""

from __future__ import annotations

import numpy as np

from hwsim.network import Input, Operation, Softmax
from hwsim.program.context import Context
from hwsim.program.records import HostSoftmax, IntOperation, Point, Quantize, Tensor


def quantize_to(source: str, operation: Operation, context: Context) -> Quantize:
    """Return the operation that turns real values into the codes that the plan foresees, as ``name/codes``."""
    settings = context.settings(operation)
    output = context.made(operation.name, f"{operation.name}/codes")
    assert output.format is not None
    rounding = settings.activations.rounding
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
    """Lower an input: its real values are quantised."""
    return [quantize_to(operation.name, operation, context)]


def lower_softmax(operation: Softmax, context: Context) -> list[IntOperation]:
    """Lower a softmax on the host; where later operations read it, its results are quantised again."""
    source = context.codes(operation.inputs[0])
    result = Tensor(name=operation.name, shape=context.shape(operation.name), format=None)
    host = HostSoftmax(
        name=operation.name,
        layer=operation.name,
        kind=operation.kind,
        inputs=(source.name,),
        output=result,
        axis=operation.axis,
        scale=source.scale,
        zero_point=source.zero_point,
    )
    read = any(operation.name in other.inputs for other in context.network.operations)
    return [host, quantize_to(operation.name, operation, context)] if read else [host]
