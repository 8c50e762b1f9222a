"""Interpolation between pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.operations.finish import finish
from hwsim.engine.tally import Tally
from hwsim.engine.words import in_words
from hwsim.program.records import Interpolate
from hwsim_kernels.resize import interpolate

Codes = NDArray[Any]
Array = NDArray[Any]


def resize(one: Interpolate, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Interpolate between pixels."""
    values = np.empty((len(out), *one.output.shape), np.int64)
    taps = (one.rows, one.row_weights, one.columns, one.column_weights)
    interpolate(inputs[0], one.zero_point, *taps, one.shift, one.rounding, one.draws, values, tally.counts[0])
    finish(one, in_words(values.reshape(-1, one.channels), one.wide), "interpolation", tally, out)
