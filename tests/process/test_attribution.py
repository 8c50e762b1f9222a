"""Attribution against sums by hand, and against whole runs of lifted targets."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pipeline.tiny import image_network, narrow_target, reals, target_with
from process.cases import network, samples

import hwsim
from hwsim.network import Dense, Input, Network
from hwsim.process import attribution as module
from hwsim.quantize import Plan
from hwsim.report.figures import CostFigures
from hwsim.target import Target
from hwsim.trial import apply_all, lifts

INPUT_SCALE, WEIGHT_SCALE = 2.0**-4, 2.0**-5


def noise(found: NDArray[Any], exact: NDArray[Any]) -> float:
    """Return the energy of an error by that of the signal."""
    return float(np.sum((found - exact.astype(np.float64)) ** 2) / np.sum(exact.astype(np.float64) ** 2))


def db(value: float) -> float:
    """Return a noise as a ratio in dB."""
    return -10 * math.log10(value) if value else math.inf


def single_dense(kernel: NDArray[Any]) -> tuple[Network, Plan]:
    """Return a dense layer, and a plan whose output has the unit of its sums: nothing is rounded behind them."""
    layer = Dense(
        name="fc", inputs=("x",), kernel=kernel.astype(np.float32), bias=np.zeros(kernel.shape[1], np.float32)
    )
    small = Network(name="one", operations=(Input(name="x", shape=(kernel.shape[0],)), layer), outputs=("fc",))
    many = kernel.shape[1]
    plan = {
        "network": "one",
        "target": "made",
        "tensors": {
            "x": {"bits": 8, "signed": True, "scale": INPUT_SCALE},
            "fc": {"bits": 16, "signed": True, "scale": INPUT_SCALE * WEIGHT_SCALE},
        },
        "weights": {"fc": {"bits": 8, "signed": True, "scale": (WEIGHT_SCALE,) * many, "zero_point": (0,) * many}},
    }
    return small, Plan.model_validate(plan)


def on_grid(count: int, width: int, scale: float, most: int, seed: int) -> NDArray[np.float32]:
    """Return multiples of a scale up to so many."""
    return (np.random.default_rng(seed).integers(-most, most + 1, (count, width)) * scale).astype(np.float32)


def only(costs: tuple[CostFigures, ...], layer: str, point: str) -> CostFigures:
    [found] = [one for one in costs if (one.layer, one.point) == (layer, point)]
    return found


def test_cost_of_weights_by_hand() -> None:
    kernel = reals(6, 4, seed=1).clip(-3.9, 3.9)
    small, plan = single_dense(kernel)
    data = on_grid(40, 6, INPUT_SCALE, 60, seed=2)
    found = hwsim.attribute(small, target_with(), data, plan=plan)
    exact = data.astype(np.float64) @ kernel.astype(np.float64)

    def stored(scale: float) -> float:
        """Return the noise of weights in steps of a scale; the output's code rounds the sums of finer ones."""
        sums = data.astype(np.float64) @ (np.rint(kernel / scale) * scale) / (INPUT_SCALE * WEIGHT_SCALE)
        return noise(np.floor(sums + 0.5) * INPUT_SCALE * WEIGHT_SCALE, exact)

    run, lifted = stored(WEIGHT_SCALE), stored(WEIGHT_SCALE / 2**7)
    assert found.whole.noise == pytest.approx(run, rel=1e-4)
    weight = only(found.costs, "fc", "weight")
    assert found.costs[0] is weight and weight.state == "matters"
    assert weight.sqnr_lifted_db == pytest.approx(db(lifted), rel=1e-2)
    assert weight.sqnr_alone_db == pytest.approx(db(run), rel=1e-4)
    assert weight.gain_db == pytest.approx(db(lifted) - db(run), rel=1e-2)
    assert weight.cost == pytest.approx(1.0, rel=1e-2)
    assert {one.state for one in found.costs[1:]} == {"nothing lost"}
    assert [one.sqnr_db for one in found.waterfall[1:]] == [pytest.approx(db(run), rel=1e-4)] * 4


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_single_lossy_accumulator_costs_all_lifted_and_alone(overflow: str) -> None:
    codes = np.random.default_rng(5).integers(-100, 101, (8, 5))
    small, plan = single_dense(codes * WEIGHT_SCALE)
    inputs = np.random.default_rng(6).integers(-90, 91, (60, 8))
    found = hwsim.attribute(small, narrow_target(15, overflow), (inputs * INPUT_SCALE).astype(np.float32), plan=plan)

    def fitted(value: int) -> int:
        if overflow == "saturate":
            return min(max(value, -(1 << 14)), (1 << 14) - 1)
        return (value + (1 << 14)) % (1 << 15) - (1 << 14)

    def added_up(row: NDArray[Any], column: NDArray[Any]) -> int:
        total = 0
        for a, b in zip(row.tolist(), column.tolist(), strict=True):
            total = fitted(total + a * b)
        return total

    sums = np.array([[added_up(row, column) for column in codes.T] for row in inputs])
    exact = inputs @ codes
    flips = int(np.sum(sums.argmax(axis=1) != exact.argmax(axis=1)))
    assert flips > 0
    assert found.whole.noise == pytest.approx(noise(sums, exact), rel=1e-6)
    assert found.whole.flips == flips
    point = only(found.costs, "fc", "accumulator")
    assert found.costs[0] is point
    # lifted there are sums beyond 16 bits, which the output clips: it loses nothing in the run, so it is not real alone
    clipped = np.clip(exact, -(1 << 15), (1 << 15) - 1)
    assert point.sqnr_lifted_db == pytest.approx(db(noise(clipped, exact)), rel=1e-6)
    assert point.sqnr_alone_db == pytest.approx(db(noise(sums, exact)), rel=1e-3)
    assert point.flips_alone == flips
    levels = [one.sqnr_db for one in found.waterfall]
    assert levels[:3] == [math.inf] * 3 or min(levels[:3]) > levels[3] + 20
    assert levels[3] == levels[4]
    if np.array_equal(clipped, exact):
        assert point.mended == flips
        assert all(names == ("fc accumulator",) for names in found.mended.values())


@pytest.mark.parametrize("factor", [3, 40, 1000])
def test_clipped_input_is_found_whatever_the_factor(factor: int) -> None:
    small, data = image_network(), samples(16)
    plan = hwsim.run(small, target_with(), data).plan
    entry = plan.tensors["image"]
    clipped = plan.model_copy(
        update={"tensors": {**plan.tensors, "image": entry.model_copy(update={"scale": entry.scale / factor})}}
    )
    found = hwsim.attribute(small, target_with(), data, plan=clipped)
    assert (found.costs[0].layer, found.costs[0].point) == ("image", "input")
    assert found.costs[0].cost == pytest.approx(1.0, abs=0.1)
    assert (found.costs[0].gain_db or 0.0) > 10
    # behind an accumulator that is narrow, too
    narrow = hwsim.attribute(small, narrow_target(18), data, plan=clipped)
    assert (narrow.costs[0].layer, narrow.costs[0].point) == ("image", "input")


def test_last_step_of_the_waterfall_is_the_run() -> None:
    small, data = network(), samples()
    for target in (narrow_target(13), target_with(weights={"bits": 4}), target_with(requantize={"rounding": "floor"})):
        result = hwsim.run(small, target, data)
        found = hwsim.attribute(result)
        [output] = result.report.outputs
        assert found.waterfall[-1].sqnr_db == pytest.approx(output.sqnr_db, rel=1e-9)
        assert found.waterfall[-1].flips == output.flip_count
        assert found.waterfall[-1].top1 == output.top1_agreement
        assert [one.step for one in found.waterfall] == ["ideal", "weights", "activations", "accumulator", "rounding"]


def test_waterfall_falls_where_the_fault_is() -> None:
    small, data = network(), samples()
    plain = hwsim.attribute(small, target_with(), data).waterfall

    def drops(target: Target) -> list[float]:
        steps = hwsim.attribute(small, target, data).waterfall
        return [before.sqnr_db - after.sqnr_db for before, after in zip(steps, steps[1:], strict=False)]

    assert min(one.sqnr_db for one in plain) > 25
    assert drops(target_with(weights={"bits": 3}))[0] > 30
    narrow = drops(narrow_target(12))
    assert narrow.index(max(narrow)) == 2
    coarse = drops(target_with(activations={"bits": 3}))
    assert coarse[1] > 10
    floored = drops(target_with(activations={"bits": 6}, requantize={"rounding": "floor"}))
    assert floored[3] > 3


def test_every_figure_of_a_lift_is_that_of_a_whole_run() -> None:
    small, data, target = network(), samples(), narrow_target(13)
    result = hwsim.run(small, target, data)
    found = hwsim.attribute(result)
    exact = result.reference
    right = exact.argmax(axis=1)
    flipped = set(np.flatnonzero(result.outputs.argmax(axis=1) != right).tolist())
    assert flipped and {sample for _, sample in found.mended} == flipped
    ways = {(one.layer, one.name): one for one in lifts(small, result.program, target)}
    mended: dict[int, set[str]] = {sample: set() for sample in flipped}
    for one in found.costs:
        if one.sqnr_lifted_db is None or one.point in ("input", "output"):  # these also know what was seen
            continue
        program = hwsim.lower(small, *apply_all([ways[one.layer, one.point]], small, result.plan, target))
        outputs = program.run(data).outputs["logits"]
        assert one.sqnr_lifted_db == pytest.approx(db(noise(outputs, exact)))
        assert one.changed == int(np.sum(outputs.argmax(axis=1) != result.outputs.argmax(axis=1)))
        again = {sample for sample in flipped if outputs[sample].argmax() == right[sample]}
        assert one.mended == len(again)
        for sample in again:
            mended[sample].add(f"{one.layer} {one.point}")
    for (_, sample), names in found.mended.items():
        assert mended[sample] == {name for name in names if not name.endswith(("input", "output"))}


def test_quick_estimate_is_a_part_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    small, data, target = network(), samples(), narrow_target(13)
    monkeypatch.setattr(module, "QUICK_SAMPLES", len(data))
    monkeypatch.setattr(module, "QUICK_POINTS", 3)
    result = hwsim.run(small, target, data)
    whole, quick = hwsim.attribute(result), hwsim.attribute(result, quick=True)
    assert quick.quick and any("estimate" in note for note in quick.notes)
    assert quick.waterfall == whole.waterfall
    known = {(one.layer, one.point): one for one in whole.costs}
    tried = [one for one in quick.costs if one.sqnr_alone_db is not None]
    assert len(tried) == 3
    for one in tried:
        assert one == known[one.layer, one.point]
    assert (quick.costs[0].layer, quick.costs[0].point) == (whole.costs[0].layer, whole.costs[0].point)
    few = hwsim.attribute(result, samples=5)
    assert few.samples == 5


def test_negligible_points_keep_to_the_criterion() -> None:
    small, data = network(), samples()
    criterion = hwsim.Criterion(error=0.3, flips=2)
    found = hwsim.attribute(small, narrow_target(14), data, criterion=criterion)
    for one in found.costs:
        if one.state == "negligible":
            assert (one.moves or 0.0) <= 0.3 and (one.changed or 0) <= 2
    states = [one.state for one in found.costs]
    assert states == sorted(states, key=module.STATES.index)
    lax = hwsim.attribute(small, narrow_target(14), data, criterion=hwsim.Criterion(error=1e9, flips=1000))
    assert not [one for one in lax.costs if one.state == "matters"]


def test_attribution_of_nothing_lost() -> None:
    codes = np.random.default_rng(5).integers(-20, 21, (3, 2))
    small, plan = single_dense(codes * WEIGHT_SCALE)
    found = hwsim.attribute(small, target_with(), on_grid(9, 3, INPUT_SCALE, 20, seed=4), plan=plan)
    assert found.whole.noise == 0
    assert {one.state for one in found.costs} == {"nothing lost"}
    assert not found.advice
    assert "can be ignored" in str(found)


def test_report_holds_the_attribution() -> None:
    small, data = network(), samples()
    result = hwsim.run(small, narrow_target(13), data)
    found = hwsim.attribute(result, samples=16)
    report = found.add_to(result.report)
    assert hwsim.Report.from_json(report.to_json()) == report
    assert report.attributed == 16 and report.costs == found.costs
    for one in report.flips:
        assert (one.mended_by is None) == (one.sample >= 16)
    assert "What costs most" in str(report) and max(map(len, str(report).splitlines())) <= 100
    assert (
        replace(report, attributed=None, attribution_notes=(), waterfall=(), costs=(), advice=()).flips == report.flips
    )
    assert "What costs most" not in str(result.report)
    assert len(found.to_frame()) == len(found.costs)
    assert "accumulator" in found._repr_html_()  # pyright: ignore[reportPrivateUsage]


def test_techniques_are_measured_against_the_model_that_was_given() -> None:
    small, data = network(), samples()
    result = hwsim.run(small, target_with(weights={"bits": 4}), data, techniques=["correct_bias"])
    found = hwsim.attribute(result)
    assert found.whole.sqnr_db == pytest.approx(result.report.outputs[0].sqnr_db)


def test_target_is_asked_for() -> None:
    with pytest.raises(hwsim.HwsimError, match="give a target"):
        hwsim.attribute(network(), None, samples())


@pytest.mark.parametrize(
    ("name", "stuck"),
    [
        ("hls4ml", {"input", "weight", "output"}),  # codes of 16 bits already
        ("nvdla", set()),
        # pulp-nn clips in the unit of its output
        pytest.param("pulp-nn", {"input", "requantize", "output", "weight"}, marks=pytest.mark.slow),
        pytest.param("vitis-dpu", set(), marks=pytest.mark.slow),
        ("imc-adc6", set()),
        pytest.param("shared-exponent-int8", set(), marks=pytest.mark.slow),
    ],
)
def test_targets_of_all_kinds_are_attributed(name: str, stuck: set[str]) -> None:
    small, data = network(), samples(8)
    result = hwsim.run(small, name, data)
    found = hwsim.attribute(result)
    assert found.waterfall[-1].sqnr_db == pytest.approx(result.report.outputs[0].sqnr_db)
    assert {one.split()[1] for one in found.waterfall[0].not_ideal} <= stuck
    assert found.waterfall[0].sqnr_db > found.waterfall[-1].sqnr_db + 20 or stuck
    for one in found.costs:
        assert one.note or one.state not in ("not lifted", "not tried")
