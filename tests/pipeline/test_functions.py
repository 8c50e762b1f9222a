"""Curves, resizes, rearrangements, constants and matrix products that cannot be: said what, where and why."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from pipeline.every_function import DATA, function_network
from pipeline.test_oracle_agreement import Case, agree
from pipeline.tiny import Json, reals, rows_of, target_with

import hwsim
from hwsim.errors import PlanError
from hwsim.network import (
    Activation,
    Add,
    Constant,
    Curve,
    Input,
    MatMul,
    Multiply,
    Network,
    Operation,
    Rearrange,
    Relu,
    Resize,
    Subtract,
)

INPUTS = (Input(name="x", shape=(2, 3, 4)), Input(name="y", shape=(4,)))


def network(*operations: Operation) -> Network:
    """Return a network of the inputs ``x`` (2, 3, 4) and ``y`` (4,) and of operations."""
    return Network(name="n", operations=(*INPUTS, *operations), outputs=(operations[-1].name,))


def picks(*index: int) -> Rearrange:
    """Return a rearrangement of ``x`` along one axis."""
    return Rearrange(name="r", inputs=("x",), index=np.array(index, np.int64))


MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "no such function": (
        lambda: Curve(name="c", inputs=("x",), function="sigmoide"),
        "c: no such function as 'sigmoide'; there are abs, celu, cos, ",
    ),
    "a parameter too few": (lambda: Curve(name="c", function="elu"), "c: elu does not take 0 parameters"),
    "a parameter too many": (
        lambda: Curve(name="c", function="tanh", parameters=(1.0,)),
        "c: tanh does not take 1 parameters",
    ),
    "an index behind the end": (lambda: network(picks(0, 24)), "r: picks values 0 to 24 of 24"),
    "an index before the fill": (lambda: network(picks(-2, 3)), "r: picks values -2 to 3 of 24"),
    "no index": (lambda: network(picks()), "r: picks values 0 to -1 of 24"),
    "an endless fill": (
        lambda: Rearrange(name="r", inputs=("x",), index=np.zeros(1, np.int64), fill=float("inf")),
        "r: fills in inf, which no code stands for",
    ),
    "a size of nothing": (lambda: Resize(name="r", size=(0, 3)), "r: cannot resize to 0 rows and 3 columns"),
    "corners and centres": (
        lambda: Resize(name="r", size=(2, 2), align_corners=True),
        "r: align_corners and half_pixel exclude each other",
    ),
    "a resize of one axis": (
        lambda: network(Resize(name="r", inputs=("y",), size=(2, 2))),
        "r: resize needs an input (h, w, c), got (4,)",
    ),
    "three terms of a difference": (
        lambda: network(Subtract(name="s", inputs=("x", "x", "x"))),
        "s: subtract needs two inputs, got [(2, 3, 4), (2, 3, 4), (2, 3, 4)]",
    ),
    "one term of a difference": (
        lambda: network(Subtract(name="s", inputs=("x",))),
        "s: subtract needs two inputs, got [(2, 3, 4)]",
    ),
    "one factor": (lambda: network(Multiply(name="m", inputs=("y",))), "m: multiply needs two inputs, got [(4,)]"),
    "terms of other sizes": (
        lambda: network(Constant(name="c", inputs=("x",), values=np.ones((2, 2, 4))), Add(name="a", inputs=("x", "c"))),
        "a: add needs inputs alike but for axes of size 1, got (2, 3, 4), (2, 2, 4)",
    ),
    "terms of other ranks": (
        lambda: network(Subtract(name="s", inputs=("x", "y"))),
        "s: subtract needs inputs alike but for axes of size 1, got (2, 3, 4), (4,)",
    ),
    "matrices that do not fit": (
        lambda: network(MatMul(name="m", inputs=("x", "x"))),
        "m: matmul needs two inputs (…, rows, depth), (…, depth, columns), got ((2, 3, 4), (2, 3, 4))",
    ),
    "both matrices turned": (
        lambda: network(MatMul(name="m", inputs=("x", "x"), transpose=(True, True))),
        "m: matmul needs two inputs",
    ),
    "a vector for a matrix": (lambda: network(MatMul(name="m", inputs=("x", "y"))), "m: matmul needs two inputs"),
    "one matrix": (lambda: network(MatMul(name="m", inputs=("x",))), "m: matmul needs two inputs"),
    "a constant without an axis": (
        lambda: Constant(name="c", inputs=("x",), values=np.array(1.0)),
        "c: a constant needs finite values along at least one axis",
    ),
    "a constant that is not finite": (
        lambda: Constant(name="c", inputs=("x",), values=np.array([1.0, np.nan])),
        "c: a constant needs finite values along at least one axis",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_cannot_be(mistake: str) -> None:
    make, message = MISTAKES[mistake]
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        make()


def single(operation: Operation) -> Network:
    """Return a network of one operation on ``x`` (2, 3, 4)."""
    return Network(name="n", operations=(INPUTS[0], operation), outputs=(operation.name,))


def refusal(operation: Operation, **sections: Json) -> str:
    """Return why a target cannot run an operation."""
    with pytest.raises(PlanError) as caught:
        hwsim.run(single(operation), target_with(**sections), reals(5, 2, 3, 4), reference=False)
    return str(caught.value)


SHIFTED: Json = {"activations": {"symmetric": True, "step": "power_of_two", "granularity": "channel", "shift_bits": 2}}


def test_hard_silu_in_fixed_point_takes_8_bits() -> None:
    curve = Curve(name="c", inputs=("x",), function="hard_silu")
    message = refusal(curve, activations={"bits": 9}, curve={"hard_silu": "fixed"})
    assert message == "c: curve.hard_silu fixed takes codes of at most 8 bits, not 9; set curve.hard_silu: table"


def test_a_table_for_millions_of_codes() -> None:
    wide: Json = {**SHIFTED["activations"], "bits": 13}
    values = reals(5, 2, 70) * np.float32(2) ** -np.arange(70, dtype=np.float32)
    curve = Curve(name="c", inputs=("x",), function="tanh")
    many = Network(name="n", operations=(Input(name="x", shape=(2, 70)), curve), outputs=("c",))
    with pytest.raises(
        PlanError, match="c: needs 70 tables of 65536 entries, at most 4194304 in all are possible; set"
    ):
        hwsim.run(many, target_with(activations=wide), values, reference=False)
    lines = target_with(activations=wide, curve={"form": "interpolated"})
    assert hwsim.run(many, lines, values).codes.shape == values.shape


LAYER: Json = {"granularity": "layer", "symmetric": True}


def test_a_slope_apart_needs_a_ratio() -> None:
    leaky = Activation(name="a", inputs=("x",), function=Relu(negative_slope=0.5))
    fixed: Json = {"kind": "steps", "steps": [{"step": "shift_right", "by": 1}]}
    sections: Json = {"activation": {"slope": "apart"}, "activations": {"symmetric": True}, "weights": LAYER}
    message = refusal(leaky, requantize=fixed, **sections)
    assert message == (
        "a: activation.slope apart makes the slope 0.5 part of a ratio, but nothing in requantize goes by ratio"
    )


def test_a_shift_cannot_follow_a_slope() -> None:
    leaky = Activation(name="a", inputs=("x",), function=Relu(negative_slope=0.3))
    sections: Json = {"activation": {"slope": "apart"}, "requantize": {"kind": "power_of_two"}}
    message = refusal(leaky, weights={"step": "power_of_two"}, activations={"step": "power_of_two"}, **sections)
    assert re.match(r"a: the plan asks for a ratio of [\d.]+, the target shifts by powers of two", message)


def test_only_zeros_are_filled_in_between_levels_or_shifts() -> None:
    index = np.array([[[0, 1, 2, 3]], [[-1, -1, -1, -1]]], np.int64)
    filled = Rearrange(name="r", inputs=("x",), index=index, fill=0.5)
    for activations in (SHIFTED["activations"], {"step": "quadratic", "bits": 4, "symmetric": True}):
        message = refusal(filled, activations=activations)
        assert message == "r: fills in 0.5 where codes are no plain integers"
        zeros = Rearrange(name="r", inputs=("x",), index=index)
        assert hwsim.run(single(zeros), target_with(activations=activations), reals(5, 2, 3, 4)).codes.shape == (
            5,
            2,
            1,
            4,
        )


def test_channels_with_scales_of_their_own_are_not_mixed() -> None:
    turned = Rearrange(name="r", inputs=("x",), index=np.arange(24, dtype=np.int64).reshape(2, 3, 4).T.copy())
    message = refusal(turned, **SHIFTED)
    assert message.startswith("r: mixes 4 channels, which have scales of their own; give 'x' activations.granularity")


@pytest.mark.parametrize(
    ("activations", "bits"),
    [
        ({"bits": 4, "narrow": True, "symmetric": True}, 2),
        ({"bits": 8, "narrow": True, "symmetric": True}, 3),
        ({"bits": 8, "signed": False}, 3),
    ],
)
def test_lines_reach_the_highest_code(activations: Json, bits: int) -> None:
    # the identity read between entries is the identity, at both ends of a format too
    curve = Curve(name="c", inputs=("x",), function="soft_shrink", parameters=(0.0,))
    target = target_with(activations=activations, curve={"form": "interpolated", "index_bits": bits})
    values = np.abs(reals(5, 2, 3, 4)) if activations.get("signed") is False else reals(5, 2, 3, 4)
    result = hwsim.run(single(curve), target, values)
    codes = result.program.run(values, trace=("x",)).codes["c"]
    scale = result.plan.tensors["x"].scale
    assert scale == pytest.approx(result.plan.tensors["c"].scale)
    assert np.abs(codes - np.rint(values / scale)).max() <= 1
    assert codes.max() == np.rint(values / scale).max()


def test_pixels_beyond_the_last_one_are_the_last_one() -> None:
    # with one bit a step of 2 / 6 is rounded up to 1 / 2, which carries beyond the image
    resized = Resize(name="r", inputs=("x",), size=(6, 3), half_pixel=False)
    target = target_with(resize={"fraction_bits": 1})
    values = reals(5, 2, 3, 4)
    codes = hwsim.run(single(resized), target, values).codes
    np.testing.assert_array_equal(codes[:, 2:], np.repeat(codes[:, 2:3], 4, axis=1))


@pytest.mark.parametrize("form", ["table", "interpolated", "corrected"])
@pytest.mark.parametrize("width", [2.0**-4, 1.0, 30.0])
def test_gates_of_16_bits_are_those_of_the_oracle(width: float, form: str) -> None:
    operations = (
        INPUTS[0],
        Curve(name="s", inputs=("x",), function="sigmoid"),
        Curve(name="t", inputs=("x",), function="tanh"),
        Curve(name="twice", inputs=("t",), function="tanh"),
    )
    network = Network(name="gates", operations=operations, outputs=("s", "twice"))
    wide: Json = {"bits": 16, "symmetric": True, "step": "power_of_two" if width == 1.0 else "uniform"}
    target = target_with(activations=wide, curve={"gates": "fixed", "form": form})
    data = reals(5, 2, 3, 4, width=width)
    result = hwsim.run(network, target, data, reference=False)
    agree(Case(network, target, result.plan, result.program, [data], 2))


def test_everything_is_counted_once_for_each_value() -> None:
    rows = rows_of(hwsim.run(function_network(), target_with(activation={"slope": "apart"}), DATA).ledger)
    values = {key: int(row.values) for key, row in rows.items()}
    assert values["shelf", "constant"] == 2
    assert values["gate", "curve"] == values["gate", "output"] == 6 * 32
    assert values["leaky", "input"] == values["leaky", "accumulator"] == 2 * 6 * 32
    assert values["large", "interpolation"] == 6 * 36
    assert values["product", "output"] == 6 * 4
