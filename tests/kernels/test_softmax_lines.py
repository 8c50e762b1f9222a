"""The softmax of 16-bit codes by two tables with lines, against the oracle: every code and every figure."""

from __future__ import annotations

from math import exp

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.plain import carried, examples, figures, figures_of
from numpy.typing import NDArray

from hwsim_kernels import counting, softmax_lines
from oracle.ledger import Place
from oracle.line_softmax import POWERS, RECIPROCALS, LineSoftmax, line

Codes = NDArray[np.int16]
Flags = NDArray[np.bool_]

LEAST, MOST = 2.0**-31 * 10 / 65535 / 2 * 1.001, 2.0**15 * 10 / 65535 * 0.999
SCALES = (LEAST, 1e-9, 1e-5, 5 / 65535, 10 / 65535, 3e-4, 2.0**-11, 0.01, 1.0, MOST)
"""Differences that all round to 0, one or two roundings, exact ones, and those next to the limits of the multiplier."""


def agrees(
    codes: Codes, scale: float, channels: int, positions: int, first_sample: int = 0, mask: Flags | None = None
) -> LineSoftmax:
    """Assert that outputs and figures are the oracle's; ``positions`` and ``mask`` are those of a sample."""
    taken = np.ones((1, *codes.shape[1:]), np.bool_) if mask is None else mask
    out, counts = np.zeros_like(codes), counting.new_counts(len(softmax_lines.POINTS), channels)
    histogram = np.zeros(counting.BINS, np.int64)
    ways = *softmax_lines.multiplier_of_scale(scale), softmax_lines.powers(), softmax_lines.reciprocals()
    first = first_sample * positions
    softmax_lines.softmax_by_lines(codes, taken, *ways, channels, first, out, counts, histogram)
    oracle, wanted = LineSoftmax(scale, channels), np.zeros_like(codes)
    places = np.arange(codes.size).reshape(codes.shape)
    for one in range(codes.shape[0]):
        for column in range(codes.shape[2]):
            at = [
                Place(first_sample + i // channels // positions, i // channels % positions, i % channels)
                for i in places[one, :, column].tolist()
            ]
            wanted[one, :, column] = oracle.line(
                codes[one, :, column].tolist(), at, taken[one % len(taken), :, column].tolist()
            )
    assert out.tolist() == wanted.tolist()
    for point, name, count in zip(oracle.points, softmax_lines.POINTS, carried(counts), strict=True):
        assert point.name == name
        assert figures_of(count, positions=positions) == figures(point), name
    assert histogram.tolist() == oracle.output.histogram
    return oracle


@composite
def lines(draw: DrawFn, size: int) -> list[int]:
    """Return a line of codes: any, near to each other, or of both ends alone."""
    a = draw(st.integers(-(1 << 15), (1 << 15) - 1))
    match draw(st.sampled_from(["any", "near", "ends"])):
        case "any":
            each = st.integers(-(1 << 15), (1 << 15) - 1)
        case "near":
            reach = draw(st.sampled_from([0, 2, 300]))
            each = st.integers(max(a - reach, -(1 << 15)), min(a + reach, (1 << 15) - 1))
        case _:
            each = st.sampled_from([-(1 << 15), (1 << 15) - 1])
    return draw(st.lists(each, min_size=size, max_size=size))


@examples(60)
@given(st.data(), st.one_of(st.sampled_from(SCALES), st.floats(1e-6, 4.9)))
def test_against_the_oracle(data: st.DataObject, scale: float) -> None:
    outer, size, inner = (data.draw(st.integers(1, most)) for most in (2, 9, 2))
    drawn = [[data.draw(lines(size)) for _ in range(inner)] for _ in range(outer)]
    codes = np.ascontiguousarray(np.array(drawn, np.int16).transpose(0, 2, 1))
    channels = inner if inner > 1 else size
    first = data.draw(st.sampled_from([0, 3]))
    agrees(codes, scale, channels, codes[0].size // channels, first)
    flags = st.lists(st.booleans(), min_size=size * inner, max_size=size * inner)
    mask = np.array(data.draw(flags), np.bool_).reshape(1, size, inner)
    mask[:, data.draw(st.integers(0, size - 1))] |= ~mask.any(axis=1)
    agrees(codes, scale, channels, codes[0].size // channels, first, mask)


def test_the_longest_line() -> None:
    """65536 powers of almost 1 fit 31 bits."""
    agrees(np.full((1, 1 << 10, 1), 32767, np.int16), 1e-4, 1, 1 << 10)
    size = softmax_lines.MOST_VALUES
    out, counts = np.zeros((1, size, 1), np.int16), counting.new_counts(len(softmax_lines.POINTS), 1)
    ways = *softmax_lines.multiplier_of_scale(1e-4), softmax_lines.powers(), softmax_lines.reciprocals()
    histogram = np.zeros(counting.BINS, np.int64)
    softmax_lines.softmax_by_lines(np.full_like(out, 32767), out == 0, *ways, 1, 0, out, counts, histogram)
    power = line(POWERS, 32767).value
    factor = line(RECIPROCALS, ((power * size + (1 << 13)) >> 14) - 98304).value
    assert set(out.ravel().tolist()) == {(power * factor + (1 << 29)) >> 30}


def test_what_is_clamped() -> None:
    """Exponents below -10, the reciprocal of almost 2, and a share that almost is 1."""
    oracle = agrees(np.array([[[-32768], [32767]]], np.int16), 1.0, 1, 2)
    assert oracle.difference.low == [1]
    assert oracle.power.minimum == [POWERS[0]]
    for many, sum_hits, output_hits in ((1, 0, 1), (2, 0, 0), (16387, 1, 0)):
        oracle = agrees(np.full((1, many, 1), 5, np.int16), 0.01, 1, many)
        assert (oracle.sum.high, oracle.output.high) == ([sum_hits], [output_hits])


def test_tables() -> None:
    assert softmax_lines.powers().tolist() == POWERS
    assert softmax_lines.reciprocals().tolist() == RECIPROCALS
    assert all(abs(one - 32768 * exp(-10 + i * 10 / 512)) <= 4 for i, one in enumerate(POWERS))


def test_near_to_the_real_softmax() -> None:
    generator = np.random.default_rng(0)
    for scale in (1e-5, 1e-4, 1e-3):
        codes = generator.integers(-32768, 32768, 40).tolist()
        powers = [exp(scale * (one - max(codes))) for one in codes]
        found = LineSoftmax(scale, 1).line(codes, [Place(0, i, 0) for i in range(40)])
        assert all(abs(q / 32768 - p / sum(powers)) < 2e-3 for q, p in zip(found, powers, strict=True))


def test_limits_of_the_multiplier() -> None:
    assert softmax_lines.multiplier_of_scale(MOST)[1] == softmax_lines.MOST_SHIFT
    assert softmax_lines.multiplier_of_scale(LEAST)[1] == softmax_lines.LEAST_SHIFT
