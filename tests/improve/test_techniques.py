"""Techniques in a run: their order, their notes, what they must not touch, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from improve.drafts import LOW_BITS, draft_of, normed_model
from pipeline.tiny import dense, image_network, reals, target_with

import hwsim
from hwsim.errors import HwsimError, PlanError
from hwsim.improve import TECHNIQUES, improve
from hwsim.improve.overrides import overridden
from hwsim.network import Conv2D, Input, Network, Relu, ScaleShift
from hwsim.reference import run_network

TARGET = target_with(**LOW_BITS)
DATA = reals(40, 6, 6, 3, seed=8)


def bounded_network() -> Network:
    """Return two layers with a bounded ReLU between them."""
    first = Conv2D(
        name="first",
        inputs=("x",),
        kernel=reals(1, 1, 3, 4) * np.array([1, 8, 1, 1], np.float32),
        bias=reals(4),
        activation=Relu(max_value=2.0),
    )
    operations = (Input(name="x", shape=(6, 6, 3)), first, dense("second", "first", 4, 2))
    return Network(name="bounded", operations=operations, outputs=("second",))


def test_they_are_applied_in_their_own_order() -> None:
    draft = improve(draft_of(), ["correct_bias", "adaround", "per_channel", "equalise"])
    words = ["equalised", "for each output channel", "rounded adaptively", "biases corrected"]
    assert len(draft.notes) == len(words)
    assert all(word in note for word, note in zip(words, draft.notes, strict=True))
    assert len(draft.decision().weights["stem"].scale) == 4


def test_a_run_says_what_was_done_and_is_nearer_to_float() -> None:
    plain = hwsim.run(image_network(), TARGET, DATA)
    better = hwsim.run(image_network(), TARGET, DATA, techniques=("adaround", "correct_bias"))
    assert [note for note in better.report.notes if note.startswith("technique: ")]
    assert not [note for note in plain.report.notes if note.startswith("technique: ")]
    assert (better.reference == plain.reference).all()
    noises = [float(np.sum((one.outputs - one.reference) ** 2)) for one in (better, plain)]
    assert noises[0] < noises[1] / 2
    again = hwsim.lower(better.network, better.plan, TARGET).run(DATA)
    assert (again.codes["logits"] == better.codes).all()


def test_an_equalised_run_has_the_reference_of_the_model() -> None:
    plain = hwsim.run(image_network(), TARGET, DATA)
    better = hwsim.run(image_network(), TARGET, DATA, techniques=("equalise",))
    np.testing.assert_allclose(better.reference, plain.reference, rtol=0, atol=1e-5)


@pytest.mark.parametrize("source", ["calibration", "data"])
def test_data_that_is_read_once_is_enough(source: str) -> None:
    batches = (DATA[first : first + 8] for first in range(0, 40, 8))
    data, calibration = (DATA, batches) if source == "calibration" else (batches, None)
    names = ("equalise", "correct_bias")
    result = hwsim.run(image_network(), TARGET, data, calibration=calibration, techniques=names)
    wanted = hwsim.run(image_network(), TARGET, DATA, calibration=DATA, techniques=names)
    assert (result.codes == wanted.codes).all()


def test_an_unknown_name_is_refused_with_all_that_there_are() -> None:
    with pytest.raises(HwsimError, match="did you mean 'equalise'") as error:
        hwsim.run(image_network(), TARGET, DATA, techniques=("equalize",))
    assert all(name in str(error.value) for name in TECHNIQUES)


def test_a_plan_cannot_be_given_where_it_would_come_too_early() -> None:
    plan = hwsim.run(image_network(), TARGET, DATA).plan
    with pytest.raises(PlanError, match="'equalise' changes what a plan is made for"):
        hwsim.run(image_network(), TARGET, DATA, plan=plan, techniques=("equalise",))
    result = hwsim.run(image_network(), TARGET, DATA, plan=plan, techniques=("adaround",))
    assert result.plan == plan


def test_dropping_bounds_says_what_it_does_to_the_model() -> None:
    draft = improve(draft_of(bounded_network()), ["unbound", "equalise"])
    assert "is another network now" in draft.notes[0]
    assert "1 pairs" in draft.notes[1]
    unreached = improve(draft_of(bounded_network(), samples=0.01 * DATA), ["unbound"])
    assert "does not change on calibration data" in unreached.notes[0]


def test_folding_is_a_technique_for_networks_that_were_loaded_unfolded() -> None:
    norm = ScaleShift(name="norm", inputs=("fc",), scale=reals(2), bias=reals(2, seed=1))
    operations = (Input(name="x", shape=(6, 6, 3)), dense("fc", "x", 3, 2), norm)
    draft = improve(draft_of(Network(name="n", operations=operations, outputs=("norm",))), ["fold"])
    assert [one.name for one in draft.network.operations] == ["x", "fc"]
    assert draft.reference is draft.network
    assert "1 operations fewer" in draft.notes[0]


def test_a_model_can_be_loaded_without_folding() -> None:
    model = normed_model()
    unfolded, folded = hwsim.load(model, fold=False), hwsim.load(model)
    assert [one.name for one in unfolded.operations] == ["input", "conv", "norm", "flat", "logits"]
    assert [one.name for one in folded.operations] == ["input", "conv", "flat", "logits"]
    data = [reals(5, 6, 6, 2)]
    one, other = (run_network(network, data)["logits"] for network in (unfolded, folded))
    np.testing.assert_allclose(one, other, rtol=1e-5)
    draft = improve(draft_of(unfolded), ["fold"])
    assert [one.name for one in draft.network.operations] == [one.name for one in folded.operations]


@pytest.mark.parametrize("section", ["weights", "activations"])
def test_clipping_searches_change_ranges(section: str) -> None:
    name = f"clip_{section}"
    before, after = improve(draft_of(), []), improve(draft_of(), [name])
    assert getattr(after.target.settings("conv2d", "stem"), section).range.method == "mean_square"
    assert before.decision() != after.decision()


@pytest.mark.parametrize("patterns", [{}, {"*": {"weights": {"bits": 5}}}, {"stem": LOW_BITS, "*": LOW_BITS}])
def test_an_override_wins_over_all_patterns(patterns: dict[str, object]) -> None:
    weights = {"granularity": "layer"}
    target = target_with(weights=weights, operations={"conv2d": {"weights": weights}}, layers=patterns)
    changed = overridden(target, {"weights": {"granularity": "output_channel"}})
    before, after = target.settings("conv2d", "stem").weights, changed.settings("conv2d", "stem").weights
    assert (before.granularity, after.granularity) == ("layer", "output_channel")
    assert after.bits == before.bits
