"""TensorFlow Lite's sigmoid and tanh of 16-bit codes (internal/reference/integer_ops/logistic.h and tanh.h).

Both read one table of the sigmoid at multiples of 1/24, with lines between its entries.
"""

from __future__ import annotations

import math


def _at(place: float) -> float:
    return 65536 / (1 + math.exp(-place / 24))


def _entry(i: int) -> int:
    """Return an entry: the sigmoid, less half of the error that a line to the next one has in its middle."""
    error = (_at(i) + _at(i + 1)) / 2 - _at(i + 0.5)
    return min(math.floor(_at(i) - error / 2 + 0.5), 65535)


TABLE = (*(_entry(i) for i in range(255)), 65535)
"""The sigmoid at multiples of 1/24, in 1/65536; the last entry is that of everything beyond."""

MOST_SHIFTED = 31


def multiplier_of(scale: float, exact_shifts: tuple[int, ...]) -> tuple[int, int]:
    """Return what brings codes to 1/12288, and the bits that are dropped then.

    Scales of 2**(shift - 12) need no rounding, where ``exact_shifts`` has the shift.
    """
    mantissa, exponent = math.frexp(scale)
    shift = exponent - 1 + 12
    if mantissa == 0.5 and shift in exact_shifts:
        return 3 << shift, 0
    multiplier, dropped = scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and dropped < MOST_SHIFTED:
        multiplier, dropped = multiplier * 2.0, dropped + 1
    return int(multiplier), dropped


def sigmoid(code: int, scale: float) -> int:
    """Return the sigmoid of a code, whose zero point is 0, in 1/32768."""
    value, size = _scaled(code, multiplier_of(scale, (0,)))
    index, rest = size >> 9, size & 0x1FF
    found = 0x7FFF << 10
    if index < 255:
        found = (TABLE[index] << 9) + rest * (TABLE[index + 1] - TABLE[index])
    return (found + (1 << 9) if value >= 0 else (1 << 25) - found + (1 << 9) - 1) >> 10


def tanh(code: int, scale: float) -> int:
    """Return the tanh of a code, whose zero point is 0, in 1/32768."""
    value, size = _scaled(code, multiplier_of(scale, (0, 1)))
    index, rest = size >> 8, size & 0xFF
    found = 0xFFFF << 8
    if index < 255:
        found = (TABLE[index] << 8) + rest * (TABLE[index + 1] - TABLE[index])
    return (found - (1 << 23) + (1 << 7) if value >= 0 else -found + (1 << 23) + (1 << 7) - 1) >> 8


def _scaled(code: int, by: tuple[int, int]) -> tuple[int, int]:
    multiplier, dropped = by
    value = (code * multiplier + (1 << dropped >> 1)) >> dropped
    return value, abs(value)
