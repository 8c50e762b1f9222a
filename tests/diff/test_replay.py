"""With the program: each fault that is planted is named, with its layer and place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from diff.planted import IMAGES, clean, clean_run, operation, oracle, run_with, with_step

import hwsim
from hwsim.divergence import Cause
from hwsim.engine import Execution
from hwsim.formats import Overflow, Rounding
from hwsim.program.records import AddConstant, ClipLow, FitTo, ScaleFixed
from hwsim_kernels.fields import BITS, OVERFLOW


def found(changed: Any, layer: str) -> Cause:
    """Plant a changed operation; hold count and place to the oracle; return the first cause."""
    faulty = run_with(changed)
    result = hwsim.diff(clean_run(), faulty)
    assert result.first is not None
    assert result.first.name == layer
    count, largest, first = oracle(clean_run().tensors[layer].tolist(), faulty.tensors[layer].tolist())
    at = result.first.first
    assert at is not None and first is not None
    assert (result.first.count, result.first.largest) == (count, largest)
    assert (at.sample, *at.position, at.channel) == first
    assert (at.a, at.b) == (clean_run().tensors[layer][first], faulty.tensors[layer][first])
    assert result.causes[0].differences == count
    return result.causes[0]


def test_a_run_equals_itself() -> None:
    result = hwsim.diff(clean_run(), clean().run(IMAGES, tensors=True))
    assert result.equal
    assert result.first is None
    assert result.causes == ()
    assert len(result.tensors) == len(clean_run().tensors) > 6


def rounding_pair(layer: str, mode: Rounding) -> tuple[Execution, Execution]:
    """Run a layer that drops few bits of small sums, so that ties occur, with its rounding and with another."""
    one = operation(layer)
    if layer != "join":
        one = replace(one, weights=np.sign(one.weights), start=one.start % 8)
    step = next(step for step in one.steps if isinstance(step, ScaleFixed) and step.point == "requantize")
    shift = np.full(step.shift.size, 9 if layer == "join" else 3)
    coarse = replace(step, multiplier=np.ones_like(step.multiplier), shift=shift)
    other = replace(coarse, rounding=mode)
    a, b = (replace(one, steps=tuple(new if each is step else each for each in one.steps)) for new in (coarse, other))
    return run_with(a), run_with(b)


@pytest.mark.parametrize("mode", [Rounding.FLOOR, Rounding.CEIL, Rounding.HALF_ODD, Rounding.JAM])
@pytest.mark.parametrize("layer", ["stem", "depthwise", "join", "logits"])
def test_rounding(layer: str, mode: Rounding) -> None:
    a, b = rounding_pair(layer, mode)
    result = hwsim.diff(a, b)
    assert result.first is not None
    assert result.first.name == layer
    cause = result.causes[0]
    assert cause.kind == "rounding"
    assert cause.whole
    assert mode.value in cause.says.split(", not half_up")[0]


def test_ties_are_counted() -> None:
    a, b = rounding_pair("stem", Rounding.HALF_EVEN)
    result = hwsim.diff(a, b)
    assert result.first is not None
    count = result.first.count
    assert count > 1
    assert "half_even" in result.causes[0].says
    assert f"; {count} of {count} differences are at ties" in result.causes[0].says


@pytest.mark.parametrize(
    ("bits", "mode"), [(10, Overflow.WRAP), (10, Overflow.SATURATE), (12, Overflow.SATURATE), (12, Overflow.WRAP)]
)
def test_accumulator(bits: int, mode: Overflow) -> None:
    one = operation("logits")
    stages = one.stages.copy()
    stages[0, BITS], stages[0, OVERFLOW] = bits, mode.code
    half = 1 << (bits - 1)
    cause = found(replace(one, stages=stages, start=np.clip(one.start, -half, half - 1)), "logits")
    assert cause.kind == "accumulator"
    assert cause.whole
    assert f"s{bits} {mode.value}" in cause.says


def test_output_wraps() -> None:
    one = with_step("logits", ScaleFixed, shift=operation("logits").steps[0].shift - 2)
    step = next(each for each in one.steps if isinstance(each, FitTo))
    field = step.field.copy()
    field[2] = Overflow.WRAP.code
    wrapping = replace(one, steps=tuple(replace(step, field=field) if each is step else each for each in one.steps))
    a, b = run_with(one), run_with(wrapping)
    result = hwsim.diff(a, b)
    assert result.first is not None
    assert result.first.name == "logits"
    assert result.causes[0].kind == "overflow"
    assert result.causes[0].whole
    assert "is s8 wrap, not s8 saturate" in result.causes[0].says


@pytest.mark.parametrize("off", [300, -70])
def test_bias_of_one_channel(off: int) -> None:
    start = operation("stem").start.copy()
    start[2] += off
    cause = found(replace(operation("stem"), start=start), "stem")
    assert cause.kind == "bias"
    assert cause.whole
    said = cause.says.split("channel 2 off by ")[1].split(" (")[0]
    low, high = (int(one) for one in (said.split(" to ") * 2)[:2])
    assert low <= off <= high
    assert "channel 1" not in cause.says
    assert "channel 3" not in cause.says


def test_no_bias_at_all() -> None:
    cause = found(replace(operation("logits"), start=np.zeros_like(operation("logits").start)), "logits")
    assert cause.kind == "bias"
    assert "no bias at all" in cause.says


def test_zero_point() -> None:
    constant = next(one for one in operation("depthwise").steps if isinstance(one, AddConstant)).constant
    cause = found(with_step("depthwise", AddConstant, constant=constant + 3), "depthwise")
    assert cause.kind == "zero_point"
    assert cause.whole
    assert "+3" in cause.says


def test_padding_with_zero_instead_of_the_zero_point() -> None:
    one = operation("stem")
    assert one.zero_point != 0
    assert one.outside == 0
    cause = found(replace(one, outside=-one.zero_point), "stem")
    assert cause.kind == "padding"
    assert cause.whole
    assert f"the code around the image is 0, not {one.zero_point}" in cause.says


@pytest.mark.parametrize(("more", "said"), [(1, "1 more"), (-1, "1 less")])
def test_shift_off_by_one(more: int, said: str) -> None:
    step = next(
        one for one in operation("depthwise").steps if isinstance(one, ScaleFixed) and one.point == "requantize"
    )
    one = operation("depthwise")
    changed = replace(
        one, steps=tuple(replace(each, shift=each.shift + more) if each is step else each for each in one.steps)
    )
    cause = found(changed, "depthwise")
    assert cause.kind == "shift"
    assert cause.whole
    assert said in cause.says


def test_activation_left_out() -> None:
    one = operation("stem")
    constant = next(each for each in one.steps if isinstance(each, AddConstant)).constant
    raised = with_step("stem", AddConstant, constant=constant + 40)
    changed = replace(raised, steps=tuple(each for each in raised.steps if not isinstance(each, ClipLow)))
    result = hwsim.diff(run_with(raised), run_with(changed))
    assert result.first is not None
    assert result.first.name == "stem"
    assert result.causes[0].kind == "activation"
    assert result.causes[0].whole
    assert "the lower limit of the activation is absent, not 0" in result.causes[0].says


def test_zero_point_of_the_input() -> None:
    cause = found(replace(operation("logits"), zero_point=0), "logits")
    assert cause.whole
    assert cause.kind in ("input_zero_point", "bias")


def test_the_program_of_the_other_side() -> None:
    faulty = run_with(with_step("logits", ScaleFixed, rounding=Rounding.FLOOR))
    result = hwsim.diff(faulty.tensors, clean_run().tensors, program=clean())
    assert result.causes[0].kind == "rounding"
    assert "that gives A exactly" in result.causes[0].says
    assert "floor" in result.causes[0].says
    assert "the program gives B's 'logits'" in result.notes[0]


def test_a_program_that_gives_neither_side() -> None:
    made = {name: values.copy() for name, values in clean_run().tensors.items()}
    other = {name: values.copy() for name, values in made.items()}
    made["logits"][0, 0] += 1
    other["logits"][0, 1] -= 1
    result = hwsim.diff(made, other, program=clean())
    assert result.notes == ("the program gives neither side's 'logits' from its inputs",)
    assert result.causes[0].kind == "rounding"


def test_no_single_change_gives_the_other_side() -> None:
    made = {name: values.copy() for name, values in clean_run().tensors.items()}
    generator = np.random.default_rng(1)
    made["stem"] = made["stem"] + generator.integers(0, 2, made["stem"].shape).astype(np.int8) * (made["stem"] < 127)
    result = hwsim.diff(clean_run(), made)
    assert result.first is not None
    assert result.first.name == "stem"
    assert result.causes[0].kind == "rounding"
    assert "no other mode gives it, 0 of" in result.causes[0].says
    assert "no change of one thing in it gives B exactly, every rounding mode among them" in result.notes[0]


def test_what_cannot_be_run_again_is_said() -> None:
    faulty = run_with(with_step("logits", ScaleFixed, rounding=Rounding.FLOOR))
    few = {"logits": clean_run().tensors["logits"]}
    result = hwsim.diff(few, faulty.tensors, program=clean())
    assert result.causes[0].kind == "rounding"  # the input is among B's tensors
    result = hwsim.diff(few, {"logits": faulty.tensors["logits"]}, program=clean())
    assert result.notes == ("'logits' was not computed again: its input 'flat' is not among the tensors",)
    assert "unknown without the program" in result.causes[0].says
    wide = {"flat": clean_run().tensors["flat"].astype(np.int16) + 1000}
    result = hwsim.diff(few | wide, {"logits": faulty.tensors["logits"]} | wide, program=clean())
    assert "in the program it is s8" in result.notes[0]
    result = hwsim.diff({"x": np.zeros((2, 3), np.int8)}, {"x": np.ones((2, 3), np.int8)}, program=clean())
    assert result.notes == ("the program has no tensor 'x'",)
