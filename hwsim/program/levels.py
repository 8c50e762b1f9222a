"""Lower the way from integers to stored codes and back, where codes are no plain integers."""

from __future__ import annotations

import numpy as np

from hwsim.network import Operation
from hwsim.program.context import TO_ENCODE, Context, decoded, to_encode
from hwsim.program.records import Decode, Encode, IntOperation, Point, Tensor


def stored_forms(lowered: IntOperation, operation: Operation, context: Context) -> list[IntOperation]:
    """Return what follows an operation: the rounding to levels, and the decoding of codes for those that read them."""
    form = lowered.output.format
    if form is None:
        return []
    name = lowered.output.name.removesuffix(TO_ENCODE)
    stored = context.planned(operation.name, name)
    if stored.plain:
        return []
    encoded = [encode(lowered, stored)] if lowered.output.name != stored.name else []
    return [*encoded, decode(lowered, stored)]


def encode(lowered: IntOperation, stored: Tensor) -> Encode:
    """Round to levels what an operation made."""
    whole = to_encode(stored)
    assert whole.format is not None
    point = Point(
        name="encode",
        unit=stored.scales,
        shift=1,
        bound=(stored.levels[0], stored.levels[-1]),
    )
    return Encode(
        name=f"{stored.name}/encode",
        layer=lowered.layer,
        kind=lowered.kind,
        inputs=(whole.name,),
        output=stored,
        points=(point,),
    )


def decode(lowered: IntOperation, stored: Tensor) -> Decode:
    """Turn codes into the integers that they stand for."""
    assert stored.format is not None
    return Decode(
        name=f"{stored.name}/decode",
        layer=lowered.layer,
        kind=lowered.kind,
        inputs=(stored.name,),
        output=decoded(stored),
        levels=np.asarray(stored.levels, np.int64),
        shift=np.asarray(stored.shift, np.int64),
        first=stored.format.minimum,
    )
