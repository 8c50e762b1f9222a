"""The engine and the oracle agree on every code, every intermediate value and every figure of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from math import ldexp
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from numpy.typing import NDArray
from pipeline.plain import plain_network, plain_plan, plain_settings
from pipeline.strategies import data_for, networks, profiles, targets

from hwsim.engine import Execution, Row, execute
from hwsim.errors import PlanError, WidthError
from hwsim.network import Activation, Input, Network, Operation, Prelu, Relu
from hwsim.program import Program, lower
from hwsim.quantize import Plan, Profile, Statistics, TensorPlan, decide
from hwsim.target import Target
from hwsim_kernels import counting
from oracle.network import run

SLOW_DRAWS = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.large_base_example,
    HealthCheck.filter_too_much,
)


REFUSED = (
    "multipliers make 0",
    "which have scales of their own",
    "in float32",
    "takes an input scale above 2^-26",
    "takes an input scale up to ln(2)",
    "a softmax by lines of two tables multiplies",
    "where codes are no plain integers",
    "takes apart in different ways",
    "takes codes of at most 8 bits",
    "bits need a shift by",
)
"""What a plan may be refused for."""


@dataclass(frozen=True)
class Case:
    """A network lowered for a target, and data for it."""

    network: Network
    target: Target
    plan: Plan
    program: Program
    data: list[NDArray[np.float32]]
    batch_size: int


@composite
def with_finer_biases(draw: DrawFn, plan: Plan) -> Plan:
    """Return a plan with other scales of biases, where there are any: finer than those of sums, or coarser."""
    weights = {
        name: entry
        if entry.bias_scale is None
        else entry.model_copy(update={"bias_scale": ldexp(entry.bias_scale, draw(st.integers(-9, 2)))})
        for name, entry in plan.weights.items()
    }
    return plan.model_copy(update={"weights": weights})


@composite
def cases(draw: DrawFn) -> Case:
    """Draw a network, a target, ranges and data; lower them."""
    fixed = draw(st.booleans())
    network, target = draw(networks(fixed)), draw(targets(fixed))
    try:
        plan = draw(with_finer_biases(decide(network, draw(profiles(network)), target)))
        program = lower(network, plan, target)
    except WidthError:
        reject()
    except PlanError as error:
        assert any(words in str(error) for words in REFUSED), error
        reject()
    data = data_for(draw, network, draw(st.integers(1, 3)))
    return Case(network, target, plan, program, data, draw(st.integers(1, 4)))


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW_DRAWS)
@given(cases())
def test_everything_agrees(case: Case) -> None:
    agree(case)


@pytest.mark.slow
@settings(max_examples=1200, deadline=None, suppress_health_check=SLOW_DRAWS)
@given(cases())
def test_everything_agrees_at_length(case: Case) -> None:
    agree(case)


def agree(case: Case) -> None:
    """Hold every code, every traced sum and every figure of the ledger against the oracle."""
    layers = [one.name for one in case.network.operations]
    ours = execute(case.program, case.data, trace=layers, batch_size=case.batch_size)
    theirs = run(
        plain_network(case.network),
        plain_plan(case.plan),
        plain_settings(case.network, case.target),
        [one.tolist() for one in case.data],
    )
    compare_codes(case.program, ours, theirs.codes)
    compare_values(ours, theirs.values)
    compare_ledger(ours, theirs.ledger)


def compare_codes(program: Program, ours: Execution, theirs: dict[str, list[Any]]) -> None:
    for name in program.outputs:
        mine, wanted = ours.codes[name].ravel().tolist(), theirs[name]
        if program.tensors[name].format is None:
            np.testing.assert_allclose(mine, wanted, rtol=1e-12)  # a softmax in float64 on the host
        else:
            assert mine == wanted, name


def compare_values(ours: Execution, theirs: dict[str, dict[str, list[int]]]) -> None:
    for name, points in theirs.items():
        trace = {point: values.ravel().tolist() for point, values in ours.trace[name].items()}
        assert trace.get("bias_sum", trace["accumulator"]) == points["accumulator"], name
        for point in points.keys() & trace.keys() - {"accumulator"}:
            assert trace[point] == points[point], (name, point)


def compare_ledger(ours: Execution, theirs: dict[str, dict[str, Any]]) -> None:
    rows = {(row.layer, row.point.name): row for row in ours.ledger}
    wanted = {(layer, point): figures for layer, points in theirs.items() for point, figures in points.items()}
    assert list(rows) == list(wanted)
    for key, figures in wanted.items():
        mine = figures_of(rows[key])
        if rows[key].point.once:
            mine["first"] = figures["first"]
        assert mine == figures, key


def figures_of(row: Row) -> dict[str, Any]:
    """Return a row as the oracle writes it."""
    counts = row.counts
    ranges = counting.value_range(counts)
    hits = (counts[counting.LOW] + counts[counting.HIGH]).tolist()
    return {
        "values": counts[counting.VALUES].tolist(),
        "sums": counts[counting.SUMS].tolist(),
        "low": counts[counting.LOW].tolist(),
        "high": counts[counting.HIGH].tolist(),
        "minimum": [low for low, _ in ranges],
        "maximum": [high for _, high in ranges],
        "clamp_energy": counting.long_sum(counts, counting.CLAMP_ENERGY),
        "transient": counts[counting.TRANSIENT].tolist(),
        "persistent": counts[counting.PERSISTENT].tolist() if row.point.stage else hits,
        "inexact": counts[counting.INEXACT].tolist(),
        "round_bias": counts[counting.ROUND_BIAS].tolist(),
        "round_energy": counting.long_sum(counts, counting.ROUND_ENERGY),
        "first": [place_of(row, key) for key in counts[counting.FIRST].tolist()],
        "histogram": row.histogram.tolist() if has_histogram(row) else None,
    }


def has_histogram(row: Row) -> bool:
    """Whether docs/ledger.md foresees a histogram: the last stage, and outputs."""
    return row.point.name in ("accumulator", "output")


def place_of(row: Row, key: int) -> tuple[int, int, int] | None:
    """Return (sample, position, step) of a first occurrence."""
    if key == counting.NEVER:
        return None
    place, step = divmod(key, row.point.steps)
    return (*divmod(place, row.positions), step)


@pytest.mark.parametrize(
    "sloped",
    [
        Prelu(name="y", inputs=("x",), slopes=np.array([-0.026], np.float32)),
        Activation(name="y", inputs=("x",), function=Relu(negative_slope=0.026)),
    ],
    ids=["prelu", "apart"],
)
@pytest.mark.parametrize("scale", [2.0**-111, 2.0**-64])
def test_sums_of_two_slopes_saturate(sloped: Operation, scale: float) -> None:
    network = Network(name="n", operations=(Input(name="x", inputs=(), shape=(3, 1)), sloped), outputs=("y",))
    target = Target.from_dict({"name": "t", "activation": {"slope": "apart"}, "requantize": {"kind": "fixed"}})
    entry = TensorPlan(bits=8, signed=True, narrow=False, scale=1.0, zero_point=0, minimum=-9.0, maximum=9.0)
    found = {name: Statistics() for name in ("x", "y")}
    for one in found.values():
        one.add(np.full((4, 1), 7, np.float32))
    plan = decide(network, Profile(found), target)
    plan = plan.model_copy(update={"tensors": {"x": entry, "y": entry.model_copy(update={"scale": scale})}})
    data = [np.array([[[-2.0], [0.0], [3.0]]], np.float32)]
    program = lower(network, plan, target)
    assert execute(program, data).codes["y"].ravel().tolist()[1:] == [0, 127]
    agree(Case(network, target, plan, program, data, 1))
