"""Which kernels a run uses: the fastest, or, while there is little to do, those that are compiled soonest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import prod

from hwsim.errors import SettingError
from hwsim.program import Program
from hwsim.program.records import MultiplyAccumulate
from hwsim_kernels.fast.features import ENVIRONMENT, NUMPY, tier


@dataclass
class Work:
    """Products that all runs of this process were to compute so far, and up to how many the tier ``numpy`` will do.

    Where sums can lose something, plain kernels take about a second for ``little``; to compile micro-kernels takes
    longer than that.
    """

    done: int = 0
    little: int = 1 << 31


WORK = Work()


def tier_for(program: Program, samples: int | None) -> int:
    """Return the tier for a run of ``samples`` (None: nobody knows how many); results do not depend on it.

    Raises SettingError if HWSIM_TIER names a tier that does not work on this machine.
    """
    if not os.environ.get(ENVIRONMENT) and samples is not None:
        WORK.done += samples * products(program)
        if WORK.done <= WORK.little:
            return NUMPY
    try:
        return tier()
    except ValueError as error:
        raise SettingError(str(error)) from None


def products(program: Program) -> int:
    """Return how many products one sample takes."""
    weighted = (one for one in program.operations if isinstance(one, MultiplyAccumulate))
    return sum(one.weights.size * prod(one.output_view[:2]) for one in weighted)
