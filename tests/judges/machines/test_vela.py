"""Vela, the compiler of Ethos-U: how it scales, as a judge of the target ``ethos-u55``."""

from __future__ import annotations

import numpy as np
import pytest
from golden.case import program_of, tensor

from hwsim.engine import execute
from hwsim.network import Dense
from hwsim.quantize.plan import TensorPlan, WeightPlan
from hwsim.target import load_target
from hwsim.target.target import Target, merge


def clipped(value: int, zero_point: int) -> int:
    """Return an 8-bit code."""
    return min(max(int(value) + zero_point, -128), 127)


def ran(target: Target, plans: tuple[TensorPlan, WeightPlan, TensorPlan], totals: list[int]) -> list[list[int]]:
    """Return the codes (totals, channels) of sums, which are biases: the data are 0."""
    channels = len(plans[1].scale)
    found = []
    for total in totals:
        bias = (np.float64(total) * plans[0].scale * np.array(plans[1].scale)).astype(np.float32)
        layer = Dense(name="layer", inputs=("x",), kernel=np.zeros((1, channels), np.float32), bias=bias)
        execution = execute(program_of(layer, (1,), target, plans), np.zeros((1, 1), np.float32), trace=["layer"])
        assert execution.trace["layer"]["bias_sum"].tolist() == [[total] * channels]
        found.append(execution.codes["layer"].ravel().tolist())
    return found


def test_scales_and_roundings() -> None:
    """A channel's scale and shift, and what they make of a sum, by scaling.py and fp_math.py."""
    scaling = pytest.importorskip("ethosu.vela.scaling")
    fp_math = pytest.importorskip("ethosu.vela.fp_math")
    generator = np.random.default_rng(55)
    differ = 0
    for _ in range(12):
        # powers of two make ties; 2^-40 is a scale that becomes 0, above 1 they shift to the left
        ratios = np.concatenate([2.0 ** generator.integers(-9, 0, 4), 2.0 ** generator.uniform(-14, 3, 8), [2.0**-40]])
        source, output = tensor(scale=0.5), tensor(scale=0.25, zero_point=int(generator.integers(-128, 128)))
        weights = WeightPlan(bits=8, signed=True, scale=tuple((ratios / 2).tolist()), zero_point=(0,) * ratios.size)
        totals = [int(one) for one in generator.integers(-40000, 40000, 12)] + [-96, -32, -8, 8, 96, 160]
        wanted = []
        for total in totals:
            pairs = [scaling.quantise_scale(float(ratio)) for ratio in ratios]
            with np.errstate(over="ignore"):
                results = [fp_math.multiply_by_quantized_multiplier(total, *pair) for pair in pairs]
            wanted.append([clipped(one, output.zero_point) for one in results])
        target = load_target("ethos-u55")
        assert ran(target, (source, weights, output), totals) == wanted
        one_rounding = merge(
            target.model_dump(exclude_unset=True),
            {"requantize": {"kind": "fixed", "rounding": "half_up", "steps": None}},
        )
        differ += ran(Target.from_dict(one_rounding), (source, weights, output), totals) != wanted
    assert differ > 0
