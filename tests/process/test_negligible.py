"""Lifts against whole runs of the lifted target, and verdicts against their criterion."""

from __future__ import annotations

import numpy as np
import pytest
from pipeline.tiny import narrow_target, target_with
from process.cases import network, samples

import hwsim
from hwsim.errors import HwsimError
from hwsim.process.trials import lossy_points
from hwsim.target import Target
from hwsim.trial import Bench, apply_all, lifts


def test_trials_give_what_whole_runs_give() -> None:
    small, data = network(), samples()
    for target in (target_with(), narrow_target(14), narrow_target(13, "wrap", addition={"left_shift": 2})):
        plan = hwsim.run(small, target, data).plan
        with Bench(small, [[data]]) as bench:
            base = bench.lower(plan, target)
            bench.start(base)
            able = [one for one in lifts(small, base, target) if not one.obstacle]
            for one in able:
                changed = apply_all([one], small, plan, target)
                outputs = bench.run(bench.lower(*changed))["logits"]
                whole = hwsim.lower(small, *changed).run(data)
                assert np.array_equal(outputs, whole.outputs["logits"])
            assert np.array_equal(bench.run(bench.lower(plan, target))["logits"], base.run(data).outputs["logits"])


def test_operations_of_which_nothing_differs_are_the_same_records() -> None:
    small, data = network(), samples()
    plan = hwsim.run(small, target_with(), data).plan
    with Bench(small, [[data]]) as bench:
        base = bench.lower(plan, target_with())
        changed = bench.lower(plan, target_with(layers={"depthwise": {"requantize": {"rounding": "floor"}}}))
    different = {one.name for one, two in zip(changed.operations, base.operations, strict=True) if one is not two}
    assert different == {"depthwise"}


def test_lifted_points_lose_nothing_any_more() -> None:
    small, data = network(), samples()
    target = narrow_target(14)
    plan = hwsim.run(small, target, data).plan
    base = hwsim.lower(small, plan, target)
    assert any(row.hits for row in base.run(data).ledger if row.point.name == "accumulator")
    for one in lifts(small, base, target):
        if one.name != "accumulator":
            continue
        ledger = hwsim.lower(small, *apply_all([one], small, plan, target)).run(data).ledger
        rows = [row for row in ledger if row.layer == one.layer and row.point.name in one.points]
        assert rows
        assert not any(row.hits for row in rows)


def test_accumulators_lifted_together_are_those_of_a_wide_target() -> None:
    small, data = network(), samples()
    target = narrow_target(14, pooling={"accumulator": {"bits": 12}}, addition={"accumulator": {"bits": 20}})
    plan = hwsim.run(small, target, data).plan
    base = hwsim.lower(small, plan, target)
    group = [one for one in lifts(small, base, target) if one.name == "accumulator"]
    lifted = hwsim.lower(small, *apply_all(group, small, plan, target)).run(data)
    wide = Target.from_dict(
        {"name": "wide", "mac": {"stages": [{"name": "accumulator", "bits": 60}]}, "bias": {"bits": 14}}
    )
    assert np.array_equal(lifted.codes["logits"], hwsim.lower(small, plan, wide).run(data).codes["logits"])


@pytest.mark.parametrize("bits", [13, 32])
def test_verdicts_keep_to_their_criterion(bits: int) -> None:
    small, data = network(), samples()
    result = hwsim.run(small, narrow_target(bits), data)
    criterion = hwsim.Criterion(error=0.05, flips=0)
    found = hwsim.negligible(result, narrow_target(bits), data, criterion=criterion)
    exact = result.reference.astype(np.float64)
    error = np.sum((result.outputs - exact) ** 2)
    assert found.whole.noise == pytest.approx(error / np.sum(exact**2))
    for one in found.rows:
        if one.state == "negligible" and one.share is not None:
            assert one.share <= 0.05
            assert one.flips == 0
        if one.state == "matters":
            assert one.share is not None
            assert one.share > 0.05 or one.flips
    lossy = lossy_points(result.ledger)
    rounded = {layer for layer, point in lossy if point in ("input", "requantize", "activation")}
    for one in found.rows:
        lost = not lossy.isdisjoint((one.layer, point) for point in one.points)
        lost |= one.name == "output" and one.layer in rounded  # what is rounded there is rounded to its codes
        assert (one.state == "nothing lost") == (not lost)
    assert found.joint is None or found.joint.noise <= 0.05 * found.whole.noise
    # judged by a whole run: all that can be ignored, lifted at once
    program = hwsim.lower(small, result.plan, narrow_target(bits))
    settled = {(one.layer, one.name) for one in found.rows if one.state == "negligible"}
    group = [one for one in lifts(small, program, narrow_target(bits)) if (one.layer, one.name) in settled]
    lifted = hwsim.lower(small, *apply_all(group, small, result.plan, narrow_target(bits))).run(data)
    assert np.sum((lifted.outputs["logits"] - result.outputs) ** 2) <= 0.05 * error
    assert np.array_equal(lifted.outputs["logits"].argmax(-1), result.outputs.argmax(-1))


def test_narrow_accumulator_is_what_matters() -> None:
    small, data = network(), samples()
    found = hwsim.negligible(small, narrow_target(12), data)
    matter = [one for one in found.rows if one.state == "matters"]
    assert max(matter, key=lambda one: one.share or 0).name == "accumulator"
    assert ("logits", "output") in {(one.layer, point) for one in found.rows for point in one.points}
    assert max(map(len, str(found).splitlines())) <= 100
    assert len(found.to_frame()) == len(found.rows)
    assert "accumulator" in found._repr_html_()  # pyright: ignore[reportPrivateUsage]


def test_everything_or_nothing_by_the_criterion() -> None:
    small, data = network(), samples()
    generous = hwsim.negligible(small, narrow_target(12), data, criterion=hwsim.Criterion(error=1e9, flips=10**6))
    assert not any(one.state.startswith("matters") for one in generous.rows)
    with pytest.raises(HwsimError):
        hwsim.Criterion(error=-1)
    with pytest.raises(HwsimError):
        hwsim.Criterion(error=float("nan"))
