"""Counters: long sums are exact, and parts of a run merge to the same counts whatever the parts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernels.plain import Ints, carried, examples, integers, pair

from hwsim_kernels import counting
from oracle.rounding import rounded_fraction

LONG = {counting.ROUND_ENERGY: 2, counting.CLAMP_ENERGY: 9}
"""Where a long sum begins, and its number of columns."""

WIDE = (counting.WIDE_MINIMUM, counting.WIDE_MAXIMUM)
"""Where a pair of columns begins, high and low."""

MOST = 2**63 - 1

WIDEST = 2**125 - 2**62
"""The largest magnitude that two words hold with either sign."""


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
    taken += [first + place for first in WIDE for place in range(2)]
    assert counting.LONG_SUMS == LONG
    assert sorted(taken) == list(range(counting.COLUMNS))


def test_new_counts_are_at_rest() -> None:
    counts = counting.new_counts(3, 2)
    assert counts.shape == (3, counting.COLUMNS, 2)
    high = [counting.MINIMUM, counting.FIRST, counting.WIDE_MINIMUM]
    low = [counting.MAXIMUM, counting.WIDE_MAXIMUM]
    assert (counts[:, high] == counting.NEVER).all()
    assert (counts[:, low] == -counting.NEVER).all()
    assert not counts[:, [column for column in range(counting.COLUMNS) if column not in high + low]].any()
    assert counting.value_range(counts[0]) == [(None, None)] * 2


# --- long sums ----------------------------------------------------------------------------------------


@examples(200)
@given(st.lists(integers(63) | st.sampled_from([MOST, -MOST, 2**62, 2**31, 2**31 - 1, -(2**32)]), max_size=20))
def test_clamp_energy_is_exact(injected: list[int]) -> None:
    counts = counting.new_counts(2)
    for one in injected:
        counting.count_injected(counts, 1, one)
    assert counting.long_sum(counts, counting.CLAMP_ENERGY) == [0, sum(one * one for one in injected)]
    assert counting.long_sum(carried(counts), counting.CLAMP_ENERGY) == [0, sum(one * one for one in injected)]


errors = st.one_of(
    integers(125).map(lambda error: min(max(error, -WIDEST), WIDEST)),
    integers(63),
    st.sampled_from([2**power + one for power in (62, 63, 93, 124) for one in (-1, 0)]),
)


@examples(300)
@given(st.lists(errors, max_size=20))
@example([WIDEST, -WIDEST])
@example([2**62, -(2**62), -(2**62) - 1, 2**63, -(2**63), 2**124])
def test_clamp_energy_of_two_words_is_exact(injected: list[int]) -> None:
    counts = counting.new_counts(2)
    for one in injected:
        counting.count_injected_wide(counts, 1, *pair(one))
    assert counting.long_sum(counts, counting.CLAMP_ENERGY) == [0, sum(one * one for one in injected)]
    assert counting.long_sum(carried(counts), counting.CLAMP_ENERGY) == [0, sum(one * one for one in injected)]


@examples(200)
@given(st.lists(integers(62), max_size=10))
def test_one_word_and_two_give_one_clamp_energy(injected: list[int]) -> None:
    one, two = counting.new_counts(1), counting.new_counts(1)
    for error in injected:
        counting.count_injected(one, 0, error)
        counting.count_injected_wide(two, 0, *pair(error))
    assert np.array_equal(carried(one), carried(two))


@pytest.mark.parametrize("most", [MOST, WIDEST])
def test_clamp_energy_of_many_huge_errors_is_exact(most: int) -> None:
    counts = counting.new_counts(1)
    for _ in range(1000):
        counting.count_injected_wide(counts, 0, *pair(most))
        counting.count_injected_wide(counts, 0, *pair(-most))
    total = counting.new_counts(1)
    for _ in range(1000):
        merge(total, counts)
    assert counting.long_sum(total, counting.CLAMP_ENERGY) == [2_000_000 * most**2]


@examples(200)
@given(
    st.lists(
        st.tuples(st.fractions(-4, 4), st.sampled_from(["floor", "ceil", "half_even", "jam", "magnitude"])),
        max_size=20,
    )
)
def test_rounding_errors_are_exact(values: list[tuple[Fraction, str]]) -> None:
    counts = counting.new_counts(1)
    wanted = [rounded_fraction(*one) for one in values]
    for (value, _), rounded in zip(values, wanted, strict=True):
        scaled = (value - value.__floor__()) * 2**32
        sticky = int(scaled != scaled.__floor__())
        counting.count_rounding(counts, 0, scaled.__floor__(), sticky, rounded.value - value.__floor__())
    assert counts[counting.INEXACT, 0] == sum(one.inexact for one in wanted)
    assert counts[counting.ROUND_BIAS, 0] == sum(one.e16 for one in wanted)
    assert counting.long_sum(counts, counting.ROUND_ENERGY) == [sum(one.e16**2 for one in wanted)]


@pytest.mark.parametrize("first", LONG)
@examples(100)
@given(st.data())
def test_carry_keeps_the_sum(first: int, data: st.DataObject) -> None:
    length = LONG[first]
    words = data.draw(st.lists(integers(62).map(abs), min_size=length, max_size=length))
    counts = counting.new_counts(3)
    counts[first : first + length, 1] = words
    found = carried(counts)
    assert counting.long_sum(found, first) == [0, sum(word << (31 * place) for place, word in enumerate(words)), 0]
    assert (found[first : first + length - 1] < 2**31).all()
    rest = [column for column in range(counting.COLUMNS) if not first <= column < first + length]
    assert np.array_equal(found[rest], counts[rest])
    assert np.array_equal(carried(found), found)


# --- merging ------------------------------------------------------------------------------------------


def event(counts: Ints, generator: random.Random) -> None:
    """Count something random in a channel."""
    channel, bits = generator.randrange(counts.shape[1]), generator.choice([3, 61, 62, 63, 90, 124])
    value = generator.randrange(-(2**bits), 2**bits + 1)
    high, low = pair(value)
    counts[counting.VALUES, channel] += 1
    counting.count_range_wide(counts, channel, high, low)
    if generator.random() < 0.5:
        counting.count_hit(counts, channel, high, low, value < 0, generator.randrange(2**40))
        counts[generator.choice([counting.TRANSIENT, counting.PERSISTENT]), channel] += 1
        counting.count_injected_wide(counts, channel, high, low)
    if generator.random() < 0.5:
        counting.count_rounding(counts, channel, generator.randrange(2**32), 0, generator.randrange(2))
        counts[counting.SUMS, channel] += 1


def part(seed: int, events: int) -> Ints:
    """Return the counts of a part of a run."""
    generator, counts = random.Random(seed), counting.new_counts(3)
    for _ in range(events):
        event(counts, generator)
    return counts


def merge(into: Ints, other: Ints) -> None:
    """Merge the counters of one point."""
    counting.merge(into[np.newaxis], other[np.newaxis], 0)


def merged(parts: Sequence[Ints]) -> Ints:
    """Return the counts of several parts."""
    total = counting.new_counts(3)
    for one in parts:
        merge(total, one)
    return total


parts_of = st.lists(st.builds(part, st.integers(0, 2**32), st.integers(0, 5)), min_size=1, max_size=6)


@examples(80)
@given(parts_of, st.randoms(use_true_random=False))
def test_merge_does_not_depend_on_the_order(parts: list[Ints], shuffler: random.Random) -> None:
    shuffled = list(parts)
    shuffler.shuffle(shuffled)
    assert np.array_equal(merged(parts), merged(shuffled))


@examples(80)
@given(parts_of, st.integers(0, 6), st.integers(0, 6))
def test_merge_is_associative(parts: list[Ints], one: int, other: int) -> None:
    first, second = sorted((one, other))
    groups = [merged(parts[:first]), merged(parts[first:second]), merged(parts[second:])]
    assert np.array_equal(merged(groups), merged(parts))
    right = merged(groups[1:])
    left = groups[0].copy()
    merge(left, right)
    assert np.array_equal(left, merged(parts))


@examples(60)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_counts_do_not_depend_on_the_split(seed: int, sizes: list[int]) -> None:
    whole = merged([part(seed, sum(sizes))])
    generator, parts = random.Random(seed), []
    for size in sizes:
        counts = counting.new_counts(3)
        for _ in range(size):
            event(counts, generator)
        parts.append(counts)
    assert np.array_equal(merged(parts), whole)


def test_merge_leaves_the_other_alone_and_nothing_changes_nothing() -> None:
    one, rest = part(1, 20), counting.new_counts(3)
    before = one.copy()
    merge(rest, one)
    assert np.array_equal(one, before)
    before = rest.copy()
    merge(rest, counting.new_counts(3))
    assert np.array_equal(rest, before)
    nothing = counting.new_counts(3)
    merge(nothing, counting.new_counts(3))
    assert np.array_equal(nothing, counting.new_counts(3))


def test_merge_of_points_and_of_some_channels() -> None:
    stacked = np.stack([part(1, 20), part(2, 20)])
    total = counting.new_counts(2, 5)
    counting.merge(total, stacked, 1)
    assert np.array_equal(total[..., 1:4], np.stack([merged([part(1, 20)]), merged([part(2, 20)])]))
    assert np.array_equal(total[..., [0, 4]], counting.new_counts(2, 2))


# --- histograms and ranges ----------------------------------------------------------------------------


@examples(200)
@given(integers(63))
def test_count_bits(value: int) -> None:
    histogram, wide = np.zeros(counting.BINS, np.int64), np.zeros(counting.BINS, np.int64)
    counting.count_bits(histogram, value)
    counting.count_bits_wide(wide, *pair(value))
    assert histogram.tolist() == wide.tolist() == [int(bits == abs(value).bit_length()) for bits in range(65)]


@examples(200)
@given(integers(124))
@example(2**63 - 1)
@example(2**63)
@example(-(2**63))
@example(2**64 - 1)
@example(2**64)
@example(1 - 2**124)
def test_the_last_bin_takes_all_that_is_wider(value: int) -> None:
    histogram = np.zeros(counting.BINS, np.int64)
    counting.count_bits_wide(histogram, *pair(value))
    assert histogram.tolist() == [int(bits == min(abs(value).bit_length(), 64)) for bits in range(65)]


def test_ranges() -> None:
    counts = counting.new_counts(2)
    values = [5, -MOST, 0, MOST]
    for value in values:
        counting.count_range(counts, 1, value)
    assert counts[counting.MINIMUM].tolist() == [counting.NEVER, min(values)]
    assert counts[counting.MAXIMUM].tolist() == [-counting.NEVER, max(values)]


def ranged(values: Sequence[int]) -> Ints:
    """Return the counts in which each value was noted."""
    counts = counting.new_counts(2)
    for value in values:
        counting.count_range_wide(counts, 1, *pair(value))
    return counts


BESIDE_ONE_WORD = [sign * 2**62 + one for sign in (-1, 1) for one in (-1, 0, 1)]
wide_values = st.sampled_from([*BESIDE_ONE_WORD, 2**124 - 1, 1 - 2**124]) | integers(62) | integers(124)


@examples(300)
@given(st.lists(wide_values, max_size=8))
@example([2**62])
@example([-(2**62) - 1])
@example([2**100 + 1, 2**100, 2**100 + 2])
def test_ranges_of_two_words(values: list[int]) -> None:
    wanted = (min(values, default=None), max(values, default=None))
    assert counting.value_range(ranged(values)) == [(None, None), wanted]
    assert counting.whole_range(ranged(values)) == (wanted if values else None)


@examples(300)
@given(st.lists(wide_values, max_size=5), st.lists(wide_values, max_size=5))
@example([2**100], [2**100 + 1])
@example([2**100 + 1], [2**100])
@example([-(2**100)], [1 - 2**100])
@example([3], [2**100])
@example([-(2**100)], [])
def test_ranges_of_two_words_merge(ours: list[int], theirs: list[int]) -> None:
    total = ranged(ours)
    merge(total, ranged(theirs))
    together = ranged([*ours, *theirs])
    assert np.array_equal(total, together)
    wanted = (min(ours + theirs, default=None), max(ours + theirs, default=None))
    assert counting.value_range(total) == [(None, None), wanted]


@examples(200)
@given(st.lists(st.tuples(wide_values, st.integers(0, 2**40)), max_size=6))
def test_hits(hits: list[tuple[int, int]]) -> None:
    counts = counting.new_counts(2)
    for value, key in hits:
        counting.count_hit(counts, 1, *pair(value), value < 0, key)
    values = [value for value, _ in hits]
    assert counts[counting.LOW].tolist() == [0, sum(value < 0 for value in values)]
    assert counts[counting.HIGH].tolist() == [0, sum(value >= 0 for value in values)]
    assert counts[counting.FIRST].tolist() == [counting.NEVER, min((key for _, key in hits), default=counting.NEVER)]
    below, above = [one for one in values if one < 0], [one for one in values if one >= 0]
    assert counting.value_range(counts) == [(None, None), (min(below, default=None), max(above, default=None))]
