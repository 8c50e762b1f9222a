"""Lower rows of a table: they are stored as feature maps are, so that reading one loses nothing."""

from __future__ import annotations

from hwsim.errors import PlanError
from hwsim.network import Embedding
from hwsim.program.constant import constant_codes
from hwsim.program.context import Context
from hwsim.program.records import PickRows


def lower_embedding(operation: Embedding, context: Context) -> list[PickRows]:
    """Lower an embedding; raises PlanError where what it reads by are no indices."""
    source = context.codes(operation.inputs[0])
    if (source.scale, source.zero_point) != (1.0, 0):
        raise PlanError(
            f"{operation.name}: reads rows by the codes of {source.name!r}, so the plan must give these the scale 1 "
            f"and the zero point 0, not {source.scale!r} and {source.zero_point}"
        )
    return [PickRows(**constant_codes(operation, operation.table, source, context))]
