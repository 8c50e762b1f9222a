"""Curves, resizes, constants and matrix products: what is told before and after runs, improved, lifted, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.every_function import DATA, LINES, SECTIONS, function_network
from pipeline.tiny import Json, dense, reals, target_with

import hwsim
from hwsim.errors import ModelError
from hwsim.improve import TECHNIQUES
from hwsim.network import Input, Network, Operation, Shape, Subtract
from hwsim.target import Target
from hwsim.train import fake_quantize, keras_model, through
from hwsim.trial import apply_all, lifts

STAGED: Json = {
    "mac": {
        "product": {"bits": 12, "shift": 2, "rounding": "floor"},
        "stages": [
            {"name": "tree", "bits": 10, "terms": 4, "shape": "tree"},
            {"name": "total", "bits": 11, "overflow": "wrap"},
        ],
    },
    "bias": {"bits": 11},
}


def narrow(bits: int) -> Target:
    """Return a target whose sums have ``bits``."""
    stages = [{"name": "accumulator", "bits": bits, "overflow": "saturate"}]
    sums: Json = {"mac": {"stages": stages}, "bias": {"bits": bits}, "addition": {"accumulator": {"bits": bits}}}
    return target_with(**sums, **SECTIONS)


@given(bits=st.integers(11, 20), seed=st.integers(0, 2**16), width=st.sampled_from([0.1, 1.0, 30.0]))
@settings(max_examples=10, deadline=None)
def test_what_cannot_be_lost_is_never_lost(bits: int, seed: int, width: float) -> None:
    network, target = function_network(), narrow(bits)
    result = hwsim.run(network, target, DATA, reference=False)
    with_plan = {(one.layer, one.point): one for one in hwsim.truncation_points(result, target).rows}
    without = {(one.layer, one.point): one for one in hwsim.truncation_points(network, target).rows}
    ledger = result.program.run(reals(8, 4, 4, 2, seed=seed, width=width)).ledger
    rows = {(row.layer, row.point.name): row for row in ledger}
    assert list(rows) == list(with_plan) == list(without)
    for key, row in rows.items():
        # without a plan the biases of layers with weights are left aside
        known = [with_plan[key]] if row.kind in ("conv2d", "dense") else [with_plan[key], without[key]]
        assert not row.hits or "impossible" not in [one.clamping for one in known], key
        assert with_plan[key].round_off != "none" or not row.inexact, key


def test_a_difference_is_as_wide_as_both_of_its_terms() -> None:
    operations = (Input(name="x", shape=(4,)), Subtract(name="s", inputs=("x", "x")))
    network = Network(name="n", operations=operations, outputs=("s",))
    activations: Json = {"bits": 8, "signed": False, "symmetric": True}
    for bits, clamping in ((10, "impossible"), (9, "possible")):
        addition: Json = {"left_shift": 1, "accumulator": {"bits": bits, "signed": True}}
        rows = hwsim.truncation_points(network, target_with(activations=activations, addition=addition)).rows
        found = next(one for one in rows if one.point == "accumulator")
        # each term is at most half of 2 * 255, rounded to 256, so that their difference goes from -256 to 256
        assert (found.bits_needed, found.clamping) == (10, clamping)


@pytest.mark.parametrize("point", ["product", "tree", "total"])
def test_lifted_sums_of_matrices_lose_nothing_any_more(point: str) -> None:
    network, target = function_network(), target_with(**STAGED)
    plan = hwsim.run(network, target, DATA, reference=False).plan
    base = hwsim.lower(network, plan, target)
    (lift,) = (one for one in lifts(network, base, target) if (one.layer, one.name) == ("product", point))

    def lost(ledger: hwsim.Ledger) -> int:
        rows = [row for row in ledger if (row.layer, row.point.name) == ("product", point)]
        assert rows or point == "product"
        return sum(int(row.hits) + int(row.inexact) for row in rows)

    assert lost(base.run(DATA * 30).ledger) > 0
    assert lost(hwsim.lower(network, *apply_all([lift], network, plan, target)).run(DATA * 30).ledger) == 0


def test_a_lifted_curve_has_an_entry_for_each_code() -> None:
    network, target = function_network(), target_with(**LINES)
    plan = hwsim.run(network, target, DATA, reference=False).plan
    base = hwsim.lower(network, plan, target)
    group = [one for one in lifts(network, base, target) if one.name == "curve"]
    assert [one.layer for one in group] == ["gate", "hard"]
    lifted = hwsim.lower(network, *apply_all(group, network, plan, target)).run(DATA)
    whole = hwsim.lower(network, plan, target_with(curve={"rounding": "half_even"})).run(DATA)
    np.testing.assert_array_equal(lifted.codes["logits"], whole.codes["logits"])


def test_what_no_lift_can_show_says_why() -> None:
    network, target = function_network(), target_with(activation={"slope": "apart"})
    plan = hwsim.run(network, target, DATA, reference=False).plan
    found = {(one.layer, one.name): one.obstacle for one in lifts(network, hwsim.lower(network, plan, target), target)}
    assert found["gate", "curve"].startswith("an entry must be a code")
    assert found["large", "interpolation"].startswith("a pixel must be a code")
    assert found["large", "output"] == "a resize keeps its input's codes"
    assert found["leaky", "accumulator"] == "it has 64 bits already"
    assert found["shelf", "constant"] == ""


@pytest.mark.parametrize(
    "sections",
    [pytest.param(SECTIONS, marks=pytest.mark.slow), LINES, pytest.param(STAGED, marks=pytest.mark.slow)],
    ids=["apart", "lines", "staged"],
)
def test_every_point_is_judged(sections: Json) -> None:
    network, target = function_network(), target_with(**sections)
    result = hwsim.run(network, target, DATA)
    found = hwsim.negligible(result, target, DATA)
    points = {(row.layer, point) for row in found.rows for point in row.points}
    lossy = {(row.layer, row.point.name) for row in result.ledger if row.hits or row.inexact}
    assert lossy <= points
    assert not [row for row in found.rows if "requantize.rule" in row.how]
    assert str(found)


def test_what_matrix_products_and_constants_cost() -> None:
    result = hwsim.run(function_network(), target_with(), DATA)
    costs = {one.layer: one for one in hwsim.characteristics(result).layers}
    assert costs["product"].macs == 2 * 18 * 2
    assert (costs["shelf"].float_parameter_bits, costs["shelf"].weight_bits) == (2 * 32, 2 * 8)
    assert costs["gate"].constant_bits == 256 * 8
    assert costs["turned"].macs == costs["large"].macs == 0


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_techniques_leave_the_float_network_as_it_is(technique: str) -> None:
    target = target_with(weights={"bits": 4, "granularity": "layer"})
    plain = hwsim.run(function_network(), target, DATA)
    better = hwsim.run(function_network(), target, DATA, techniques=(technique,))
    np.testing.assert_allclose(better.reference, plain.reference, rtol=0, atol=1e-5)
    assert better.codes.shape == plain.codes.shape


def test_reports_hold_every_layer() -> None:
    result = hwsim.run(function_network(), target_with(**SECTIONS), DATA)
    names = [one.name for one in function_network().operations]
    assert [one.name for one in result.report.layers] == names
    assert all(name in str(result.report) for name in names)


@dataclass(frozen=True, kw_only=True, eq=False)
class New(Operation):
    """An operation that no room knows."""

    kind: ClassVar[str] = "new"

    def output_shape(self, *inputs: Shape) -> Shape:
        """Return the shape of the input."""
        return inputs[0]


@pytest.mark.parametrize("what", ["float", "fake", "through"])
def test_training_names_all_that_it_cannot_take(what: str) -> None:
    source = Input(name="x", shape=(4,))
    operations = (source, New(name="one", inputs=("x",)), dense("fc", "one", 4, 2), New(name="two", inputs=("fc",)))
    network, target = Network(name="other", operations=operations, outputs=("two",)), target_with()
    plan = hwsim.Plan(network="other", target="made", tensors={}, weights={})
    with pytest.raises(ModelError) as caught:
        if what == "float":
            keras_model(network)
        elif what == "fake":
            fake_quantize(network, plan, target=target)
        else:
            through(network, target, plan)
    expected = "hwsim.train has no layer for these operations of other:\n  one: new\n  two: new"
    assert str(caught.value) == expected
