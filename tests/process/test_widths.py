"""Finer codes for values that the coarse ones hold exactly: nothing may change, whatever the sums lose on their way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pipeline.tiny import dense, image_network, reals, target_with, vector_network

import hwsim
from hwsim.network import Add, Conv2D, Dense, Input, Multiply, Network, Operation
from hwsim.quantize import Plan
from hwsim.target import Target
from hwsim.trial import Lift, apply_all, lifts
from hwsim.trial.finer import finer_codes

Json = dict[str, Any]


def on_grid(network: Network, plan: Plan) -> Network:
    """Return a network whose weights are just what the plan's codes of 8 bits hold."""
    changed: list[Operation] = []
    for one in network.operations:
        if isinstance(one, Conv2D | Dense):
            scale = np.asarray(plan.weights[one.name].scale)
            codes = np.clip(np.rint(one.kernel / scale), -127, 127)
            changed.append(replace(one, kernel=(codes * scale).astype(np.float32)))
        else:
            changed.append(one)
    return Network(name=network.name, operations=tuple(changed), outputs=network.outputs)


def case(network: Network, target: Target, count: int = 12) -> tuple[Network, Plan, list[np.ndarray]]:
    """Return the network with weights, and samples, that the plan holds exactly: scales are powers of two."""
    rough = [reals(count, *one.shape, seed=3 + number) for number, one in enumerate(network.inputs)]
    plan = hwsim.decide(network, hwsim.profile(network, rough), target)
    samples = []
    for one, values in zip(network.inputs, rough, strict=True):
        entry = plan.tensors[one.name]
        codes = np.clip(np.rint(values / entry.scale), entry.format.minimum, entry.format.maximum)
        samples.append((codes * entry.scale).astype(np.float32))
    return on_grid(network, plan), plan, samples


POWERS: Json = {
    "weights": {"bits": 8, "narrow": True, "step": "power_of_two"},
    "activations": {"bits": 8, "step": "power_of_two"},
}
STEPS: list[Json] = [
    {"step": "shift_right", "by": 3, "rounding": "half_away"},
    {"step": "fit", "bits": 12, "overflow": "wrap", "name": "early"},
    {"step": "multiply", "bits": 16},
    {"step": "shift_right", "rounding": "half_up", "name": "convert"},
    {"step": "fit", "bits": 9, "overflow": "saturate", "name": "late"},
]
WRAP: Json = {"bits": 11, "overflow": "wrap"}
SECTIONS: dict[str, Json] = {
    "each": {"mac": {"stages": [{"name": "accumulator", **WRAP}]}, "bias": {"bits": 11}},
    "last": {"mac": {"stages": [{"name": "accumulator", **WRAP, "check": "last"}]}, "bias": {"bits": 11}},
    "dropping": {"mac": {"stages": [{"name": "accumulator", **WRAP, "shift": 2}]}, "bias": {"bits": 11}},
    "product": {
        "mac": {
            "product": {"bits": 12, "shift": 3, "rounding": "floor"},
            "stages": [{"name": "inner", "terms": 4, **WRAP, "shape": "tree"}, {"name": "outer", **WRAP}],
        },
        "bias": {"bits": 11, "position": "last"},
    },
    "narrow product": {"mac": {"product": {"bits": 12}, "stages": [{"name": "outer", **WRAP}]}, "bias": {"bits": 11}},
    "reduced": {"requantize": {"kind": "fixed_double"}},
    "float": {
        "requantize": {"kind": "float32"},
        "mac": {"stages": [{"name": "accumulator", **WRAP}]},
        "bias": {"bits": 9},
    },
    "shift": {"bias": {"bits": 9, "shift": 2}, "mac": {"stages": [{"name": "accumulator", **WRAP}]}},
    "steps": {
        "operations": {
            kind: {"requantize": {"kind": "steps", "steps": STEPS}} for kind in ("conv2d", "depthwise_conv2d", "dense")
        }
    },
    "narrow additions": {
        "addition": {"left_shift": 4, "accumulator": {"bits": 10, "overflow": "wrap"}},
        "pooling": {"accumulator": {"bits": 8, "overflow": "wrap"}},
    },
    "wide additions": {"addition": {"left_shift": 10, "accumulator": {"bits": 16, "overflow": "wrap"}}},
    "weighted": {"addition": {"kind": "weighted", "multiplier_bits": 16, "accumulator": {"bits": 20}}},
    "in float32": {
        "addition": {"kind": "float32"},
        "concatenation": {"kind": "float32"},
        "pooling": {"average": "float32"},
    },
}


@pytest.mark.parametrize("name", SECTIONS)
def test_finer_codes_alone_change_nothing(name: str) -> None:
    target = target_with(**{**POWERS, **SECTIONS[name]})
    network, plan, samples = case(image_network(), target)
    base = hwsim.lower(network, plan, target)
    before = base.run(samples[0])
    free = [one for one in lifts(network, base, target) if one.name in ("weight", "input")]
    assert {one.layer for one in free} == {"image", "stem", "depthwise", "logits"}
    for some in ([one] for one in free):
        finer, changed = apply_all(some, network, plan, target)
        after = hwsim.lower(network, finer, changed).run(samples[0])
        assert finer != plan
        assert np.array_equal(after.codes["logits"], before.codes["logits"]), some
    together = hwsim.lower(network, *apply_all(free, network, plan, target)).run(samples[0])
    assert np.array_equal(together.codes["logits"], before.codes["logits"])
    lost = {row.layer for row in before.ledger if row.hits and row.point.stage}
    assert lost or name in ("reduced", "steps", "wide additions", "weighted", "in float32")


def test_finer_inputs_of_products_and_sums_change_nothing() -> None:
    network = Network(
        name="meet",
        operations=(
            Input(name="a", shape=(5,)),
            Input(name="b", shape=(5,)),
            Multiply(name="product", inputs=("a", "b")),
            Add(name="sum", inputs=("product", "a")),
            dense("logits", "sum", 5, 3),
        ),
        outputs=("logits",),
    )
    target = target_with(
        **POWERS,
        multiplication={"product": {"bits": 8, "shift": 4, "rounding": "half_up", "overflow": "wrap"}},
        addition={"left_shift": 3, "accumulator": {"bits": 8, "overflow": "wrap"}},
    )
    network, plan, samples = case(network, target, 200)
    base = hwsim.lower(network, plan, target)
    before = base.run(samples)
    lost = {(row.layer, row.point.name): row.hits > 0 for row in before.ledger}
    assert lost["product", "product"] and lost["sum", "accumulator"]
    for some in (["a"], ["b"], ["a", "b"]):
        free = [one for one in lifts(network, base, target) if one.layer in some]
        after = hwsim.lower(network, *apply_all(free, network, plan, target)).run(samples)
        assert np.array_equal(after.codes["logits"], before.codes["logits"])


@pytest.mark.parametrize("steps", [[], [{"step": "shift_right", "by": 5, "rounding": "half_up"}]])
def test_targets_with_a_ratio_of_their_own_keep_it(steps: list[Json]) -> None:
    target = target_with(
        weights={**POWERS["weights"], "granularity": "layer"},
        activations={**POWERS["activations"], "symmetric": True},
        mac={"stages": [{"name": "accumulator", "bits": 13, "overflow": "wrap"}]},
        bias={"bits": 13},
        requantize={"kind": "steps", "steps": steps} if steps else {"kind": "none"},
    )
    network, plan, samples = case(vector_network(), target, 100)
    base = hwsim.lower(network, plan, target)
    before = base.run(samples)
    assert any(row.hits for row in before.ledger)
    free = [one for one in lifts(network, base, target) if one.name in ("weight", "input")]
    for some in (free[:1], free[1:], free):
        after = hwsim.lower(network, *apply_all(some, network, plan, target)).run(samples)
        assert np.array_equal(after.codes["fc"], before.codes["fc"])


def test_lifted_product_that_dropped_nothing_changes_nothing() -> None:
    product = {"bits": 12, "shift": 3, "rounding": "floor"}
    target = target_with(
        **POWERS,
        mac={"product": product, "stages": [{"name": "accumulator", "bits": 9, "overflow": "wrap"}]},
        bias={"bits": 9},
    )
    network, plan, samples = case(vector_network(), target, 100)
    eighths = [8 * np.rint(one / plan.tensors["x"].scale / 8) * plan.tensors["x"].scale for one in samples]
    base = hwsim.lower(network, plan, target)
    before = base.run(eighths)
    rows = {row.point.name: row for row in before.ledger}
    assert not rows["product"].inexact and not rows["product"].hits and rows["accumulator"].hits
    [lift] = [one for one in lifts(network, base, target) if one.name == "product"]
    after = hwsim.lower(network, *lift.apply(network, plan, target)).run(eighths)
    assert np.array_equal(after.codes["fc"], before.codes["fc"])


def test_saturation_stays_where_it_was() -> None:
    target = target_with(
        **POWERS, mac={"stages": [{"name": "accumulator", "bits": 10, "overflow": "saturate"}]}, bias={"bits": 10}
    )
    network, plan, samples = case(image_network(), target)
    base = hwsim.lower(network, plan, target)
    free: list[Lift] = [one for one in lifts(network, base, target) if one.name in ("weight", "input")]
    finer = hwsim.lower(network, *apply_all(free, network, plan, target)).run(samples[0])
    before = base.run(samples[0])
    assert any(row.hits for row in before.ledger if row.point.name == "accumulator")
    # the largest code of a finer word is nearer to the power of two above it, by less than an LSB of the coarse word
    apart = np.abs(finer.codes["logits"].astype(int) - before.codes["logits"])
    assert apart.max() <= 2
    for one in finer.ledger:
        if one.point.name == "accumulator" and one.layer in ("stem", "depthwise", "logits") and one.point.format:
            bits = {"stem": 14, "depthwise": 7, "logits": 7}[one.layer]
            assert one.point.format.bits == 10 + bits


@pytest.mark.parametrize(("factor", "finer"), [(0.5, 7), (2.0, 7), (3.0, 6), (1000.0, -2), (1e6, -12)])
def test_finer_codes_hold_what_was_seen(factor: float, finer: int) -> None:
    entry = hwsim.Plan.model_validate(
        {
            "network": "n",
            "target": "t",
            "tensors": {"x": {"bits": 8, "signed": True, "scale": 0.5, "zero_point": 0}},
            "weights": {},
        }
    ).tensors["x"]
    reach = 127 * 0.5 * factor
    made = finer_codes(entry, (-reach, reach))
    assert made.scale == 0.5 / 2.0**finer
    assert made.format.maximum * made.scale >= reach
    assert made.format.maximum * made.scale / 2 < reach or finer == 7
