"""Blocks that no matrix product makes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from kernels.fast.datapaths import limits_of
from kernels.fast.scenarios.moved import Left, Scenario, Take
from kernels.fast.scenarios.strips import values_of

from hwsim_kernels.fast.bits import bit_lengths
from hwsim_kernels.fast.stored import given, load, store, stored
from hwsim_kernels.fast.windows import add_values, multiply_values, window_sums


def lengths(size: int, take: Take) -> Left:
    """Count bits."""
    histogram = take(np.zeros(22, np.int64))
    bit_lengths(take(values_of(1, size)[0]), 5, 22, histogram)
    return [histogram.copy()]


def windows(kind: str, channels: int, take: Take) -> Left:
    """Sum windows that reach beyond all sides."""
    low, high = limits_of(kind)
    codes = np.random.default_rng(1).integers(low, high + 1, (2, 5, 4, channels)).astype(kind)
    sums, inside = take(np.zeros((7, channels), np.int32)), take(np.zeros(7, np.int32))
    window, outputs = take(np.array([3, 3, 2, 1, 1, 1], np.int64)), take(np.array([3, 4], np.int64))
    window_sums(take(codes), 3, window, outputs, 17, sums, inside)
    return [sums.copy(), inside.copy()]


def codes_and_values(kind: str, channels: int, take: Take) -> Left:
    """Load codes, add them up, store them; multiply them."""
    low, high = limits_of(kind)
    codes = np.random.default_rng(2).integers(low, high + 1, (5, channels)).astype(kind)
    values, total, out = (take(np.zeros((5, 32), np.int32)) for _ in range(3))
    load(given(take(codes)), 0, 0, values)
    add_values(values, total)
    made = take(np.zeros((5, channels), kind))
    store(total, stored(made), 0, 0)
    load(given(take(codes[::-1].copy())), 0, 0, out)
    multiply_values(out, values, take(np.array([1, -1], np.int64)), channels)
    return [values.copy(), total.copy(), made.copy(), out.copy()]


def all_blocks() -> Iterator[tuple[str, Scenario]]:
    """Yield calls on blocks of values."""
    yield from ((f"bit_lengths {size}", partial(lengths, size)) for size in (32, 96, 128, 160, 352))
    for kind, channels in (("int8", 3), ("uint8", 19), ("int16", 1), ("uint16", 17)):
        yield f"window_sums {kind} {channels}", partial(windows, kind, channels)
        yield f"load, add, store {kind} {channels}", partial(codes_and_values, kind, channels)
