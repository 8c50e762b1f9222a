"""What all tests share."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from hwsim.engine import mapping
from hwsim.engine.tiers import WORK

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

SHARED = ("tests/kernels/fast/", "tests/lite/")
"""Folders whose files share what is dear to make, compiled kernels and converted files: one process for each."""

UNTIL = "HWSIM_TEST_UNTIL"
"""The variable that says up to when tests may begin, in seconds since 1970; without it, whenever they want."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what is shared first, so that no two processes compile the same kernels side by side."""
    items.sort(key=lambda item: not item.nodeid.startswith(SHARED))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    """Give each process whole files, or folders of `SHARED`; other ways to share tests remain as they are."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return next((one for one in SHARED if nodeid.startswith(one)), None) or super()._split_scope(nodeid)

    return ByFile(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave a test out that would begin when the time is over that `UNTIL` gives."""
    until = os.environ.get(UNTIL)
    if until and time.time() >= float(until):
        pytest.skip(f"no time was left, {UNTIL} is {until}")


@pytest.fixture(autouse=True, scope="session")
def fast_kernels_from_the_start() -> None:
    """Let small networks, too, run on the fast kernels: they are what is to be tested."""
    WORK.little = -1
    mapping.FEW_ROWS = 0
