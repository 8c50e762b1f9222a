"""Lower the operations that move codes without changing them."""

from __future__ import annotations

from hwsim.errors import PlanError
from hwsim.network import Crop, Operation, Pad, Rearrange, Reshape
from hwsim.program.context import Context
from hwsim.program.records import CropCodes, PadCodes, PickCodes, Relabel, Tensor


def common(operation: Operation, context: Context) -> dict[str, object]:
    """Return the fields that every operation of this file has."""
    return {
        "name": operation.name,
        "layer": operation.name,
        "kind": operation.kind,
        "inputs": (context.stored(operation.inputs[0]).name,),
        "output": context.shared(operation),
    }


def lower_reshape(operation: Reshape, context: Context) -> list[Relabel]:
    """Lower a reshape."""
    return [Relabel(**common(operation, context))]  # type: ignore[arg-type]


def lower_pad(operation: Pad, context: Context) -> list[PadCodes]:
    """Lower a padding with zeros: zero points are inserted."""
    return [PadCodes(**common(operation, context), padding=operation.padding)]  # type: ignore[arg-type]


def lower_crop(operation: Crop, context: Context) -> list[CropCodes]:
    """Lower a cropping."""
    return [CropCodes(**common(operation, context), cropping=operation.cropping)]  # type: ignore[arg-type]


def lower_rearrange(operation: Rearrange, context: Context) -> list[PickCodes]:
    """Lower a rearrangement; what it fills in is the code nearest to the real value, inside the format."""
    fields = common(operation, context)
    return [PickCodes(**fields, index=operation.index, fill=fill_code(operation, context.shared(operation)))]  # type: ignore[arg-type]


def fill_code(operation: Rearrange, output: Tensor) -> int:
    """Return the code of what is filled in; raise PlanError where channels or levels have several."""
    if operation.index.min() >= 0:
        return output.zero_point
    if not output.plain and operation.fill:
        raise PlanError(f"{operation.name}: fills in {operation.fill!r} where codes are no plain integers")
    assert output.format is not None
    code = round(operation.fill / output.scale) + output.zero_point
    return min(max(code, output.format.minimum), output.format.maximum)
