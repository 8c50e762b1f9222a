"""Between anything that holds integers and the words of the kernels: nothing is rounded or wrapped on the way."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from operator import index
from typing import Any, SupportsIndex, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwsim_kernels._types import Codes, Ints
from hwsim_kernels.wide import WORD, WORD_BITS

LARGEST = 1 << 124
"""Magnitudes lie below this: 125 bits with the sign."""


def whole(value: object, name: str, low: int, high: int, unit: str = "") -> int:
    """Return a single integer as Python's own.

    Raises TypeError for anything else, also for True, and ValueError outside ``low`` to ``high``.

    >>> whole(np.int8(3), "shift", 0, 62)
    3
    """
    try:
        number = index(cast(SupportsIndex, None if isinstance(value, bool) else value))
    except TypeError:
        raise TypeError(f"{name}: {value!r} is no integer") from None
    if not low <= number <= high:
        raise ValueError(f"{name}: {number}, it must lie within {low} to {high} {unit}".rstrip())
    return number


def flag(value: object, name: str) -> bool:
    """Return a truth value as Python's own; raise TypeError for anything else."""
    if type(value) not in (bool, np.bool_):
        raise TypeError(f"{name}: {value!r} is neither True nor False")
    return bool(value)


def known(name: object, names: Iterable[str], what: str) -> str:
    """Return a name that is one of ``names``; raise ValueError for another, with the nearest that exists."""
    names = tuple(names)
    if isinstance(name, str) and name in names:
        return name
    near = get_close_matches(str(name).lower(), names, 1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"{what} {name!r}: {meant}it must be one of {', '.join(names)}")


def array_of(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return values as NumPy sees them; raise ValueError for rows of different lengths."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def integers_of(values: ArrayLike, name: str) -> NDArray[Any]:
    """Return values as an array of integers, of Python's own where 64 bits are not enough.

    Raises TypeError for anything but integers.
    """
    array = array_of(values, name)
    if array.dtype.kind in "iu":
        return array
    if array.dtype != object and array.size and isinstance(values, np.ndarray):
        raise TypeError(f"{name}: integers are needed, not {array.dtype}")
    # NumPy turns integers beyond 64 bits into objects, and mixtures of int64 and uint64 into floats
    exact = np.asarray(values, object)
    for place, one in np.ndenumerate(exact):
        if isinstance(one, bool | np.bool_) or not isinstance(one, int | np.integer):
            raise TypeError(f"{name}{list(place) or ''}: integers are needed, not {one!r}")
    return np.array([int(one) for one in exact.flat], object).reshape(exact.shape)


def words_of(values: NDArray[Any], channels: int, name: str) -> Ints:
    """Return integers as (2, rows, channels), the highs and the lows; raise OverflowError beyond 125 bits."""
    exact = values.reshape(values.size // channels if channels else 0, channels)
    if exact.dtype == np.uint64:
        return np.stack([(exact >> np.uint64(WORD_BITS)).astype(np.int64), (exact & np.uint64(WORD)).astype(np.int64)])
    if exact.dtype == object:
        for extreme in (exact.min(initial=0), exact.max(initial=0)):
            if abs(extreme) >= LARGEST:
                raise OverflowError(f"{name}: {extreme} needs more than 125 bits (magnitudes lie below 2**124)")
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
    whole_numbers = (high.astype(object) << WORD_BITS) + low
    unsigned = int(high.min()) >= 0 and int(high.max()) <= 3
    return (whole_numbers.astype(np.uint64) if unsigned else whole_numbers).reshape(shape)


def codes_of(values: ArrayLike, name: str, axes: int) -> Codes:
    """Return values as an int32 array of so many axes that kernels take.

    Raises TypeError or ValueError for anything that is none.
    """
    array = integers_of(values, name)
    if array.ndim != axes:
        raise ValueError(f"{name}: {array.ndim} axes of shape {array.shape}, not {axes} axes")
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if low < -(1 << 31) or high >= 1 << 31:
        raise ValueError(f"{name}: {low} to {high}, an operand has at most 32 bits, sign included")
    return np.require(array, np.int32, ["C", "W"])


def per_channel(
    values: ArrayLike, shape: tuple[int, ...], name: str, limits: tuple[int, int], unit: str = ""
) -> NDArray[np.int64]:
    """Return one number (1,), or one for each channel of an array's ``shape`` (channels,).

    Raises ValueError for another number of them, or one outside ``limits``.
    """
    array = integers_of(values, name)
    channels = shape[-1] if shape else 1
    if array.shape not in ((), (1,), (channels,)):
        raise ValueError(f"{name}: the shape {array.shape}, it must be one number or {channels}, one for each channel")
    return np.array([whole(one, name, *limits, unit) for one in array.flat], np.int64)


def channels_of(*parameters: NDArray[Any]) -> int:
    """Return how many channels parameters, (1,) or (channels,) each, tell apart."""
    return int(np.broadcast_shapes(*(one.shape for one in parameters))[0])


def random_numbers(draws: ArrayLike | None, *roundings: str) -> Ints:
    """Return draws as kernels take them; raise ValueError where one of the modes needs some and there are none."""
    if draws is None:
        for rounding in roundings:
            if rounding.startswith("stochastic"):
                raise ValueError(f"rounding {rounding!r} needs `draws`: one period of random numbers, from `lfsr`")
        return np.zeros(1, np.int64)
    array = integers_of(draws, "draws")
    if array.ndim != 1 or not array.size:
        raise ValueError(f"draws: the shape {array.shape}, it must be one axis of one number or more")
    if int(array.min()) < 0 or int(array.max()) >= 1 << 32:
        raise ValueError(f"draws: {int(array.min())} to {int(array.max())}, a draw has 32 bits: see `lfsr`")
    return np.require(array, np.int64, ["C", "W"])
