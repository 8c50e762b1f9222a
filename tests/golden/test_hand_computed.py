"""Cases worked out by hand, the arithmetic written out. Everything runs through the public path, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from golden.case import Json, codes, conv, dense, ran, row, stage, sums, target, tensor, weight

from hwsim.engine.steps import run_steps
from hwsim.engine.tally import Tally
from hwsim.engine.words import in_words, integers
from hwsim.program.pipeline import Pipeline
from hwsim.program.ratio import Ratio
from hwsim.target.settings import Requantize
from hwsim_kernels import counting

AXES = {"h": "kernel_height", "w": "kernel_width", "c": "input_channel", "t": "input_channel_tile"}

# --- one convolution, every order of accumulation -----------------------------------------------------

# A window of 2 x 2 positions and 2 channels; inputs x, weights w and their products p, by (h, w, c):
#
#   hwc   000   001   010   011   100   101   110   111
#   x       7    10     3     7    10    -7    10     7
#   w       5    10     5     8     5     8    -5    -5
#   p      35   100    15    56    50   -56   -50   -35     the exact sum is 115
IMAGE = np.array([[[7, 10], [3, 7]], [[10, -7], [10, 7]]])
KERNEL = np.array([[[5, 10], [5, 8]], [[5, 8], [-5, -5]]])

SATURATED = {
    # 35, 135 > 127, 127 + 15 > 127, 127 + 56 > 127, 127 + 50 > 127, 127 - 56 = 71, 71 - 50 = 21, 21 - 35 = -14
    "hwc": -14,
    # 000 010 001 011 100 110 101 111:
    # 35, 50, 150 > 127, 127 + 56 > 127, 127 + 50 > 127, 127 - 50 = 77, 77 - 56 = 21, 21 - 35 = -14
    "hcw": -14,
    # 000 001 100 101 010 011 110 111:
    # 35, 135 > 127, 127 + 50 > 127, 127 - 56 = 71, 71 + 15 = 86, 86 + 56 > 127, 127 - 50 = 77, 77 - 35 = 42
    "whc": 42,
    # 000 100 001 101 010 110 011 111:
    # 35, 85, 185 > 127, 127 - 56 = 71, 71 + 15 = 86, 86 - 50 = 36, 36 + 56 = 92, 92 - 35 = 57
    "wch": 57,
    # 000 010 100 110 001 011 101 111:
    # 35, 50, 100, 50, 150 > 127, 127 + 56 > 127, 127 - 56 = 71, 71 - 35 = 36
    "chw": 36,
    # 000 100 010 110 001 101 011 111:
    # 35, 85, 100, 50, 150 > 127, 127 - 56 = 71, 71 + 56 = 127, 127 - 35 = 92
    "cwh": 92,
}
"""What an accumulator of 8 bits that saturates after each addition holds in the end, by the order of the loops."""


@pytest.mark.parametrize("order", SATURATED)
def test_saturation_depends_on_the_order(order: str) -> None:
    where = target([stage(8, "saturate")], order=[AXES[one] for one in order])
    assert codes(ran(conv(KERNEL), IMAGE, where)) == [SATURATED[order]]


@pytest.mark.parametrize("order", SATURATED)
def test_a_wrap_does_not(order: str) -> None:
    # every partial sum is right modulo 256, and so is the last: 115 = 35 + 100 + 15 + 56 + 50 - 56 - 50 - 35
    where = target([stage(8, "wrap")], order=[AXES[one] for one in order])
    assert codes(ran(conv(KERNEL), IMAGE, where)) == [115]


def test_the_ledger_of_a_saturation() -> None:
    # in the order hwc: 135, 142, 183 and 177 come to 127, which takes off 8 + 15 + 56 + 50 = 129
    seen = row(ran(conv(KERNEL), IMAGE, target([stage(8, "saturate")])), "accumulator")
    assert (seen.values, seen.sums, seen.low, seen.high) == (8, 1, 0, 4)
    assert (seen.transient, seen.persistent, seen.clamp_energy) == (1, 0, 129**2)
    assert seen.seen == (115, 183)  # the exact sum, and the largest that came to the fit
    assert str(seen.first) == "sample 0, position 0, channel 0, step 1"


def test_the_ledger_of_a_wrap() -> None:
    # in the order hwc: 35, 135 - 256 = -121, -106, -50, 0, -56, -106, -141 + 256 = 115: the two wraps undo each other
    seen = row(ran(conv(KERNEL), IMAGE, target([stage(8, "wrap")])), "accumulator")
    assert (seen.values, seen.sums, seen.low, seen.high) == (8, 1, 1, 1)
    assert (seen.transient, seen.persistent, seen.clamp_energy) == (1, 0, 0)
    assert seen.seen == (-141, 135)


# A window of 1 x 2 positions and 3 channels, all weights 1:  w0: 100 90 100,  w1: -50 -80 -50; the exact sum is 110
ROW = np.array([[[100, 90, 100], [-50, -80, -50]]])
TILED = {
    # 100, 190 > 127, 127 + 100 > 127, 127 - 50 = 77, 77 - 80 = -3, -3 - 50 = -53
    "hwc": -53,
    # 100, 100 - 50 = 50, 50 + 90 > 127, 127 - 80 = 47, 47 + 100 > 127, 127 - 50 = 77
    "chw": 77,
    # channels 0 and 1 first: 100, 190 > 127, 127 - 50 = 77, 77 - 80 = -3; then channel 2: -3 + 100 = 97, 97 - 50 = 47
    "thwc": 47,
    # within each position the tiles follow each other in ascending order: as hwc
    "hwtc": -53,
}


@pytest.mark.parametrize("order", TILED)
def test_saturation_depends_on_the_tile(order: str) -> None:
    where = target([stage(8, "saturate")], order=[AXES[one] for one in order], tile=2 if "t" in order else 0)
    assert codes(ran(conv(np.ones((1, 2, 3))), ROW, where)) == [TILED[order]]


@pytest.mark.parametrize("order", TILED)
def test_a_wrap_does_not_depend_on_the_tile(order: str) -> None:
    where = target([stage(8, "wrap")], order=[AXES[one] for one in order], tile=2 if "t" in order else 0)
    assert codes(ran(conv(np.ones((1, 2, 3))), ROW, where)) == [110]


def test_padding_zero_point_bias_and_multiplier() -> None:
    # input: scale 1/2, zero point 3: 1.0 -> 2 + 3 = 5, -0.5 -> -1 + 3 = 2; padding is 3. Weights: scale 1/4: 2, 3
    # unit 1/2 * 1/4 = 1/8; bias 0.375 -> 3. Ratio (1/8) / 0.375 = 1/3, output zero point -10
    #   left:  0 * 2 + 2 * 3 + 3 = 9   9 / 3 = 3        3 - 10 = -7
    #   right: 2 * 2 - 1 * 3 + 3 = 4   4 / 3 = 1.33     1 - 10 = -9
    sections: Json = {"activations": {"symmetric": False}, "requantize": {"kind": "fixed", "rounding": "half_up"}}
    where = target([stage(32, "wrap")], **sections)
    plans = (tensor(scale=0.5, zero_point=3), weight(scale=0.25), tensor(scale=0.375, zero_point=-10))
    layer = conv(np.array([[[0.5], [0.75]]]), bias=0.375, padding=((0, 0), (1, 0)))
    execution = ran(layer, [[[1.0], [-0.5]]], where, plans)
    assert sums(execution) == [9, 4]
    assert codes(execution) == [-7, -9]
    assert execution.outputs["layer"].ravel().tolist() == [0.375 * 3, 0.375 * 1]


# --- Tensil: each multiply-accumulate rounds and saturates --------------------------------------------

TENSIL: Json = {"weights": {"bits": 16, "granularity": "layer"}, "activations": {"bits": 16, "symmetric": True}}
TENSIL_STAGES = [stage(16, "saturate", shift=8, rounding="half_even")]
TENSIL_PLANS = (tensor(16), weight(16), tensor(16, scale=256.0))
"""16 bits with a binary point at 8: z = saturate(round((z * 2^8 + x * w) / 2^8)), so that a sum's unit is 2^8."""


def tensil(inputs: list[int], weights: list[float]) -> list[int]:
    """Return the output code of a dot product."""
    return codes(ran(dense(weights), inputs, target(TENSIL_STAGES, **TENSIL), TENSIL_PLANS))


def test_tensil_saturates_each_step() -> None:
    # 20000; 40000 saturates to 32767; 32767 - 20000 = 12767
    assert tensil([20000, 20000, -20000], [256, 256, 256]) == [12767]
    # 20000; 0; 20000
    assert tensil([20000, -20000, 20000], [256, 256, 256]) == [20000]


def test_tensil_rounds_each_step() -> None:
    # 0 + 128 / 256 = 0.5, to even: 0, four times; the exact sum is 2
    assert tensil([128, 128, 128, 128], [1, 1, 1, 1]) == [0]
    # 0.75 -> 1, 1.5 -> 2 (even), 2.5 -> 2 (even), 2 - 0.5 = 1.5 -> 2 (even); the exact sum is 0.75 + 0.5 + 0.5 - 0.5
    assert tensil([192, 128, 128, -128], [1, 1, 1, 1]) == [2]


def test_the_ledger_of_tensil() -> None:
    execution = ran(dense([1, 1, 1, 1]), [128, 128, 128, 128], target(TENSIL_STAGES, **TENSIL), TENSIL_PLANS)
    seen = row(execution, "accumulator")
    assert (seen.values, seen.inexact, seen.hits) == (4, 4, 0)
    assert seen.round_bias == -0.5  # each of the four lost half an LSB
    assert seen.round_energy == 4 * 0.25


# --- x86: vpmaddubsw saturates pairs of products to 16 bits -------------------------------------------

PAIRS = [stage(16, "saturate", "pair", terms=2, check="last"), stage(32, "wrap")]
PAIR_SECTIONS: Json = {"activations": {"signed": False, "symmetric": True}, "bias": {"bits": 32}}
PAIR_PLANS = (tensor(8, signed=False), weight(), tensor(16, signed=False))


def pairs(inputs: list[int], weights: list[float]) -> list[int]:
    """Return the accumulator of a dot product of unsigned inputs and signed weights."""
    return sums(ran(dense(weights), inputs, target(PAIRS, **PAIR_SECTIONS), PAIR_PLANS))


def test_a_pair_of_products_saturates() -> None:
    # 255 * 127 * 2 = 64770 saturates to 32767
    assert pairs([255, 255], [127, 127]) == [32767]
    # 255 * -128 * 2 = -65280 saturates to -32768
    assert pairs([255, 255], [-128, -128]) == [-32768]
    # 32385 - 32640 = -255 fits
    assert pairs([255, 255], [127, -128]) == [-255]


def test_pairs_are_added_exactly() -> None:
    # three pairs of 32767, and 255 * 1 alone: 98301 + 255, far above 16 bits
    assert pairs([255] * 7, [127, 127, 127, 127, 127, 127, 1]) == [98556]


def test_who_is_paired_with_whom_matters() -> None:
    # (32385 + 32385) + (-32640 - 32640) = 32767 - 32768
    assert pairs([255] * 4, [127, 127, -128, -128]) == [-1]
    # (32385 - 32640) + (32385 - 32640) = -255 - 255: nothing saturates
    assert pairs([255] * 4, [127, -128, 127, -128]) == [-510]


# --- Gemmini: 20 bits wrap in the array, 32 bits outside ----------------------------------------------


@pytest.mark.parametrize(
    ("rows", "accumulated", "code"),
    [
        # 40 * (-128)^2 = 40 * 16384 = 655360. In tiles of 16 rows: 262144 + 262144 + 131072, each below 2^19
        (16, 655360, 80),
        # in one tile: 655360 - 2^20 = -393216
        (64, -393216, -48),
        # a tile of 32 holds 524288 = 2^19, one too many: -524288; the other eight products are 131072
        (32, -524288 + 131072, -48),
    ],
)
def test_gemmini(rows: int, accumulated: int, code: int) -> None:
    # outputs have a scale of 2^13: 655360 / 8192 = 80, -393216 / 8192 = -48
    stages = [stage(20, "wrap", "mesh", terms=rows), stage(32, "wrap")]
    where = target(stages, requantize={"kind": "float32", "rounding": "half_even"})
    execution = ran(dense([-128] * 40), [-128] * 40, where, (tensor(), weight(), tensor(scale=8192.0)))
    assert sums(execution) == [accumulated]
    assert codes(execution) == [code]


# --- five arithmetics that go by the name of TensorFlow Lite int8 -------------------------------------

VALUES = (-10, -6, -5, -3, -2, -1, 1, 2, 3, 5, 6, 10, 25)
QUARTERS = {
    # floor(x / 4 + 1/2)
    "single": [-2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 3, 6],
    # x / 2 with ties up, then half of that with ties away: 1 -> 0.5 -> 1 -> 0.5 -> 1; 25 -> 12.5 -> 13 -> 6.5 -> 7
    "double": [-3, -2, -1, -1, -1, 0, 1, 1, 1, 2, 2, 3, 7],
    # ruy: both roundings take ties up: -10 -> -5 -> -2.5 -> -2; 1 -> 0.5 -> 1 -> 0.5 -> 1
    "ruy": [-2, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 3, 7],
    # x / 4 with ties away: -10 -> -2.5 -> -3
    "f64": [-3, -2, -1, -1, -1, 0, 0, 1, 1, 1, 2, 3, 6],
    # x / 4 with ties to even: -10 -> -2.5 -> -2; 6 -> 1.5 -> 2
    "fp32": [-2, -2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 2, 6],
}
KINDS = {
    "single": Requantize(kind="fixed", multiplier_bits=32, rounding="half_up"),  # type: ignore[arg-type]
    "double": Requantize(kind="fixed_double"),
    "ruy": Requantize.model_validate(
        {
            "kind": "steps",
            "steps": [
                {"step": "shift_left"},
                {"step": "multiply"},
                {"step": "shift_right", "by": 31, "rounding": "half_up", "name": "high_multiply"},
                {"step": "shift_right", "rounding": "half_up", "name": "requantize"},
            ],
        }
    ),
    "f64": Requantize(kind="float64", rounding="half_away"),  # type: ignore[arg-type]
    "fp32": Requantize(kind="float32", rounding="half_even"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("name", QUARTERS)
def test_a_quarter_in_five_arithmetics(name: str, wide: bool) -> None:
    pipeline = Pipeline(layer="layer", bound=(-10, 25), unit=np.ones(1))
    pipeline.rescale(Ratio.of("layer", np.array([0.25]), KINDS[name], np.array([4.0])))
    points = {point.name: number for number, point in enumerate(pipeline.points)}
    counts, histograms = counting.new_counts(len(points), 1), np.zeros((len(points), counting.BINS), np.int64)
    values = in_words(np.array(VALUES).reshape(-1, 1), wide)
    run_steps(pipeline.steps, values, np.zeros(1, np.int64), 1, Tally(counts, histograms, points, 0))
    assert integers(values).ravel().tolist() == QUARTERS[name]


@pytest.mark.parametrize("name", QUARTERS)
def test_a_quarter_through_a_whole_network(name: str) -> None:
    # a dense layer of one weight 1 and a unit of 1; the output's scale of 4 makes the ratio 1/4
    where = target([stage(32, "wrap")], requantize=KINDS[name].model_dump(mode="json"))
    plans = (tensor(), weight(), tensor(scale=4.0))
    assert [codes(ran(dense([1.0]), [value], where, plans))[0] for value in VALUES] == QUARTERS[name]
