"""Functions of one byte against a loop over the codes, and what they count against plain kernels on each code."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from kernels.plain import examples

from hwsim_kernels import counting
from hwsim_kernels.counting import (
    BINS,
    COLUMNS,
    NEVER,
    count_bits,
    count_hit,
    count_injected,
    count_rounding,
    new_counts,
)
from hwsim_kernels.fast.mapping import BYTES, count_bytes, find_first, map_bytes

codes = st.integers(1, 5).flatmap(
    lambda channels: st.lists(st.lists(st.integers(0, 255), min_size=channels, max_size=channels), max_size=40)
)


@examples(60)
@example([[0, 255], [128, 127], [0, 0]])
@given(codes.filter(bool))
def test_codes_are_mapped_and_counted(rows: list[list[int]]) -> None:
    table = np.random.default_rng(len(rows)).integers(-128, 128, BYTES).astype(np.int8)
    given = np.array(rows, np.uint8)
    out, seen = np.zeros(given.shape, np.int8), np.zeros((given.shape[1], BYTES), np.int32)
    map_bytes(given, table, seen, out)
    np.testing.assert_array_equal(out, [[table[code] for code in row] for row in rows])
    for channel, mine in enumerate(zip(*rows, strict=True)):
        assert {code: int(times) for code, times in enumerate(seen[channel]) if times} == Counter(mine)


@examples(60)
@given(codes.filter(bool), st.integers(0, 2**32))
def test_what_each_code_loses_adds_up(rows: list[list[int]], seed: int) -> None:
    channels = len(rows[0])
    each = losses(seed)
    known = new_counts(BYTES)
    bins = np.zeros(BYTES, np.int64)
    for code in range(BYTES):
        count_one(known, code, each[code], 0)
        bins[code] = abs(each[code][0]).bit_length()
    counts, histogram = new_counts(channels), np.zeros(BINS, np.int64)
    given = np.array(rows, np.uint8)
    seen = np.zeros((channels, BYTES), np.int32)
    map_bytes(given, np.zeros(BYTES, np.int8), seen, np.zeros(given.shape, np.int8))
    count_bytes(seen, known, bins, counts, histogram)
    find_first(given, seen, known[counting.FIRST], 1000, counts[counting.FIRST])
    one_by_one, bits = new_counts(channels), np.zeros(BINS, np.int64)
    for number, row in enumerate(rows):
        for channel, code in enumerate(row):
            count_one(one_by_one, channel, each[code], 1000 + number)
            count_bits(bits, each[code][0])
    assert histogram.tolist() == bits.tolist()
    for column in range(COLUMNS):
        assert counts[column].tolist() == one_by_one[column].tolist(), column


def losses(seed: int) -> list[tuple[int, int, int, int]]:
    """Draw for each byte: a value, how far it lies outside a format (or 0), a fraction of 32 bits and a step up."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-(1 << 40), 1 << 40, BYTES)
    outside = np.where(rng.random(BYTES) < 0.2, rng.integers(-(1 << 40), 1 << 40, BYTES), 0)
    fractions = np.where(rng.random(BYTES) < 0.5, rng.integers(0, 1 << 32, BYTES), 0)
    return list(
        zip(values.tolist(), outside.tolist(), fractions.tolist(), rng.integers(0, 2, BYTES).tolist(), strict=True)
    )


def count_one(counts: np.ndarray, channel: int, loss: tuple[int, int, int, int], key: int) -> None:
    """Count what a value loses as plain kernels do."""
    value, outside, fraction, up = loss
    counts[counting.VALUES, channel] += 1
    counting.count_range(counts, channel, value)
    count_rounding(counts, channel, fraction, 0, up)
    if outside:
        count_hit(counts, channel, -1 if value < 0 else 0, value & ((1 << 62) - 1), value < 0, key)
        count_injected(counts, channel, outside)
    assert counts[counting.FIRST, channel] <= NEVER
