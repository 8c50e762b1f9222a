"""Counts, largest differences and first places, held to plain Python, on any integers."""

from __future__ import annotations

from typing import Any

import numpy as np
from diff.planted import oracle
from hypothesis import given
from hypothesis import strategies as st

import hwsim
from hwsim.divergence import Place

EXTREMES = [-(1 << 62), (1 << 62) - 1, -128, 127, 0, 1, -1]
TYPES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "int64": (-(1 << 62), (1 << 62) - 1)}


@st.composite
def pairs(draw: Any) -> tuple[Any, Any]:
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    arrays = []
    for kind in draw(st.tuples(*[st.sampled_from(sorted(TYPES))] * 2)):
        low, high = TYPES[kind]
        value = st.sampled_from([one for one in EXTREMES if low <= one <= high]) | st.integers(low, high)
        size = int(np.prod(shape))
        arrays.append(np.array(draw(st.lists(value, min_size=size, max_size=size)), kind).reshape(shape))
    a, b = arrays
    if draw(st.booleans()):  # few differences are as likely as many
        b = a.copy()
        for place in draw(st.lists(st.integers(0, a.size - 1), max_size=3)):
            b.flat[place] = draw(st.integers(-128 * (a.dtype.kind == "i"), 127))
    return a, b


@given(pairs())
def test_counts_and_first_place(pair: tuple[Any, Any]) -> None:
    a, b = pair
    result = hwsim.diff({"x": a}, {"x": b})
    (one,) = result.tensors
    count, largest, first = oracle(a.tolist(), b.tolist())
    assert (one.count, one.largest, one.values) == (count, largest, a.size)
    assert result.equal == (count == 0)
    if first is None:
        assert one.first is None
        assert result.causes == ()
        return
    sample, *position, channel = (0, *first, 0) if len(first) == 1 else first
    assert one.first == Place(
        sample=sample, position=tuple(position), channel=channel, a=int(a[first]), b=int(b[first])
    )
    assert sum(times for _, times in result.histogram) <= count
    for cause in result.causes:
        assert cause.differences == count
        assert 0 <= cause.explained <= count
