"""From integers to stored codes and back, where codes are no plain integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.tally import Tally
from hwsim.program.records import Decode, Encode
from hwsim_kernels import levels as nearest

Codes = NDArray[Any]
Array = NDArray[Any]


def encode(one: Encode, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Round integers to levels and store their codes."""
    values = inputs[0].reshape(-1, one.channels).astype(np.int64)
    codes = np.empty(values.shape, np.int64)
    assert one.output.format is not None
    levels, first = np.asarray(one.output.levels, np.int64), one.output.format.minimum
    nearest.encode(values, levels, first, codes, tally.point("encode"))
    out[...] = codes.reshape(out.shape)


def decode(one: Decode, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Turn codes into the integers that they stand for."""
    if one.levels.size:
        np.take(one.levels.astype(out.dtype), inputs[0].astype(np.intp) - one.first, out=out, mode="clip")
    else:
        np.left_shift(inputs[0].astype(out.dtype), one.shift.astype(out.dtype), out=out)
