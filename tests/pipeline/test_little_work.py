"""Little work is left to the kernels that are compiled soonest, and gives the same integers."""

from __future__ import annotations

import numpy as np
import pytest
from golden.case import program_of, stage, target, tensor, weight

from hwsim.engine import execute, tiers
from hwsim.network import Dense
from hwsim.program import Program
from hwsim_kernels.fast.features import ENVIRONMENT, NUMPY, PLAIN, tier

SAMPLES, INPUTS, OUTPUTS = 7, 20, 10


@pytest.fixture
def program() -> Program:
    """Return a program of 200 products a sample."""
    kernel = np.random.default_rng(0).integers(-8, 8, (INPUTS, OUTPUTS)).astype(np.float32)
    layer = Dense(name="layer", inputs=("x",), kernel=kernel, bias=np.zeros(OUTPUTS, np.float32))
    return program_of(layer, (INPUTS,), target([stage(10, "saturate")]), (tensor(), weight(), tensor()))


def work(monkeypatch: pytest.MonkeyPatch, little: int) -> tiers.Work:
    """Start to count anew, with no tier forced."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    fresh = tiers.Work(little=little)
    monkeypatch.setattr(tiers, "WORK", fresh)
    return fresh


def test_products_are_counted(program: Program) -> None:
    assert tiers.products(program) == INPUTS * OUTPUTS


def test_runs_take_numpy_until_there_is_more_to_do(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    each = SAMPLES * INPUTS * OUTPUTS
    done = work(monkeypatch, 2 * each)
    assert [tiers.tier_for(program, SAMPLES) for _ in range(4)] == [NUMPY, NUMPY, tier(), tier()]
    assert done.done == 4 * each


def test_a_large_run_is_fast_from_its_start(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    work(monkeypatch, 10**6)
    assert tiers.tier_for(program, 10**4) == tier()


def test_nobody_knows_how_long_a_stream_is(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    work(monkeypatch, 10**9)
    assert tiers.tier_for(program, None) == tier()


def test_a_forced_tier_is_used_for_little_work_too(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    work(monkeypatch, 0)
    monkeypatch.setenv(ENVIRONMENT, "plain")
    assert tiers.tier_for(program, 10**9) == PLAIN


def test_the_integers_are_the_same(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(1).integers(-128, 128, (SAMPLES, INPUTS)).astype(np.float32)
    work(monkeypatch, -1)
    fast = execute(program, data)
    work(monkeypatch, 10**9)
    soon = execute(program, data)
    assert fast.codes["layer"].tolist() == soon.codes["layer"].tolist()
    assert fast.ledger == soon.ledger
