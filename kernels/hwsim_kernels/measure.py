"""Real values beside the codes that stand for them: how far they are apart, and which codes lie nearest.

Sums are of float64 in an order that follows from the number of values alone, so that neither threads nor the samples
that come along change a digit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import long_vectors, njit
from hwsim_kernels._types import Reals

Values = NDArray[Any]

LANES = 256
"""Value number i of a sample goes into partial sum i % LANES; the partial sums are added in their order."""

DEEP = 4
"""Values that a partial sum takes in at a time, where there are so many."""

SIGNAL, ERROR, LARGEST = 0, 1, 2
"""What ``compare`` finds: the squares of a signal, those of its error, the largest magnitude of an error."""

MOST_DOUBT = 2.0**-10
"""Float32 quotients that can be further off than this are not worth a trial: too many would have to be repeated."""


@njit
def compare(exact: Values, codes: Values, others: Values, scale: float, zero_point: float, out: Reals) -> None:
    """Measure ``scale * (codes - zero_point)`` against ``exact``, sample by sample, and the same of ``others``.

    exact, codes, others: (samples, values), of any type below 2**53.
    out: (samples, 2, 3), for codes and for others; SIGNAL is the same for both.
    """
    values = exact.shape[1]
    most, whole = values // (DEEP * LANES) * (DEEP * LANES), values // LANES * LANES
    sums = np.empty((5, LANES))
    for sample in range(exact.shape[0]):
        sums[:] = 0.0
        real, code, other = exact[sample], codes[sample], others[sample]
        _add_many(real[:most], code[:most], other[:most], scale, zero_point, sums)
        _add_squares(real[most:whole], code[most:whole], other[most:whole], scale, zero_point, sums)
        _add_squares(real[whole:], code[whole:], other[whole:], scale, zero_point, sums)
        for number in range(2):
            out[sample, number, SIGNAL] = total(sums[0])
            out[sample, number, ERROR] = total(sums[1 + number])
            # a float64 is the root of its square, but for the smallest and the largest
            out[sample, number, LARGEST] = np.sqrt(largest(sums[3 + number]))


def _adding(deep: int) -> Callable[..., None]:
    """Return what adds squares to partial sums, of exact and of the errors of codes and others, and notes the largest.

    sums: (5, LANES), one array, since LLVM looks for vectors only where few arrays could overlap. Values: fewer than
    LANES, or a multiple of ``deep * LANES``; a partial sum stays in a register for so many of its own.
    """

    @njit
    def add_squares(exact: Values, codes: Values, others: Values, scale: float, zero_point: float, sums: Reals) -> None:
        long_vectors()
        lanes = sums.reshape(5 * LANES)
        for first in range(0, exact.size, deep * LANES):
            part = slice(first, first + deep * LANES)
            wanted, found, other = exact[part], codes[part], others[part]
            for lane in range(min(LANES, exact.size)):
                signal, error, apart = lanes[lane], lanes[lane + LANES], lanes[lane + 2 * LANES]
                most, farthest = lanes[lane + 3 * LANES], lanes[lane + 4 * LANES]
                for step in range(deep):
                    i = lane + step * LANES
                    real = np.float64(wanted[i])
                    one = scale * (np.float64(found[i]) - zero_point) - real
                    two = scale * (np.float64(other[i]) - zero_point) - real
                    one, two = one * one, two * two
                    signal, error, apart = signal + real * real, error + one, apart + two
                    most, farthest = max(most, one), max(farthest, two)
                lanes[lane], lanes[lane + LANES], lanes[lane + 2 * LANES] = signal, error, apart
                lanes[lane + 3 * LANES], lanes[lane + 4 * LANES] = most, farthest

    return add_squares


_add_many, _add_squares = _adding(DEEP), _adding(1)


@njit
def total(sums: Reals) -> float:
    """Return the sum of the partial sums, from the first to the last."""
    result = 0.0
    for one in sums:
        result += one
    return result


@njit
def largest(squares: Reals) -> float:
    """Return the largest of numbers that are not negative."""
    result = 0.0
    for one in squares:
        result = max(result, one)
    return result


@njit
def nearest(exact: Values, scale: float, zero_point: float, low: float, high: float, out: Values) -> None:
    """Write the codes from ``low`` to ``high`` nearest to finite ``exact`` (samples, values), of two the even one.

    A quotient in float32 tells the code, but where it is so large or so near to the middle of two codes that its error
    matters: there, float64 divides.
    """
    least, most = low - zero_point, high - zero_point
    # a quotient is rounded twice, by 2**-24 of it at most; the same again is for the limit of the doubt itself
    doubt = (max(abs(least), abs(most)) + 1.0) * 2.0**-22
    sure = doubt < MOST_DOUBT and 2.0**-100 < scale < 2.0**100
    for sample in range(exact.shape[0]):
        for first in range(0, exact.shape[1], LANES):
            reals, codes = exact[sample, first : first + LANES], out[sample, first : first + LANES]
            if not (sure and guessed(reals, scale, zero_point, least, most, doubt, codes)):
                for i in range(reals.size):
                    codes[i] = min(max(np.rint(np.float64(reals[i]) / scale), least), most) + zero_point


@njit
def guessed(
    reals: Values, scale: float, zero_point: float, least: float, most: float, doubt: float, out: Values
) -> bool:
    """Write codes by quotients in float32; return whether all are further than ``doubt`` from the middle of two."""
    long_vectors()
    inverse, low, high, limit = np.float32(1.0 / scale), np.float32(least), np.float32(most), np.float32(0.5 - doubt)
    offset, doubtful = np.int32(zero_point), np.int32(0)
    for i in range(reals.size):
        quotient = min(max(np.float32(reals[i]) * inverse, low), high)
        code = np.rint(quotient)
        doubtful = np.int32(doubtful | np.int32(abs(quotient - code) > limit))
        out[i] = np.int32(code) + offset
    return bool(doubtful == 0)
