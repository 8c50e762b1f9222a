"""Rules between keys: each contradiction is one sentence, and each repaired twin is accepted."""

from __future__ import annotations

from typing import Any

import pytest

from hwsim.errors import TargetError
from hwsim.target import Target

Data = dict[str, Any]


def mistakes(data: Data) -> list[str]:
    """Return what is wrong with a target of ``data``."""
    with pytest.raises(TargetError) as caught:
        Target.from_dict({"name": "t"} | data)
    return list(caught.value.mistakes)


def mac(*stages: Data, **more: Any) -> Data:
    """Return a datapath of ``stages``, each 32 bits wide unless it says so, so that the default bias fits."""
    return {"mac": {"stages": list(stages), **more}}


ACC: Data = {"name": "accumulator"}
TREE: Data = {"name": "tree", "terms": 4}
LOOPS = ["kernel_height", "kernel_width", "input_channel"]
POW2: Data = {"step": "power_of_two"}

BROKEN: dict[str, tuple[Data, list[str]]] = {
    "inner stage without terms": (
        mac({"name": "tree"}, ACC),
        ["mac.stages[0].terms: missing; only the last stage has none, and tree is 1 of 2"],
    ),
    "last stage with terms": (
        mac(TREE),
        ["mac.stages[0].terms: 4 terms, but the last stage (tree) takes all that is left and has none"],
    ),
    "a name twice": (
        mac({**TREE, "name": "accumulator"}, ACC),
        ["mac.stages[1].name: 'accumulator' is the name of mac.stages[0] already; names must differ"],
    ),
    "a name of the ledger": (
        mac({"name": "output"}),
        ["mac.stages[0].name: 'output' is the name of another row of the ledger; choose another name"],
    ),
    "a tree as the last stage": (
        mac({**ACC, "shape": "tree"}),
        ["mac.stages[0].shape: tree, but the last stage takes all that is left; a tree has terms and a stage after it"],
    ),
    "a tree that shifts": (
        mac({**TREE, "shape": "tree", "shift": 2}, ACC),
        ["mac.stages[0].shift: 2 bits, but a tree drops none (shift 0)"],
    ),
    "a tree fitted once": (
        mac({**TREE, "shape": "tree", "check": "last"}, ACC),
        [
            "mac.stages[0].check: last, but a tree is fitted at every node; one fitted once is "
            "`shape: chain, check: last`"
        ],
    ),
    "a loop missing": (
        mac(ACC, order=["kernel_height", "input_channel"]),
        ["mac.order: names kernel_width 0 times, but each loop must be named once"],
    ),
    "a loop twice": (
        mac(ACC, order=[*LOOPS, "input_channel"]),
        ["mac.order: names input_channel 2 times, but each loop must be named once"],
    ),
    "a tile's loop without a tile": (
        mac(ACC, order=["input_channel_tile", *LOOPS]),
        ["mac.order: names input_channel_tile, but mac.tile gives no block size; add tile: {input_channel: n}"],
    ),
    "a tile without its loop": (
        mac(ACC, tile={"input_channel": 16}),
        ["mac.tile: blocks of 16 input channels, but mac.order does not name input_channel_tile"],
    ),
    "a tile's loop twice": (
        mac(ACC, order=["input_channel_tile", "input_channel_tile", *LOOPS], tile={"input_channel": 16}),
        ["mac.order: names input_channel_tile 2 times, but it can be named once only"],
    ),
    "sums of the last stage that end with a loop": (
        mac({**ACC, "within": "input_channel"}),
        [
            "mac.stages[0].within: input_channel, but the last stage (accumulator) takes all that is left; leave it "
            "out",
        ],
    ),
    "sums that end with a loop that is not there": (
        mac({**TREE, "within": "input_channel_tile"}, ACC),
        [
            "mac.stages[0].within: input_channel_tile, but mac.order has the loops kernel_height, kernel_width, "
            "input_channel",
        ],
    ),
    "a loop without terms": (
        mac({"name": "tree", "within": "input_channel"}, ACC),
        ["mac.stages[0].terms: missing; only the last stage has none, and tree is 1 of 2"],
    ),
    "a name of a short kind": (
        mac({"name": "left_shift"}),
        ["mac.stages[0].name: 'left_shift' is the name of another row of the ledger; choose another name"],
    ),
    "saturated bits without a wrap": (
        mac({**ACC, "overflow": "saturate", "saturated_bits": 2}),
        [
            "mac.stages[0].saturated_bits: 2 bits, but overflow is saturate; it must be wrap or wrap_sign_magnitude",
        ],
    ),
    "more saturated bits than bits": (
        {"mac": {"product": {"bits": 8, "saturated_bits": 9}}},
        ["mac.product.saturated_bits: 9 bits, but the value has 8"],
    ),
    "unsigned sign and magnitude": (
        {"pooling": {"accumulator": {"signed": False, "overflow": "wrap_sign_magnitude"}}},
        ["pooling.accumulator.overflow: wrap_sign_magnitude, but the value is unsigned; use wrap"],
    ),
    "unsigned sign and magnitude at the output": (
        {"activations": {"signed": False}, "output": {"overflow": "wrap_sign_magnitude"}},
        ["output.overflow: wrap_sign_magnitude, but the value is unsigned; use wrap"],
    ),
    "more saturated bits than bits of a product of two feature maps": (
        {"multiplication": {"product": {"bits": 8, "saturated_bits": 9}}},
        ["multiplication.product.saturated_bits: 9 bits, but the value has 8"],
    ),
    "symmetric with one bit": (
        {"addition": {"accumulator": {"bits": 1, "overflow": "saturate_symmetric"}}},
        ["addition.accumulator.overflow: saturate_symmetric, but 1 signed bit then holds 0 alone; use 2 bits or more"],
    ),
    "stochastic weights": (
        {"weights": {"rounding": "stochastic_equal"}},
        ["weights.rounding: stochastic_equal draws random numbers, but real values become codes deterministically"],
    ),
    "stochastic inputs": (
        {"activations": {"rounding": "stochastic_weighted"}},
        [
            "activations.rounding: stochastic_weighted draws random numbers, but real values become codes "
            "deterministically"
        ],
    ),
    "stochastic biases": (
        {"bias": {"rounding": "stochastic_weighted"}},
        ["bias.rounding: stochastic_weighted draws random numbers, but real values become codes deterministically"],
    ),
    "stochastic limits": (
        {"activation": {"limit_rounding": "stochastic_equal"}},
        ["activation.limit_rounding: stochastic_equal draws random numbers, but a limit is the same every time"],
    ),
    "a binary point with zero points": (
        {"weights": {"symmetric": False, "fraction_bits": 7}, "activations": {"fraction_bits": 0}},
        [
            "weights.fraction_bits: 7, but weights.symmetric is false; a fixed binary point has zero points of 0",
            "activations.fraction_bits: 0, but activations.symmetric is false; a fixed binary point has zero points "
            "of 0",
        ],
    ),
    "shifts between a binary point and a uniform step": (
        {
            "requantize": {"kind": "power_of_two"},
            "weights": {"fraction_bits": 7},
            "activations": {"step": "uniform", "symmetric": True},
        },
        [
            "requantize.kind: power_of_two, but activations.step is uniform; a shift needs activations.step: "
            "power_of_two",
        ],
    ),
    "narrow and unsigned": (
        {"weights": {"narrow": True, "signed": False}},
        ["weights.narrow: true, but an unsigned format has no negative code to leave out"],
    ),
    "narrow with one bit": (
        {"weights": {"narrow": True, "bits": 1}},
        ["weights.narrow: true, but a narrow format needs 2 bits or more, not 1"],
    ),
    "narrow outputs that wrap": (
        {"activations": {"narrow": True}, "output": {"overflow": "wrap"}},
        [
            "activations.narrow: true, but output.overflow is wrap; use saturate, saturate_symmetric, error",
        ],
    ),
    "a percentile without its method": (
        {"weights": {"range": {"percent": 99.9}}},
        [
            "weights.range.percent: given without `method: percentile`, and minmax covers every value; add the method",
        ],
    ),
    "a shift between uniform steps": (
        {"requantize": {"kind": "power_of_two"}},
        [
            "requantize.kind: power_of_two, but activations.step is uniform; a shift needs activations.step: "
            "power_of_two",
            "requantize.kind: power_of_two, but weights.step is uniform; a shift needs weights.step: power_of_two",
        ],
    ),
    "no requantisation with zero points and channel scales": (
        {"requantize": {"kind": "none"}},
        [
            "requantize.kind: none, but activations.symmetric is false; as the sum is the output, zero "
            "points must "
            "be 0",
            "requantize.kind: none, but weights.granularity is output_channel; outputs with one scale need "
            "weights.granularity: layer",
        ],
    ),
    "double rounding of 16 bits": (
        {"requantize": {"kind": "fixed_double", "multiplier_bits": 16}},
        ["requantize.multiplier_bits: 16 bits, but fixed_double multiplies by 32 bits"],
    ),
    "a bias wider than its accumulator": (
        mac(TREE, {**ACC, "bits": 20}),
        [
            "bias.bits: 32 bits, but the accumulator that starts from it (mac.stages[1], accumulator) has "
            "20; "
            "use 20 bits or fewer, or `position: last`"
        ],
    ),
    "a bias in an unsigned accumulator": (
        mac({**ACC, "signed": False}),
        [
            "bias.position: first, but a bias is signed and the accumulator (mac.stages[0], accumulator) "
            "is not; "
            "use `position: last`"
        ],
    ),
    "a shifted bias wider than its accumulator": (
        {**mac(TREE, {**ACC, "bits": 20}), "bias": {"bits": 16, "shift": 7}},
        [
            "bias.bits: 16 bits and a shift of 7, but the accumulator that starts from it (mac.stages[1], accumulator) "
            "has 20; use 13 bits or fewer, or `position: last`"
        ],
    ),
    "a bias shifted out of its accumulator": (
        {**mac({**ACC, "bits": 8}), "bias": {"bits": 4, "shift": 8}},
        [
            "bias.bits: 4 bits and a shift of 8, but the accumulator that starts from it (mac.stages[0], accumulator) "
            "has 8; use a shift below 8, or `position: last`"
        ],
    ),
    "a shifted bias of more than 64 bits": (
        {"bias": {"bits": 32, "shift": 33, "position": "last"}},
        ["bias.shift: 33 bits, but with 32 bits of bias that is more than 64"],
    ),
    "a bias wider than the first stage": (
        {**mac({**TREE, "bits": 16}, {**ACC, "bits": 40}), "bias": {"bits": 24, "position": "inner"}},
        [
            "bias.bits: 24 bits, but the accumulator that starts from it (mac.stages[0], tree) has 16; use 16 bits or "
            "fewer, or `position: last`"
        ],
    ),
    "a bias in an unsigned first stage": (
        {**mac({**TREE, "signed": False}, ACC), "bias": {"position": "inner"}},
        [
            "bias.position: inner, but a bias is signed and the accumulator (mac.stages[0], tree) is not; use "
            "`position: last`"
        ],
    ),
    "a bias in a tree": (
        {**mac({**TREE, "shape": "tree"}, ACC), "bias": {"position": "inner"}},
        ["bias.position: inner, but tree is a tree, which starts from nothing"],
    ),
    "a bias of a scale of its own among free scales": (
        {
            "bias": {"scale": "own", "position": "last"},
            "activations": {"symmetric": True, "fraction_bits": 3},
        },
        [
            "bias.scale: own, but weights have scales that are no powers of two, so no shift brings a bias to the sum; "
            "use `weights: {step: power_of_two}`"
        ],
    ),
    "a bias of a scale of its own elsewhere": (
        {
            "bias": {"scale": "own", "shift": 3},
            "weights": {"step": "power_of_two"},
            "activations": {"step": "power_of_two"},
        },
        [
            "bias.bits: 32 bits and a shift of 3, but the accumulator that starts from it (mac.stages[0], accumulator) "
            "has 32; use 29 bits or fewer, or `position: last`",
            "bias.shift: 3 bits, but with `scale: own` the plan says how far a bias is shifted; leave it out",
            "bias.scale: own, but bias.position is first; such a bias is added to a finished sum, `position: last`",
        ],
    ),
    "codes as stored in whole windows": (
        {"pooling": {"division": "dpu", "zero_point": "kept", "mean": "divided"}},
        [
            "pooling.division: dpu, but zero_point is kept, so that positions outside would not count as 0; use "
            "`zero_point: removed`",
            "pooling.division: dpu, but mean is divided, which divides by the number of codes; use `mean: ratio`",
        ],
    ),
    "a bias before bits are dropped": (
        {**mac(TREE, {**ACC, "shift": 4}), "bias": {"position": "inner"}},
        [
            "bias.position: inner, but mac.stages[1] drops bits of the sum that starts from the bias; use another "
            "position"
        ],
    ),
    "a correction before bits are dropped": (
        mac({**ACC, "shift": 4}, input_zero_point="corrected"),
        [
            "mac.input_zero_point: corrected, but mac.stages[0] drops bits, so that sums count other LSBs than the "
            "correction"
        ],
    ),
    "a correction of products that drop bits": (
        mac(ACC, product={"bits": 16, "shift": 1}, input_zero_point="corrected"),
        [
            "mac.input_zero_point: corrected, but mac.product drops bits, so that sums count other LSBs than the "
            "correction"
        ],
    ),
    "a correction among the steps": (
        {
            **mac(ACC, input_zero_point="corrected"),
            "bias": {"position": "steps"},
            "requantize": {
                "kind": "steps",
                "steps": [{"step": "bias"}, {"step": "multiply"}, {"step": "shift_right"}],
            },
        },
        ["mac.input_zero_point: corrected, but bias.position is steps; the correction belongs to the sum"],
    ),
    "a bias among the steps of a short kind": (
        {"bias": {"position": "steps"}},
        ["bias.position: steps, but the list of steps has none that adds it; add {step: bias} to requantize.steps"],
    ),
    "taps beyond the register": (
        {"random": {"bits": 8}},
        ["random.taps: [16, 15, 13, 4], but a register of 8 bits has taps 1 to 8, 8 among them"],
    ),
    "last bit not fed back": (
        {"random": {"bits": 8, "taps": [7, 1]}},
        ["random.taps: [7, 1], but a register of 8 bits has taps 1 to 8, 8 among them"],
    ),
    "a tap twice": (
        {"random": {"bits": 4, "taps": [4, 3, 3]}},
        ["random.taps: [4, 3, 3] names a tap twice; two of the same cancel out"],
    ),
    "a seed beyond the register": (
        {"random": {"bits": 4, "taps": [4, 3], "seed": 16}},
        ["random.seed: 16, but a register of 4 bits has states 1 to 15"],
    ),
    "weights of a sum without their kind": (
        {"addition": {"multiplier_bits": 16, "rounding": "floor"}},
        [
            f"addition.{key}: no effect without {kinds}; add the kind, or leave {key} out"
            for key, kinds in (
                ("multiplier_bits", "`kind: weighted`"),
                ("rounding", "`kind: weighted` or `kind: float32`"),
            )
        ],
    ),
    "a section that an operation has no use for": (
        {"operations": {"max_pool": {"pooling": {"rounding": "floor"}}, "add": {"mac": {}, "multiplication": {}}}},
        [
            "operations.max_pool.pooling: no effect: max_pool has no pooling; the section is for average_pool, "
            "kept_mean, mean",
            "operations.add.mac: no effect: add has no mac; the section is for conv2d, conv2d_transpose, dense, "
            "depthwise_conv2d, grouped_conv2d, matmul, scale_shift",
            "operations.add.multiplication: no effect: add has no multiplication; the section is for multiply",
        ],
    ),
}


@pytest.mark.parametrize(("data", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_contradiction(data: Data, expected: list[str]) -> None:
    assert mistakes(data) == expected


@pytest.mark.parametrize(("data", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_contradiction_in_a_layer(data: Data, expected: list[str]) -> None:
    """The same keys are wrong under a pattern, and told of the pattern."""
    if "operations" not in data:
        found = mistakes({"layers": {"*": data}})
        assert len(found) == len(expected)
        assert all(mistake.startswith("layers['*']") for mistake in found)


ACCEPTED: dict[str, Data] = {
    "two stages": mac(TREE, ACC),
    "a fitted tree": mac({**TREE, "shape": "tree", "check": "each"}, ACC),
    "tiles": mac(ACC, order=["input_channel_tile", *LOOPS], tile={"input_channel": 16}),
    "tiles inside the kernel": mac(
        ACC,
        order=["kernel_height", "input_channel_tile", "kernel_width", "input_channel"],
        tile={"input_channel": 1},
    ),
    "channels in strides": mac(ACC, order=[*LOOPS, "input_channel_tile"], tile={"input_channel": 16}),
    "channels in strides around the kernel": mac(
        ACC,
        order=["input_channel", "kernel_height", "input_channel_tile", "kernel_width"],
        tile={"input_channel": 3},
    ),
    "sums that end with each pixel": mac({**TREE, "within": "input_channel"}, ACC),
    "sums that end with each block": mac(
        {**TREE, "within": "input_channel"},
        {**TREE, "name": "block", "within": "kernel_height"},
        ACC,
        order=["input_channel_tile", *LOOPS],
        tile={"input_channel": 16},
    ),
    "a tree that ends with each pixel": mac({**TREE, "shape": "tree", "within": "input_channel"}, ACC),
    "64 unsigned bits": mac({**TREE, "bits": 64, "signed": False}, ACC),
    "symmetric saturation of an unsigned value": mac(
        {**TREE, "bits": 8, "signed": False, "overflow": "saturate_symmetric"}, ACC
    ),
    "all bits saturated": {"mac": {"product": {"bits": 8, "saturated_bits": 8}}},
    "1-bit weights": {"weights": {"bits": 1}},
    "1-bit asymmetric weights": {"weights": {"bits": 1, "symmetric": False}},
    "narrow outputs that stop": {"activations": {"narrow": True}, "output": {"overflow": "error"}},
    "a stochastic requantisation": {"requantize": {"rounding": "stochastic_weighted"}},
    "shifts": {"requantize": {"kind": "power_of_two"}, "weights": POW2, "activations": POW2},
    "no requantisation": {
        "requantize": {"kind": "none"},
        "weights": {"granularity": "layer"},
        "activations": {"symmetric": True},
    },
    "a wide bias at the end": {**mac({**ACC, "bits": 20}), "bias": {"position": "last"}},
    "a bias after an unsigned accumulator": {**mac({**ACC, "signed": False}), "bias": {"position": "last"}},
    "a shifted bias that just fits": {"bias": {"bits": 25, "shift": 7}},
    "a shifted bias of 64 bits": {"bias": {"bits": 32, "shift": 32, "position": "last"}},
    "a bias in the first of two stages": {
        **mac({**TREE, "bits": 20}, {**ACC, "bits": 12}),
        "bias": {"bits": 20, "position": "inner"},
    },
    "a bias in the only stage, which drops bits": {**mac({**ACC, "shift": 4}), "bias": {"position": "inner"}},
    "a bias behind a first stage that drops bits": {
        **mac({**TREE, "shift": 4}, ACC),
        "bias": {"position": "inner"},
    },
    "a correction behind exact sums": mac(TREE, ACC, product={"bits": 16}, input_zero_point="corrected"),
    "a correction of nothing": {
        **mac({**ACC, "shift": 4}, input_zero_point="corrected"),
        "activations": {"symmetric": True},
    },
    "binary points": {
        "requantize": {"kind": "power_of_two"},
        "weights": {"fraction_bits": 7},
        "activations": {"fraction_bits": -2, "symmetric": True},
    },
    "limits rounded away": {"activation": {"limit_rounding": "half_away", "limit_precision": 32}},
    "method switched off where percent is inherited": {
        "weights": {"range": {"method": "percentile", "percent": 99.9}},
        "layers": {"*": {"weights": {"range": {"method": "minmax"}}}},
    },
    "weights that a merge does not have": {
        "weights": POW2,
        "activations": POW2,
        "operations": {"add": {"requantize": {"kind": "power_of_two"}}},
    },
    "one scale for weights matters to weights alone": {
        "activations": {"symmetric": True},
        "operations": {"add": {"requantize": {"kind": "none"}}},
    },
}


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(data: Data) -> None:
    assert Target.from_dict({"name": "t"} | data).name == "t"


def test_a_mistake_of_the_target_is_not_repeated_for_its_overrides() -> None:
    found = mistakes({"bias": {"bits": 40}, "layers": {"a": {"weights": {"bits": 4}}, "b": {}}})
    assert len(found) == 1


def test_a_combination_of_overrides_is_checked_when_a_layer_asks() -> None:
    target = Target.from_dict(
        {
            "name": "t",
            "operations": {"dense": {"bias": {"bits": 24}, "mac": {"stages": [{"name": "accumulator", "bits": 24}]}}},
            "layers": {"head": {"bias": {"bits": 28}}},
        }
    )
    assert target.settings("conv2d", "head").bias.bits == 28
    with pytest.raises(TargetError) as caught:
        target.settings("dense", "head")
    assert caught.value.mistakes == (
        "layer 'head' (dense): bias.bits: 28 bits, but the accumulator that starts from it "
        "(mac.stages[0], accumulator) has 24; use 24 bits or fewer, or `position: last`",
    )


def test_making_a_target_in_python_checks_the_rules_too() -> None:
    data = {"name": "t", "random": {"bits": 4, "taps": [4, 3], "seed": 16}}
    with pytest.raises(TargetError, match="states 1 to 15"):
        Target.model_validate(data)
