"""Distributions fitted to values and counts, by their moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Arguments = tuple[float, ...]

SHAPES = (0.2, 20.0)
"""Limits of the shape of a generalised normal distribution, from spiky to nearly uniform."""


@dataclass(frozen=True)
class Fit:
    """A distribution, its parameters in SciPy's order, and its Kolmogorov-Smirnov distance from the values."""

    name: str
    parameters: tuple[float, ...]
    distance: float
    pdf: Callable[[Reals], Reals]
    cdf: Callable[[Reals], Reals]


def fit_distributions(values: Reals, counts: Ints | Reals) -> list[Fit]:
    """Return fits to values (n,), ascending, which occur ``counts`` (n,) times; the least distance first.

    Values of one sign (not negative) are fitted by half-normal, exponential, gamma and uniform distributions from 0,
    others by normal, Laplace, generalised normal, logistic, uniform and, where tails are heavy, Student t ones.
    Parameters follow from moments. Raises ValueError if nothing varies.
    """
    if values.size == 0 or values[0] == values[-1]:
        raise ValueError("values that do not vary have no distribution")
    shares = counts / counts.sum()
    seen = np.cumsum(shares) - shares / 2
    candidates = _positive(values, shares) if values[0] >= 0 else _two_sided(values, shares)
    fits = [
        Fit(
            name,
            arguments,
            float(np.abs(family.cdf(values, *arguments) - seen).max()),
            _function(family.pdf, arguments),
            _function(family.cdf, arguments),
        )
        for name, family, arguments in candidates
    ]
    return sorted(fits, key=lambda fit: fit.distance)


def _function(of: Callable[..., Reals], arguments: Arguments) -> Callable[[Reals], Reals]:
    """Return a function of one argument; to freeze a distribution of SciPy takes longer than to fit it."""
    return lambda values: of(values, *arguments)


def _positive(values: Reals, shares: Reals) -> Iterator[tuple[str, Any, Arguments]]:
    from scipy import stats

    mean, square = float(shares @ values), float(shares @ values**2)
    variance = max(square - mean**2, 1e-9 * square)
    yield "half-normal", stats.halfnorm, (0.0, square**0.5)
    yield "exponential", stats.expon, (0.0, mean)
    yield "gamma", stats.gamma, (mean**2 / variance, 0.0, variance / mean)
    yield "uniform", stats.uniform, (0.0, float(values[-1]))


def _two_sided(values: Reals, shares: Reals) -> Iterator[tuple[str, Any, Arguments]]:
    from scipy import stats

    mean = float(shares @ values)
    apart, square = float(shares @ np.abs(values - mean)), float(shares @ (values - mean) ** 2)
    yield "normal", stats.norm, (mean, square**0.5)
    yield "laplace", stats.laplace, (mean, apart)
    shape = _shape(square / apart**2)
    yield "generalised normal", stats.gennorm, (shape, mean, apart * _gamma(1 / shape) / _gamma(2 / shape))
    yield "logistic", stats.logistic, (mean, (3 * square) ** 0.5 / np.pi)
    yield "uniform", stats.uniform, (float(values[0]), float(values[-1] - values[0]))
    excess = float(shares @ (values - mean) ** 4) / square**2 - 3
    if excess > 0:
        # of Student's t distribution with n degrees of freedom, variance is n / (n - 2) and excess 6 / (n - 4)
        freedom = 4 + 6 / excess
        yield "Student t", stats.t, (freedom, mean, (square * (freedom - 2) / freedom) ** 0.5)


def _gamma(place: float) -> float:
    from scipy.special import gamma

    return float(gamma(place))


def _shape(ratio: float) -> float:
    """Return the shape of the generalised normal distribution whose E[x^2] / E[|x|]^2 is ``ratio``, about its mean."""
    from scipy.optimize import brentq

    def apart(shape: float) -> float:
        return _gamma(1 / shape) * _gamma(3 / shape) / _gamma(2 / shape) ** 2 - ratio

    low, high = SHAPES
    if apart(low) < 0 or apart(high) > 0:
        return low if apart(low) < 0 else high
    return float(brentq(apart, low, high))
