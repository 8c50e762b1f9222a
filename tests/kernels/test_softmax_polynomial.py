"""The softmax by a parabola and shifts: its numbers, and its longest line."""

from __future__ import annotations

import numpy as np
from kernels.softmaxes import PARABOLA

from hwsim_kernels import softmax_polynomial as softmax


def test_the_longest_line_fills_the_sum() -> None:
    scale = 0.002  # the finer, the larger a power, and the shorter the longest line
    size = ((1 << softmax.SUM_BITS) - 1) // softmax.largest_power(scale)
    PARABOLA.agrees(np.full((1, size, 1), 9, np.int8), scale, 1, size)


def test_numbers_of_the_paper() -> None:
    assert softmax.parabola(1.0) == (0, 1, 0)
    assert softmax.parabola(1 / 256) == (177, 346, int(0.344 / 0.3585 * 65536))
    assert softmax.largest_power(1 / 256) == 346**2 + int(0.344 / 0.3585 * 65536)
