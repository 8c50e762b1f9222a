"""Real values beside the codes that stand for them: how far they are apart, and which codes lie nearest.

Sums are of float64 in an order that follows from the number of values alone, so that neither threads nor the samples
that come along change a digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Reals

Values = NDArray[Any]

LANES = 256
"""Value number i of a sample goes into partial sum i % LANES; the partial sums are added in their order."""

AHEAD = 2048
"""So many values are fetched before any is looked at: short loops wait less for memory."""

SIGNAL, ERROR, LARGEST = 0, 1, 2
"""What ``compare`` finds: the squares of a signal, those of its error, the largest magnitude of an error."""


@njit
def compare(exact: Values, results: tuple[Values, ...], scale: float, zero_point: float, out: Reals) -> None:
    """Measure ``scale * (codes - zero_point)`` against ``exact``, sample by sample, for the codes in each of results.

    exact, each of results: (samples, values), of any type below 2**53; all results of the same.
    out: (samples, results, 3), of which SIGNAL is the same for all results.
    """
    reals, codes = np.empty(AHEAD), np.empty(AHEAD)
    many = len(results)
    signal, error, largest = np.empty(LANES), np.empty((many, LANES)), np.empty((many, LANES))
    for sample in range(exact.shape[0]):
        signal[:] = 0.0
        error[:] = 0.0
        largest[:] = 0.0
        for first in range(0, exact.shape[1], AHEAD):
            wanted = reals[: fetch(exact[sample, first : first + AHEAD], reals)]
            add_squares(wanted, signal)
            for number in range(many):
                found = codes[: fetch(results[number][sample, first : first + AHEAD], codes)]
                add_errors(wanted, found, scale, zero_point, error[number], largest[number])
        for number in range(many):
            out[sample, number, SIGNAL] = total(signal)
            out[sample, number, ERROR] = total(error[number])
            out[sample, number, LARGEST] = largest[number].max()


@njit
def add_squares(values: Reals, sums: Reals) -> None:
    """Add the squares of values to the partial sums."""
    for first in range(0, values.size, LANES):
        part = values[first : first + LANES]
        for lane in range(part.size):
            sums[lane] += part[lane] * part[lane]


@njit
def add_errors(exact: Reals, codes: Reals, scale: float, zero_point: float, sums: Reals, largest: Reals) -> None:
    """Add the squares of errors to the partial sums, and note the largest of each lane."""
    for first in range(0, exact.size, LANES):
        wanted, found = exact[first : first + LANES], codes[first : first + LANES]
        for lane in range(wanted.size):
            error = scale * (found[lane] - zero_point) - wanted[lane]
            sums[lane] += error * error
            largest[lane] = max(largest[lane], abs(error))


@njit
def total(sums: Reals) -> float:
    """Return the sum of the partial sums, from the first to the last."""
    result = 0.0
    for one in sums:
        result += one
    return result


@njit
def nearest(exact: Values, scale: float, zero_point: float, low: float, high: float, out: Values) -> None:
    """Write the codes from ``low`` to ``high`` nearest to finite ``exact`` (samples, values), of two the even one."""
    wanted = np.empty(AHEAD)
    for sample in range(exact.shape[0]):
        for first in range(0, exact.shape[1], AHEAD):
            found = out[sample, first : first + AHEAD]
            for i in range(fetch(exact[sample, first : first + AHEAD], wanted)):
                found[i] = min(max(np.rint(wanted[i] / scale) + zero_point, low), high)


@njit
def fetch(values: Values, out: Reals) -> int:
    """Copy values to the beginning of ``out`` and return how many they are."""
    for i in range(values.size):
        out[i] = values[i]
    return values.size
