"""Calls that must not pass."""

from __future__ import annotations

import ctypes
from functools import partial

import numpy as np
from kernels.fast.scenarios.moved import Left, Scenario, Take
from kernels.fast.scenarios.strips import scaling_of, values_of

from hwsim_kernels.fast import strip_loop, strips


def reads_beyond(take: Take) -> Left:
    """Read one number behind the last."""
    values, counters = take(values_of(3, 16)), take(strip_loop.counters(16))
    strips.divide(values, take(np.ones((2, 3), np.int32)), take(scaling_of(16)), counters, False)
    return []


def writes_beyond(step: int, take: Take) -> Left:
    """Write the row that lies a step of int32 before the first, or behind the last."""
    values = take(values_of(3, 16))
    address = values.ctypes.data + 4 * step + (128 if step > 0 else 0)
    strips.move(np.ctypeslib.as_array((ctypes.c_int32 * 16).from_address(address)).reshape(1, 16), strips.moves(16) + 5)
    return []


FAULTY: dict[str, Scenario] = {
    "reads behind": reads_beyond,
    "writes behind": partial(writes_beyond, 1),
    "writes before": partial(writes_beyond, -1),
}
