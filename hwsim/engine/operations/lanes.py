"""Blocks of lanes: whether an operation's values may pass in them, and their way through its steps."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.fused import Fused, start_tally
from hwsim.engine.fused_wide import add_widely, bound_of_codes
from hwsim.engine.tally import Tally
from hwsim.program.records import IntOperation, Step
from hwsim_kernels.fast.blocks import block_rows, padded_columns
from hwsim_kernels.fast.features import PORTABLE
from hwsim_kernels.fast.layers import layer_of_codes, layer_of_integers
from hwsim_kernels.fast.memory import unset, zeros
from hwsim_kernels.fast.passage import Steps, fold
from hwsim_kernels.fast.stored import given, stored
from hwsim_kernels.fast.sums import CHUNK, PAIR

Codes = NDArray[Any]
Array = NDArray[Any]

NO_DRAWS = np.zeros(1, np.int64)


def in_lanes(one: IntOperation, tally: Tally) -> bool:
    """Whether an operation's values can pass in blocks of lanes: none is traced, none is rounded by chance."""
    steady = getattr(one, "draws", NO_DRAWS).size == 1
    return steady and tally.trace is None and tally.tier >= PORTABLE


_steps: WeakKeyDictionary[IntOperation, dict[tuple[int, int, Hashable], Steps | None]] = WeakKeyDictionary()


def lane_steps(
    one: IntOperation,
    columns: int,
    make: Callable[[Fused], bool],
    *,
    number: int = -1,
    channels: int | None = None,
    kind: Hashable = None,
    wide: bool = False,
) -> Steps | None:
    """Return the steps of an operation's lanes, or None if some of them have no kernel, made once.

    ``number`` tells those of several inputs apart, ``channels`` are theirs if not the operation's. ``kind``: what else
    they depend on, as the type of codes. ``wide``: ``make`` can begin with 64 bits, where 32 are not enough.
    """
    known = _steps.setdefault(one, {})
    key = (number, columns, kind)
    if key not in known:
        fused = Fused(one.points, one.channels if channels is None else channels, columns)
        known[key] = fused.done() if (one.narrow or (wide and not one.wide)) and make(fused) else None
    return known[key]


def steps_of_codes(one: IntOperation, steps: Sequence[Step], number: int, codes: Codes, channels: int) -> Steps | None:
    """Return the steps of lanes that begin with the codes of input ``number``."""

    def make(fused: Fused) -> bool:
        return fused.steps(steps) if one.narrow else add_widely(fused, steps, bound_of_codes(codes.dtype))

    columns = padded_columns(channels)
    return lane_steps(one, columns, make, number=number, channels=channels, kind=codes.dtype, wide=True)


def lanes_for(steps: Steps, rows: int) -> NDArray[np.int32]:
    """Return room for the lanes of a block."""
    columns = steps.parameters.shape[2]
    return zeros((min(block_rows(columns, 1), rows), columns), np.int32)


def panel_lanes(many: int) -> NDArray[np.int32]:
    """Return room (many, rows, 32) for lanes that stay in the innermost cache together."""
    return unset((many, CHUNK // many, PAIR), np.int32)


def pass_lanes(lanes: Steps, values: Array, tally: Tally, out: Codes) -> None:
    """Send integers (rows, channels) through steps in lanes, and store the codes."""
    counted = start_tally(lanes, tally, tally.first_sample * (len(values) // len(out)))
    # a copy, if rows of the place do not follow one another
    rows = np.ascontiguousarray(out.reshape(values.shape))
    if lanes.wide:
        room = lanes_for(lanes, len(values))
        layer_of_integers(given(values), zeros(room.shape, np.int64), room, lanes, counted, stored(rows))
    else:
        layer_of_codes(given(values), panel_lanes(1)[0], lanes, counted, stored(rows))
    fold(lanes, counted, len(values))
    if not np.may_share_memory(rows, out):
        out[...] = rows.reshape(out.shape)
