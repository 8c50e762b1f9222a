"""No kernel writes outside the arrays that it is given, and none reads there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kernels.fast.datapaths import Array, compiled
from kernels.fast.scenarios import SCENARIOS
from kernels.fast.scenarios.faulty import FAULTY
from numba.core import config

pytestmark = [compiled, pytest.mark.slow]

PATTERN = 0xA5
MARGIN = 8192
"""Bytes on either side: more than a kernel handles at a time."""


class Guards:
    """Copies arrays into larger ones that are filled with a pattern, ``lead`` bytes off a line of the cache."""

    def __init__(self, lead: int) -> None:
        self.lead = lead
        self.zones: list[tuple[Array, int, int]] = []

    def take(self, array: Array) -> Array:
        """Return a copy with guards on both sides."""
        whole = np.full(array.nbytes + 2 * MARGIN + 128, PATTERN, np.uint8)
        first = MARGIN + (-whole.ctypes.data - MARGIN) % 64 + self.lead
        copy: Array = np.ndarray(array.shape, array.dtype, whole.data, first)
        copy[...] = array
        self.zones.append((whole, first, first + array.nbytes))
        return copy

    def untouched(self) -> bool:
        """Whether the pattern is still there."""
        around = (np.concatenate([zone[:first], zone[last:]]) for zone, first, last in self.zones)
        return all((one == PATTERN).all() for one in around)


@pytest.mark.parametrize("name", SCENARIOS)
def test_guards_stay_untouched(name: str) -> None:
    wanted = SCENARIOS[name](np.copy)
    for lead in (0, 8, 56):
        guards = Guards(lead)
        left = SCENARIOS[name](guards.take)
        assert guards.untouched()
        assert guards.zones
        assert [one.tolist() for one in left] == [one.tolist() for one in wanted]


@pytest.mark.parametrize("name", [name for name in FAULTY if "writes" in name])
def test_guards_notice_a_write(name: str) -> None:
    guards = Guards(0)
    FAULTY[name](guards.take)
    assert not guards.untouched()


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages as Linux does")
@pytest.mark.skipif(
    bool(vars(config)["BOUNDSCHECK"]), reason="code with bounds checks is never kept: compiled anew for minutes"
)
def test_no_kernel_reaches_into_a_forbidden_page() -> None:
    made = python("from kernels.fast.fences import main; main()")
    assert made.returncode == 0, made.stderr
    passed, faulty = json.loads(made.stdout)
    assert {name: what for name, what in passed.items() if what != "as wanted"} == {}
    assert len(passed) == 2 * len(SCENARIOS)
    assert faulty["reads behind, behind"].startswith("signal")
    assert faulty["writes behind, behind"].startswith("signal")
    assert faulty["writes before, before"].startswith("signal")


CHECKED = """
import numpy as np
from kernels.fast.scenarios import SCENARIOS
from hwsim_kernels.fast.windows import add_values
for scenario in SCENARIOS.values():
    scenario(np.copy)
try:
    add_values(np.zeros((2, 16), np.int32), np.zeros((1, 16), np.int32))
except IndexError:
    print(len(SCENARIOS))
"""


def test_no_index_is_out_of_bounds() -> None:
    made = python(CHECKED, NUMBA_BOUNDSCHECK="1")
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip() == str(len(SCENARIOS))


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    surroundings = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=surroundings)
