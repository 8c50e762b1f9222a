"""Causes that move values: samples in another order, channels in another order, axes swapped."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from hwsim.divergence.case import Case, Cause
from hwsim.divergence.layout import Array

MOST_NAMED = 6
MOST_AXES = 4


def samples(case: Case) -> Iterator[Cause | None]:
    """B's samples are A's in another order."""
    yield _moved(case, 0, "samples", "the samples stand in another order: B's sample")


def channels(case: Case) -> Iterator[Cause | None]:
    """B's channels are A's in another order."""
    yield _moved(case, case.a.ndim - 1, "channels", "the channels stand in another order: B's channel")


def _moved(case: Case, axis: int, kind: str, says: str) -> Cause | None:
    a, b = (np.ascontiguousarray(np.moveaxis(one, axis, 0)) for one in (case.a, case.b))
    if len(a) < 2:
        return None
    known: dict[bytes, int] = {}
    for number, values in enumerate(a):
        known.setdefault(values.tobytes(), number)
    moved, named = a.copy(), []
    for number in np.flatnonzero((a != b).reshape(len(a), -1).any(axis=1)).tolist():
        source = known.get(b[number].tobytes())
        if source is not None:
            moved[number] = a[source]
            named.append(f"{number} is A's {source}")
    if not named:
        return None
    more = f", and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return case.predicted(kind, f"{says} {', '.join(named[:MOST_NAMED])}{more}", np.moveaxis(moved, 0, axis))


def axes(case: Case) -> Iterator[Cause | None]:
    """B is A with axes swapped, or A written in another order of axes than its shape says."""
    rank = case.a.ndim
    if rank > MOST_AXES:
        return
    named = {2: "NC", 3: "NXC", 4: "NHWC"}[rank]
    for order in permutations(range(rank)):
        if order == tuple(range(rank)) or (rank > 2 and order[0] != 0):
            continue
        stored: Array = case.a.transpose(order)
        letters = "".join(named[axis] for axis in order)
        if stored.shape == case.a.shape:
            yield case.predicted("axes", f"B is A transposed: its axes are {letters} where A has {named}", stored)
        else:
            says = f"B was written in the order {letters} but bears the shape of {named}"
            yield case.predicted("axes", says, stored.reshape(case.a.shape))
