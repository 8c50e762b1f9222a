"""Single layers of real machines, computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from golden import machines, models
from golden.case import codes, dense, program_of, row, sums, tensor, weight
from golden.machines import Json, machine
from golden.parts import (
    DPU_PLANS,
    ONE,
    Plans,
    bias_behind,
    nvdla_plans,
    nvdla_stages,
    tensil_stages,
    truncating,
    two_stages,
)
from golden.setups import SETUPS
from numpy.typing import NDArray

import hwsim
from hwsim.engine import Execution, execute
from hwsim.errors import PlanError
from hwsim.network import Conv2D, Dense, Input, Network, Relu, Weighted
from hwsim.target import Target
from hwsim.target.target import merge


def test_gemmini_by_hand() -> None:
    # 40 * (-128)^2 = 655360 in one column: less 2^20
    layer, data = dense([-128] * 40), [-128] * 40
    assert sums(one(layer, data, machine(machines.GEMMINI, two_stages("mesh", 64, 20)))) == [-393216]
    assert sums(one(layer, data, machine(machines.GEMMINI))) == [655360]


@pytest.mark.slow  # half a million steps, one after another
def test_nvdla_saturates_at_34_bits() -> None:
    # 2^19 + 64 products of (-128)^2 = 2^14 are more than 2^33, which stays at 2^33 - 1; 8 products of -128 * 127 and
    # one of 1 are taken off and added; a truncation by 4 bits, and a 2^23th of it: 2^29 / 2^23 = 64, less very little
    ups = (1 << 19) + 64
    data, weights = [-128] * (ups + 8) + [1], [-128] * ups + [127] * 8 + [1]
    execution = one(dense(weights), data, machine(machines.NVDLA), nvdla_plans(4, (16384, 37)))
    assert sums(execution) == [(1 << 33) - 1 - 8 * 128 * 127 + 1]
    assert codes(execution) == [64]
    seen = row(execution, "accumulator")
    assert (seen.high, seen.persistent) == (9, 1)  # the sum is 2^33 with 2^16 dots of 8, of which 8 more follow


def test_nvdla_sees_16_bits() -> None:
    # -65535 / 2^17 = -0.49999: the 16 bits that are seen are those of a tie, which goes to -1
    for bits, code in ((16, -1), (None, 0)):
        target = machine(machines.NVDLA, truncating(17, guard_bits=bits))
        layer = dense([-128, -128, -128, -128, 7])  # 4 * 127 * -128 - 73 * 7 = -65535
        execution = one(layer, [127, 127, 127, 127, -73], target, nvdla_plans(17, (16384, 14)))
        assert (sums(execution), codes(execution)) == ([-65535], [code])


def test_the_dpu_rounds_stored_values_away_and_others_up() -> None:
    # inputs -0.5, 0.5, 1.5 and weights 0.5, 1.5, -0.5 go away from 0: -1, 1, 2 and 1, 2, -1; bias -2.5: -3
    # -1 + 2 - 2 - 3 = -4, and an 8th of it, -0.5, goes up
    plans = (tensor(), weight().model_copy(update={"bias_scale": 1.0}), tensor(scale=8.0))
    layer = Dense(name="layer", inputs=("x",), kernel=column(0.5, 1.5, -0.5), bias=np.array([-2.5], np.float32))
    execution = one(layer, [-0.5, 0.5, 1.5], machine(machines.VITIS_DPU), plans)
    assert (sums(execution), codes(execution)) == ([-1], [0])
    assert execution.trace["layer"]["bias_sum"].tolist() == [[-4]]


def test_pulp_wraps_before_it_cuts() -> None:
    # 75000 is 9464 modulo 2^16, which is cut to 255; 65536 is 0 modulo 2^16
    plans = (tensor(signed=False), weight(), tensor(signed=False))
    for bias, narrow, code in ((75000, 9464, 255), (65536, 0, 0), (40000, 40000 - 65536, 0), (255, 255, 255)):
        layer = Dense(name="layer", inputs=("x",), kernel=column(1), bias=np.array([bias], np.float32))
        execution = one(layer, [0], machine(machines.PULP_NN), plans)
        assert execution.trace["layer"]["narrowed"].tolist() == [[narrow]]
        assert codes(execution) == [code]


def column(*weights: float) -> NDArray[np.float32]:
    """Return the weights of one output."""
    return np.array(weights, np.float32)[:, None]


def one(
    layer: Weighted, data: Sequence[object] | NDArray[Any], target: Target, plans: Plans | None = None
) -> Execution:
    """Run one sample through a layer."""
    sample = np.array(data, np.float32)
    program = program_of(layer, sample.shape, target, plans or (tensor(), ONE, tensor(scale=8192.0)))
    return execute(program, sample[None], trace=["layer"])


def test_tflite_rounds_limits_away() -> None:
    # ReLU6 with a scale of 12: 6 / 12 = 0.5, which TensorFlow Lite rounds to 1 (quantization_util.cc:343-386)
    assert limited(12.0, {}) == 1 == models.tflite_limit(6.0, 12.0)
    assert limited(12.0, {"limit_rounding": "half_even"}) == 0


def test_tflite_divides_limits_in_float32() -> None:
    # 6 by what is nearest to 6 / 2.5 and the like is beside a tie in float64, and often the tie itself in float32
    generator = np.random.default_rng(3)
    differing = 0
    for steps_up in generator.integers(0, 127, 40).tolist():
        scale = float(np.float32(6 / (steps_up + 0.5)))
        wanted = models.tflite_limit(6.0, scale)
        assert limited(scale, {}) == min(wanted, 127)
        differing += limited(scale, {"limit_precision": 64}) != min(wanted, 127)
    assert differing


def limited(scale: float, activation: Json) -> int:
    """Return what TensorFlow Lite Micro makes of a large value behind a ReLU6; an output has ``scale``."""
    layer = Dense(
        name="layer", inputs=("x",), kernel=column(100), bias=np.zeros(1, np.float32), activation=Relu(max_value=6.0)
    )
    target = machine(machines.TFLITE_MICRO, {"activation": activation})
    (code,) = codes(one(layer, [100], target, (tensor(), ONE, tensor(scale=scale))))
    return code


def test_nvdla_takes_no_channels_of_two_pixels_at_once() -> None:
    # 4 channels in blocks of 8, a sum of 16 bits: each pixel's dot comes alone. 64516 stays at 32767, less 64516
    kernel = np.array([[[127] * 4, [-127] * 4]])[..., None].astype(np.float32)
    layer = Conv2D(name="layer", inputs=("x",), kernel=kernel, bias=np.zeros(1, np.float32))
    for within, total in (("input_channel", 32767 - 4 * 127 * 127), (None, 0), ("kernel_width", 0)):
        target = machine(machines.NVDLA, {"mac": nvdla_stages(16, within=within)})
        execution = one(layer, [[[127] * 4, [127] * 4]], target, nvdla_plans(4, (16384, 14)))
        assert sums(execution) == [total]


def test_nvdla_adds_the_bias_behind_the_truncation() -> None:
    # -24 / 16 = -1.5 goes to -2, and a bias of 3 makes it 1; added before, as 48, it is 24 / 16 = 1.5, which goes to 2
    scale = (16384, 14)
    layer = Dense(name="layer", inputs=("x",), kernel=column(1), bias=np.array([48], np.float32))
    assert models.nvdla([[(-24, 1)]], 3, 4, scale, relu=False) == 1
    assert codes(one(layer, [-24], machine(machines.NVDLA), nvdla_plans(4, scale))) == [1]
    before = machine(machines.NVDLA, {"bias": {"position": "last"}, **bias_behind("")})
    assert codes(one(layer, [-24], before, nvdla_plans(4, scale))) == [2]


def test_tensil_starts_its_first_block_from_the_bias() -> None:
    # an array of 2 rows: 32767 + 100 stays at 32767, less 200; a second block of 0 is added. From the last stage's
    # start it would be 32767 and -100
    bias = np.array([32767 / 256], np.float32)
    layer = Dense(name="layer", inputs=("x",), kernel=column(100 / 256, -200 / 256, 0, 0), bias=bias)
    assert models.tensil([[(256, 100), (256, -200)]], 32767, relu=False) == 32567
    for position, code in (("inner", 32567), ("first", 32667)):
        target = machine(machines.TENSIL, merge(tensil_stages(terms=2), {"bias": {"position": position}}))
        assert codes(one(layer, [1.0] * 4, target, SETUPS["tensil"].plans)) == [code]


def test_hls4ml_visits_inputs_in_strides() -> None:
    # nnet_dense_resource.h:58 with a reuse factor of 2 takes inputs 0, 2, then 1, 3. 31 + 31 stays at 32 - 1/1024,
    # and twice less 31 is -30 and a 1024th less; in order 31 - 31 + 31 - 31 is 0
    layer = dense([31, -31, 31, -31])
    for order, total in (
        (["input_channel", "kernel_height", "kernel_width", "input_channel_tile"], -30 * 1024 - 1),
        (
            ["input_channel_tile", "kernel_height", "kernel_width", "input_channel"],
            0,
        ),
    ):
        target = machine(machines.HLS4ML_RESOURCE, {"mac": {"order": order, "tile": {"input_channel": 2}}})
        assert sums(one(layer, [1.0] * 4, target, SETUPS["hls4ml"].plans)) == [total]


def test_x86_multiplies_raw_codes() -> None:
    # a zero point of 128: the pair is 255 * 127 + 255 * 127, which saturates to 32767, and 128 * (127 + 127) is taken
    # off in 32 bits. Less the zero point first, the pair is 127 * 127 * 2 = 32258 and nothing saturates
    plans = (tensor(signed=False, zero_point=128), ONE, tensor(signed=False))
    for point, pair, total in (("corrected", 32767, 32767 - 128 * 254), ("removed", 32258, 32258)):
        target = machine(machines.VPMADDUBSW, {"mac": {"input_zero_point": point}})
        execution = one(dense([127, 127]), [127, 127], target, plans)
        assert sums(execution) == [pair]
        assert execution.trace["layer"]["bias_sum"].tolist() == [[total]]


def test_x86_multiplies_padding_by_its_zero_point() -> None:
    # the pixel before the image is 200 as well, and so are both: 200 * 100 * 2 saturates; twice 200 * 100 is taken off
    plans = (tensor(signed=False, zero_point=200), ONE, tensor(signed=False))
    kernel = np.array([[[100], [100]]])[..., None].astype(np.float32)
    padding = ((0, 0), (1, 0))
    layer = Conv2D(name="layer", inputs=("x",), kernel=kernel, bias=np.zeros(1, np.float32), padding=padding)
    execution = one(layer, [[[0]]], machine(machines.VPMADDUBSW), plans)
    assert sums(execution) == [32767]
    assert execution.trace["layer"]["bias_sum"].ravel().tolist() == [32767 - 40000]


def test_max78000_has_biases_of_8_bits() -> None:
    # tornadocnn.py:169: a bias is an 8-bit code times 128, so 100 is no bias of this machine; 128 is the nearest
    for bias, wanted in ((100, 128), (64, 0), (65, 128), (192, 256), (-20000, -16384), (20000, 127 * 128)):
        layer = Dense(name="layer", inputs=("x",), kernel=column(0), bias=np.array([bias], np.float32))
        execution = one(layer, [0], machine(machines.MAX78000), (tensor(), ONE, tensor()))
        assert execution.trace["layer"]["bias_sum"].tolist() == [[wanted]]


DPU_BIAS = Dense(name="layer", inputs=("x",), kernel=np.zeros((1, 1), np.float32), bias=np.array([0.7], np.float32))


def test_the_dpu_keeps_what_is_finer_than_a_sum() -> None:
    # 3 and a bias of 5/8 are 29/8, half of which goes to 2, and half of 21/8 to 1. -3 + 5/8 is -19/8, and half of it,
    # -1.19, goes to -1; a bias without its fraction would be 1 or 0, and the half -1 or -1.5
    weights = weight().model_copy(update={"bias_scale": 0.125})
    layer = Dense(name="layer", inputs=("x",), kernel=column(1), bias=np.array([0.625], np.float32))
    for x, wanted in ((3, 29), (2, 21), (0, 5), (-3, -19)):
        execution = one(layer, [x], machine(machines.VITIS_DPU), (tensor(), weights, tensor(scale=2.0)))
        assert execution.trace["layer"]["bias_sum"].tolist() == [[wanted]]
        assert codes(execution) == [(wanted + 8) >> 4]


def test_a_plan_must_give_biases_their_scale() -> None:
    plans = (tensor(), weight(), tensor(scale=2.0))
    with pytest.raises(PlanError, match="bias.scale is own, but the plan has none"):
        one(DPU_BIAS, [0], machine(machines.VITIS_DPU), plans)
    with pytest.raises(PlanError, match="shifts by powers of two"):
        weights = weight().model_copy(update={"bias_scale": 0.3})
        one(DPU_BIAS, [0], machine(machines.VITIS_DPU), (tensor(), weights, tensor(scale=2.0)))
    with pytest.raises(PlanError, match="bias.scale is sum, but the plan has one"):
        one(DPU_BIAS, [0], machine(machines.GEMMINI), DPU_PLANS)


def test_onnx_runtime_forms_its_ratio_in_float32() -> None:
    # float32(float32(a * b) / c) = 0.0061197225, one step above float32(a * b / c); 18710 times it is above 114.5
    scales = (0.00688695115968585, 0.0386962816119194, 0.043547630310058594)
    source, weights, output = (float(np.float32(scale)) for scale in scales)
    ratio = models.single(models.single(source * weights) / output)
    plans = (tensor(signed=False, scale=source), weight(scale=weights), tensor(signed=False, scale=output))
    layer = Dense(  # 255 * 73 + 95 = 18710
        name="layer", inputs=("x",), kernel=column(73 * weights, weights), bias=np.zeros(1, np.float32)
    )
    execution = one(layer, np.array([255, 95]) * source, machine(machines.VPMADDUBSW), plans)
    assert sums(execution) == [18710]
    assert codes(execution) == [round(models.single(18710 * ratio))]


def test_the_dpu_chooses_the_scale_of_its_biases() -> None:
    execution = one(DPU_BIAS, [0], machine(machines.VITIS_DPU), DPU_PLANS)
    assert execution.trace["layer"]["bias_sum"].tolist() == [[90 << 4]]
    # 0.7 / 127 is above 2^-8; and where sums count 2^0, so do biases, as a finer one would only be shifted away
    for unit, wanted in ((2.0**-11, 2.0**-7), (1.0, 1.0)):
        values = np.array([[0.0], [127 * unit * 2.0**6]], np.float32)
        layer = Dense(
            name="layer",
            inputs=("x",),
            kernel=np.array([[127 * 2.0**-6]], np.float32),
            bias=np.array([0.7], np.float32),
        )
        network = Network(name="one", operations=(Input(name="x", shape=(1,)), layer), outputs=("layer",))
        entry = hwsim.run(network, machine(machines.VITIS_DPU), values).plan.weights["layer"]
        assert entry.bias_scale == wanted
