"""Matrix products are located where they stand: in each of several matrices, with random numbers of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from location.test_random import check_line
from pipeline.tiny import reals, rows_of, target_with

import hwsim
from hwsim.location.location import Kind
from hwsim.network import Input, MatMul, Network

EVERY = 10**9
ROWS, DEPTH, COLUMNS = 3, 7, 5


def network() -> Network:
    """Return a product of two matrices each of two tensors, the second of which lies transposed."""
    inputs = (Input(name="query", shape=(2, ROWS, DEPTH)), Input(name="key", shape=(2, COLUMNS, DEPTH)))
    return Network(
        name="scores",
        operations=(*inputs, MatMul(name="scores", inputs=("query", "key"), transpose=(False, True))),
        outputs=("scores",),
    )


def data() -> dict[str, np.ndarray[Any, Any]]:
    """Return three samples; the two matrices of each tensor are alike in sample 1."""
    query, key = reals(3, 2, ROWS, DEPTH, seed=1), reals(3, 2, COLUMNS, DEPTH, seed=2)
    query[1, 1], key[1, 1] = query[1, 0], key[1, 0]
    return {"query": query, "key": key}


@pytest.fixture(scope="module")
def run() -> hwsim.Result:
    """Return a run whose products are rounded by chance and whose sums saturate once, at their end."""
    target = target_with(
        bias={"bits": 11},
        mac={
            "product": {"bits": 12, "shift": 3, "rounding": "stochastic_weighted"},
            "stages": [{"name": "accumulator", "bits": 11, "overflow": "saturate", "check": "last"}],
        },
    )
    return hwsim.run(network(), target, data(), reference=False, trace=["scores"])


def located(run: hwsim.Result, point: str, kind: Kind) -> hwsim.Locations:
    return hwsim.locate(run, data(), "scores", point, kind=kind, number=EVERY)


def test_sums_that_saturate_are_those_of_the_run(run: hwsim.Result) -> None:
    found = located(run, "accumulator", "clamping")
    row = rows_of(run.ledger)["scores", "accumulator"]
    assert sum(one.hits for one in found) == row.hits > 5
    traced = run.trace["scores"]["accumulator"].reshape(3, 2, ROWS, COLUMNS)
    limits = {-(1 << 10), (1 << 10) - 1}
    for one in found:
        assert traced[(one.sample, *one.position, one.channel)] == one.result
        assert one.result in limits and int(one.exact) not in range(min(limits), max(limits) + 1)
    assert {one.position[0] for one in found} == {0, 1}


def test_a_matrix_draws_as_the_one_before_it_does(run: hwsim.Result) -> None:
    found = [one for one in located(run, "product", "round-off") if one.sample == 1]
    first, second = (
        [(one.position[1:], one.channel, one.step, one.result, one.error) for one in found if one.position[0] == number]
        for number in (0, 1)
    )
    assert first == second and len(first) > 10


def test_operands_are_those_of_their_own_matrix(run: hwsim.Result) -> None:
    found = located(run, "product", "round-off")
    assert sum(one.hits for one in found) == rows_of(run.ledger)["scores", "product"].inexact
    codes = {name: run.plan.tensors[name] for name in ("query", "key")}
    for one in [*found][::25]:
        check_line(one)
        left, right = one.operands
        matrix, row = one.position
        assert (left.name, left.index[:2]) == ("query/codes", (matrix, row))
        assert (right.name, right.index[:2]) == ("key/codes", (matrix, one.channel))
        assert left.index[2] == right.index[2]
        exact = (left.value - codes["query"].zero_point) * (right.value - codes["key"].zero_point)
        assert float(one.exact) == exact / 8
