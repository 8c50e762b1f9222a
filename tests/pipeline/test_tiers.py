"""Every way of accumulating gives the same integers and the same ledger: matrix product, 64-bit lanes, plain loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from pipeline.test_oracle_agreement import SLOW_DRAWS, Case, cases

from hwsim.engine import Execution, execute
from hwsim.program.records import IntOperation, MultiplyAccumulate


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW_DRAWS)
@given(cases())
def test_every_way_agrees(case: Case) -> None:
    agree(case)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, suppress_health_check=SLOW_DRAWS)
@given(cases())
def test_every_way_agrees_at_length(case: Case) -> None:
    agree(case)


def agree(case: Case) -> None:
    """Run a program as lowered, without the matrix product, and by the plain loop alone."""
    chosen = run(case, lambda one: one)
    for way in (in_lanes, in_the_plain_loop):
        forced = run(case, way)
        assert forced.ledger == chosen.ledger
        for layer, points in chosen.trace.items():
            for point, values in points.items():
                assert forced.trace[layer][point].tolist() == values.tolist(), (way.__name__, layer, point)


def in_lanes(one: MultiplyAccumulate) -> MultiplyAccumulate:
    """Forbid the matrix product."""
    return replace(one, exact=False)


def in_the_plain_loop(one: MultiplyAccumulate) -> MultiplyAccumulate:
    """Send everything through two words, one step after another."""
    return replace(one, exact=False, wide_sums=True, wide=True)


def run(case: Case, way: Callable[[MultiplyAccumulate], MultiplyAccumulate]) -> Execution:
    """Run a case with its multiply-accumulate operations changed by ``way``."""
    operations: list[IntOperation] = [
        way(one) if isinstance(one, MultiplyAccumulate) else one for one in case.program.operations
    ]
    program = replace(case.program, operations=tuple(operations))
    layers = [one.name for one in case.network.operations]
    return execute(program, case.data, trace=layers, batch_size=case.batch_size)
