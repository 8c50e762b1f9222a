"""The softmax that divides against the oracle, and near the real one."""

from __future__ import annotations

from math import exp

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from kernels.plain import array, examples

from hwsim_kernels.softmax_divided import factor_of_scale, scaled_exponentials, softmax_by_division
from oracle.divided_softmax import divided_softmax


def ran(codes: np.ndarray, mask: np.ndarray, scale: float, output: tuple[float, int, int]) -> list[list[int]]:
    """Return the codes of rows (rows, n) by the kernel."""
    output_scale, zero_point, low = output
    made = np.zeros_like(codes)
    table = scaled_exponentials(scale, codes.shape[1]).astype(np.float32)
    factor = factor_of_scale(output_scale)
    softmax_by_division(codes, mask, table, factor, zero_point, array([low, low + 255]), made)
    found: list[list[int]] = made.tolist()
    return found


@examples(200)
@given(st.data(), st.booleans(), st.integers(1, 40), st.floats(-9, 1), st.floats(2.0**-9, 0.5))
def test_any_line(data: st.DataObject, signed: bool, size: int, power: float, output_scale: float) -> None:
    low = -128 if signed else 0
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    codes = generator.integers(low, low + 256, (4, size)).astype(np.int8 if signed else np.uint8)
    codes[:2] = np.minimum(codes[:2], low + 100)  # several are alike
    mask = generator.random((2, size)) < 0.8
    mask[:, 0] = True
    output = data.draw(st.sampled_from([2.0**-8, output_scale])), data.draw(st.integers(low, low + 255)), low
    scale = float(np.float32(2.0**power))
    wanted = [
        divided_softmax(row, scale, output, mask[number % 2].tolist()) for number, row in enumerate(codes.tolist())
    ]
    assert ran(codes, mask, scale, output) == wanted


def test_near_to_the_real_softmax() -> None:
    codes = np.random.default_rng(0).integers(0, 256, (1, 30)).astype(np.uint8)
    (found,) = ran(codes, np.ones((1, 30), np.bool_), 0.02, (2.0**-8, 0, 0))
    powers = [exp(0.02 * code) for code in codes[0].tolist()]
    assert all(abs(256 * one / sum(powers) - code) < 0.51 for one, code in zip(powers, found, strict=True))
