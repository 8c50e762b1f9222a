"""Functions of one real number (docs/arithmetic.md, section 6, curve), by formulas of their own."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, erf, erfc, exp, expm1, inf, isclose, isfinite, isnan, log, log1p, nan, pi, sin, sqrt, tanh


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x)), without overflow."""
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def softplus(x: float) -> float:
    """Return log(1 + exp(x)), without overflow."""
    return max(x, 0.0) + log1p(exp(-abs(x)))


def elu(x: float, alpha: float) -> float:
    """Return x, or alpha * (exp(x) - 1) where negative."""
    return x if x > 0 else alpha * expm1(x)


def limited(x: float, low: float, high: float) -> float:
    """Return the nearest number between ``low`` and ``high``."""
    return min(max(x, low), high)


def gelu_tanh(x: float) -> float:
    """Return x * sigmoid(2 t) with t the polynomial under the tanh of that approximation."""
    return x * sigmoid(2 * sqrt(2 / pi) * (x + 0.044715 * x**3))


def gelu(x: float) -> float:
    """Return x times the normal distribution function."""
    return x * (1 + erf(x / sqrt(2))) / 2 if x > -1 else x * erfc(-x / sqrt(2)) / 2


def sparse_plus(x: float) -> float:
    """Return 0 below -1, a parabola up to 1, then x."""
    if x <= -1:
        return 0.0
    return (x + 1) ** 2 / 4 if x < 1 else x


def logarithm(x: float) -> float:
    """Return the natural logarithm; that of 0 is minus infinity, and negative numbers have none."""
    return log(x) if x > 0 else (nan if x else -inf)


def root(x: float) -> float:
    """Return the square root; negative numbers have none."""
    return sqrt(x) if x >= 0 else nan


def celu(x: float, alpha: float) -> float:
    """Return x, or alpha * (exp(x / alpha) - 1) where negative."""
    return x if x > 0 else alpha * expm1(x / alpha)


def hard_shrink(x: float, threshold: float) -> float:
    """Return x, but 0 as far as the threshold."""
    return 0.0 if -threshold <= x <= threshold else x


def soft_shrink(x: float, threshold: float) -> float:
    """Return x brought nearer to 0 by the threshold."""
    return x - limited(x, -threshold, threshold)


def squareplus(x: float, b: float) -> float:
    """Return the positive root of y^2 - x y - b / 4."""
    return (x + root(x**2 + b)) / 2


def threshold(x: float, least: float, default: float) -> float:
    """Return x above ``least``, else the default."""
    return x if x > least else default


SIMPLE: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "cos": cos,
    "exp": exp,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "hard_sigmoid": lambda x: limited(x + 3, 0, 6) / 6,
    "hard_silu": lambda x: x * limited(x + 3, 0, 6) / 6,
    "hard_tanh": lambda x: limited(x, -1, 1),
    "log": logarithm,
    "log_sigmoid": lambda x: -softplus(-x),
    "mish": lambda x: x * tanh(softplus(x)),
    "negative": lambda x: -x,
    "rsqrt": lambda x: 1 / root(x) if x else inf,
    "selu": lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "sin": sin,
    "softplus": softplus,
    "softsign": lambda x: x / (1 + abs(x)),
    "sparse_plus": sparse_plus,
    "sparse_sigmoid": lambda x: limited(x + 1, 0, 2) / 2,
    "sqrt": root,
    "square": lambda x: x**2,
    "tanh": tanh,
    "tanh_shrink": lambda x: x - tanh(x),
}
"""Functions of nothing but their argument."""


def leaky_relu(x: float, slope: float) -> float:
    """Return x, or the slope times x where negative."""
    return x if x > 0 else slope * x


FUNCTIONS: dict[str, Callable[..., float]] = {
    **SIMPLE,
    "celu": celu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "hard_shrink": hard_shrink,
    "soft_shrink": soft_shrink,
    "squareplus": squareplus,
    "threshold": threshold,
}


def real(name: str, x: float, parameters: list[float]) -> float:
    """Return a function of ``x``; not finite where it has no value (NaN) or too large a one.

    >>> real("sigmoid", 0.0, []), real("exp", 1000.0, []), real("log", 0.0, [])
    (0.5, inf, -inf)
    """
    try:
        return float(FUNCTIONS[name](x, *parameters))
    except OverflowError:
        return inf


def agreed(name: str, x: float, parameters: list[float], given: float) -> float:
    """Return ``given`` if it is the function of ``x`` up to the last digits, which float64 leaves open.

    >>> agreed("tanh", 20.0, [], 1 - 2.0**-53) == 1 - 2.0**-53
    True
    """
    own = real(name, x, parameters)
    if not isfinite(own) or not isfinite(given):
        alike = own == given or (isnan(own) and isnan(given))
    else:
        alike = isclose(own, given, rel_tol=1e-9, abs_tol=1e-12 * abs(x))
    if not alike:
        raise ValueError(f"{name}({x}) is {own}, not {given}")
    return given
