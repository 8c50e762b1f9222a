"""The softmax in fixed point against the oracle: every code and every figure, at the extremes too."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.plain import Ints, carried, examples, figures, figures_of
from numpy.typing import NDArray

from hwsim_kernels import counting, softmax
from oracle.fixed_softmax import FixedSoftmax, exponential, reciprocal
from oracle.ledger import Place

Codes = NDArray[np.int8]
Flags = NDArray[np.bool_]

TINY = np.nextafter(2.0**-26, 1)
SCALES = (TINY, 2.0**-25, 1e-3, 0.1, 1 - 2.0**-53, 1.0, 1.9, 15.5, 31.0, 32 - 2.0**-26, 32.0, 1e30)
"""Differences next to 0 alone, differences of which only a few take part, and the limits of the multiplier."""


def ours(
    codes: Codes, scale: float, channels: int, first: int = 0, mask: Flags | None = None
) -> tuple[Codes, Ints, Ints]:
    """Return the outputs of codes (outer, n, inner), counts and histogram; ``mask`` is that of a sample."""
    mask = np.ones((1, *codes.shape[1:]), np.bool_) if mask is None else mask
    out, counts = np.zeros_like(codes), counting.new_counts(len(softmax.POINTS), channels)
    histogram = np.zeros(counting.BINS, np.int64)
    softmax.softmax(codes, mask, *softmax.multiplier_of_scale(scale), channels, first, out, counts, histogram)
    return out, carried(counts), histogram


def agrees(
    codes: Codes, scale: float, channels: int, positions: int, first_sample: int = 0, mask: Flags | None = None
) -> None:
    """Assert that outputs and figures are the oracle's; ``positions`` are those of a sample."""
    out, counts, histogram = ours(codes, scale, channels, first_sample * positions, mask)
    oracle, wanted = FixedSoftmax(scale, channels), np.zeros_like(codes)
    places = np.arange(codes.size).reshape(codes.shape)
    for one in range(codes.shape[0]):
        for line in range(codes.shape[2]):
            numbers = places[one, :, line].tolist()
            at = [
                Place(first_sample + i // channels // positions, i // channels % positions, i % channels)
                for i in numbers
            ]
            taken = None if mask is None else mask[one % len(mask), :, line].tolist()
            wanted[one, :, line] = oracle.line(codes[one, :, line].tolist(), at, taken)
    assert out.tolist() == wanted.tolist()
    for point, name, count in zip(oracle.points, softmax.POINTS, counts, strict=True):
        assert point.name == name
        assert figures_of(count, positions=positions) == figures(point), name
    assert histogram.tolist() == oracle.output.histogram


@composite
def lines(draw: DrawFn, size: int) -> list[int]:
    """Return a line of codes: any, all equal, one above all others, one below, or of both ends alone."""
    a, b = draw(st.integers(-128, 127)), draw(st.integers(-128, 127))
    match draw(st.sampled_from(["any", "near", "equal", "one", "ends"])):
        case "any":
            return draw(st.lists(st.integers(-128, 127), min_size=size, max_size=size))
        case "near":
            return draw(st.lists(st.integers(max(a - 3, -128), a), min_size=size, max_size=size))
        case "equal":
            return [a] * size
        case "one":
            at = draw(st.integers(0, size - 1))
            return [b if i == at else a for i in range(size)]
        case _:
            return draw(st.lists(st.sampled_from([-128, 127]), min_size=size, max_size=size))


@examples(200)
@given(st.data(), st.sampled_from(SCALES) | st.floats(TINY, 40), st.booleans(), st.sampled_from([0, 3]))
def test_any_lines(data: st.DataObject, scale: float, last: bool, first_sample: int) -> None:
    """Lines along the last axis have a channel for each code, others one for the whole line."""
    samples, outer, size = (data.draw(st.integers(1, most)) for most in (3, 2, 9))
    inner = 1 if last else data.draw(st.integers(1, 4))
    drawn = [[data.draw(lines(size)) for _ in range(inner)] for _ in range(samples * outer)]
    codes = np.ascontiguousarray(np.array(drawn, np.int8).transpose(0, 2, 1))
    channels = size if last else data.draw(st.sampled_from([one for one in (1, 2, inner) if inner % one == 0]))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=outer * size * inner, max_size=outer * size * inner)))
    mask = mask.reshape(outer, size, inner)
    mask[:, data.draw(st.integers(0, size - 1))] |= ~mask.any(axis=1)
    masked = data.draw(st.booleans())
    agrees(codes, scale, channels, outer * size * inner // channels, first_sample, mask if masked else None)


@pytest.mark.parametrize("scale", [TINY, 0.1, 1e30])
@pytest.mark.parametrize("rest", [-128, 126, 127])
def test_the_longest_lines(scale: float, rest: int) -> None:
    """Sums of 4095 powers fill their 32 bits but do not leave them."""
    codes = np.full((1, softmax.MOST_VALUES, 1), rest, np.int8)
    codes[0, 7] = 127
    agrees(codes, scale, 1, softmax.MOST_VALUES)
    largest = ours(codes, scale, 1)[1][1, counting.MAXIMUM, 0]
    assert 1 << 19 <= largest <= softmax.MOST_VALUES << 19 < 1 << 31
    assert rest != 127 or largest == softmax.MOST_VALUES << 19


@pytest.mark.parametrize("scale", SCALES)
def test_every_difference(scale: float) -> None:
    codes = np.arange(-128, 128, dtype=np.int8).reshape(1, -1, 1)
    agrees(codes, scale, 256, 1)


@pytest.mark.parametrize("scale", [1.0, 1.9, 3.999, 15.5, 31.0, 1e30])
def test_what_is_skipped_loses_nothing(scale: float) -> None:
    """A skipped code would have added 0 to the sum, and its output would have been -128 all the same."""
    codes = np.array([127, *range(-128, 127)], np.int8).reshape(1, -1, 1)
    out, counts, _ = ours(codes, scale, 1)
    taken = int(counts[0, counting.VALUES, 0])
    skipped = int(counts[3, counting.VALUES, 0]) - taken
    assert skipped > 0
    assert counts[1, counting.VALUES, 0] == counts[2, counting.VALUES, 0] == taken
    largest = codes[0, 1 : 1 + skipped, 0].max()  # the skipped one next to those that take part
    z = -round((127 - int(largest)) * min(scale, 32) * 2**26)
    assert round(exp(z / 2**26) * 2**19) == 0
    assert round(exp(z / 2**26) * 2**8) == 0
    assert (out[0, 1 : 1 + skipped, 0] == -128).all()


@examples(200)
@given(st.integers(1, 12).flatmap(lines), st.floats(1e-4, 3))
def test_near_to_the_real_softmax(codes: list[int], scale: float) -> None:
    out, _, _ = ours(np.array(codes, np.int8).reshape(1, -1, 1), scale, 1)
    powers = [exp(scale * (code - max(codes))) for code in codes]
    for made, power in zip(out.ravel().tolist(), powers, strict=True):
        assert abs(made + 128 - min(256 * power / sum(powers), 255)) < 0.501


def test_a_masked_code_takes_no_part_however_large() -> None:
    codes, mask = np.array([[[3], [127], [3], [-128]]], np.int8), np.array([[[True], [False], [True], [False]]])
    out, counts, _ = ours(codes, 0.1, 1, mask=mask)
    assert out.ravel().tolist() == [0, -128, 0, -128]
    assert counts[:, counting.VALUES, 0].tolist() == [2, 2, 2, 4]
    assert counts[:, counting.INEXACT, 0].tolist()[0] == 0


def test_a_share_of_one_saturates() -> None:
    """One alone has the share 1, which 8 bits from -128 do not hold: 256 - 128 becomes 127."""
    out, counts, histogram = ours(np.array([[[5]], [[-9]]], np.int8), 0.1, 1, 40)
    output = counts[3, :, 0]
    assert out.ravel().tolist() == [127, 127]
    assert (output[counting.HIGH], output[counting.MAXIMUM], output[counting.FIRST]) == (2, 128, 40)
    assert counting.long_sum(counts[3], counting.CLAMP_ENERGY) == [2]
    assert histogram[9] == 2


def test_parts_merge_to_the_whole() -> None:
    codes = np.random.default_rng(0).integers(-128, 128, (12, 5, 2)).astype(np.int8)
    whole, counts, histogram = ours(codes, 0.07, 2)
    for cuts in ([0, 12], [0, 1, 12], [0, 4, 5, 12]):
        total, bins = counting.new_counts(4, 2), np.zeros(counting.BINS, np.int64)
        for start, stop in reversed(list(zip(cuts, cuts[1:], strict=False))):
            out, part, seen = ours(codes[start:stop], 0.07, 2, start * 5)
            counting.merge(total, part)
            bins += seen
            assert np.array_equal(out, whole[start:stop])
        assert np.array_equal(total, counts)
        assert np.array_equal(bins, histogram)


@examples(300)
@given(st.integers(0, 31 << 26) | st.integers(0, 31).map(lambda bit: min(1 << bit, 31 << 26)), st.integers(-2, 2))
def test_exponential(distance: int, off: int) -> None:
    z = -min(max(distance + off, 0), 31 << 26)
    assert int(softmax.exponential(np.int64(z))) == exponential(z)


@examples(300)
@given(st.integers(0, 2**31 - 1) | st.integers(0, 30).map(lambda bit: 1 << bit) | st.sampled_from([2**31 - 1]))
def test_reciprocal(a: int) -> None:
    assert int(softmax.reciprocal(np.int64(a))) == reciprocal(a)


@pytest.mark.parametrize("shift", [1, 12, 34])
@pytest.mark.parametrize("offset", [-1, 0, 1])
@pytest.mark.parametrize("whole", [-3, -1, 0, 1, 2])
def test_ties_go_away_from_0(shift: int, offset: int, whole: int) -> None:
    x = (2 * whole + 1) * 2 ** (shift - 1) + offset
    exact = abs(x) + 2 ** (shift - 1)
    assert int(softmax.halved(np.int64(x), shift)) == (exact // 2**shift) * (1 if x >= 0 else -1)


def test_multipliers() -> None:
    found: list[Any] = [softmax.multiplier_of_scale(scale) for scale in (TINY, 2.0**-25, 0.5, 1e30)]
    assert found == [(2**30, 1), (2**30, 2), (2**30, 26), (2**31 - 1, 31)]
