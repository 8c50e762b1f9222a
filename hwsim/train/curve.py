"""Activation functions of one real number, read from the tables that the integer program has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.loaders.framework import tensorflow
from hwsim.network import Curve
from hwsim.train.bases import saved
from hwsim.train.grid import Grid
from hwsim.train.layers import OperationLayer
from hwsim.train.rounding import straight

STEP = 2.0**-17
"""Half of the distance over which differences stand for derivatives, for values up to 1; for others in proportion."""


@saved
class Curved(OperationLayer):
    """A function of each value; backward, its derivative.

    ``source`` and ``result``: the grids of input and output; ``table``: for each code of the input, from the smallest
    up, the real value that the integer program makes of it, in one column or one for each channel. The gradient is that
    of the real function within the range of the result, 0 outside. Without all three it computes in float as it is.
    """

    def __init__(
        self,
        operation: Curve | Mapping[str, Any],
        *,
        source: Grid | Mapping[str, Any] | None = None,
        result: Grid | Mapping[str, Any] | None = None,
        table: Sequence[Sequence[float]] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(operation, **keywords)
        self.source = Grid.from_config(source) if isinstance(source, Mapping) else source
        self.result = Grid.from_config(result) if isinstance(result, Mapping) else result
        self.table = None if table is None else np.asarray(table, np.float64)

    def call(self, inputs: Any) -> Any:
        """Return the function of ``inputs`` (n, …)."""
        tf, real = tensorflow(), curved(self.operation, inputs)
        if self.source is None or self.result is None or self.table is None:
            return real
        places, table = self.source.places(inputs), tf.constant(self.table)
        if self.table.shape[1] == 1:
            held = tf.gather(table[:, 0], places)
        else:
            channels = tf.broadcast_to(tf.range(self.table.shape[1]), tf.shape(places))
            held = tf.gather_nd(table, tf.stack([places, channels], -1))
        return straight(self.result.fake(real), tf.cast(held, inputs.dtype))

    def compute_output_shape(self, shape: Any) -> Any:
        """Return the shape of the input."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        source, result = (None if one is None else one.config() for one in (self.source, self.result))
        table = None if self.table is None else self.table.tolist()
        return {**super().get_config(), "source": source, "result": result, "table": table}


def curved(operation: Curve, values: Any) -> Any:
    """Return the real function of ``values``, computed in float64, with its ``derivative`` as gradient."""
    tf = tensorflow()

    def slope(given: NDArray[np.float64]) -> NDArray[np.float64]:
        return derivative(operation, given)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def bent(given: Any) -> Any:
        def back(gradient: Any) -> Any:
            return gradient * _in_numpy(slope, given)

        return _in_numpy(operation.real, given), back

    return bent(values)


def _in_numpy(function: Callable[[NDArray[np.float64]], NDArray[np.float64]], given: Any) -> Any:
    """Return a function of a tensor, computed in float64."""

    def of(array: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(function(array.astype(np.float64)), array.dtype)

    found = tensorflow().numpy_function(of, [given], given.dtype)
    found.set_shape(given.shape)
    return found


def derivative(operation: Curve, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the derivative at ``values`` as a difference quotient; at a bend between both sides, 0 where it has none.

    >>> derivative(Curve(name="c", function="square"), np.array([3.0])).round(6)
    array([6.])
    """
    step = STEP * np.maximum(1.0, np.abs(values))
    high, low = values + step, values - step
    with np.errstate(all="ignore"):
        found = (operation.real(high) - operation.real(low)) / (high - low)
    return np.where(np.isfinite(found), found, 0.0)
