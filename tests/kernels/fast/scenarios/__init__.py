"""Calls of every fast kernel on buffers of odd sizes, for tests that put fences around them.

A scenario takes what copies an array to a place of the test's choice, calls kernels on such arrays alone, and returns
what they left there.
"""

from __future__ import annotations

from kernels.fast.datapaths import HERE
from kernels.fast.scenarios.accumulators import all_accumulators
from kernels.fast.scenarios.blocks import all_blocks
from kernels.fast.scenarios.chains import all_chains
from kernels.fast.scenarios.moved import Scenario
from kernels.fast.scenarios.strips import all_steps
from kernels.fast.scenarios.sums import all_sums

SCENARIOS: dict[str, Scenario] = (
    dict([*all_steps(), *all_blocks(), *all_accumulators(), *all_chains(), *all_sums()]) if HERE else {}
)
