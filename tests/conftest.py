"""What all tests share."""

from __future__ import annotations

import pytest

from hwsim.engine.tiers import WORK


@pytest.fixture(autouse=True, scope="session")
def fast_kernels_from_the_start() -> None:
    """Let small networks, too, run on the fast kernels: they are what is to be tested."""
    WORK.little = -1
