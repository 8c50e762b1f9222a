"""Adaptive rounding in a network: the kernels are codes, and sums come nearer to the float run's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from improve.drafts import draft_of
from pipeline.tiny import dense, reals, target_with

from hwsim.errors import PlanError
from hwsim.formats import Rounding
from hwsim.improve import Draft
from hwsim.improve.adaround import adaround
from hwsim.improve.grid import Grid
from hwsim.improve.stored import with_stored_kernel
from hwsim.network import Input, Network, Weighted
from hwsim.program.stored import quantize_weights
from hwsim.quantize.codes import stored_values
from hwsim.quantize.decide import kernel_of
from hwsim.quantize.plan import WeightPlan
from hwsim.reference import run_network

JAMMING = {Rounding.JAM, Rounding.JAM_UNBIASED}
MODES = [mode for mode in Rounding if not mode.stochastic and mode not in JAMMING]


def codes_of(draft: Draft, rounding: Rounding) -> dict[str, np.ndarray]:
    """Return what the target stores with a rounding mode, less zero points."""
    found = {}
    for operation in draft.network.operations:
        if isinstance(operation, Weighted):
            settings = draft.target.settings(operation.kind, operation.name)
            settings = settings.model_copy(
                update={"weights": settings.weights.model_copy(update={"rounding": rounding})}
            )
            entry = draft.decision().weights[operation.name]
            found[operation.name] = quantize_weights(kernel_of(operation), entry, settings)[0]
    return found


@pytest.mark.parametrize("mode", MODES)
def test_every_rounding_mode_of_a_target_keeps_the_codes(mode: Rounding) -> None:
    weights = {"bits": 4, "granularity": "output_channel", "rounding": mode.value}
    network = Network(name="n", operations=(Input(name="x", shape=(30,)), dense("fc", "x", 30, 8)), outputs=("fc",))
    before = draft_of(network, target_with(weights=weights)).decided()
    after = adaround(before)
    found = codes_of(after, mode)
    moved = 0
    for operation in before.network.operations:
        if not isinstance(operation, Weighted):
            continue
        entry = after.decision().weights[operation.name]
        changed = after.network.by_name[operation.name]
        assert isinstance(changed, Weighted)
        ratio = kernel_of(changed).astype(np.float64) / np.asarray(entry.scale)
        assert np.abs(ratio - found[operation.name]).max() < 1e-5
        exact = kernel_of(operation).astype(np.float64) / np.asarray(entry.scale)
        inside = np.clip(exact, entry.format.minimum, entry.format.maximum)
        assert (np.abs(found[operation.name] - inside) < 1 + 1e-9).all()
        moved += int((found[operation.name] != codes_of(before, mode)[operation.name]).sum())
    assert moved > 20


@pytest.mark.parametrize("mode", sorted(JAMMING))
def test_modes_that_mark_what_is_inexact_are_refused(mode: Rounding) -> None:
    weights = {"bits": 4, "rounding": mode.value}
    with pytest.raises(PlanError, match=f"weights.rounding {mode} takes"):
        adaround(draft_of(target=target_with(weights=weights)).decided())


def sums_error(network: Network, draft: Draft) -> float:
    """Return the squared error of the network's result with stored weights, on inputs as the hardware stores them."""
    assert draft.plan is not None
    stored = tuple(
        with_stored_kernel(one, draft.plan, draft.target) if isinstance(one, Weighted) else one
        for one in network.operations
    )
    wanted = run_network(draft.reference, draft.samples)[network.outputs[0]]
    given = [stored_values(draft.samples[0], draft.plan.tensors[network.inputs[0].name]).astype(np.float32)]
    found = run_network(replace(network, operations=stored), given)[network.outputs[0]]
    return float(np.sum((wanted.astype(np.float64) - found) ** 2))


def test_outputs_come_nearer_to_the_float_run() -> None:
    before = draft_of().decided()
    after = adaround(before)
    assert sums_error(after.network, after) < 0.5 * sums_error(before.network, before)
    assert after.reference is before.reference
    assert after.plan == before.plan
    assert "weights rounded adaptively" in after.notes[-1]


@pytest.mark.parametrize("layer_bits", [1, 2, 8, 16])
def test_any_width_of_weights_works(layer_bits: int) -> None:
    network = Network(name="one", operations=(Input(name="x", shape=(7,)), dense("fc", "x", 7, 4)), outputs=("fc",))
    target = target_with(weights={"bits": layer_bits, "granularity": "layer", "symmetric": layer_bits > 1})
    before = draft_of(network, target).decided()
    after = adaround(before)
    assert sums_error(after.network, after) <= sums_error(before.network, before) * (1 + 1e-6)


def test_a_weight_outside_the_format_stays_at_its_end() -> None:
    layer = dense("fc", "x", 3, 1)
    layer.kernel[:, 0] = 5.0, -5.0, 0.3
    entry = WeightPlan(bits=3, signed=True, scale=(1.0,), zero_point=(1,))
    grid = Grid.of(layer, entry, target_with().settings("dense", "fc"))
    assert grid.low.ravel().tolist() == [3, -4, 1]
    assert grid.high.ravel().tolist() == [3, -4, 2]
    assert grid.given.ravel().tolist() == [3, -4, 1]


def test_layers_with_too_many_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwsim.improve.adaround.MOST_WEIGHTS", 15)
    after = adaround(draft_of().decided())
    assert after.notes[-1].endswith("left out, as sums have more than 15 weights: stem, logits")


def test_the_result_repeats() -> None:
    first, second = (adaround(draft_of(samples=reals(600, 6, 6, 3, seed=2)).decided()) for _ in range(2))
    for one, two in zip(first.network.operations, second.network.operations, strict=True):
        if isinstance(one, Weighted) and isinstance(two, Weighted):
            assert (kernel_of(one) == kernel_of(two)).all()
