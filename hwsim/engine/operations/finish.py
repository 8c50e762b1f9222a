"""The way from an operation's values to stored codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.fused import Fused
from hwsim.engine.fused_wide import add_widely, bound_before_steps
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
    lanes = lane_steps(
        one, padded_columns(one.channels), lambda fused: take_steps(one, fused, name), kind=name, wide=True
    )
    if lanes is not None and in_lanes(one, tally):
        pass_lanes(lanes, values[0], tally, out)
        return
    tally.note(name, values)
    run_steps(one.steps, values, one.draws, len(out), tally)
    out[...] = codes_of(values).reshape(out.shape)


def take_steps(one: Stepped, fused: Fused, name: str) -> bool:
    """Take the steps of an operation, for values traced as ``name``."""
    if one.narrow:
        return fused.steps(one.steps)
    return add_widely(fused, one.steps, bound_before_steps(one, name))
