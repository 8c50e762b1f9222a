"""The way from an operation's values to stored codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.operations.lanes import in_lanes, lane_steps, pass_lanes
from hwsim.engine.steps import run_steps
from hwsim.engine.tally import Tally
from hwsim.engine.words import codes_of
from hwsim.program.records import Stepped
from hwsim_kernels.fast.blocks import padded_columns

Codes = NDArray[Any]
Ints = NDArray[np.int64]


def finish(one: Stepped, values: Ints, name: str, tally: Tally, out: Codes) -> None:
    """Send values (words, rows, channels), traced as ``name``, through the post-pipeline and store the codes."""
    lanes = lane_steps(one, padded_columns(one.channels), lambda fused: fused.steps(one.steps), kind=name)
    if lanes is not None and in_lanes(one, tally):
        pass_lanes(lanes, values[0], tally, out)
        return
    tally.note(name, values)
    run_steps(one.steps, values, one.draws, len(out), tally)
    out[...] = codes_of(values).reshape(out.shape)
