"""Every way of computing gives the same integers and the same ledger: all tiers, 64-bit lanes, the plain loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from applications.targets import sixteen_bits
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.fast.datapaths import FAST, HERE, compiled, pairs
from kernels.plain import OVERFLOWS, STEADY, Json
from pipeline.strategies import data_for, networks, profiles, targets
from pipeline.test_oracle_agreement import SLOW_DRAWS, Case, cases
from pipeline.tiny import image_network

import hwsim
from hwsim.engine import Execution, execute
from hwsim.engine.fused import start_tally
from hwsim.engine.operations import finish, lanes, mac, merge, rescale
from hwsim.engine.steps import run_steps
from hwsim.errors import PlanError, WidthError
from hwsim.network import Add, Input, Network
from hwsim.program import lower
from hwsim.program.records import IntOperation, MatrixProduct, MultiplyAccumulate, ScaleFloat, Step, Sum
from hwsim.quantize import decide
from hwsim.target import Target, load_target
from hwsim_kernels.fast import blocks, passage, tiling
from hwsim_kernels.fast.features import ENVIRONMENT, offered
from hwsim_kernels.fast.filtered import filtered_layer
from hwsim_kernels.fast.passage import Steps
from hwsim_kernels.fast.wide_strips import ANY, HALF_UP, HALF_UP_IN_PARTS

Sums = MatrixProduct | MultiplyAccumulate
Way = Callable[[Sums], Sums]
ALLOWED = [*SLOW_DRAWS, HealthCheck.function_scoped_fixture]


def forced(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Force a tier, or skip where the machine does not offer it."""
    if not offered()[name]:
        pytest.skip(f"this machine, or this run, does not offer the tier {name}")
    monkeypatch.setenv(ENVIRONMENT, name)


@pytest.mark.parametrize("tier", ["numpy", *HERE])
@settings(max_examples=25, deadline=None, suppress_health_check=ALLOWED)
@given(case=cases())
def test_every_tier_agrees(tier: str, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    agree(monkeypatch, tier, case)


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["numpy", *FAST])
@settings(max_examples=300, deadline=None, suppress_health_check=ALLOWED)
@given(case=cases())
def test_every_tier_agrees_at_length(tier: str, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    agree(monkeypatch, tier, case)


@pytest.mark.parametrize("tier", ["numpy", *HERE])
@pytest.mark.parametrize("target", ["generic-int8", "tflite-int8", "pow2-int8", "vitis-dpu"])
@pytest.mark.parametrize(("channels", "inputs"), [(3, 2), (16, 3), (33, 2), (40, 4), (70, 2)])
def test_sums_of_many_channels(
    tier: str, monkeypatch: pytest.MonkeyPatch, target: str, channels: int, inputs: int
) -> None:
    names = tuple(f"input_{number}" for number in range(inputs))
    given = (Input(name=name, shape=(13, 11, channels)) for name in names)
    network = Network(name="sum", operations=(*given, Add(name="sum", inputs=names)), outputs=("sum",))
    generator = np.random.default_rng(channels)
    data = {
        name: generator.normal(number, 1 + number % 2, (3, 13, 11, channels)).astype(np.float32)
        for number, name in enumerate(names)
    }
    chosen = load_target(target)
    program = lower(network, decide(network, hwsim.profile(network, data), chosen), chosen)
    forced(monkeypatch, "plain")
    plain = execute(program, [data[name] for name in names])
    forced(monkeypatch, tier)
    fast = execute(program, [data[name] for name in names])
    assert (fast.codes["sum"] == plain.codes["sum"]).all()
    assert fast.ledger == plain.ledger


@composite
def wide_requantizations(draw: DrawFn) -> Json:
    """Return a way to requantise by integers that bits of chance take no part in."""
    rounding = draw(st.sampled_from([*STEADY, *["half_up"] * len(STEADY)]))
    kind = draw(st.sampled_from(["fixed", "fixed", "fixed_double", "steps", "steps"]))
    if kind == "fixed":
        return {"kind": kind, "multiplier_bits": draw(st.integers(4, 32)), "rounding": rounding}
    if kind == "fixed_double":
        return {"kind": kind, "rounding": rounding}
    wide = {"step": "fit", "bits": draw(st.integers(20, 60)), "overflow": draw(st.sampled_from(OVERFLOWS))}
    before: list[Json] = [
        {"step": "add", "value": draw(st.sampled_from([1, -7, 1 << 35, -(1 << 40)]))},
        {"step": "clip", "low": draw(st.sampled_from([None, 0, -(1 << 34)])), "high": 1 << draw(st.integers(20, 45))},
        {"step": "shift_left", "by": draw(st.integers(0, 12))},
        {"step": "shift_right", "by": draw(st.integers(0, 30)), "rounding": rounding, "name": "earlier"},
        {**wide, "name": "narrowed"},
    ]
    guard_bits = draw(st.none() | st.integers(1, 32))
    steps = [
        *draw(st.lists(st.sampled_from(before), max_size=3, unique_by=lambda one: one["step"])),
        {"step": "multiply", "bits": draw(st.integers(4, 31))},
        {"step": "shift_right", "rounding": rounding, "guard_bits": guard_bits},
    ]
    return {"kind": kind, "steps": steps}


@composite
def wide_cases(draw: DrawFn) -> Case:
    """Draw a network, a target whose codes and weights have 16 bits and whose sums have room, and data."""
    network, given = draw(networks()), draw(targets()).model_dump(mode="json", exclude_unset=True)
    register: Json = {"bits": draw(st.sampled_from([33, 40, 48, 62])), "overflow": draw(st.sampled_from(OVERFLOWS))}
    ways: Json = {
        "weights": {"bits": draw(st.sampled_from([8, 16])), "granularity": "output_channel"},
        "activations": {"bits": 16, "symmetric": draw(st.booleans())},
        "mac": {"stages": [{"name": "sums", **register, "check": "each"}]},
        "bias": {"bits": draw(st.integers(16, 33)), "position": draw(st.sampled_from(["first", "last"]))},
        "requantize": draw(wide_requantizations()),
        "addition": {"left_shift": draw(st.integers(0, 24)), "accumulator": register},
    }
    target = Target.from_dict({**given, **ways})
    try:
        plan = decide(network, draw(profiles(network)), target)
        program = lower(network, plan, target)
    except (PlanError, WidthError):
        reject()
    data = data_for(draw, network, draw(st.integers(1, 3)))
    return Case(network, target, plan, program, data, draw(st.integers(1, 4)))


@compiled
@pytest.mark.parametrize("tier", HERE)
@settings(max_examples=25, deadline=None, suppress_health_check=ALLOWED)
@given(case=wide_cases())
def test_every_tier_agrees_on_wide_sums(tier: str, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    agree(monkeypatch, tier, case)


@compiled
@pytest.mark.slow
@pytest.mark.parametrize("tier", FAST)
@settings(max_examples=300, deadline=None, suppress_health_check=ALLOWED)
@given(case=wide_cases())
def test_every_tier_agrees_on_wide_sums_at_length(tier: str, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    agree(monkeypatch, tier, case)


def wide_target(name: str) -> Target:
    """Return a target whose sums, or whose inputs of sums, need more than 32 bits."""
    if name == "tflite-int16x8":
        return hwsim.load_target(name)
    given = sixteen_bits().model_dump(mode="json", exclude_unset=True)
    return Target.from_dict({**given, "requantize": {"kind": "fixed", "multiplier_bits": 32, "rounding": name}})


@compiled
@pytest.mark.parametrize(
    ("target", "way"), [("tflite-int16x8", HALF_UP), ("half_up", HALF_UP_IN_PARTS), ("half_even", ANY)]
)
@pytest.mark.parametrize("tier", HERE)
def test_wide_sums_take_lanes(tier: str, monkeypatch: pytest.MonkeyPatch, target: str, way: int) -> None:
    forced(monkeypatch, "plain")
    network = image_network(8)
    chosen = wide_target(target)
    data = np.random.default_rng(0).normal(0, 1, (5, 8, 8, 3)).astype(np.float32)
    plan = decide(network, hwsim.profile(network, data), chosen)
    program = lower(network, plan, chosen)
    plain = execute(program, [data])
    forced(monkeypatch, tier)
    started: list[list[int]] = []

    def start(steps: Steps, *rest: Any) -> Any:
        started.append(steps.kinds[: steps.wide].tolist())
        return start_tally(steps, *rest)

    def run_floats(steps: Sequence[Step], *rest: Any) -> None:
        assert any(isinstance(step, ScaleFloat) for step in steps)
        run_steps(steps, *rest)

    for module in (lanes, mac, merge):
        monkeypatch.setattr(module, "start_tally", start)
    for module in (finish, merge, rescale):
        monkeypatch.setattr(module, "run_steps", run_floats)
    fast = execute(program, [data])
    assert fast.ledger == plain.ledger
    assert all((fast.codes[name] == plain.codes[name]).all() for name in plain.codes)
    weighted = sum(isinstance(one, MultiplyAccumulate) and not one.narrow for one in program.operations)
    sums = sum(isinstance(one, Sum) and not one.narrow for one in program.operations)
    assert weighted + sums > 0
    assert sum(bool(kinds) for kinds in started) >= weighted + sums
    assert any(passage.WIDE_SCALE + way in kinds for kinds in started)


@pairs
@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@pytest.mark.parametrize("target", ["generic-int8", "tflite-int8", "pow2-int8", "vitis-dpu"])
def test_filtered_layers_count_the_same(target: str, block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    forced(monkeypatch, "plain")
    network, chosen = image_network(11), hwsim.load_target(target)
    data = np.random.default_rng(0).normal(0, 1, (5, 11, 11, 3)).astype(np.float32)
    program = lower(network, decide(network, hwsim.profile(network, data / 4), chosen), chosen)
    plain = execute(program, [data])
    forced(monkeypatch, "portable")
    monkeypatch.setattr(tiling, "WORTH", float("inf"))
    monkeypatch.setattr(tiling, "BLOCK_BYTES", block_bytes)
    layers: list[Any] = []

    def run_filtered(units: Any, form: Any, *rest: Any) -> None:
        layers.append(form.kinds)
        filtered_layer(units, form, *rest)

    monkeypatch.setattr(blocks, "filtered_layer", run_filtered)
    fast = execute(program, [data])
    assert layers
    assert fast.ledger == plain.ledger
    assert any(row.hits for row in plain.ledger if row.layer == "stem")
    assert all((fast.codes[name] == plain.codes[name]).all() for name in plain.codes)


@pairs
@settings(max_examples=25, deadline=None, suppress_health_check=ALLOWED)
@given(case=cases())
def test_filtered_networks_agree(monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    monkeypatch.setattr(tiling, "WORTH", float("inf"))
    agree(monkeypatch, "portable", case)


@pairs
@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=ALLOWED)
@given(case=cases())
def test_filtered_networks_agree_at_length(monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    monkeypatch.setattr(tiling, "WORTH", float("inf"))
    agree(monkeypatch, "portable", case)


def agree(monkeypatch: pytest.MonkeyPatch, tier: str, case: Case) -> None:
    """Run a program by a tier and by the plain kernels, with and without traces."""
    forced(monkeypatch, "plain")
    plain = run(case, traced=False)
    forced(monkeypatch, tier)
    for traced in (False, True):
        fast = run(case, traced=traced)
        assert fast.ledger == plain.ledger
        for name, codes in plain.codes.items():
            assert fast.codes[name].tolist() == codes.tolist(), name


@settings(max_examples=25, deadline=None, suppress_health_check=SLOW_DRAWS)
@given(cases())
def test_every_way_agrees(case: Case) -> None:
    agree_in_traces(case)


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=SLOW_DRAWS)
@given(cases())
def test_every_way_agrees_at_length(case: Case) -> None:
    agree_in_traces(case)


def agree_in_traces(case: Case) -> None:
    """Run a program as lowered, without what is proved of it, and by the plain loop alone."""
    chosen = run(case, traced=True)
    for way in (in_lanes, in_the_plain_loop):
        other = run(case, way, traced=True)
        assert other.ledger == chosen.ledger
        for layer, points in chosen.trace.items():
            for point, values in points.items():
                assert other.trace[layer][point].tolist() == values.tolist(), (way.__name__, layer, point)


def in_lanes(one: Sums) -> Sums:
    """Forbid the matrix product."""
    return replace(one, exact=False)


def in_the_plain_loop(one: Sums) -> Sums:
    """Send everything through two words, one step after another."""
    return replace(one, exact=False, wide_sums=True, wide=True)


def run(case: Case, way: Way = lambda one: one, *, traced: bool) -> Execution:
    """Run a case with its multiply-accumulate operations and matrix products changed by ``way``."""
    operations: list[IntOperation] = [way(one) if isinstance(one, Sums) else one for one in case.program.operations]
    program = replace(case.program, operations=tuple(operations))
    layers = [one.name for one in case.network.operations] if traced else ()
    return execute(program, case.data, trace=layers, batch_size=case.batch_size)
