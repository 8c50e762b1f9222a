"""Rules for the list of steps: each contradiction is one sentence, and each repaired twin is accepted."""

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


def steps(*listed: Data) -> Data:
    """Return a requantisation by a list of steps."""
    return {"requantize": {"kind": "steps", "steps": list(listed)}}


def step(word: str, **keys: Any) -> Data:
    """Return one step."""
    return {"step": word, **keys}


MULTIPLY, SHIFT, FLOAT = step("multiply"), step("shift_right"), step("multiply_float")
LEFT, FIT, ACTIVATION, ZERO = step("shift_left"), step("fit"), step("activation"), step("zero_point")
BIAS = step("bias")
AMONG: Data = {"bias": {"position": "steps"}}
POW2: Data = {"weights": {"step": "power_of_two"}, "activations": {"step": "power_of_two"}}
FIXED: Data = {"weights": {"granularity": "layer"}, "activations": {"symmetric": True}}

RATIO = "requantize.steps[{}].by: ratio, but no shift_right goes by ratio; add {{step: shift_right, by: ratio}}"

BROKEN: dict[str, tuple[Data, list[str]]] = {
    # the kinds
    "no list": (
        {"requantize": {"kind": "steps"}},
        ["requantize.steps: missing; `kind: steps` needs the list of them"],
    ),
    "an empty list": (
        steps(),
        ["requantize.steps: an empty list; a sum that is the output as it stands is `kind: none`"],
    ),
    "a list beside a short kind": (
        {"requantize": {"kind": "float32", "steps": [MULTIPLY, SHIFT]}},
        [
            "requantize.steps: a list, but requantize.kind is float32, which has steps of its own; use `kind: steps`, "
            "or null here"
        ],
    ),
    "a list without a kind": (
        {"requantize": {"steps": [MULTIPLY, SHIFT]}},
        [
            "requantize.steps: a list, but requantize.kind is fixed, which has steps of its own; use `kind: steps`, "
            "or null here"
        ],
    ),
    "a rule of a kind without multiplier": (
        {"requantize": {"kind": "float64", "rule": "truncate"}},
        [
            "requantize.rule: truncate, but only fixed and fixed_double have a rule, and the kind is float64; "
            "leave it out"
        ],
    ),
    "a rule of a kind with its own": (
        {"requantize": {"kind": "fixed_reduced", "rule": "saturated", "multiplier_bits": 16}},
        [
            "requantize.rule: saturated, but only fixed and fixed_double have a rule, and the kind is fixed_reduced; "
            "leave it out"
        ],
    ),
    "a rule of the list": (
        {"requantize": {"kind": "steps", "rule": "truncate", "steps": [MULTIPLY, SHIFT]}},
        [
            "requantize.rule: truncate, but only fixed and fixed_double have a rule, and the kind is steps; "
            "give it to the step multiply"
        ],
    ),
    "a ratio that shifts do not multiply by": (
        POW2 | {"requantize": {"kind": "power_of_two", "forming": "float_ratio"}},
        [
            "requantize.forming: float_ratio, but the kind is power_of_two, which multiplies by no ratio of its own; "
            "leave it out"
        ],
    ),
    "how the ratio of a list is formed": (
        {"requantize": {"kind": "steps", "forming": "float_product", "steps": [MULTIPLY, SHIFT]}},
        [
            "requantize.forming: float_product, but the kind is steps, which multiplies by no ratio of its own; "
            "give it to the step that multiplies"
        ],
    ),
    "double rounding of a reduced multiplier": (
        {"requantize": {"kind": "fixed_double", "rule": "reduced"}},
        [
            "requantize.rule: reduced, but fixed_double multiplies by 32 bits and reduced makes fewer; "
            "use `kind: fixed_reduced`"
        ],
    ),
    "a reduced multiplier of 32 bits": (
        {"requantize": {"kind": "fixed_reduced"}},
        [
            "requantize.multiplier_bits: 32 bits, but fixed_reduced makes a multiplier of fewer; "
            "use `multiplier_bits: 16`"
        ],
    ),
    "a multiplier of 32 bits by rule reduced": (
        {"requantize": {"rule": "reduced"}},
        [
            "requantize.multiplier_bits: 32 bits, but rule: reduced makes a multiplier of fewer; "
            "use `multiplier_bits: 16`"
        ],
    ),
    "a step's multiplier of 32 bits by rule reduced": (
        steps(step("multiply", rule="reduced"), SHIFT),
        ["requantize.steps[0].bits: 32 bits, but rule: reduced makes a multiplier of fewer; use `bits: 16`"],
    ),
    # what the ratio asks of scales
    "shifts between uniform steps": (
        steps(LEFT, SHIFT),
        [
            "requantize.steps: only shifts go by ratio, but activations.step is uniform; a shift needs "
            "activations.step: power_of_two",
            "requantize.steps: only shifts go by ratio, but weights.step is uniform; a shift needs "
            "weights.step: power_of_two",
        ],
    ),
    "shifts and a factor": (
        POW2 | steps(step("multiply", by=12), SHIFT),
        [
            "requantize.steps[0].by: 12, but only shifts go by ratio, and they cannot make up for a factor that is no "
            "power of two"
        ],
    ),
    "a fixed ratio with zero points and channel scales": (
        steps(step("shift_right", by=7)),
        [
            "requantize.steps: nothing goes by ratio, but activations.symmetric is false; with a fixed ratio, zero "
            "points must be 0",
            "requantize.steps: nothing goes by ratio, but weights.granularity is output_channel; outputs with one "
            "scale need weights.granularity: layer",
        ],
    ),
    # steps that come once
    "two multiplications": (
        steps(MULTIPLY, MULTIPLY, SHIFT),
        ["requantize.steps[1].by: ratio, but steps[0] multiplies by the ratio already; give a number"],
    ),
    "an integer and a float": (
        steps(MULTIPLY, step("shift_right", by=3), FLOAT),
        [
            "requantize.steps[2].step: multiply_float, but steps[0] multiplies by the ratio already; "
            "leave one of the two out"
        ],
    ),
    "two shifts to the right": (
        steps(MULTIPLY, SHIFT, step("shift_right", name="second")),
        ["requantize.steps[2].by: ratio, but steps[1] shifts to the right by ratio already; give a number"],
    ),
    "two shifts to the left": (
        steps(LEFT, LEFT, MULTIPLY, SHIFT),
        ["requantize.steps[1].by: ratio, but steps[0] shifts to the left by ratio already; give a number"],
    ),
    "two activations": (
        steps(ACTIVATION, MULTIPLY, SHIFT, ACTIVATION),
        ["requantize.steps[3].step: activation, but steps[0] is the activation already; leave one of the two out"],
    ),
    "two zero points": (
        steps(MULTIPLY, SHIFT, ACTIVATION, ZERO, ZERO),
        ["requantize.steps[4].step: zero_point, but steps[3] adds the zero point already; leave one of the two out"],
    ),
    "two biases": (
        AMONG | steps(BIAS, MULTIPLY, SHIFT, BIAS),
        ["requantize.steps[3].step: bias, but steps[0] adds the bias already; leave one of the two out"],
    ),
    # the bias
    "a bias that enters elsewhere": (
        steps(BIAS, MULTIPLY, SHIFT),
        ["requantize.steps[0].step: bias, but bias.position is first; use `bias: {position: steps}`"],
    ),
    "a bias that is added to the sum already": (
        {"bias": {"position": "last"}} | steps(MULTIPLY, SHIFT, BIAS),
        ["requantize.steps[2].step: bias, but bias.position is last; use `bias: {position: steps}`"],
    ),
    "a bias without a step": (
        AMONG | steps(MULTIPLY, SHIFT),
        ["bias.position: steps, but the list of steps has none that adds it; add {step: bias} to requantize.steps"],
    ),
    # the ratio
    "a float and a shift by ratio": (
        steps(FLOAT, SHIFT),
        ["requantize.steps[1].by: ratio, but steps[0] (multiply_float) leaves nothing of it; give a number"],
    ),
    "a multiplier alone": (steps(MULTIPLY, step("shift_right", by=31)), [RATIO.format(0)]),
    "a shift to the left alone": (POW2 | steps(LEFT, FIT), [RATIO.format(0)]),
    # order
    "a zero point that is scaled": (
        steps(ACTIVATION, MULTIPLY, ZERO, SHIFT),
        ["requantize.steps[2].step: zero_point, but steps[3] (shift_right) would scale it; put it behind that"],
    ),
    "an activation behind the zero point": (
        steps(MULTIPLY, SHIFT, ZERO, ACTIVATION),
        [
            "requantize.steps[2].step: zero_point, but the activation behind it has its zero at 0; "
            "put {step: activation} before it"
        ],
    ),
    "an activation behind the list": (
        steps(MULTIPLY, SHIFT, ZERO, FIT),
        [
            "requantize.steps[2].step: zero_point, but the activation behind it has its zero at 0; "
            "put {step: activation} before it"
        ],
    ),
    # single steps
    "keys that a factor has no use for": (
        steps(step("multiply", by=3, bits=16, rule="truncate"), MULTIPLY, SHIFT),
        [
            "requantize.steps[0].bits: no effect: by is 3, not ratio; leave it out",
            "requantize.steps[0].rule: no effect: by is 3, not ratio; leave it out",
        ],
    ),
    "keys that a plain table has no use for": (
        steps(MULTIPLY, SHIFT, step("lookup", table=[1, 2], rounding="half_up", name="table")),
        [
            "requantize.steps[2].rounding: no effect: interpolation is none, which drops no bits; leave it out",
            "requantize.steps[2].name: no effect: interpolation is none, which drops no bits; leave it out",
        ],
    ),
    "a clip without limits": (
        steps(MULTIPLY, SHIFT, step("clip")),
        ["requantize.steps[2]: a clip without limits; give low, high or both"],
    ),
    "a clip from high to low": (
        steps(MULTIPLY, SHIFT, step("clip", low=4, high=3)),
        ["requantize.steps[2].low: 4, but high is 3; low is at most high"],
    ),
    "levels that do not ascend": (
        steps(MULTIPLY, SHIFT, step("thresholds", levels=[1, 5, 5, 9, 8])),
        [
            "requantize.steps[2].levels[2]: 5, but the level before it is 5; levels ascend",
            "requantize.steps[2].levels[4]: 8, but the level before it is 9; levels ascend",
        ],
    ),
    "nothing to interpolate": (
        steps(MULTIPLY, SHIFT, step("lookup", table=[1], interpolation="linear", shift=4)),
        ["requantize.steps[2].table: 1 entry, but `interpolation: linear` needs two or more"],
    ),
    "a fit with saturated bits and no wrap": (
        steps(MULTIPLY, SHIFT, step("fit", overflow="saturate", saturated_bits=2)),
        [
            "requantize.steps[2].saturated_bits: 2 bits, but overflow is saturate; it must be wrap or "
            "wrap_sign_magnitude"
        ],
    ),
    "an unsigned fit by sign and magnitude": (
        steps(MULTIPLY, SHIFT, step("fit", signed=False, overflow="wrap_sign_magnitude")),
        ["requantize.steps[2].overflow: wrap_sign_magnitude, but the value is unsigned; use wrap"],
    ),
    # rows of the ledger
    "a row twice": (
        steps(MULTIPLY, step("shift_right", name="narrow"), step("fit", name="narrow")),
        ["requantize.steps[2].name: 'narrow', but steps[1] is 'narrow' in the ledger already; names must differ"],
    ),
    "two steps without names": (
        steps(MULTIPLY, step("shift_right", by=16), SHIFT),
        ["requantize.steps[2].name: missing; steps[1] is 'shift_right' in the ledger already, so give a name here"],
    ),
    "a name of the ledger": (
        steps(MULTIPLY, step("shift_right", name="accumulator"), step("fit", name="activation")),
        [
            "requantize.steps[1].name: 'accumulator' is the name of another row of the ledger; choose another name",
            "requantize.steps[2].name: 'activation' is the name of another row of the ledger; choose another name",
        ],
    ),
    "a name that the ledger makes": (
        steps(MULTIPLY, step("shift_right", name="input_shift")),
        [
            "requantize.steps[1].name: 'input_shift', but the ledger puts input_ before names itself; "
            "choose another name"
        ],
    ),
    "the name of a stage": (
        {"mac": {"stages": [{"name": "shift_right"}]}} | steps(MULTIPLY, SHIFT),
        [
            "mac.stages[0].name: 'shift_right', but so is requantize.steps[1] in the ledger; names must differ",
        ],
    ),
}


@pytest.mark.parametrize(("data", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_contradiction(data: Data, expected: list[str]) -> None:
    assert mistakes(data) == expected


@pytest.mark.parametrize(("data", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_contradiction_in_a_layer(data: Data, expected: list[str]) -> None:
    """The same keys are wrong under a pattern, and told of the pattern."""
    found = mistakes({"layers": {"*": data}})
    assert len(found) == len(expected)
    assert all(mistake.startswith("layers['*']") for mistake in found)


ACCEPTED: dict[str, Data] = {
    "fixed in steps": steps(MULTIPLY, SHIFT),
    "fixed_double in steps": steps(
        LEFT, FIT, MULTIPLY, step("shift_right", by=31, name="high_multiply"), step("shift_right", name="requantize")
    ),
    "fixed_reduced": {"requantize": {"kind": "fixed_reduced", "multiplier_bits": 16}},
    "fixed_reduced with its own rule": {
        "requantize": {"kind": "fixed_reduced", "multiplier_bits": 16, "rule": "reduced"}
    },
    "fixed with rule reduced": {"requantize": {"multiplier_bits": 31, "rule": "reduced"}},
    "fixed_double with a rule": {
        "requantize": {"kind": "fixed_double", "rule": "saturated", "forming": "float_product"}
    },
    "a ratio formed in float32": {"requantize": {"kind": "float32", "forming": "float_ratio"}},
    "a reduced multiplier of a ratio formed in float32": {
        "requantize": {"kind": "fixed_reduced", "multiplier_bits": 16, "forming": "float_product"}
    },
    "the usual rule anywhere": {"requantize": {"kind": "float32", "rule": "nearest"}},
    "a float between fixed shifts": steps(step("shift_right", by=4), FLOAT, step("shift_left", by=1)),
    "shifts": POW2 | steps(LEFT, SHIFT),
    "shifts and a factor of two": POW2 | steps(step("multiply", by=4), SHIFT),
    "shifts, as far as inputs of add go": {
        "activations": {"step": "power_of_two"},
        "operations": {"add": steps(SHIFT)},
    },
    "a fixed ratio": FIXED | steps(step("add", value=64), step("shift_right", by=7), step("clip", low=0)),
    "thresholds alone": FIXED | steps(step("thresholds", levels=[-3, 0, 3], first=-1)),
    "an activation before the zero point": steps(MULTIPLY, SHIFT, ACTIVATION, ZERO, step("clip", low=-128, high=127)),
    "an activation before the list": {"activation": {"position": "before_requantize"}} | steps(MULTIPLY, SHIFT, ZERO),
    "a zero point of zero anywhere": {"activations": {"symmetric": True}} | steps(ZERO, MULTIPLY, SHIFT),
    "a bias before the steps": AMONG | steps(BIAS, MULTIPLY, SHIFT),
    "a bias between a multiplier and its shift": AMONG | steps(MULTIPLY, BIAS, SHIFT),
    "a bias behind the zero point": AMONG | steps(MULTIPLY, SHIFT, ACTIVATION, ZERO, BIAS),
    "a bias of a fixed ratio": FIXED | AMONG | steps(step("shift_right", by=7), BIAS),
    "a bias among steps, where there is none": {"operations": {"add": steps(MULTIPLY, SHIFT, BIAS)}},
    "a clip to one value": steps(MULTIPLY, SHIFT, step("clip", low=3, high=3)),
    "one entry": steps(MULTIPLY, SHIFT, step("lookup", table=[7])),
    "two plain tables": steps(MULTIPLY, SHIFT, step("lookup", table=[7, 8]), step("lookup", table=[7, 8])),
    "64 unsigned bits": steps(MULTIPLY, SHIFT, step("fit", bits=64, signed=False)),
    "a multiplication with a product": {
        "operations": {"multiply": {"product": {"bits": 16}, **steps(MULTIPLY, SHIFT)}}
    },
    "a short kind over a list": steps(MULTIPLY, SHIFT)
    | {"layers": {"*": {"requantize": {"kind": "float32", "steps": None}}}},
    "another list": steps(MULTIPLY, SHIFT) | {"layers": {"*": {"requantize": {"steps": [FLOAT]}}}},
    "the name of a stage, where there are no stages": {
        "mac": {"stages": [{"name": "acc"}]},
        "operations": {"add": steps(MULTIPLY, step("shift_right", name="acc"))},
    },
}


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(data: Data) -> None:
    assert Target.from_dict({"name": "t"} | data).name == "t"


def test_a_list_is_blamed_in_an_override() -> None:
    kind = {"requantize": {"kind": "float32"}}
    assert mistakes(steps(MULTIPLY, SHIFT) | {"operations": {"add": kind}}) == [
        "operations.add.requantize.kind: with this, requantize.steps: a list, but requantize.kind is float32, which "
        "has steps of its own; use `kind: steps`, or null here"
    ]
