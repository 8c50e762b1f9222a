"""hls4ml's own dense layer, compiled, as a judge of the target ``hls4ml``."""

from __future__ import annotations

import numpy as np
from golden.case import program_of, row, tensor, weight
from judges.compiled import Program

from hwsim.engine import execute
from hwsim.network import Dense
from hwsim.target import load_target

INPUTS, OUTPUTS = 24, 4
"""As hls4ml_dense.cpp has them."""

STEP = 2.0**-10


def test_dense(hls4ml_dense: Program) -> None:
    """Products are cast one by one, sums wrap: the header's results are ours, bit for bit, and the casts lose much."""
    generator = np.random.default_rng(6)
    lost = {"product": 0, "accumulator": 0}
    target, exact = load_target("hls4ml"), 0
    plans = (tensor(16, scale=STEP), weight(16, STEP), tensor(16, scale=STEP))
    for number in range(60):
        reach = 1 << int(generator.integers(6, 16))
        weights = generator.integers(-reach, reach, (INPUTS, OUTPUTS)) if number else np.full((INPUTS, OUTPUTS), -32768)
        biases, data = generator.integers(-reach, reach, OUTPUTS), generator.integers(-32768, 32768, INPUTS)
        given = np.concatenate([weights.ravel(), biases, data])
        ((*wanted,),) = hls4ml_dense("dense", given.tolist())
        kernel, bias = ((one * STEP).astype(np.float32) for one in (weights, biases))
        layer = Dense(name="layer", inputs=("x",), kernel=kernel, bias=bias)
        execution = execute(program_of(layer, (INPUTS,), target, plans), (data[None] * STEP).astype(np.float32))
        assert execution.codes["layer"].ravel().tolist() == [int(one) for one in wanted]
        exact += int(np.array_equal(((data @ weights >> 10) + biases) & 0xFFFF, np.array(wanted, np.int64) & 0xFFFF))
        for point in lost:
            lost[point] += row(execution, point).hits
    assert min(lost.values()) > 100
    assert exact < 10
