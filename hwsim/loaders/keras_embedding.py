"""Keras' Embedding, and the inputs that hold its indices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hwsim.loaders.keras_draft import Call, Draft, NoIntegerForm
from hwsim.loaders.keras_weights import array, float32
from hwsim.network import Crop, Embedding, Input, Operation, Pad, Rearrange, Reshape

MOVES = (Crop, Pad, Rearrange, Reshape)
"""Operations that indices may go through."""


def embedding(call: Call) -> tuple[Operation, ...]:
    """Import Embedding. A mask that it makes (``mask_zero``) is refused where a layer takes it."""
    try:
        return (Embedding(name=call.name, inputs=call.inputs, table=float32(array(call.layer.embeddings))),)
    except ValueError as error:
        raise NoIntegerForm(str(error).removeprefix(f"{call.name}: ")) from error


def with_indices(draft: Draft) -> Iterator[Operation]:
    """Yield the operations of a draft; inputs that tables are read by hold indices that each of these tables has.

    Notes embeddings that read by what a layer computes as unsupported.
    """
    made = {one.name: one for one in draft.operations}
    limits: dict[str, int] = {}
    for operation in draft.operations:
        if not isinstance(operation, Embedding):
            continue
        source = operation.inputs[0]
        while isinstance(made.get(source), MOVES):
            source = made[source].inputs[0]
        if isinstance(made.get(source), Input):
            limits[source] = min(limits.get(source, len(operation.table)), len(operation.table))
        elif source in made:
            draft.unsupported.append(
                f"{operation.name} (Embedding: reads by what {source} computes; hwsim takes the indices of an input)"
            )
    for one in draft.operations:
        yield replace(one, indices=limits[one.name]) if isinstance(one, Input) and one.name in limits else one
