"""Arithmetic on whole arrays, for use by itself: a golden model for a test bench needs nothing but these.

Values are integers of any kind that NumPy holds, Python's own for more than 64 bits; magnitudes stay below 2**124, and
what would need more raises OverflowError. Results are exact: int64, uint64 where an unsigned 64-bit format needs it,
Python's own integers beyond; a single number gives a Python int. Modes are named as in ``docs/modes.md``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwsim_kernels import merging, steps
from hwsim_kernels._types import Ints
from hwsim_kernels.convert import (
    array_of,
    channels_of,
    codes_of,
    integers_in,
    integers_of,
    known,
    per_channel,
    random_numbers,
    whole,
    words_of,
)
from hwsim_kernels.counting import BINS, new_counts
from hwsim_kernels.describe import Format, format_field, rounding_code
from hwsim_kernels.fields import BITS, FIELDS, OVERFLOW, ROUNDING, SATURATED_BITS, SHIFT, SIGNED
from hwsim_kernels.lookup import look_up
from hwsim_kernels.quantize import quantize as quantize_reals
from hwsim_kernels.wide import WORD_BITS

WIDEST = 124
"""Bits of a shift at most."""

ZERO_POINTS = (-(1 << 63), (1 << 63) - 1)


def round_shift(
    values: ArrayLike,
    shift: ArrayLike,
    rounding: str = "floor",
    *,
    guard_bits: int | None = None,
    draws: ArrayLike | None = None,
) -> Any:  # noqa: ANN401
    """Return ``values / 2**shift`` rounded by the mode ``rounding``; a shift of 0 changes nothing in any mode.

    shift: up to 124 bits, one number or one for each channel (the last axis); negative ones, down to -92, shift left,
    exactly.
    guard_bits: how many of the dropped bits the rounder sees, from the top (1 to 32; None: all).
    draws: one period of random numbers for the stochastic modes, from ``lfsr``; value number i takes draw i.

    >>> round_shift([-6, -5, -3, -2, -1, 1, 2, 3, 5, 6], 2, "half_even").tolist()
    [-2, -1, -1, 0, 0, 0, 0, 1, 1, 2]
    >>> round_shift(1 << 100, 98)
    4
    """
    return requantize(values, 1, shift, rounding, guard_bits=guard_bits, draws=draws)


def requantize(
    values: ArrayLike,
    multiplier: ArrayLike,
    shift: ArrayLike,
    rounding: str = "half_up",
    *,
    guard_bits: int | None = None,
    zero_point: int = 0,
    output: Format | None = None,
    draws: ArrayLike | None = None,
) -> Any:  # noqa: ANN401
    """Return ``fit(round_shift(values * multiplier, shift) + zero_point)``: a sum brought to an output's scale.

    multiplier: 0 to 2**32 - 1; shift: -92 to 124, negative to the left; both one number or one for each channel
    (the last axis), as ``multiplier_of`` derives them from real ratios. The product is exact, however wide.
    output: what the result is fitted to; without it nothing is cut off. TensorFlow Lite rounds twice:
    see ``requantize_double``.

    >>> requantize([[100, -100]], [1 << 30, 3 << 29], [32, 31], output=Format(8, "saturate")).tolist()
    [[25, -75]]
    """
    array = integers_of(values, "values")
    factors = per_channel(multiplier, array.shape, "multiplier", (0, (1 << 32) - 1))
    shifts = per_channel(shift, array.shape, "shift", (-92, WIDEST), "bits")
    guard = 0 if guard_bits is None else whole(guard_bits, "guard_bits", 1, 32, "bits (None: all)")
    mode, numbers = rounding_code(rounding), random_numbers(draws, rounding)
    offset = whole(zero_point, "zero_point", *ZERO_POINTS)
    field = None if output is None else format_field(output, "output")
    channels = channels_of(factors, shifts)
    factors, shifts = np.resize(factors, channels), np.resize(shifts, channels)
    words = words_of(array, channels, "values")
    left, right = np.maximum(-shifts, 0), np.maximum(shifts, 0)
    refuse_wider(words, [int(one) << int(two) for one, two in zip(factors, left, strict=True)], "a product")
    position = np.array([0, words.shape[1]], np.int64)
    steps.shift_left(words, left)
    steps.scale_fixed(words, factors, right, guard, mode, numbers, position, False, new_counts(channels))
    steps.add_constant(words, np.full(channels, offset, np.int64))
    if field is not None:
        fit_in_place(words, field)
    return integers_in(words, array.shape)


def requantize_double(
    values: ArrayLike,
    multiplier: ArrayLike,
    exponent: ArrayLike,
    *,
    zero_point: int = 0,
    output: Format | None = None,
    last: str = "half_away",
) -> Any:  # noqa: ANN401
    """Return values times ``multiplier * 2**(exponent - 31)`` with the two roundings of TensorFlow Lite and gemmlowp.

    The value is shifted left by a positive exponent and wraps to 32 bits, the product with the 31-bit multiplier is
    rounded half up to its high half, and a negative exponent shifts right, rounded by ``last`` (ruy: `half_up`).
    multiplier, exponent (-31 to 60): one or one for each channel (the last axis); ``multiplier_of`` gives the
    multiplier and 31 - exponent.

    >>> requantize_double([-10, -6, -5, -3, 1, 5, 25], 1 << 30, -1).tolist()
    [-3, -2, -1, -1, 1, 2, 7]
    """
    array = integers_of(values, "values")
    factors = per_channel(multiplier, array.shape, "multiplier", (0, (1 << 31) - 1))
    exponents = per_channel(exponent, array.shape, "exponent", (-31, 60))
    shifted = fit(round_shift(array, -np.maximum(exponents, 0)), 32, "wrap")
    high = requantize(shifted, factors, 31, "half_up")
    return requantize(high, 1, np.maximum(-exponents, 0), last, zero_point=zero_point, output=output)


def fit(
    values: ArrayLike, bits: int, overflow: str = "saturate", *, signed: bool = True, saturated_bits: int = 0
) -> Any:  # noqa: ANN401
    """Return values as a format of ``bits`` (1 to 64) holds them; ``overflow`` says what becomes of those outside.

    See ``Format`` for the modes and ``saturated_bits``.

    >>> fit([-129, 130, 5], 8, "wrap").tolist(), fit(-128, 8, "saturate_symmetric")
    ([127, -126, 5], -127)
    """
    array = integers_of(values, "values")
    words = words_of(array, 1, "values")
    fit_in_place(words, Format(bits, overflow, signed, saturated_bits).field())
    return integers_in(words, array.shape)


def quantize(
    values: ArrayLike,
    scale: ArrayLike,
    zero_point: ArrayLike = 0,
    *,
    output: Format,
    rounding: str = "half_even",
) -> Any:  # noqa: ANN401
    """Return the codes of real values: ``fit(round(values / scale) + zero_point)``, the division in float64.

    scale (between 2**-300 and 2**300), zero_point: one or one for each channel (the last axis). rounding: any mode but
    the stochastic ones. Raises ValueError for NaN and infinities.

    >>> quantize([0.49, 0.5, -1.5, 9.0], 1.0, output=Format(4, "saturate")).tolist()
    [0, 0, -2, 7]
    """
    array, steps_of = reals_of(values, "values"), reals_of(scale, "scale")
    if steps_of.shape not in ((), (1,), array.shape[-1:]):
        raise ValueError(f"scale: the shape {steps_of.shape}, it must be one number or {array.shape[-1:]}")
    for one in steps_of.flat:
        if not 2.0**-300 < one < 2.0**300:
            raise ValueError(f"scale: {one}, it must lie between 2**-300 and 2**300")
    zero_points = per_channel(zero_point, array.shape, "zero_point", (-(1 << 62), 1 << 62))
    field = np.array([*format_field(output, "output"), rounding_code(rounding)], np.int64)
    if rounding.startswith("stochastic"):
        raise ValueError(f"rounding {rounding!r}: quantize has no random numbers")
    channels = channels_of(steps_of.reshape(-1), zero_points)
    rows = np.require(array.reshape(array.size // channels if channels else 0, channels), np.float64, ["C", "W"])
    codes: NDArray[Any] = np.empty(rows.shape, np.int64)
    scales, offsets = np.resize(steps_of, channels), np.resize(zero_points, channels)
    quantize_reals(rows, scales, offsets, field, np.array([0, len(rows)]), codes, new_counts(channels))
    if not output.signed and output.bits == 64:
        codes = codes.view(np.uint64)
    return codes.reshape(array.shape) if array.ndim else int(codes[0, 0])


def add(*tensors: ArrayLike, accumulator: Format) -> Any:  # noqa: ANN401
    """Return the sum of tensors of one shape, added one after another, the sum fitted after each.

    >>> add([100, -100], [100, -100], [-50, 50], accumulator=Format(8, "saturate")).tolist()
    [77, -78]
    """
    arrays = [integers_of(one, f"tensors[{index}]") for index, one in enumerate(tensors)]
    if len({one.shape for one in arrays}) != 1:
        raise ValueError(f"tensors: shapes {[one.shape for one in arrays]}, there must be one or more of one shape")
    words = [words_of(one, 1, f"tensors[{index}]") for index, one in enumerate(arrays)]
    for one in words:
        refuse_wider(one, [len(arrays)], "a sum of up to")
    terms, out = np.stack(words), np.empty_like(words[0])
    histogram = np.zeros(BINS, np.int64)
    position = np.array([0, arrays[0].size], np.int64)
    merging.add(terms, format_field(accumulator, "accumulator"), position, out, new_counts(1), histogram)
    return integers_in(out, arrays[0].shape)


def multiply(
    first: ArrayLike,
    second: ArrayLike,
    *,
    zero_points: tuple[int, int] = (0, 0),
    product: Format | None = None,
    shift: int = 0,
    rounding: str = "floor",
    draws: ArrayLike | None = None,
) -> Any:  # noqa: ANN401
    """Return the product, element by element, of codes less their zero points; shapes broadcast as NumPy's do.

    Codes and zero points have up to 32 bits, sign included. product: what it is fitted to, after ``shift`` low bits (0
    to 62) were dropped by ``rounding``.

    >>> multiply([[2], [3]], [[10, -20]], product=Format(6, "saturate")).tolist()
    [[20, -32], [30, -32]]
    """
    arrays = [integers_of(first, "first"), integers_of(second, "second")]
    try:
        shape = np.broadcast_shapes(arrays[0].shape, arrays[1].shape)
    except ValueError:
        raise ValueError(f"first, second: shapes {arrays[0].shape} and {arrays[1].shape} do not broadcast") from None
    points = [whole(one, "zero_points", -(1 << 31), (1 << 31) - 1) for one in zero_points]
    if len(points) != 2:
        raise ValueError(f"zero_points: {len(points)} of them, there must be one for each operand")
    field = np.zeros(FIELDS, np.int64)
    field[[SHIFT, ROUNDING]] = whole(shift, "shift", 0, 62, "bits"), rounding_code(rounding)
    if product is not None:
        field[[BITS, SIGNED, OVERFLOW, SATURATED_BITS]] = format_field(product, "product")
    elif field[SHIFT]:
        raise ValueError(f"shift: {shift} bits, but there is no `product` format that the rest goes to")
    numbers = random_numbers(draws, rounding)
    one = codes_of(np.broadcast_to(arrays[0], shape).reshape(-1, 1), "first", 2)
    two = codes_of(np.broadcast_to(arrays[1], shape).reshape(-1, 1), "second", 2)
    ends = [
        max(abs(int(codes.min(initial=0)) - point), abs(int(codes.max(initial=0)) - point))
        for codes, point in zip((one, two), points, strict=True)
    ]
    if ends[0] * ends[1] >= 1 << 63:
        raise OverflowError(f"a product of {ends[0]} by {ends[1]} needs more than 64 bits")
    out = np.empty((2, *one.shape), np.int64)
    position = np.array([0, len(one)], np.int64)
    merging.multiply(one, two, np.array(points, np.int64), field, numbers, position, out, new_counts(1))
    return integers_in(out, shape)


def lookup(
    values: ArrayLike,
    table: ArrayLike,
    first: int = 0,
    shift: int = 0,
    *,
    interpolation: str = "none",
    rounding: str = "floor",
    draws: ArrayLike | None = None,
) -> Any:  # noqa: ANN401
    """Return the entries of ``table`` (entries,) that values point to; those outside take the nearest entry.

    first: the value of entry 0; entries stand ``2**shift`` apart (shift 0 to 24). interpolation: `none` takes the entry
    at or below the value, `linear` goes between its neighbours, rounded by ``rounding``; |entry| < 2**31.

    >>> lookup([-9, 0, 1, 2, 3, 99], [0, 10, 40], 0, 1, interpolation="linear", rounding="half_up").tolist()
    [0, 0, 5, 10, 25, 40]
    """
    array, entries = integers_of(values, "values"), integers_of(table, "table")
    if entries.ndim != 1 or not entries.size:
        raise ValueError(f"table: the shape {entries.shape}, it must be one axis of one entry or more")
    low, high = int(entries.min()), int(entries.max())
    if max(-low, high) >= 1 << 31:
        raise ValueError(f"table: entries {low} to {high}, magnitudes must lie below 2**31")
    start, apart = whole(first, "first", *ZERO_POINTS), whole(shift, "shift", 0, 24, "bits")
    linear = known(interpolation, ("none", "linear"), "interpolation") == "linear"
    mode, numbers = rounding_code(rounding), random_numbers(draws, rounding if linear else "floor")
    words = words_of(array, 1, "values")
    position = np.array([0, words.shape[1]], np.int64)
    lines = np.require(entries[None], np.int64, ["C", "W"])
    look_up(words, lines, np.zeros((0, 0), np.int64), start, apart, linear, mode, numbers, position, new_counts(1))
    return integers_in(words, array.shape)


def reals_of(values: ArrayLike, name: str) -> Any:  # noqa: ANN401 (float64)
    """Return real numbers as float64; raise TypeError for other things, ValueError for NaN and infinities."""
    array = array_of(values, name)
    if array.dtype.kind not in "iuf" and array.dtype != object:
        raise TypeError(f"{name}: real numbers are needed, not {array.dtype}")
    reals = array.astype(np.float64)
    for index in np.argwhere(~np.isfinite(reals))[:1]:
        raise ValueError(f"{name}{index.tolist() or ''}: {reals[tuple(index)]} is no finite number")
    return reals


def refuse_wider(words: Ints, factors: list[int], what: str) -> None:
    """Raise OverflowError if a value of (2, rows, channels) times its channel's factor is 2**124 or more."""
    highs = words[0]
    largest = max(-int(highs.min(initial=0)), int(highs.max(initial=0)) + 1)
    if largest * max(factors, default=0) < 1 << (WIDEST - WORD_BITS):
        return
    for channel, factor in enumerate(factors):
        for high, low in words[:, :, channel].T.tolist():
            value = (high << WORD_BITS) + low
            if abs(value) * factor >= 1 << WIDEST:
                raise OverflowError(f"{what} of {value} times {factor} needs more than 125 bits")


def fit_in_place(words: Ints, field: Ints) -> None:
    """Fit (2, rows, channels) to a format (4,)."""
    position, none = np.array([0, words.shape[1]], np.int64), np.zeros(0, np.int64)
    steps.fit_values(words, field, position, new_counts(words.shape[2]), none, 0)
