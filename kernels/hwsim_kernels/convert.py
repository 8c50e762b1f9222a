"""Between anything that holds integers and the words of the kernels: nothing is rounded or wrapped on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwsim_kernels._types import Codes, Ints
from hwsim_kernels.wide import WORD, WORD_BITS

LARGEST = 1 << 124


def integers_of(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return values as an array of integers, of Python's own where 64 bits are not enough.

    Raises TypeError for anything but integers.
    """
    array = np.asarray(values)
    if array.dtype.kind in "iu":
        return array
    if array.dtype == object or array.size == 0 or array.dtype.kind == "f":
        # NumPy turns integers beyond 64 bits into objects, and mixtures of int64 and uint64 into floats
        exact = np.asarray(values, object)
        if all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in exact.flat):
            return exact
    raise TypeError(f"{name}: integers are needed, not {array.dtype}")


def words_of(values: NDArray[Any], channels: int) -> Ints:
    """Return integers as (2, rows, channels), the highs and the lows; raise OverflowError beyond 124 bits."""
    exact = values.reshape(-1, channels)
    if exact.dtype != np.int64 and exact.dtype.kind != "i":
        exact = exact.astype(object)
        if exact.size and max(-exact.min(), exact.max()) >= LARGEST:
            raise OverflowError(f"a value of {max(-exact.min(), exact.max()).bit_length() + 1} bits, at most 125 fit")
        return np.stack([(exact >> WORD_BITS).astype(np.int64), (exact & WORD).astype(np.int64)])
    narrow = exact.astype(np.int64)
    return np.stack([narrow >> WORD_BITS, narrow & WORD])


def integers_in(words: Ints, shape: tuple[int, ...]) -> Any:  # noqa: ANN401 (an array, or an int for no axes)
    """Return (2, rows, channels) as integers of ``shape``: int64 if all fit, else uint64, else Python's own.

    Without axes the result is a Python int.
    """
    high, low = words
    if not shape:
        return (int(high[0, 0]) << WORD_BITS) + int(low[0, 0])
    if not high.size or (int(high.min()) >= -2 and int(high.max()) <= 1):
        return (high << WORD_BITS | low).reshape(shape)
    whole = (high.astype(object) << WORD_BITS) + low
    unsigned = int(high.min()) >= 0 and int(high.max()) <= 3
    return (whole.astype(np.uint64) if unsigned else whole).reshape(shape)


def codes_of(values: ArrayLike, name: str, axes: int) -> Codes:
    """Return values as an int32 array of so many axes; raise TypeError or ValueError for anything that is none."""
    array = integers_of(values, name)
    if array.ndim != axes:
        raise ValueError(f"{name} has {array.ndim} axes, not {axes}")
    if array.size and (int(array.min()) < -(1 << 31) or int(array.max()) >= 1 << 31):
        raise ValueError(f"{name} holds {int(array.min())} to {int(array.max())}, an operand has at most 32 bits")
    return np.ascontiguousarray(array, np.int32)
