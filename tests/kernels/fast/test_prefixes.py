"""A sum that is followed by itself, against the prefixes of Python's integers."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernels.fast.datapaths import HERE, compiled
from kernels.fast.scenarios.accumulators import call_within
from kernels.plain import examples

from hwsim_kernels.fast.packing import UNIT

pytestmark = [compiled, pytest.mark.skipif(not HERE, reason="no micro-kernels here")]

BYTE, WEIGHT = st.integers(0, 255), st.integers(-128, 127)


def prefixes_of(units: list[int], weights: list[int], flip: int, offset: int, start: int) -> list[int]:
    """Return what a sum is behind each of its steps."""
    products = [((unit ^ flip) - offset) * weight for unit, weight in zip(units, weights, strict=True)]
    return list(accumulate(products, initial=start))[1:]


@examples(150)
@given(
    steps=st.lists(st.tuples(BYTE, WEIGHT), min_size=1, max_size=200),
    flip=st.sampled_from([0, 128]),
    offset=st.integers(-128, 383),
    start=st.integers(-(2**20), 2**20),
)
@example(steps=[(255, -128)] * 70, flip=0, offset=-128, start=0)
@example(steps=[(0, -128), (255, 127)] * 40, flip=128, offset=255, start=-1)
def test_a_sum_stays_within_its_own_range_and_leaves_any_narrower_one(
    steps: list[tuple[int, int]], flip: int, offset: int, start: int
) -> None:
    units, weights = (list(one) for one in zip(*steps, strict=True))
    found = prefixes_of(units, weights, flip, offset, start)
    low, high = min(found), max(found)
    size = -(-len(units) // UNIT) * UNIT
    row, line = np.full(size, 77, np.uint8), np.zeros(size, np.int8)
    row[: len(units)], line[: len(units)] = units, weights

    def within(least: int, most: int) -> bool:
        held = (row.ctypes.data, line.ctypes.data, size // UNIT)
        return call_within(*held, (flip, offset, start), (least, most)) != 0

    assert within(low, high)
    assert within(-(2**31), 2**31 - 1)
    assert not within(low + 1, high + 1)
    assert not within(low - 1, high - 1)
