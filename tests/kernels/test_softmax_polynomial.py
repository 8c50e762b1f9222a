"""The softmax by a parabola and shifts against the oracle: every code and every figure, at the extremes too."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.plain import Ints, carried, examples, figures, figures_of
from kernels.test_softmax import Codes, Flags, lines

from hwsim_kernels import counting
from hwsim_kernels import softmax_polynomial as softmax
from oracle.ledger import Place
from oracle.polynomial_softmax import PolynomialSoftmax

SCALES = (log(2), 0.6, 0.3, 0.1, 1 / 32, 2.0**-8, 0.001)
"""Each code a half of the next; and so fine that nothing is halved within 256 codes."""


def ours(
    codes: Codes, scale: float, channels: int, first: int = 0, mask: Flags | None = None
) -> tuple[Codes, Ints, Ints]:
    """Return the outputs of codes (outer, n, inner), counts and histogram; ``mask`` is that of a sample."""
    mask = np.ones((1, *codes.shape[1:]), np.bool_) if mask is None else mask
    out, counts = np.zeros_like(codes), counting.new_counts(len(softmax.POINTS), channels)
    histogram = np.zeros(counting.BINS, np.int64)
    numbers = np.array(softmax.parabola(scale), np.int64)
    softmax.softmax_by_parabola(codes, mask, numbers, channels, first, out, counts, histogram)
    return out, carried(counts), histogram


def agrees(
    codes: Codes, scale: float, channels: int, positions: int, first_sample: int = 0, mask: Flags | None = None
) -> None:
    """Assert that outputs and figures are the oracle's; ``positions`` are those of a sample."""
    out, counts, histogram = ours(codes, scale, channels, first_sample * positions, mask)
    oracle, wanted = PolynomialSoftmax(scale, channels), np.zeros_like(codes)
    numbers = np.arange(codes.size).reshape(codes.shape)
    for one in range(codes.shape[0]):
        for line in range(codes.shape[2]):
            at = [
                Place(first_sample + i // channels // positions, i // channels % positions, i % channels)
                for i in numbers[one, :, line].tolist()
            ]
            taken = None if mask is None else mask[one % len(mask), :, line].tolist()
            wanted[one, :, line] = oracle.line(codes[one, :, line].tolist(), at, taken)
    assert out.tolist() == wanted.tolist()
    for point, name, count in zip(oracle.points, softmax.POINTS, counts, strict=True):
        assert point.name == name
        assert figures_of(count, positions=positions) == figures(point), name
    assert histogram.tolist() == oracle.output.histogram


@examples(200)
@given(st.data(), st.sampled_from(SCALES) | st.floats(0.001, log(2)), st.booleans(), st.sampled_from([0, 3]))
def test_any_lines(data: st.DataObject, scale: float, last: bool, first_sample: int) -> None:
    """Lines along the last axis have a channel for each code, others one for the whole line."""
    samples, outer, size = (data.draw(st.integers(1, most)) for most in (3, 2, 9))
    inner = 1 if last else data.draw(st.integers(1, 4))
    drawn = [[data.draw(lines(size)) for _ in range(inner)] for _ in range(samples * outer)]
    codes = np.ascontiguousarray(np.array(drawn, np.int8).transpose(0, 2, 1))
    channels = size if last else data.draw(st.sampled_from([one for one in (1, 2, inner) if inner % one == 0]))
    flags = data.draw(st.lists(st.booleans(), min_size=outer * size * inner, max_size=outer * size * inner))
    mask = np.array(flags).reshape(outer, size, inner)
    mask[:, data.draw(st.integers(0, size - 1))] |= ~mask.any(axis=1)
    masked = data.draw(st.booleans())
    agrees(codes, scale, channels, outer * size * inner // channels, first_sample, mask if masked else None)


@pytest.mark.parametrize("scale", SCALES)
def test_every_difference(scale: float) -> None:
    agrees(np.arange(-128, 128, dtype=np.int8).reshape(1, -1, 1), scale, 256, 1)


def test_the_longest_line_fills_the_sum() -> None:
    scale = 0.002  # the finer, the larger a power, and the shorter the longest line
    size = ((1 << softmax.SUM_BITS) - 1) // softmax.largest_power(scale)
    agrees(np.full((1, size, 1), 9, np.int8), scale, 1, size)


def test_a_masked_code_takes_no_part_however_large() -> None:
    codes, mask = np.array([[[3], [127], [3], [-128]]], np.int8), np.array([[[True], [False], [True], [False]]])
    out, counts, _ = ours(codes, 0.1, 1, mask=mask)
    assert out.ravel().tolist() == [0, -128, 0, -128]
    assert counts[:, counting.VALUES, 0].tolist() == [2, 4]


def test_a_share_of_one_saturates() -> None:
    out, counts, _ = ours(np.array([[[5]], [[-9]]], np.int8), 0.1, 1, 40)
    assert out.ravel().tolist() == [127, 127]
    assert (counts[1, counting.HIGH, 0], counts[1, counting.FIRST, 0]) == (2, 40)


@examples(200)
@given(st.integers(1, 12).flatmap(lines), st.floats(0.001, 0.05))
def test_near_to_the_real_softmax(codes: list[int], scale: float) -> None:
    """The parabola is off by 0.3 % at most, the floors of its numbers by more where codes are coarse."""
    out, _, _ = ours(np.array(codes, np.int8).reshape(1, -1, 1), scale, 1)
    powers = [exp(scale * (code - max(codes))) for code in codes]
    for made, power in zip(out.ravel().tolist(), powers, strict=True):
        assert abs(made + 128 - min(256 * power / sum(powers), 255)) < 8


def test_numbers_of_the_paper() -> None:
    assert softmax.parabola(1.0) == (0, 1, 0)
    assert softmax.parabola(1 / 256) == (177, 346, int(0.344 / 0.3585 * 65536))
    assert softmax.largest_power(1 / 256) == 346**2 + int(0.344 / 0.3585 * 65536)
