"""The functions by which QONNX rounds, on exact quotients, and its thresholds as a judge of ``qonnx-threshold``."""

from __future__ import annotations

import numpy as np
import pytest
from golden.case import program_of, tensor
from judges.coverage import judged
from judges.ours import check_array

from hwsim.engine import execute
from hwsim.network import Dense
from hwsim.quantize.plan import WeightPlan
from hwsim.target import load_target
from hwsim.target.steps import ThresholdsStep


@pytest.mark.parametrize(("name", "mode"), judged("qonnx", "rounding"))
def test_rounding(name: str, mode: str) -> None:
    intquant = pytest.importorskip("qonnx.custom_op.general.intquant")
    check_array(intquant.resolve_rounding_mode(name), mode)


def test_thresholds() -> None:
    """The operator MultiThreshold on sums, with thresholds half-way between the codes of each channel's real ratio."""
    general = pytest.importorskip("qonnx.custom_op.general.multithreshold")
    target = load_target("qonnx-threshold")
    steps = target.requantize.steps or ()
    levels = next(one.levels for one in steps if isinstance(one, ThresholdsStep))
    generator = np.random.default_rng(4)
    scales = (1.0, 0.5, 0.25, 0.0625)  # of these, thresholds of sums are whole numbers, which sums reach
    plans = (tensor(4), WeightPlan(bits=4, signed=True, scale=scales, zero_point=(0,) * 4), tensor(4, scale=8.0))
    kernel = generator.integers(-8, 8, (40, 4))
    bias = generator.integers(-60, 60, 4)
    data = generator.integers(-8, 8, (300, 40)) >> generator.integers(0, 4, (300, 1))
    layer = Dense(
        name="layer",
        inputs=("x",),
        kernel=(kernel * scales).astype(np.float32),
        bias=(bias * scales).astype(np.float32),
    )
    codes = execute(program_of(layer, (40,), target, plans), data.astype(np.float32)).codes["layer"]
    sums = (data @ kernel + bias).astype(np.float32)
    halves = np.array(levels, np.float64)[None] / 256 * 8.0 / np.array(scales)[:, None]
    wanted = general.multithreshold(sums, halves, out_scale=1.0, out_bias=-8.0)
    assert (codes == wanted).all()
    assert np.isin(sums, halves).sum() > 20
    assert set(np.unique(codes)) == set(range(-8, 8))
