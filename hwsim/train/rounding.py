"""Rounding of real tensors in TensorFlow, in every deterministic mode, and the straight-through gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hwsim.formats import Rounding
from hwsim.loaders.framework import tensorflow


class _Parts(NamedTuple):
    """What a mode may look at, all boolean tensors: the fraction of x, its sign, and whether floor(x) is odd."""

    inexact: Any
    above: Any
    tie: Any
    negative: Any
    odd: Any


UP: Mapping[Rounding, Callable[[_Parts], Any]] = {
    Rounding.CEIL: lambda x: x.inexact,
    Rounding.TOWARD_ZERO: lambda x: x.negative & x.inexact,
    Rounding.AWAY_FROM_ZERO: lambda x: ~x.negative & x.inexact,
    Rounding.HALF_UP: lambda x: x.above | x.tie,
    Rounding.HALF_DOWN: lambda x: x.above,
    Rounding.HALF_TOWARD_ZERO: lambda x: x.above | (x.tie & x.negative),
    Rounding.HALF_AWAY: lambda x: x.above | (x.tie & ~x.negative),
    Rounding.HALF_EVEN: lambda x: x.above | (x.tie & x.odd),
    Rounding.HALF_ODD: lambda x: x.above | (x.tie & ~x.odd),
    Rounding.MAGNITUDE: lambda x: x.negative,
    Rounding.JAM: lambda x: ~x.odd,
    Rounding.JAM_UNBIASED: lambda x: x.inexact & ~x.odd,
}
"""When floor(x) goes up by 1, as ``docs/arithmetic.md`` section 1 says; `floor` never does."""


def round_real(values: Any, mode: Rounding) -> Any:
    """Return ``values`` (any shape, float64 or float32) rounded to integers; ValueError for stochastic modes."""
    tf = tensorflow()
    floor = tf.floor(values)
    if mode is Rounding.FLOOR:
        return floor
    if mode not in UP:
        raise ValueError(f"{mode} draws random numbers; a deterministic mode is needed here")
    magnitude = tf.abs(values)
    rest = magnitude - tf.floor(magnitude)  # exact, as values - floor(values) is not
    negative, inexact = values < 0, rest > 0
    above = tf.where(negative, inexact & (rest < 0.5), rest > 0.5)
    parts = _Parts(inexact, above, rest == 0.5, negative, tf.math.floormod(floor, 2) == 1)
    return floor + tf.cast(UP[mode](parts), values.dtype)


def straight(through: Any, values: Any) -> Any:
    """Return ``values`` exactly; the gradient goes to ``through``, a tensor of the same shape, unchanged."""
    tf = tensorflow()

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def swap(there: Any, here: Any) -> Any:
        def back(gradient: Any) -> tuple[Any, None]:
            return tf.cast(gradient, there.dtype), None

        return tf.identity(here), back

    return swap(through, values)
