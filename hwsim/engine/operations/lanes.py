"""Blocks of 32-bit lanes: whether an operation's values may pass in them, and their way through its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.fused import Fused, start_tally
from hwsim.engine.tally import Tally
from hwsim.program.records import IntOperation
from hwsim_kernels.fast.blocks import block_rows
from hwsim_kernels.fast.features import PORTABLE, tier
from hwsim_kernels.fast.layers import layer_of_codes
from hwsim_kernels.fast.memory import zeros
from hwsim_kernels.fast.passage import Steps, fold

Codes = NDArray[Any]
Array = NDArray[Any]

NO_DRAWS = np.zeros(1, np.int64)


def in_lanes(one: IntOperation, tally: Tally) -> bool:
    """Whether an operation's values can pass in blocks of 32-bit lanes: none is traced, none is rounded by chance."""
    steady = getattr(one, "draws", NO_DRAWS).size == 1
    return one.narrow and steady and tally.trace is None and tally.tier >= PORTABLE


_steps: WeakKeyDictionary[IntOperation, dict[tuple[int, int, str, int], Steps | None]] = WeakKeyDictionary()


def lane_steps(
    one: IntOperation,
    columns: int,
    make: Callable[[Fused], bool],
    *,
    number: int = -1,
    channels: int | None = None,
    kind: str = "",
) -> Steps | None:
    """Return the steps of an operation's lanes, or None if some of them have no kernel, made once.

    ``number`` tells those of several inputs apart, ``channels`` are theirs if not the operation's. ``kind``: the type
    of codes, where what is added to sums depends on how they are formed from them.
    """
    known = _steps.setdefault(one, {})
    key = (number, columns, kind, tier())
    if key not in known:
        fused = Fused(one.points, one.channels if channels is None else channels, columns)
        known[key] = fused.done() if one.narrow and make(fused) else None
    return known[key]


def lanes_for(steps: Steps, rows: int) -> NDArray[np.int32]:
    """Return room for the lanes of a block."""
    columns = steps.parameters.shape[2]
    return zeros((min(block_rows(columns, 1), rows), columns), np.int32)


def pass_lanes(lanes: Steps, values: Array, tally: Tally, out: Codes) -> None:
    """Send integers (rows, channels) below 2**30 through steps in 32-bit lanes, and store the codes."""
    counted = start_tally(lanes, tally, tally.first_sample * (len(values) // len(out)))
    # a copy, if rows of the place do not follow one another
    stored = out.reshape(values.shape)
    layer_of_codes(values, lanes_for(lanes, len(values)), lanes, counted, stored)
    fold(lanes, counted, len(values))
    if not np.may_share_memory(stored, out):
        out[...] = stored.reshape(out.shape)
