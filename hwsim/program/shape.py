"""Lower the operations that move codes without changing them."""

from __future__ import annotations

from hwsim.network import Crop, Operation, Pad, Reshape
from hwsim.program.context import Context
from hwsim.program.records import CropCodes, PadCodes, Relabel


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
