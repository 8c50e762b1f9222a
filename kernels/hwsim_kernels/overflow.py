"""Overflow: the one place that knows the modes. ``docs/arithmetic.md`` section 2 defines them."""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int
from hwsim_kernels.wide import WORD, WORD_BITS, less, widen

WRAP = 0
SATURATE = 1
SATURATE_SYMMETRIC = 2
SATURATE_ZERO = 3
WRAP_SIGN_MAGNITUDE = 4
ERROR = 5


@njit
def ones(bits: Int) -> Int:
    """Return the lowest ``bits`` bits set, 0 <= bits <= 64."""
    return ~(np.int64(-1) << bits) if bits < 64 else np.int64(-1)


@njit
def lowest(bits: Int, signed: Int, mode: Int) -> Int:
    """Return the smallest code of a format of 1 to 64 bits."""
    if signed == 0:
        return np.int64(0)
    bottom = np.int64(-1) << (bits - 1)
    return bottom + 1 if mode == SATURATE_SYMMETRIC else bottom


@njit
def highest(bits: Int, signed: Int) -> Int:
    """Return the largest code of a format of 1 to 64 bits, as far as 64 signed bits hold it."""
    return ones(min(bits, 63)) if signed == 0 else ones(bits - 1)


@njit
def highest_wide(bits: Int, signed: Int) -> tuple[Int, Int]:
    """Return the largest code of a format of 1 to 64 bits as a pair."""
    if signed == 0 and bits == 64:
        return np.int64(3), np.int64(WORD)
    return widen(highest(bits, signed))


@njit
def with_top_bits(code: Int, bits: Int, keep: Int, negative: Flag) -> Int:
    """Return a signed code whose top bit is the sign and whose next ``keep - 1`` bits are its opposite."""
    rest = np.int64(code) & ones(bits - keep)
    if negative:
        return rest | (np.int64(-1) << (bits - 1))
    return rest | (ones(bits - 1) & ~ones(bits - keep))


@njit
def wrap(word: Int, negative: Flag, bits: Int, signed: Int, saturated_bits: Int) -> Int:
    """Return the bits that a wrap leaves of a value outside its format; ``word`` holds its lowest 64 bits."""
    if signed == 0:
        return np.int64(word) & ones(bits) | (ones(bits) & ~ones(bits - saturated_bits))
    if saturated_bits > 0:
        return with_top_bits(word, bits, saturated_bits, negative)
    return (np.int64(word) << (64 - bits)) >> (64 - bits)


@njit
def wrap_sign_magnitude(word: Int, negative: Flag, above: Flag, bits: Int, saturated_bits: Int) -> Int:
    """Wrap a value outside its signed format, inverting the bits where the sign would flip.

    ``above`` is the value's bit number ``bits``, the first that the format has no room for.
    """
    code = (np.int64(word) << (64 - bits)) >> (64 - bits)
    if saturated_bits > 1:
        bit = (code >> (bits - saturated_bits)) & 1 != 0
        return with_top_bits(~code if bit == negative else code, bits, saturated_bits, negative)
    wanted = negative if saturated_bits == 1 else above
    return ~code if wanted != (code < 0) else code


@njit
def fit_word(word: Int, negative: Flag, above: Flag, bits: Int, signed: Int, mode: Int, saturated_bits: Int) -> Int:
    """Bring a value that lies outside its format into it: the bits of the code, as a code that 64 signed bits hold."""
    if mode == WRAP:
        return wrap(word, negative, bits, signed, saturated_bits)
    if mode == SATURATE_ZERO:
        return np.int64(0)
    if mode == WRAP_SIGN_MAGNITUDE:
        return wrap_sign_magnitude(word, negative, above, bits, saturated_bits)
    return lowest(bits, signed, mode) if negative else ones(bits - signed)


@njit
def fit_outside(value: Int, bits: Int, signed: Int, mode: Int, saturated_bits: Int) -> Int:
    """Bring a value that lies outside its format into it; unsigned formats of 64 bits need ``fit_outside_wide``."""
    above = (np.int64(value) >> min(bits, 63)) & 1 != 0
    return fit_word(value, value < 0, above, bits, signed, mode, saturated_bits)


@njit
def fit_outside_wide(high: Int, low: Int, bits: Int, signed: Int, mode: Int, saturated_bits: Int) -> tuple[Int, Int]:
    """Bring a pair that lies outside its format into it."""
    word = (np.int64(high) & 3) << WORD_BITS | low
    above = (low >> bits if bits < WORD_BITS else high >> (bits - WORD_BITS)) & 1 != 0
    code = fit_word(word, high < 0, above, bits, signed, mode, saturated_bits)
    if signed == 0:
        return (code >> WORD_BITS) & 3, code & WORD
    return widen(code)


@njit
def is_outside(high: Int, low: Int, bits: Int, signed: Int, mode: Int) -> Flag:
    """Whether a pair lies outside a format."""
    low_high, low_low = widen(lowest(bits, signed, mode))
    high_high, high_low = highest_wide(bits, signed)
    return less(high, low, low_high, low_low) or less(high_high, high_low, high, low)


@njit
def fit(value: Int, bits: Int, signed: Int, mode: Int, saturated_bits: Int = 0) -> Int:
    """Return ``value`` as a format of ``bits`` holds it; ``mode`` says what becomes of values outside.

    ``signed`` is 1 or 0. ``saturated_bits`` (0 to bits) refines the wraps, as the n of ap_fixed's AP_WRAP. Codes of
    unsigned formats of 64 bits come as the int64 of the same bits.

    >>> fit(130, 8, 1, SATURATE), fit(130, 8, 1, WRAP), fit(-128, 8, 1, SATURATE_SYMMETRIC)
    (127, -126, -127)
    """
    high, low = widen(value)
    if not is_outside(high, low, bits, signed, mode):
        return np.int64(value)
    high, low = fit_outside_wide(high, low, bits, signed, mode, saturated_bits)
    return (np.int64(high) & 3) << WORD_BITS | low
