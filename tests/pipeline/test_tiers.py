"""Every way of computing gives the same integers and the same ledger: all tiers, 64-bit lanes, the plain loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from kernels.fast.datapaths import FAST, HERE
from pipeline.test_oracle_agreement import SLOW_DRAWS, Case, cases

from hwsim.engine import Execution, execute
from hwsim.program.records import IntOperation, MatrixProduct, MultiplyAccumulate
from hwsim_kernels.fast.features import ENVIRONMENT, offered

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
