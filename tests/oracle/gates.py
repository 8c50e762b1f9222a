"""Sigmoid and tanh of 16 bits in fixed point (docs/arithmetic.md, section 6, ``gates: fixed``)."""

from __future__ import annotations

from functools import cache
from math import exp, floor, log2


def sigmoid_in_16_bits(t: float) -> float:
    """Return S(t)."""
    return 65536 / (1 + exp(-t / 24))


@cache
def table() -> list[int]:
    """Return T_i, lifted by half of what a straight line lacks in the middle of a step.

    >>> table()[0], table()[24], table()[255]
    (32768, 47911, 65535)
    """
    s = sigmoid_in_16_bits
    lifted = [floor(s(i) - ((s(i) + s(i + 1)) / 2 - s(i + 1 / 2)) / 2 + 1 / 2) for i in range(255)]
    return [*(min(entry, 65535) for entry in lifted), 65535]


def multiplier(scale: float, powers: tuple[int, ...]) -> tuple[int, int]:
    """Return (m, n) of a scale; ``powers`` are the k for which 2^(k - 12) has no shift."""
    for k in powers:
        if log2(scale) == k - 12:
            return 3 * 2**k, 0
    m, n = scale * 12288, 0
    while m <= 32767 / 2 and n < 31:
        m, n = m * 2, n + 1
    return floor(m), n


def between(a: int, bits: int) -> int:
    """Return what the table says of ``a``, whose last ``bits`` lie between two entries, times 2^bits."""
    size: int = 2**bits
    i, rest = divmod(a, size)
    return table()[i] * size + rest * (table()[i + 1] - table()[i])


def scaled(code: int, scale: float, powers: tuple[int, ...]) -> int:
    """Return x."""
    m, n = multiplier(scale, powers)
    half: int = 2**n // 2
    return (code * m + half) >> n


def sigmoid(code: int, scale: float) -> int:
    """Return the entry of a code.

    >>> [sigmoid(code, 2.0**-12) for code in (-32768, 0, 4096, 32767)]
    [11, 16384, 23956, 32757]
    """
    x = scaled(code, scale, (0,))
    f = between(abs(x), 9) if abs(x) >> 9 < 255 else 32767 * 2**10
    return (f + 2**9) >> 10 if x >= 0 else (2**25 - f + 2**9 - 1) >> 10


def tanh(code: int, scale: float) -> int:
    """Return the entry of a code.

    >>> [tanh(code, 2.0**-12) for code in (-32768, 0, 4096, 32767)]
    [-32767, 0, 24956, 32767]
    """
    x = scaled(code, scale, (0, 1))
    f = between(abs(x), 8) if abs(x) >> 8 < 255 else 65535 * 2**8
    return (f - 2**23 + 2**7) >> 8 if x >= 0 else (-f + 2**23 + 2**7 - 1) >> 8
