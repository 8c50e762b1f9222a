"""The sigmoid as a ratio of two polynomials in float32, as ONNX Runtime's MLAS computes it (mlas/lib/logistic.cpp).

``docs/arithmetic.md`` section 6 defines it.
"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Reals
from hwsim_kernels.float_sums import multiply_add

LIMIT = 18.0

UPPER = np.array(
    [4.37031012579801e-11, 1.15627324459942e-07, 6.08574864600143e-05, 8.51377133304701e-03, 2.48287947061529e-01],
    np.float32,
).astype(np.float64)
"""Of x to the powers 9, 7, 5, 3 and 1."""

LOWER = np.array(
    [
        6.10247389755681e-13,
        5.76102136993427e-09,
        6.29106785017040e-06,
        1.70198817374094e-03,
        1.16817656904453e-01,
        9.93151921023180e-01,
    ],
    np.float32,
).astype(np.float64)
"""Of x to the powers 10, 8, 6, 4, 2 and 0."""


def sigmoid(values: Reals) -> Reals:
    """Return the sigmoid of float32 numbers, held in float64, on a processor that multiplies and adds in one.

    >>> sigmoid(np.array([0.0, 1.0, 30.0])).tolist()
    [0.5, 0.7310585975646973, 1.0]
    """
    found = np.empty(values.shape)
    _sigmoids(values.ravel(), UPPER, LOWER, found.ravel())
    return found


@njit
def _sigmoids(values: Reals, upper: Reals, lower: Reals, out: Reals) -> None:
    """Take the sigmoid of each value (n,), every result rounded to float32."""
    for i in range(values.size):
        x = min(max(values[i], -LIMIT), LIMIT)
        square = np.float64(np.float32(x * x))
        top = np.float64(np.float32(_polynomial(upper, square) * x))
        quotient = np.float64(np.float32(top / _polynomial(lower, square)))
        out[i] = min(max(np.float64(np.float32(quotient + 0.5)), 0.0), 1.0)


@njit
def _polynomial(factors: Reals, x: float) -> float:
    """Return a polynomial, the highest power first, by Horner's rule."""
    total = float(factors[0])
    for i in range(1, factors.size):
        total = multiply_add(total, x, factors[i])
    return total
