"""The softmax by two tables with lines: its tables against the oracle, its longest line, and what it clamps."""

from __future__ import annotations

from math import exp

import numpy as np
from kernels.softmaxes import LEAST, LINES, MOST

from hwsim_kernels import softmax_lines
from oracle.line_softmax import POWERS, RECIPROCALS, LineSoftmax, line


def test_the_longest_line() -> None:
    """65536 powers of almost 1 fit 31 bits."""
    LINES.agrees(LINES.codes(np.full((1, 1 << 10, 1), 32767)), 1e-4, 1, 1 << 10)
    size = softmax_lines.MOST_VALUES
    out, _, _ = LINES.run(LINES.codes(np.full((1, size, 1), 32767)), 1e-4, 1)
    power = line(POWERS, 32767).value
    factor = line(RECIPROCALS, ((power * size + (1 << 13)) >> 14) - 98304).value
    assert set(out.ravel().tolist()) == {(power * factor + (1 << 29)) >> 30}


def test_what_is_clamped() -> None:
    """Exponents below -10, the reciprocal of almost 2, and a share that almost is 1."""
    oracle = LINES.agrees(LINES.codes([[[-32768], [32767]]]), 1.0, 1, 2)
    assert isinstance(oracle, LineSoftmax)
    assert oracle.difference.low == [1]
    assert oracle.power.minimum == [POWERS[0]]
    for many, sum_hits, output_hits in ((1, 0, 1), (2, 0, 0), (16387, 1, 0)):
        oracle = LINES.agrees(LINES.codes(np.full((1, many, 1), 5)), 0.01, 1, many)
        assert isinstance(oracle, LineSoftmax)
        assert (oracle.sum.high, oracle.output.high) == ([sum_hits], [output_hits])


def test_tables() -> None:
    assert softmax_lines.powers().tolist() == POWERS
    assert softmax_lines.reciprocals().tolist() == RECIPROCALS
    assert all(abs(one - 32768 * exp(-10 + i * 10 / 512)) <= 4 for i, one in enumerate(POWERS))


def test_limits_of_the_multiplier() -> None:
    assert softmax_lines.multiplier_of_scale(MOST)[1] == softmax_lines.MOST_SHIFT
    assert softmax_lines.multiplier_of_scale(LEAST)[1] == softmax_lines.LEAST_SHIFT
