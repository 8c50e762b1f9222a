"""Places for arrays beside pages that nobody may touch, and a run of all scenarios there.

Each scenario runs in a process of its own, which the system ends if a kernel reads or writes a byte too far.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import sys
from collections.abc import Mapping

import numpy as np
from kernels.fast.datapaths import Array
from kernels.fast.scenarios import SCENARIOS
from kernels.fast.scenarios.faulty import FAULTY
from kernels.fast.scenarios.moved import Scenario, Take

PAGE = mmap.PAGESIZE
FORBIDDEN = 0
"""PROT_NONE."""

_kept: list[mmap.mmap] = []
_system = ctypes.CDLL(None, use_errno=True)


def fenced(array: Array, *, behind: bool) -> Array:
    """Return a copy that ends where a forbidden page begins, or begins where one ends."""
    pages = -(-array.nbytes // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    _kept.append(memory)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for page in (0, pages + 1):
        if _system.mprotect(ctypes.c_void_p(base + page * PAGE), ctypes.c_size_t(PAGE), FORBIDDEN) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    first = PAGE + (pages * PAGE - array.nbytes if behind else 0)
    copy: Array = np.ndarray(array.shape, array.dtype, memory, first)
    copy[...] = array
    return copy


def behind(array: Array) -> Array:
    """Return a copy with a forbidden page behind it."""
    return fenced(array, behind=True)


def before(array: Array) -> Array:
    """Return a copy with a forbidden page before it."""
    return fenced(array, behind=False)


def outcome(scenario: Scenario, take: Take, wanted: list[Array] | None) -> str:
    """Run a scenario in a process of its own; return what became of it."""
    child = os.fork()
    if child == 0:
        left = scenario(take)
        same = wanted is None or all(np.array_equal(*pair) for pair in zip(left, wanted, strict=True))
        os._exit(0 if same else 1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return "as wanted" if os.WEXITSTATUS(status) == 0 else "other values"


def outcomes(scenarios: Mapping[str, Scenario], *, known: bool) -> dict[str, str]:
    """Run scenarios with a fence on either side; ``known``: they also run, first, without."""
    found: dict[str, str] = {}
    for name, scenario in scenarios.items():
        wanted = scenario(np.copy) if known else None
        for take in (behind, before):
            found[f"{name}, {take.__name__}"] = outcome(scenario, take, wanted)
    return found


def main() -> None:
    """Print what became of each scenario."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    json.dump([outcomes(SCENARIOS, known=True), outcomes(FAULTY, known=False)], sys.stdout)


if __name__ == "__main__":
    main()
