"""Tests of the garbage collector held while modules load."""

from __future__ import annotations

import gc
from collections.abc import Generator

import pytest

from hwsim.collector import uncollected


@pytest.fixture(autouse=True)
def collecting() -> Generator[None]:
    """Leave the collector as it was."""
    before = gc.isenabled()
    yield
    (gc.enable if before else gc.disable)()


@pytest.mark.parametrize("before", [True, False])
def test_what_the_user_chose_holds_again_afterwards(before: bool) -> None:
    (gc.enable if before else gc.disable)()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled() == before


def test_an_import_that_fails_lets_the_collector_go_on() -> None:
    gc.enable()
    with pytest.raises(ImportError), uncollected():
        raise ImportError
    assert gc.isenabled()
