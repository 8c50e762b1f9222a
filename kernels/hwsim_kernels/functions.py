"""Arithmetic on whole arrays, for use by itself: a golden model for a test bench needs nothing but these.

Values are integers of any kind that NumPy holds, Python's own for more than 64 bits. Results are exact: int64, uint64
where an unsigned 64-bit format needs it, Python's own integers beyond; a single number gives a Python int. Modes are
named as in ``docs/modes.md``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hwsim_kernels import merging, steps
from hwsim_kernels._types import Ints
from hwsim_kernels.convert import codes_of, integers_in, integers_of, words_of
from hwsim_kernels.counting import BINS, new_counts
from hwsim_kernels.describe import Format, rounding_code
from hwsim_kernels.fields import BITS, FIELDS, OVERFLOW, ROUNDING, SATURATED_BITS, SHIFT, SIGNED
from hwsim_kernels.lookup import look_up
from hwsim_kernels.quantize import quantize as quantize_reals

NO_DRAWS = np.zeros(1, np.int64)

WIDEST = 124
"""Bits of a shift at most."""


def round_shift(
    values: ArrayLike,
    shift: ArrayLike,
    rounding: str = "floor",
    *,
    guard_bits: int | None = None,
    draws: Ints = NO_DRAWS,
) -> Any:  # noqa: ANN401
    """Return ``values / 2**shift`` rounded by the mode ``rounding``; a shift of 0 changes nothing in any mode.

    shift: 0 to 124, one number or one for each channel (the last axis); negative ones shift left, exactly.
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
    draws: Ints = NO_DRAWS,
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
    channels = array.shape[-1] if array.ndim else 1
    factors = per_channel(multiplier, channels, "multiplier", (0, (1 << 32) - 1))
    shifts = per_channel(shift, channels, "shift", (-92, WIDEST))
    if guard_bits is not None and not 1 <= guard_bits <= 32:
        raise ValueError(f"{guard_bits} guard bits: a rounder sees 1 to 32, or all (None)")
    words = words_of(array, channels)
    refuse_wider(words, int(factors.max(initial=0)) << max(-int(shifts.min(initial=0)), 0), "the product")
    position = np.array([0, words.shape[1]], np.int64)
    steps.shift_left(words, np.maximum(-shifts, 0))
    right, mode = np.maximum(shifts, 0), rounding_code(rounding)
    steps.scale_fixed(words, factors, right, guard_bits or 0, mode, draws, position, False, new_counts(channels))
    return finish(words, zero_point, output, array.shape)


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
    multiplier, exponent: one or one for each channel (the last axis).

    >>> requantize_double([-10, -6, -5, -3, 1, 5, 25], 1 << 30, -1).tolist()
    [-3, -2, -1, -1, 1, 2, 7]
    """
    array = integers_of(values, "values")
    channels = array.shape[-1] if array.ndim else 1
    exponents = per_channel(exponent, channels, "exponent", (-31, 60))
    words = words_of(array, channels)
    refuse_wider(words, 1 << max(int(exponents.max(initial=0)), 0), "the shifted value")
    steps.shift_left(words, np.maximum(exponents, 0))
    wrapped = finish(words, 0, Format(32), array.shape)
    high = requantize(wrapped, per_channel(multiplier, channels, "multiplier", (0, (1 << 31) - 1)), 31, "half_up")
    right = np.maximum(-exponents, 0)
    return requantize(high, 1, right, last, zero_point=zero_point, output=output)


def fit(
    values: ArrayLike, bits: int, overflow: str = "saturate", *, signed: bool = True, saturated_bits: int = 0
) -> Any:  # noqa: ANN401
    """Return values as a format of ``bits`` (1 to 64) holds them; ``overflow`` says what becomes of those outside.

    See ``Format`` for the modes and ``saturated_bits``.

    >>> fit([-129, 130, 5], 8, "wrap").tolist(), fit(-128, 8, "saturate_symmetric")
    ([127, -126, 5], -127)
    """
    array = integers_of(values, "values")
    form = Format(bits, overflow, signed, saturated_bits)
    return finish(words_of(array, array.shape[-1] if array.ndim else 1), 0, form, array.shape)


def quantize(
    values: ArrayLike,
    scale: ArrayLike,
    zero_point: ArrayLike = 0,
    *,
    output: Format,
    rounding: str = "half_even",
) -> Any:  # noqa: ANN401
    """Return the codes of real values: ``fit(round(values / scale) + zero_point)``, the division in float64.

    scale, zero_point: one or one for each channel (the last axis). Raises ValueError for NaN and infinities.

    >>> quantize([0.49, 0.5, -1.5, 9.0], 1.0, output=Format(4, "saturate")).tolist()
    [0, 0, -2, 7]
    """
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"values: {np.argwhere(~np.isfinite(array))[0].tolist()} is no finite number")
    channels = array.shape[-1] if array.ndim else 1
    scales = np.broadcast_to(np.asarray(scale, np.float64), (channels,)).copy()
    if not ((scales > 2.0**-300) & (scales < 2.0**300)).all():
        raise ValueError("scale: it must lie between 2**-300 and 2**300")
    zero_points = per_channel(zero_point, channels, "zero_point", (-(1 << 62), 1 << 62))
    rows = array.reshape(-1, channels)
    codes = np.empty(rows.shape, np.int64)
    field = np.array([*output.field(), rounding_code(rounding)], np.int64)
    quantize_reals(rows, scales, zero_points, field, np.array([0, len(rows)]), codes, new_counts(channels))
    if not output.signed and output.bits == 64:
        codes = codes.view(np.uint64)
    return codes.reshape(array.shape) if array.ndim else int(codes[0, 0])


def add(*tensors: ArrayLike, accumulator: Format) -> Any:  # noqa: ANN401
    """Return the sum of tensors of one shape, added one after another, the sum fitted after each.

    >>> add([100, -100], [100, -100], [-50, 50], accumulator=Format(8, "saturate")).tolist()
    [77, -78]
    """
    arrays = [integers_of(one, "tensors") for one in tensors]
    if len({one.shape for one in arrays}) != 1:
        raise ValueError(f"tensors: shapes {[one.shape for one in arrays]} differ")
    channels = arrays[0].shape[-1] if arrays[0].ndim else 1
    terms: Ints = np.stack([words_of(one, channels) for one in arrays])
    out = np.empty(terms.shape[1:], np.int64)
    histogram = np.zeros(BINS, np.int64)
    position = np.array([0, out.shape[1]], np.int64)
    merging.add(terms, accumulator.field(), position, out, new_counts(channels), histogram)
    return integers_in(out, arrays[0].shape)


def multiply(
    first: ArrayLike,
    second: ArrayLike,
    *,
    zero_points: tuple[int, int] = (0, 0),
    product: Format | None = None,
    shift: int = 0,
    rounding: str = "floor",
) -> Any:  # noqa: ANN401
    """Return the product, element by element, of codes less their zero points; shapes broadcast as NumPy's do.

    product: what it is fitted to, after ``shift`` low bits (0 to 62) were dropped by ``rounding``.

    >>> multiply([[2], [3]], [[10, -20]], product=Format(6, "saturate")).tolist()
    [[20, -32], [30, -32]]
    """
    if shift and product is None:
        raise ValueError("shift: what is shifted needs a `product` format to go to")
    arrays = np.broadcast_arrays(integers_of(first, "first"), integers_of(second, "second"))
    shape = arrays[0].shape
    one, two = (codes_of(each.reshape(-1, shape[-1] if shape else 1), "operands", 2) for each in arrays)
    field = np.zeros(FIELDS, np.int64)
    if product is not None:
        field[[BITS, SIGNED, OVERFLOW, SATURATED_BITS]] = product.field()
        field[[SHIFT, ROUNDING]] = shift, rounding_code(rounding)
    out = np.empty((2, *one.shape), np.int64)
    points, position = np.array(zero_points, np.int64), np.array([0, len(one)], np.int64)
    merging.multiply(one, two, points, field, NO_DRAWS, position, out, new_counts(one.shape[1]))
    return integers_in(out, shape)


def lookup(
    values: ArrayLike,
    table: ArrayLike,
    first: int = 0,
    shift: int = 0,
    *,
    interpolation: str = "none",
    rounding: str = "floor",
    draws: Ints = NO_DRAWS,
) -> Any:  # noqa: ANN401
    """Return the entries of ``table`` (entries,) that values point to; those outside take the nearest entry.

    first: the value of entry 0; entries stand ``2**shift`` apart (shift 0 to 24). interpolation: `none` takes the entry
    at or below the value, `linear` goes between its neighbours, rounded by ``rounding``; |entry| < 2**31.

    >>> lookup([-9, 0, 1, 2, 3, 99], [0, 10, 40], 0, 1, interpolation="linear", rounding="half_up").tolist()
    [0, 0, 5, 10, 25, 40]
    """
    array = integers_of(values, "values")
    entries = integers_of(table, "table").astype(np.int64)
    if entries.ndim != 1 or not entries.size or not 0 <= shift <= 24 or max(-entries.min(), entries.max()) >= 1 << 31:
        raise ValueError("table: one axis, an entry or more, each below 2**31 in magnitude; shift 0 to 24")
    if interpolation not in ("none", "linear"):
        raise ValueError(f"interpolation {interpolation!r}: it must be `none` or `linear`")
    channels = array.shape[-1] if array.ndim else 1
    words, mode = words_of(array, channels), rounding_code(rounding)
    position = np.array([0, words.shape[1]], np.int64)
    linear = interpolation == "linear"
    look_up(words, entries, first, shift, linear, mode, draws, position, new_counts(channels))
    return integers_in(words, array.shape)


def per_channel(values: ArrayLike, channels: int, name: str, limits: tuple[int, int]) -> Ints:
    """Return one number, or one for each channel, as (channels,); raise ValueError outside ``limits``."""
    array = integers_of(values, name)
    low, high = limits
    if array.shape not in ((), (1,), (channels,)):
        raise ValueError(f"{name}: has the shape {array.shape}, the last axis {channels} channels")
    if array.size and not low <= int(array.min()) <= int(array.max()) <= high:
        raise ValueError(f"{name}: {int(array.min())} to {int(array.max())}, it must lie within {low} to {high}")
    return np.broadcast_to(array.astype(np.int64), (channels,)).copy()


def refuse_wider(words: Ints, factor: int, what: str) -> None:
    """Raise OverflowError if values (words, rows, channels) times ``factor`` could need more than 125 bits."""
    largest = max((abs(int(high)) + 1 for high in (words[0].min(initial=0), words[0].max(initial=0))), default=0)
    if largest * factor >= 1 << (WIDEST - 62):
        raise OverflowError(f"{what} needs more than 125 bits")


def finish(words: Ints, zero_point: int, output: Format | None, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
    """Add a zero point to (words, rows, channels), fit, and return integers of ``shape``."""
    channels = words.shape[2]
    if zero_point:
        steps.add_constant(words, np.full(channels, zero_point, np.int64))
    if output is not None:
        position, none = np.array([0, words.shape[1]], np.int64), np.zeros(0, np.int64)
        steps.fit_values(words, output.field(), position, new_counts(channels), none, 0)
    return integers_in(words, shape)
