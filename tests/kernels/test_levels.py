"""To the nearest level, against fractions."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hwsim_kernels import counting
from hwsim_kernels.levels import encode, quantize_to_levels

tables = st.sets(st.integers(-32768, 32767) | st.integers(-20, 20), min_size=2, max_size=12).map(sorted)


def best(x: Fraction, levels: list[int]) -> int:
    """Return the index of the nearest level, the upper one at a tie."""
    return max(range(len(levels)), key=lambda index: (-abs(x - levels[index]), index))


def summed(counts: np.ndarray, column: int) -> int:
    """Return a long sum of the only channel."""
    return counting.long_sum(counts, column)[0]


@settings(deadline=None)
@given(tables, st.lists(st.integers(-32768, 65535), min_size=1, max_size=20), st.integers(-8, 0))
@example([-32768, 32767], [0, -1, -32768, 32767, 65535], 0)
@example([0, 2, 4, 8], [1, 3, 5, 6, 7, -5], -2)
def test_integers_go_to_the_nearest_level(levels: list[int], values: list[int], first: int) -> None:
    out, counts = np.zeros((len(values), 1), np.int64), counting.new_counts(1)
    encode(np.array(values, np.int64)[:, None], np.array(levels, np.int64), first, out, counts)
    wanted = [best(Fraction(x), levels) for x in values]
    assert out[:, 0].tolist() == [first + index for index in wanted]
    errors = [(levels[index] - x) * 2**16 for index, x in zip(wanted, values, strict=True)]
    assert counts[counting.VALUES, 0] == len(values)
    assert counts[counting.INEXACT, 0] == sum(one != 0 for one in errors)
    assert counts[counting.ROUND_BIAS, 0] == sum(errors)
    assert summed(counts, counting.ROUND_ENERGY) == sum(one**2 for one in errors)
    chosen = [levels[index] for index in wanted]
    assert counting.value_range(counts) == [(min(chosen), max(chosen))]


@settings(deadline=None)
@given(
    tables,
    st.lists(st.floats(-70000, 70000) | st.floats(-1e30, 1e30) | st.integers(-9, 9).map(lambda n: n / 2), min_size=1),
    st.sampled_from([1.0, 0.25, 0.3]),
)
@example([0, 1, 2, 4], [2.5, 3.0, 0.5, -0.5, 4.5, 1e300, -1e300], 1.0)
def test_reals_go_to_the_nearest_level(levels: list[int], values: list[float], scale: float) -> None:
    out, counts = np.zeros((len(values), 1), np.int64), counting.new_counts(1)
    table = np.array(levels, np.int64)
    quantize_to_levels(np.array(values)[:, None], np.array([scale]), table, 0, out, counts)
    errors, injected, seen, inexact, hits = [], [], [], 0, [0, 0]
    for value, code in zip(values, out[:, 0].tolist(), strict=True):
        v = Fraction(min(max(value / scale, -(2.0**100)), 2.0**100))
        assert code == best(v, levels)
        outside = not levels[0] <= v <= levels[-1]
        becomes = round(v) if outside else levels[code]
        errors.append(becomes * 2**16 - floor(v * 2**16))
        injected.append(levels[code] - becomes if outside else 0)
        inexact += v != becomes
        hits[v > 0 if len(levels) < 2 else v > levels[-1]] += outside
        seen.append(round(v))
    assert counts[[counting.LOW, counting.HIGH], 0].tolist() == hits
    assert counts[counting.INEXACT, 0] == inexact
    assert counts[counting.ROUND_BIAS, 0] == sum(errors)
    assert summed(counts, counting.ROUND_ENERGY) == sum(one**2 for one in errors)
    assert summed(counts, counting.CLAMP_ENERGY) == sum(one**2 for one in injected)
    assert counting.value_range(counts) == [(min(seen), max(seen))]


def test_errors_are_enlarged_exactly() -> None:
    counts = counting.new_counts(3)
    counts[counting.ROUND_BIAS] = [-5, 7, 1 << 40]
    counts[counting.ROUND_ENERGY] = [3, (1 << 33) - 1, 1 << 50]
    counts[counting.CLAMP_ENERGY + 1] = [0, 1 << 30, (1 << 31) - 1]
    before = [counting.long_sum(counts, column) for column in counting.LONG_SUMS]
    counting.enlarge(counts, np.array([0, 15, 3]))
    assert counts[counting.ROUND_BIAS].tolist() == [-5, 7 << 15, 1 << 43]
    after = [counting.long_sum(counts, column) for column in counting.LONG_SUMS]
    assert after == [[one << 2 * shift for one, shift in zip(row, (0, 15, 3), strict=True)] for row in before]
