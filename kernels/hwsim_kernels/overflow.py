"""Overflow: the one place that knows the modes. ``docs/arithmetic.md`` section 2 defines them."""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int

WRAP = 0
SATURATE = 1
SATURATE_SYMMETRIC = 2
SATURATE_ZERO = 3
WRAP_SIGN_MAGNITUDE = 4
ERROR = 5


@njit
def lowest(bits: Int, signed: Int, mode: Int) -> Int:
    """Return the smallest code of a format; 1 <= bits <= 64 signed, 63 unsigned."""
    if signed == 0:
        return np.int64(0)
    bottom = np.int64(-1) << (bits - 1)
    return bottom + 1 if mode == SATURATE_SYMMETRIC else bottom


@njit
def highest(bits: Int, signed: Int) -> Int:
    """Return the largest code of a format; 1 <= bits <= 64 signed, 63 unsigned."""
    return ~(np.int64(-1) << (bits - 1)) if signed != 0 else ~(np.int64(-1) << bits)


@njit
def low_bits(value: Int, bits: Int, signed: Int) -> Int:
    """Return the low ``bits`` of a value, read as a code."""
    if signed != 0:
        return (np.int64(value) << (64 - bits)) >> (64 - bits)
    return np.int64(value) & ~(np.int64(-1) << bits)


@njit
def with_top_bits(code: Int, bits: Int, keep: Int, negative: Flag) -> Int:
    """Return a signed code whose top bit is the sign and whose next ``keep - 1`` bits are its opposite."""
    rest = np.int64(code) & ~(np.int64(-1) << (bits - keep))
    if negative:
        return rest | (np.int64(-1) << (bits - 1))
    return rest | ((np.int64(1) << (bits - 1)) - (np.int64(1) << (bits - keep)))


@njit
def wrap_outside(value: Int, bits: Int, signed: Int, saturated_bits: Int) -> Int:
    """Wrap a value that lies outside its format."""
    code = low_bits(value, bits, signed)
    if saturated_bits == 0:
        return code
    if signed == 0:
        return code | (~(np.int64(-1) << bits) & (np.int64(-1) << (bits - saturated_bits)))
    return with_top_bits(code, bits, saturated_bits, value < 0)


@njit
def wrap_sign_magnitude_outside(value: Int, bits: Int, saturated_bits: Int) -> Int:
    """Wrap a value that lies outside its signed format, inverting the bits where the sign would flip."""
    code = low_bits(value, bits, 1)
    negative = value < 0
    if saturated_bits > 1:
        bit = (code >> (bits - saturated_bits)) & 1 != 0
        return with_top_bits(~code if bit == negative else code, bits, saturated_bits, negative)
    wanted = negative if saturated_bits == 1 else (np.int64(value) >> min(bits, 63)) & 1 != 0
    return ~code if wanted != (code < 0) else code


@njit
def fit_outside(value: Int, bits: Int, signed: Int, mode: Int, saturated_bits: Int) -> Int:
    """Bring a value that lies outside its format into it."""
    if mode == WRAP:
        return wrap_outside(value, bits, signed, saturated_bits)
    if mode == SATURATE_ZERO:
        return np.int64(0)
    if mode == WRAP_SIGN_MAGNITUDE:
        return wrap_sign_magnitude_outside(value, bits, saturated_bits)
    low = lowest(bits, signed, mode)
    return low if value < low else highest(bits, signed)


@njit
def fit(value: Int, bits: Int, signed: Int, mode: Int, saturated_bits: Int = 0) -> Int:
    """Return ``value`` as a format of ``bits`` holds it; ``mode`` says what becomes of values outside.

    ``signed`` is 1 or 0. ``saturated_bits`` (0 to bits) refines the wraps, as the n of ap_fixed's AP_WRAP.

    >>> fit(130, 8, 1, SATURATE), fit(130, 8, 1, WRAP), fit(-128, 8, 1, SATURATE_SYMMETRIC)
    (127, -126, -127)
    """
    if lowest(bits, signed, mode) <= value <= highest(bits, signed):
        return np.int64(value)
    return fit_outside(np.int64(value), bits, signed, mode, saturated_bits)
