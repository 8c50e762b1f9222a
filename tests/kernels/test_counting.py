"""Counters: long sums are exact, and parts of a run merge to the same counts whatever the parts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.plain import Ints, integers

import hwsim_kernels as kernels
from hwsim_kernels import counting
from oracle.rounding import rounded_fraction

LONG = {counting.ROUND_ENERGY: 2, counting.CLAMP_ENERGY: 5}
"""Where a long sum begins, and its number of columns."""

MOST = 2**63 - 1


def test_columns_do_not_overlap() -> None:
    single = [
        counting.VALUES,
        counting.LOW,
        counting.HIGH,
        counting.MINIMUM,
        counting.MAXIMUM,
        counting.TRANSIENT,
        counting.PERSISTENT,
        counting.FIRST,
        counting.INEXACT,
        counting.ROUND_BIAS,
        counting.SUMS,
    ]
    taken = single + [first + place for first, length in LONG.items() for place in range(length)]
    assert sorted(taken) == list(range(counting.COLUMNS))


def test_new_counts_are_at_rest() -> None:
    counts = kernels.new_counts(3, 2)
    assert counts.shape == (3, counting.COLUMNS, 2)
    assert (counts[:, [counting.MINIMUM, counting.FIRST]] == counting.NEVER).all()
    assert (counts[:, counting.MAXIMUM] == -counting.NEVER).all()
    others = [c for c in range(counting.COLUMNS) if c not in (counting.MINIMUM, counting.MAXIMUM, counting.FIRST)]
    assert not counts[:, others].any()


# --- long sums ----------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.lists(integers(63) | st.sampled_from([MOST, -MOST, 2**62, 2**31, 2**31 - 1, -(2**32)]), max_size=20))
def test_clamp_energy_is_exact(injected: list[int]) -> None:
    counts = kernels.new_counts(2)
    for one in injected:
        counting.count_injected(counts, 1, one)
    assert kernels.long_sum(counts, counting.CLAMP_ENERGY) == [0, sum(one * one for one in injected)]
    counting.carry(counts)
    assert kernels.long_sum(counts, counting.CLAMP_ENERGY) == [0, sum(one * one for one in injected)]


def test_clamp_energy_of_many_huge_errors_is_exact() -> None:
    counts = kernels.new_counts(1)
    for _ in range(1000):
        counting.count_injected(counts, 0, MOST)
        counting.count_injected(counts, 0, -MOST)
    total = kernels.new_counts(1)
    for _ in range(1000):
        kernels.merge(total, counts)
    assert kernels.long_sum(total, counting.CLAMP_ENERGY) == [2_000_000 * MOST**2]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.fractions(-4, 4), st.sampled_from(["floor", "ceil", "half_even", "jam", "magnitude"])),
        max_size=20,
    )
)
def test_rounding_errors_are_exact(values: list[tuple[Fraction, str]]) -> None:
    counts = kernels.new_counts(1)
    wanted = [rounded_fraction(*one) for one in values]
    for (value, _), rounded in zip(values, wanted, strict=True):
        scaled = (value - value.__floor__()) * 2**32
        sticky = int(scaled != scaled.__floor__())
        counting.count_rounding(counts, 0, scaled.__floor__(), sticky, rounded.value - value.__floor__())
    assert counts[counting.INEXACT, 0] == sum(one.inexact for one in wanted)
    assert counts[counting.ROUND_BIAS, 0] == sum(one.e16 for one in wanted)
    assert kernels.long_sum(counts, counting.ROUND_ENERGY) == [sum(one.e16**2 for one in wanted)]


@pytest.mark.parametrize("first", LONG)
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_carry_keeps_the_sum(first: int, data: st.DataObject) -> None:
    length = LONG[first]
    words = data.draw(st.lists(integers(62).map(abs), min_size=length, max_size=length))
    counts = kernels.new_counts(3)
    counts[first : first + length, 1] = words
    before = counts.copy()
    counting.carry(counts)
    assert kernels.long_sum(counts, first) == [0, sum(word << (31 * place) for place, word in enumerate(words)), 0]
    assert (counts[first : first + length - 1] < 2**31).all()
    rest = [column for column in range(counting.COLUMNS) if not first <= column < first + length]
    assert np.array_equal(counts[rest], before[rest])
    again = counts.copy()
    counting.carry(again)
    assert np.array_equal(again, counts)


# --- merging ------------------------------------------------------------------------------------------


def event(counts: Ints, generator: random.Random) -> None:
    """Count something random in a channel."""
    channel, value = generator.randrange(counts.shape[1]), generator.randrange(-MOST, MOST + 1)
    counts[counting.VALUES, channel] += 1
    counting.count_range(counts, channel, value)
    if generator.random() < 0.5:
        counting.count_hit(counts, channel, value, value < 0, generator.randrange(2**40))
        counts[generator.choice([counting.TRANSIENT, counting.PERSISTENT]), channel] += 1
        counting.count_injected(counts, channel, value)
    if generator.random() < 0.5:
        counting.count_rounding(counts, channel, generator.randrange(2**32), 0, generator.randrange(2))
        counts[counting.SUMS, channel] += 1


def part(seed: int, events: int) -> Ints:
    """Return the counts of a part of a run."""
    generator, counts = random.Random(seed), kernels.new_counts(3)
    for _ in range(events):
        event(counts, generator)
    return counts


def merged(parts: Sequence[Ints]) -> Ints:
    """Return the counts of several parts."""
    total = kernels.new_counts(3)
    for one in parts:
        kernels.merge(total, one)
    return total


parts_of = st.lists(st.builds(part, st.integers(0, 2**32), st.integers(0, 5)), min_size=1, max_size=6)


@settings(max_examples=80, deadline=None)
@given(parts_of, st.randoms(use_true_random=False))
def test_merge_does_not_depend_on_the_order(parts: list[Ints], shuffler: random.Random) -> None:
    shuffled = list(parts)
    shuffler.shuffle(shuffled)
    assert np.array_equal(merged(parts), merged(shuffled))


@settings(max_examples=80, deadline=None)
@given(parts_of, st.integers(0, 6), st.integers(0, 6))
def test_merge_is_associative(parts: list[Ints], one: int, other: int) -> None:
    first, second = sorted((one, other))
    groups = [merged(parts[:first]), merged(parts[first:second]), merged(parts[second:])]
    assert np.array_equal(merged(groups), merged(parts))
    right = merged(groups[1:])
    left = groups[0].copy()
    kernels.merge(left, right)
    assert np.array_equal(left, merged(parts))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_counts_do_not_depend_on_the_split(seed: int, sizes: list[int]) -> None:
    whole = merged([part(seed, sum(sizes))])
    generator, parts = random.Random(seed), []
    for size in sizes:
        counts = kernels.new_counts(3)
        for _ in range(size):
            event(counts, generator)
        parts.append(counts)
    assert np.array_equal(merged(parts), whole)


def test_merge_leaves_the_other_alone_and_nothing_changes_nothing() -> None:
    one, rest = part(1, 20), kernels.new_counts(3)
    before = one.copy()
    kernels.merge(rest, one)
    assert np.array_equal(one, before)
    carried = rest.copy()
    kernels.merge(rest, kernels.new_counts(3))
    assert np.array_equal(rest, carried)
    nothing = kernels.new_counts(3)
    kernels.merge(nothing, kernels.new_counts(3))
    assert np.array_equal(nothing, kernels.new_counts(3))


def test_merge_of_points_and_of_some_channels() -> None:
    stacked = np.stack([part(1, 20), part(2, 20)])
    total = kernels.new_counts(2, 5)
    kernels.merge(total[..., 1:4], stacked)
    assert np.array_equal(total[..., 1:4], np.stack([merged([part(1, 20)]), merged([part(2, 20)])]))
    assert np.array_equal(total[..., [0, 4]], kernels.new_counts(2, 2))


# --- histograms ---------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(integers(63))
def test_count_bits(value: int) -> None:
    histogram = np.zeros(counting.BINS, np.int64)
    counting.count_bits(histogram, value)
    assert histogram.tolist() == [int(bits == abs(value).bit_length()) for bits in range(65)]


def test_ranges() -> None:
    counts = kernels.new_counts(2)
    values = [5, -MOST, 0, MOST]
    for value in values:
        counting.count_range(counts, 1, value)
    assert counts[counting.MINIMUM].tolist() == [counting.NEVER, min(values)]
    assert counts[counting.MAXIMUM].tolist() == [-counting.NEVER, max(values)]
