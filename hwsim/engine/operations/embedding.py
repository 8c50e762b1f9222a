"""Rows of a table of codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.tally import Tally
from hwsim.errors import DataError
from hwsim.program.records import PickRows

Codes = NDArray[Any]
Array = NDArray[Any]


def pick_rows(one: PickRows, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Read the row of each code; raises DataError for a code that has none."""
    index = inputs[0].astype(np.int64)
    wrong = (index < 0) | (index >= len(one.codes))
    if wrong.any():
        sample, *at = np.argwhere(wrong)[0].tolist()
        place = f"sample {tally.first_sample + sample} at {tuple(at)}"
        raise DataError(f"{one.layer}: {place} asks for row {index[sample, *at]}, the table has {len(one.codes)} rows")
    out[...] = one.codes[index]
