"""Proposals against an exhaustive search, and what they promise: a tolerance kept, and YAML that gives the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.tiny import DIGITS, IMAGES, narrow_target, target_with, vector_network
from process.cases import bits_of, everything, network, samples, some

import hwsim
from hwsim.errors import DataError, HwsimError
from hwsim.network import Network, Weighted
from hwsim.process import Storage
from hwsim.quantize.decide import kernel_of
from hwsim.target import Target

WIDTHS = {
    ("stem", "weights"): (5, 3),
    ("depthwise", "weights"): (3,),
    ("join", "activations"): (6, 4),
    ("logits", "weights"): (5, 3),
}


def sqnr(result: hwsim.Result) -> float:
    """Return the SQNR of a run's results in dB, by NumPy alone."""
    exact = result.reference.astype(np.float64)
    return float(10 * np.log10(np.sum(exact**2) / np.sum((result.outputs - exact) ** 2)))


def test_proposal_is_near_the_optimum_of_an_exhaustive_search() -> None:
    for seed in (0, 2, 4):
        small, data = network(seed), samples()
        tried = list(everything(small, {"name": "made"}, data, WIDTHS))
        for tolerance in (20.0, 30.0):
            best = min(cost for ratio, cost in tried if ratio >= tolerance)
            found = hwsim.propose(
                small, target_with(), data, tolerance=hwsim.Tolerance(sqnr=tolerance), choices=some(WIDTHS)
            )
            assert found.holds
            assert sqnr(found.result) >= tolerance
            assert best <= found.cost <= 1.05 * best < found.cost_before


def test_cost_is_what_the_proposed_plan_stores() -> None:
    small = network()
    found = hwsim.propose(small, target_with(), samples(), tolerance=hwsim.Tolerance(sqnr=20.0), choices=some(WIDTHS))
    assert found.cost == bits_of(small, found.result.plan)
    assert found.cost_before == bits_of(small, hwsim.run(small, target_with(), samples()).plan)


def test_pasted_yaml_gives_the_same_result() -> None:
    base: dict[str, Any] = {"name": "made", "layers": {"*": {"output": {"overflow": "saturate"}}, "stem": {"bias": {}}}}
    small, data = network(), samples()
    found = hwsim.propose(
        small, Target.from_dict(base), data, tolerance=hwsim.Tolerance(sqnr=20.0), choices=some(WIDTHS)
    )
    section = yaml.safe_load(found.to_yaml())
    assert list(section) == ["layers"]
    for text in (yaml.safe_dump({**base, **section}, sort_keys=False), found.target.to_yaml()):
        again = hwsim.run(small, Target.from_dict(yaml.safe_load(text)), data)
        assert np.array_equal(again.codes, found.result.codes)
        assert again.plan == found.result.plan


def test_names_that_are_patterns_stay_names() -> None:
    small = vector_network()
    operations = (small.operations[0], replace(small.operations[1], name="f[c]*"))
    renamed = Network(name="odd", operations=operations, outputs=("f[c]*",))
    widths = {("f[c]*", "weights"): (4,)}
    data = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
    found = hwsim.propose(renamed, target_with(), data, tolerance=hwsim.Tolerance(sqnr=5.0), choices=some(widths))
    assert found.result.plan.weights["f[c]*"].bits == 4


def test_digits_keep_their_decisions_in_half_the_bits() -> None:
    model = hwsim.load(DIGITS)
    widths = {
        ("block2_conv", "weights"): (4, 3),
        ("block3_conv", "weights"): (4, 3),
        ("block1_add", "activations"): (6,),
    }
    found = hwsim.propose(model, "generic-int8", IMAGES, tolerance=hwsim.Tolerance(top1=0.99), choices=some(widths))
    agree = np.mean(found.result.outputs.argmax(-1) == found.result.reference.argmax(-1))
    assert found.holds
    assert agree >= 0.99
    assert found.cost < 0.7 * found.cost_before


def test_says_so_where_nothing_keeps_the_tolerance() -> None:
    small, data = network(), samples()
    found = hwsim.propose(
        small,
        narrow_target(10),
        data,
        tolerance=hwsim.Tolerance(sqnr=60.0),
        choices=some({("stem", "weights"): (6, 4)}),
    )
    assert not found.holds
    assert "NOT KEPT" in str(found)
    assert sqnr(found.result) < 60
    assert sqnr(found.result) >= sqnr(hwsim.run(small, narrow_target(10), data)) - 1e-9


def test_mends_a_target_that_breaks_the_tolerance_by_itself() -> None:
    small, data = network(), samples()
    target = narrow_target(14)
    before = sqnr(hwsim.run(small, target, data))
    widths = {(name, "weights"): (6, 5, 4) for name in ("stem", "depthwise", "logits")}
    found = hwsim.propose(small, target, data, tolerance=hwsim.Tolerance(sqnr=before + 3), choices=some(widths))
    assert found.holds
    assert sqnr(found.result) >= before + 3


def test_falls_back_where_more_data_breaks_the_tolerance() -> None:
    small, data = network(), samples(64)
    tolerance = hwsim.Tolerance(sqnr=26.0)
    quick = hwsim.propose(small, target_with(), data, tolerance=tolerance, choices=some(WIDTHS), samples=1)
    assert quick.holds
    assert quick.samples == 1
    assert sqnr(quick.result) >= 26.0


def test_metric_and_cost_are_the_users() -> None:
    def largest_error(reference: Any, outputs: Any) -> float:
        return -float(np.abs(reference - outputs).max())

    def weights_alone(layer: Storage) -> float:
        return layer.weights * layer.weight_bits

    small, data = network(), samples()
    found = hwsim.propose(
        small,
        target_with(),
        data,
        tolerance=hwsim.Tolerance(metric=largest_error, at_least=-0.3),
        cost=weights_alone,
        choices=some(WIDTHS),
    )
    assert found.holds
    assert largest_error(found.result.reference, found.result.outputs) >= -0.3
    assert found.cost_before == 8 * sum(kernel_of(one).size for one in small.operations if isinstance(one, Weighted))
    assert not any(one.keys for one in found.choices if one.part == "activations")  # they cost nothing here


def test_default_candidates_are_tried_and_told() -> None:
    small = vector_network()
    data = np.random.default_rng(0).normal(size=(16, 6)).astype(np.float32)
    found = hwsim.propose(small, target_with(), data, tolerance=hwsim.Tolerance(sqnr=15.0))
    frame = found.to_frame()
    assert found.holds
    assert set(frame.state) <= {"chosen", "possible", "breaks alone", "breaks together", "refused"}
    assert (frame.groupby(["layer", "part"], sort=False).state.agg(lambda one: list(one).count("chosen")) == 1).all()
    assert {"x", "fc"} == set(frame.layer)
    assert all(one.reason.startswith(f"{one.layer} {one.part}") and one.reason.endswith(".") for one in found.choices)
    assert max(map(len, str(found).splitlines())) <= 100
    assert "<script" not in found._repr_html_()  # pyright: ignore[reportPrivateUsage]


def test_bad_questions_are_refused() -> None:
    questions: tuple[dict[str, Any], ...] = (
        {},
        {"top1": 1.5},
        {"at_least": 1.0},
        {"sqnr": float("nan")},
        {"metric": len},
    )
    for wrong in questions:
        with pytest.raises(HwsimError):
            hwsim.Tolerance(**wrong)
    with pytest.raises(DataError, match="only once"):
        hwsim.propose(vector_network(), target_with(), iter([samples()]), tolerance=hwsim.Tolerance(sqnr=1.0))
    with pytest.raises(HwsimError, match="samples must be at least 1"):
        hwsim.propose(vector_network(), target_with(), None, tolerance=hwsim.Tolerance(sqnr=1.0), samples=0)
    image = Network(name="i", operations=network().operations[:2], outputs=("stem",))
    with pytest.raises(HwsimError, match="top1 is asked for"):
        hwsim.propose(image, target_with(), samples(), tolerance=hwsim.Tolerance(top1=0.9))


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_plan_decided_from_another_is_the_plan_decided_anew(draw: st.DataObject) -> None:
    small = network()
    statistics = hwsim.profile(small, samples())
    kind = draw.draw(st.sampled_from(["fixed", "none", "power_of_two"]))
    step = {"step": "power_of_two", "symmetric": True}
    base: dict[str, Any] = {"name": "made", "weights": {"granularity": "layer", **step}, "activations": step}
    base["requantize"] = {"kind": kind}
    known = hwsim.decide(small, statistics, Target.from_dict(base))
    section = st.fixed_dictionaries(
        {"weights": st.fixed_dictionaries({"bits": st.integers(2, 8)})}
    ) | st.fixed_dictionaries({"activations": st.fixed_dictionaries({"bits": st.integers(2, 8)})})
    changed = draw.draw(st.dictionaries(st.sampled_from(sorted(small.by_name)), section))
    target = Target.from_dict({**base, "layers": changed})
    assert hwsim.decide(small, statistics, target, known, changed) == hwsim.decide(small, statistics, target)
