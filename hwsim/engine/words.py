"""Values in one word of 64 bits or in two, as ``hwsim_kernels.wide`` defines them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels.wide import WORD, WORD_BITS

Ints = NDArray[np.int64]


def in_words(values: NDArray[Any], wide: bool) -> Ints:
    """Return integers (rows, channels) as (words, rows, channels), a copy."""
    one = values.astype(np.int64)
    return np.stack([one >> WORD_BITS, one & WORD]) if wide else one[np.newaxis]


def codes_of(values: Ints) -> NDArray[np.int32]:
    """Return values (words, rows, channels) that have become codes as (rows, channels)."""
    codes: Ints = values[0] if len(values) == 1 else values[0] << WORD_BITS | values[1]
    return codes.astype(np.int32)


def integers(values: Ints) -> NDArray[Any]:
    """Return values (words, rows, channels) as (rows, channels), a copy: int64, or Python's own where those are few."""
    if len(values) == 1:
        return np.array(values[0])
    whole: NDArray[Any] = (values[0].astype(object) << WORD_BITS) + values[1]
    small = not whole.size or (whole.min() >= -(1 << 63) and whole.max() < 1 << 63)
    return whole.astype(np.int64) if small else whole
