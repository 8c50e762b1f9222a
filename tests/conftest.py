"""What all tests share."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hwsim.engine.tiers import WORK

COSTLY = {"models": "lite", "ap_fixed": "ap_fixed", "ac_fixed": "ac_fixed", "hls4ml_dense": "hls4ml"}
"""Fixtures that take long to make, and the name of the group of tests that one process runs because they share it."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Keep tests together that share a costly fixture."""
    for item in items:
        for fixture in COSTLY.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(COSTLY[fixture]))


@pytest.fixture(autouse=True, scope="session")
def fast_kernels_from_the_start() -> None:
    """Let small networks, too, run on the fast kernels: they are what is to be tested."""
    WORK.little = -1
