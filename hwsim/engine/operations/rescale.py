"""Steps on each code: activation functions, and inputs that are brought to another scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from hwsim.engine.mapping import mapping_of, maps, run_mapping
from hwsim.engine.operations.lanes import in_lanes, pass_lanes, steps_of_codes
from hwsim.engine.steps import run_steps
from hwsim.engine.tally import Tally
from hwsim.engine.words import codes_of, in_words
from hwsim.program.records import Join, Rescale, Step

Codes = NDArray[Any]
Array = NDArray[Any]


def rescale(one: Rescale, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Run steps on each code."""
    rescaled(one, one.steps, inputs[0], tally, out)


def rescaled(
    one: Join | Rescale, steps: Sequence[Step], codes: Array, tally: Tally, out: Codes, number: int = 0
) -> None:
    """Run the steps of input ``number`` on each of its codes."""
    channels = codes.shape[-1]
    rows = codes.reshape(-1, channels)
    lanes = steps_of_codes(one, steps, number, codes, channels)
    if lanes is not None and in_lanes(one, tally):
        pass_lanes(lanes, rows, tally, out)
        return
    if maps(one, steps, rows, tally):
        mapping = mapping_of(one, steps, number, codes.dtype, out.dtype)
        run_mapping(mapping, rows, len(codes), tally, out)
        return
    values = in_words(rows, one.wide)
    run_steps(steps, values, one.draws, len(codes), tally)
    out[...] = codes_of(values).reshape(out.shape)
