"""What only targets of TensorFlow Lite's name ask for, against plain integers: random scales, every code.

`tests/lite` holds the same targets to the real implementations.
"""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from hwsim.engine import execute
from hwsim.errors import PlanError
from hwsim.network import Activation, Add, Dense, Input, Mean, Multiply, Network, Operation, Relu, Softmax
from hwsim.program import lower
from hwsim.quantize import Plan
from hwsim.quantize.plan import TensorPlan, WeightPlan
from hwsim.target import Target, load_target
from oracle.lite_mean import Ends, float_mean, folded_mean
from oracle.rescale import multiplier
from oracle.rounding import round_fraction
from oracle.table_softmax import table_softmax


def entry(scale: float, zero_point: int = 0) -> TensorPlan:
    """Return how a tensor is stored."""
    return TensorPlan(bits=8, signed=True, scale=scale, zero_point=zero_point)


def codes_of(
    target: Target, codes: Any, source: TensorPlan, operation: Operation, made: TensorPlan, weight: float = 0.0
) -> list[int]:
    """Run one operation on codes, samples outermost, and return the codes that it makes, flat."""
    one = Input(name="x", shape=np.shape(codes)[1:])
    network = Network(name="one", operations=(one, operation), outputs=(operation.name,))
    weights = {operation.name: WeightPlan(bits=8, signed=True, scale=(weight,), zero_point=(0,))} if weight else {}
    plan = Plan(network="one", target=target.name, tensors={"x": source, operation.name: made}, weights=weights)
    given = source.scale * (np.asarray(codes, np.float64) - source.zero_point)
    found: list[int] = execute(lower(network, plan, target), given).codes[operation.name].ravel().tolist()
    return found


def drawn(generator: random.Random, low: float = 0.002, high: float = 0.3) -> TensorPlan:
    """Return a tensor with a scale of float32 and a zero point."""
    return entry(float(np.float32(generator.uniform(low, high))), generator.randrange(-128, 128))


@pytest.mark.parametrize("seed", range(4))
def test_a_softmax_by_a_table(seed: int) -> None:
    generator = random.Random(seed)
    source, shares = drawn(generator), entry(2.0**-8, -128)
    lines = [[generator.randrange(-128, 128) for _ in range(9)] for _ in range(30)] + [[-128] * 9, [127] * 9]
    softmax = Softmax(name="y", inputs=("x",), axis=0)
    wanted = [code for line in lines for code in table_softmax(line, source.scale)]
    assert codes_of(load_target("tflite-int8-xnnpack"), lines, source, softmax, shares) == wanted


@pytest.mark.parametrize("axis", [0, 1])
def test_a_masked_softmax_by_a_table(axis: int) -> None:
    generator = random.Random(axis)
    source, shares = drawn(generator), entry(2.0**-8, -128)
    codes = np.array([generator.randrange(-128, 128) for _ in range(7 * 5 * 5)]).reshape(7, 5, 5)
    mask = np.tri(5, dtype=np.bool_)
    mask = mask if axis else mask.T.copy()
    softmax = Softmax(name="y", inputs=("x",), axis=axis, mask=mask)
    lines = np.moveaxis(codes, axis + 1, -1).reshape(-1, 5)
    masks = np.tile(np.moveaxis(mask, axis, -1), (7, 1))
    made = [table_softmax(a.tolist(), source.scale, b.tolist()) for a, b in zip(lines, masks, strict=True)]
    wanted = np.moveaxis(np.array(made).reshape(7, 5, 5), -1, axis + 1).ravel().tolist()
    assert codes_of(load_target("tflite-int8-xnnpack"), codes, source, softmax, shares) == wanted


def test_a_softmax_by_a_table_wants_shares_of_256() -> None:
    softmax = Softmax(name="y", inputs=("x",), axis=0)
    with pytest.raises(PlanError, match="a softmax by a table takes codes of s8"):
        codes_of(load_target("tflite-int8-xnnpack"), [[1, 2]], entry(0.5), softmax, entry(0.5))


def vectors_folded(channels: list[list[int]], ends: Ends) -> list[int]:
    """Return the means of TensorFlow Lite's optimised kernels: channels by sixteens, and what is left over."""
    whole = len(channels) // 16 * 16
    return [folded_mean(one, ends, "half_up" if at < whole else "half_away") for at, one in enumerate(channels)]


def float_means(channels: list[list[int]], ends: Ends) -> list[int]:
    """Return the means of XNNPACK."""
    return [float_mean(one, ends) for one in channels]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("target", "form"), [("tflite-int8-optimized", vectors_folded), ("tflite-int8-xnnpack", float_means)]
)
def test_means(target: str, form: Any, seed: int) -> None:
    generator = random.Random(seed)
    shape = (40, generator.randrange(1, 8), generator.randrange(1, 8), 16 + seed)
    source, made = drawn(generator), drawn(generator)
    images = np.array([generator.randrange(-128, 128) for _ in range(math.prod(shape))]).reshape(shape)
    images[0] = -128
    ends = Ends(source.scale, source.zero_point, made.scale, made.zero_point)
    wanted = [code for image in images for code in form(image.reshape(-1, shape[-1]).T.tolist(), ends)]
    mean = Mean(name="y", inputs=("x",), kept=True)
    assert codes_of(load_target(target), images, source, mean, made) == wanted


def test_a_mean_that_drops_its_axes_is_another() -> None:
    """TensorFlow Lite's optimised kernels fold zero points only where the axes are kept."""
    target, source, made = load_target("tflite-int8-optimized"), entry(0.03, -77), entry(0.011, 35)
    images = np.random.default_rng(0).integers(-128, 128, (200, 3, 3, 1))
    kept, flat = (
        codes_of(target, images, source, Mean(name="y", inputs=("x",), kept=kept), made) for kept in (True, False)
    )
    assert kept != flat
    assert flat == codes_of(load_target("tflite-int8"), images, source, Mean(name="y", inputs=("x",)), made)


@pytest.mark.parametrize("seed", range(4))
def test_a_change_of_scale_by_eight_bits_behind_the_point(seed: int) -> None:
    generator = random.Random(seed)
    source, made = drawn(generator), drawn(generator)
    q, n, _ = multiplier(float(np.float32(source.scale) / np.float32(made.scale)), 9, "fraction")
    assert n == 8
    sums = [((code - source.zero_point) * q + 128) // 256 + made.zero_point for code in range(-128, 128)]
    rescale = Activation(name="y", inputs=("x",), function=None)
    found = codes_of(load_target("tflite-int8-xnnpack"), [[code] for code in range(-128, 128)], source, rescale, made)
    assert found == [min(max(one, -128), 127) for one in sums]


@pytest.mark.parametrize("seed", range(4))
def test_a_bounded_activation_that_clamps_codes(seed: int) -> None:
    """RELU6 of TensorFlow Lite Micro lets codes pass, even where the output's scale is another."""
    generator = random.Random(seed)
    source, made = drawn(generator, 0.03), drawn(generator)
    six = round_fraction(Fraction(float(np.float32(6) / np.float32(source.scale))), "half_away") + source.zero_point
    relu = Activation(name="y", inputs=("x",), function=Relu(max_value=6.0))
    found = codes_of(load_target("tflite-micro-int8"), [[code] for code in range(-128, 128)], source, relu, made)
    assert found == [min(max(code, source.zero_point), six, 127) for code in range(-128, 128)]


def single(x: int, ratio: float) -> int:
    """Multiply with one rounding: (x * m + 2^(30 - s)) >> (31 - s)."""
    m, n, _ = multiplier(ratio, 32)
    return int((x * m + 2 ** (n - 1)) >> n)


def test_a_quarter_with_a_single_rounding() -> None:
    """The table of HARDWARE's five arithmetics; two roundings give -3, -2, -1, -1, -1, 0, 0, 1, 1, 1, 2, 3, 7."""
    values = [-10, -6, -5, -3, -2, -1, 1, 2, 3, 5, 6, 10, 25]
    wanted = [-2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 3, 6]
    dense = Dense(name="y", inputs=("x",), kernel=np.ones((1, 1), np.float32), bias=np.zeros(1))
    target = load_target("tflite-int8-single-rounding")
    assert [single(x, 0.25) for x in values] == wanted
    assert codes_of(target, [[x] for x in values], entry(1.0), dense, entry(4.0), 1.0) == wanted


@pytest.mark.parametrize("seed", range(4))
def test_sums_with_a_single_rounding(seed: int) -> None:
    generator = random.Random(seed)
    source, made, weight = (
        drawn(generator),
        drawn(generator, 0.1, 3.0),
        float(np.float32(generator.uniform(0.001, 0.1))),
    )
    weights = [generator.randrange(-127, 128) for _ in range(6)]
    rows = [[generator.randrange(-128, 128) for _ in weights] for _ in range(100)]
    kernel = np.array([[weight * one] for one in weights], np.float32)
    dense = Dense(name="y", inputs=("x",), kernel=kernel, bias=np.zeros(1))
    ratio = source.scale * weight / made.scale
    sums = [sum(w * (code - source.zero_point) for w, code in zip(weights, row, strict=True)) for row in rows]
    wanted = [min(max(single(one, ratio) + made.zero_point, -128), 127) for one in sums]
    assert codes_of(load_target("tflite-int8-single-rounding"), rows, source, dense, made, weight) == wanted


def test_special_kinds_take_what_their_general_kind_says() -> None:
    target = Target.from_dict(
        {
            "name": "t",
            "operations": {
                "grouped_conv2d": {"weights": {"narrow": True}},
                "conv2d": {"weights": {"bits": 4, "narrow": False}},
                "activation": {"output": {"overflow": "wrap"}},
            },
        }
    )
    grouped, plain = target.settings("grouped_conv2d", "a"), target.settings("conv2d", "a")
    assert (grouped.weights.bits, grouped.weights.narrow) == (4, True)
    assert (plain.weights.bits, plain.weights.narrow) == (4, False)
    assert target.settings("rescale", "a").output.overflow == "wrap"


@pytest.mark.parametrize("kind", [Add, Multiply])
def test_ratios_that_float32_cannot_hold_are_refused(kind: Any) -> None:
    operation = kind(name="y", inputs=("x", "x"))
    with pytest.raises(PlanError, match="the ratio of (its scales|the scales .*) is (inf|0.0) in float32"):
        codes_of(load_target("tflite-int8-xnnpack"), [[1, 2]], entry(1e-30), operation, entry(1e30))


def test_a_weighted_sum_whose_channels_have_scales_of_their_own_is_refused() -> None:
    operation, made = Add(name="y", inputs=("x", "x")), entry(1.0).model_copy(update={"shift": (0, 1)})
    with pytest.raises(PlanError, match="y: with `addition.kind: weighted` .* give 'y' activations.granularity layer"):
        codes_of(load_target("tflite-int8-xnnpack"), [[1, 2]], entry(1.0), operation, made)


def test_a_sum_whose_weights_need_no_shift_of_the_machine_is_refused() -> None:
    operation = Add(name="y", inputs=("x", "x"))
    with pytest.raises(PlanError, match="weights of 22 bits need a shift by -10 bits, it is 0 to 62"):
        codes_of(load_target("tflite-int8-xnnpack"), [[1, 2]], entry(2.0**30), operation, entry(2.0**0.0))
