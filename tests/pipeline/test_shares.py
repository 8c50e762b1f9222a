"""A mean and a softmax in fixed point inside a network: their rows whatever the parts of a run, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pipeline.tiny import dense, reals, rows_of, target_with

import hwsim
from hwsim.errors import PlanError, WidthError
from hwsim.network import Conv2D, Input, Mean, Multiply, Network, Operation, Relu, Reshape, Softmax
from hwsim.process import Criterion
from hwsim.target import Target
from hwsim_kernels.softmax import MOST_VALUES, POINTS

IMAGES = reals(70, 5, 4, 2, seed=3, width=4)


def classifier() -> Network:
    """Return a network with a mean, a product with it, and a softmax of pixels and of classes."""
    return Network(
        name="classifier",
        operations=(
            Input(name="image", shape=(5, 4, 2)),
            Conv2D(name="conv", inputs=("image",), kernel=reals(2, 2, 2, 6), bias=reals(6, seed=1), activation=Relu()),
            Softmax(name="pixels", inputs=("conv",), axis=2),
            Mean(name="mean", inputs=("conv",)),
            Multiply(name="gated", inputs=("conv", "mean")),
            Mean(name="whole", inputs=("gated",)),
            Reshape(name="flat", inputs=("whole",), shape=(6,)),
            dense("logits", "flat", 6, 5, seed=4),
            Softmax(name="classes", inputs=("logits",), axis=0),
        ),
        outputs=("pixels", "classes"),
    )


def single(*operations: Operation, shape: tuple[int, ...]) -> Network:
    """Return a network of one input ``x`` and operations one behind another."""
    return Network(
        name="single", operations=(Input(name="x", shape=shape), *operations), outputs=(operations[-1].name,)
    )


def plan_with(plan: hwsim.Plan, name: str, **fields: Any) -> hwsim.Plan:
    """Return a plan with other fields of a tensor."""
    changed = plan.tensors[name].model_copy(update=fields)
    return plan.model_copy(update={"tensors": {**plan.tensors, name: changed}})


FIXED = hwsim.load_target("tflite-int8")


def test_rows() -> None:
    result = hwsim.run(classifier(), FIXED, IMAGES)
    rows = rows_of(result.program.run(IMAGES).ledger)
    for layer in ("mean", "whole"):
        points = [point for one, point in rows if one == layer]
        assert points == ["accumulator", "left_shift", "high_multiply", "requantize", "output"]
        assert rows[layer, "accumulator"].values == 70 * 6 * 12
    for layer, values in (("pixels", 70 * 12 * 6), ("classes", 70 * 5)):
        assert tuple(point for one, point in rows if one == layer) == POINTS
        taken = rows[layer, "difference"].values
        assert [rows[layer, point].values for point in POINTS] == [taken, taken, taken, values]
        assert 0 < taken < values
        assert all(rows[layer, point].inexact > 0 for point in POINTS[1:])
        assert rows[layer, "difference"].inexact == 0  # 24 bits of a float32 scale outlast a shift by 31 less 24
        assert not any(rows[layer, point].hits for point in POINTS[:3])
        assert [str(rows[layer, point].point.format) for point in POINTS] == ["s32", "s32", "s32", "s8"]
    assert [rows["classes", point].point.unit[0] for point in POINTS] == [2.0**-26, 2.0**-19, 2.0**-31, 2.0**-8]
    shares = result.outputs["classes"]
    np.testing.assert_allclose(shares.sum(axis=-1), 1, atol=5 / 256)
    np.testing.assert_allclose(shares, result.reference["classes"], atol=0.2)


def test_parts_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    program = hwsim.run(classifier(), FIXED, IMAGES, reference=False).program
    whole = program.run(IMAGES, batch_size=70)
    for batch_size, threads in ((1, 1), (7, 4), (32, 2), (70, 3)):
        monkeypatch.setenv("HWSIM_THREADS", str(threads))
        part = program.run(IMAGES, batch_size=batch_size)
        assert part.ledger == whole.ledger
        for name in program.outputs:
            np.testing.assert_array_equal(part.codes[name], whole.codes[name])


def test_points_before_a_run() -> None:
    """They have the ledger's rows, and know what a softmax can lose without a plan."""
    result = hwsim.run(classifier(), FIXED, IMAGES)
    wanted = [(row.layer, row.point.name) for row in result.program.run(IMAGES[:1]).ledger]
    for found in (hwsim.truncation_points(classifier(), FIXED), hwsim.truncation_points(result, FIXED)):
        assert [(one.layer, one.point) for one in found.rows] == wanted
        known = {one.point: one for one in found.rows if one.layer == "classes"}
        assert [known[point].clamping for point in POINTS] == ["impossible"] * 3 + ["possible"]
        assert [known[point].rounding for point in POINTS] == ["half_up", "half_away", "half_up", "half_away"]
        assert [known[point].dropped_bits for point in POINTS] == [31, 12, 31, 34]
        total = next(one for one in found.rows if (one.layer, one.point) == ("mean", "accumulator"))
        assert (total.clamping, total.bits_needed) == ("impossible", 13)  # 12 codes of at most 255


def test_lifts() -> None:
    """A softmax is lifted to the host as a whole, a mean like any sum."""
    found = hwsim.negligible(classifier(), FIXED, IMAGES, criterion=Criterion(error=0.0), samples=20)
    shares = [one for one in found.rows if one.layer == "classes"]
    assert [(one.name, one.points, one.state) for one in shares] == [("softmax", POINTS, "matters")]
    assert shares[0].share is not None
    assert shares[0].share > 0
    names = {one.name: one.state for one in found.rows if one.layer == "mean"}
    assert names.keys() == {"accumulator", "requantize", "output"}
    assert names["accumulator"] == "nothing lost"


def test_a_narrow_sum_of_a_mean_is_lifted() -> None:
    target = target_with(pooling={"accumulator": {"bits": 9, "overflow": "saturate"}})
    found = hwsim.negligible(classifier(), target, IMAGES, criterion=Criterion(error=0.0), samples=20)
    (sums,) = [one for one in found.rows if (one.layer, one.name) == ("whole", "accumulator")]
    assert sums.state == "matters"


def test_characteristics() -> None:
    """A mean has no weights to store and nothing to multiply."""
    costs = {one.layer: one for one in hwsim.characteristics(hwsim.run(classifier(), FIXED, IMAGES)).layers}
    assert (costs["mean"].macs, costs["mean"].weight_bits, costs["conv"].macs) == (0, 0, 12 * 6 * 8)


# Refused


def refused(network: Network, target: Target, plan: hwsim.Plan) -> str:
    """Return why a plan is refused."""
    with pytest.raises(PlanError) as caught:
        hwsim.lower(network, plan, target)
    return str(caught.value)


def test_formats_and_scales_of_a_softmax() -> None:
    network = single(Softmax(name="y", inputs=("x",), axis=0), shape=(4,))
    plan = hwsim.run(network, FIXED, reals(9, 4), reference=False).plan
    for name, fields in (
        ("x", {"bits": 7}),
        ("x", {"signed": False, "zero_point": 0}),
        ("x", {"narrow": True, "zero_point": 0}),
        ("x", {"zero_point": 0, "shift": (0, 0, 1, 0)}),
        ("y", {"scale": 2.0**-7}),
        ("y", {"zero_point": 0}),
        ("y", {"zero_point": -128, "levels": tuple(range(-128, 128))}),
    ):
        message = refused(network, FIXED, plan_with(plan, name, **fields))
        assert message.startswith("y: a softmax in fixed point takes codes of s8 and gives codes of s8"), fields
    least = 2.0**-26
    assert "takes an input scale above 2^-26; the plan has 1.49" in refused(
        network, FIXED, plan_with(plan, "x", scale=least)
    )
    for scale in (np.nextafter(least, 1.0), 1e30):
        hwsim.lower(network, plan_with(plan, "x", scale=float(scale)), FIXED)


def test_formats_and_scales_of_a_softmax_of_16_bits() -> None:
    network = single(Softmax(name="y", inputs=("x",), axis=0), shape=(4,))
    target = target_with(activations={"bits": 16, "symmetric": True}, softmax={"run_on": "interpolated"})
    plan = hwsim.run(network, target, reals(9, 4), reference=False).plan
    assert (plan.tensors["y"].scale, plan.tensors["y"].zero_point, plan.tensors["y"].bits) == (2.0**-15, 0, 16)
    for name, fields in (
        ("x", {"bits": 15}),
        ("x", {"signed": False}),
        ("x", {"narrow": True}),
        ("y", {"scale": 2.0**-14}),
        ("y", {"zero_point": 1}),
    ):
        message = refused(network, target, plan_with(plan, name, **fields))
        assert message.startswith("y: a softmax by lines of two tables takes codes of s16 and gives codes of s16"), (
            fields
        )
        assert "the scale 1/32768 and the zero point 0" in message
    # differences of 16 bits times less than 2^15, the quotient by 10 / 65535 below 32768
    hwsim.lower(network, plan_with(plan, "x", scale=5.0), target)
    for scale in (5.0001, 1e-14):
        message = refused(network, target, plan_with(plan, "x", scale=scale))
        assert message.startswith(
            "y: a softmax by lines of two tables multiplies differences of codes by less than 2^15"
        )


def test_a_line_too_long() -> None:
    for size in (MOST_VALUES, MOST_VALUES + 1):
        network = single(Softmax(name="y", inputs=("x",), axis=0), shape=(size, 1))
        if size == MOST_VALUES:
            hwsim.run(network, FIXED, reals(1, size, 1), reference=False)
            continue
        with pytest.raises(WidthError, match="^y: a sum of 4096 powers, 4095 fit 32 bits$"):
            hwsim.run(network, FIXED, reals(1, size, 1), reference=False)


def test_a_ratio_that_float32_does_not_hold() -> None:
    network = single(Multiply(name="y", inputs=("x", "x")), shape=(4,))
    plan = hwsim.run(network, FIXED, reals(9, 4), reference=False).plan
    message = refused(network, FIXED, plan_with(plan, "x", scale=2.0**-80))
    assert message.startswith("y: the ratio of the scales ")
    assert message.endswith("is 0.0 in float32")


def test_a_mean_without_a_ratio() -> None:
    """A target that does not rescale gives the mean the scale of a sum divided by its number."""
    network = single(Mean(name="y", inputs=("x",)), shape=(3, 2, 4))
    forms = {"activations": {"symmetric": True, "bits": 12}, "weights": {"granularity": "layer"}}
    target = target_with(requantize={"kind": "none"}, **forms)
    result = hwsim.run(network, target, reals(9, 3, 2, 4, width=0.1))
    scale = result.plan.tensors["y"].scale
    assert scale == result.plan.tensors["x"].scale / 6
    wanted = np.clip(result.reference, -2048 * scale, 2047 * scale)  # 12 bits do not hold every sum
    np.testing.assert_allclose(result.outputs, wanted, atol=3.5 * scale)
    message = refused(network, target, plan_with(result.plan, "y", scale=1.0))
    assert message.startswith("y: the target does not requantise by the ratio of scales")
