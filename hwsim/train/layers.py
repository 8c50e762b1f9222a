"""Keras layers for the operations of a network, which compute what the integer engine computes, in float.

Between layers stand real values. Where a layer's inputs and weights are codes times scales, it works on the integers:
float32 is exact as long as sums stay below 2**24.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from hwsim.formats import Rounding
from hwsim.loaders.framework import tensorflow
from hwsim.network import (
    Add,
    AveragePool,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Operation,
    ScaleShift,
    Subtract,
    Weighted,
)
from hwsim.reference.convolution import Convolution
from hwsim.reference.padding import explicit
from hwsim.reference.pooling import window_sizes
from hwsim.train.bases import Layer, saved
from hwsim.train.description import describe, rebuild, weights_of
from hwsim.train.grid import Grid
from hwsim.train.rounding import round_real, straight


class OperationLayer(Layer):
    """A layer for one ``operation`` of a network, or its description; ``makes`` names the tensor that it completes."""

    def __init__(self, operation: Operation | Mapping[str, Any], *, makes: str = "", **keywords: Any) -> None:
        super().__init__(**keywords)
        self.operation: Any = rebuild(operation if isinstance(operation, Mapping) else describe(operation))
        self.makes = makes
        self.supports_jit = False  # compiled float arithmetic may be reordered, and codes must not differ

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        return {**super().get_config(), "operation": describe(self.operation), "makes": self.makes}


class TrainedLayer(OperationLayer):
    """A layer with the weights of its operation as variables: ``arrays`` has them by the field that they stand for."""

    arrays: Mapping[str, Any] = MappingProxyType({})

    def build(self, shape: Sequence[int | None]) -> None:
        """Make the weights; what is multiplied is called ``kernel`` whatever its field."""
        names = {"scale": "kernel"}
        self.arrays = MappingProxyType(
            {
                field: self.add_weight(
                    shape=getattr(self.operation, field).shape, name=names.get(field, field), initializer="zeros"
                )
                for field in weights_of(self.operation)
            }
        )
        self.built = True

    def fill(self, operation: Operation) -> None:
        """Take the weights of an operation of the same kind and shape."""
        for field, variable in self.arrays.items():
            variable.assign(getattr(operation, field))


@saved
class WeightedSums(TrainedLayer):
    """The sums of a convolution, a dense layer or a scale-and-shift, without its activation.

    ``source_scale``: the scale of the input, a multiple of which the layer takes; ``weights`` and ``bias``: grids that
    the layer's weights are brought to. Without all three it computes in float as it is.
    """

    def __init__(
        self,
        operation: Weighted | Mapping[str, Any],
        *,
        source_scale: float | None = None,
        weights: Grid | Mapping[str, Any] | None = None,
        bias: Grid | Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(operation, **keywords)
        self.source_scale = source_scale
        self.weight_grid = Grid.from_config(weights) if isinstance(weights, Mapping) else weights
        self.bias_grid = Grid.from_config(bias) if isinstance(bias, Mapping) else bias

    @property
    def kernel(self) -> Any:
        """The variable of what is multiplied."""
        return next(iter(self.arrays.values()))

    @property
    def bias(self) -> Any:
        """The variable of the biases."""
        return self.arrays["bias"]

    def call(self, inputs: Any) -> Any:
        """Return the sums (n, …, outputs)."""
        tf = tensorflow()
        kernel, bias = tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias)
        if self.weight_grid is None or self.bias_grid is None or self.source_scale is None:
            return weighted(self.operation, inputs, kernel) + bias
        held = tf.cast(self.weight_grid.integers(self.weight_grid.quotient(kernel)), tf.float32)
        # shifts belong to the integers: an accumulator counts in the scale alone
        held *= tf.constant(self.weight_grid.unit(kernel.shape) / np.asarray(self.weight_grid.scale), tf.float32)
        sums = weighted(self.operation, whole(inputs, self.source_scale), held)
        unit = self.source_scale * np.asarray(self.weight_grid.scale)
        return sums * tf.constant(unit, tf.float32) + self.bias_grid.fake(bias)

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        return {
            **super().get_config(),
            "source_scale": self.source_scale,
            "weights": None if self.weight_grid is None else self.weight_grid.config(),
            "bias": None if self.bias_grid is None else self.bias_grid.config(),
        }


@saved
class Mean(OperationLayer):
    """An average pooling whose quotients are rounded: ``scale * (round(sum / count + point) - point)``.

    ``point`` is the zero point where codes are averaged as they are stored, else 0. ``scale`` is one number, or one for
    each channel; without it nothing is rounded. A ``factor`` stands for ``1 / count``.
    """

    def __init__(
        self,
        operation: AveragePool | Mapping[str, Any],
        *,
        scale: Any = None,
        point: int = 0,
        rounding: str = "half_away",
        factor: float | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(operation, **keywords)
        self.scale = None if scale is None else np.asarray(scale, np.float64)
        self.point, self.rounding, self.factor = point, Rounding(rounding), factor

    def call(self, inputs: Any) -> Any:
        """Return the means (n, oh, ow, c)."""
        tf, pool = tensorflow(), self.operation
        counts = tf.constant(window_sizes(pool, inputs.shape[1:3])[..., None], tf.float64)
        values = inputs if self.scale is None else whole(inputs, self.scale)
        padded = tf.pad(values, explicit(pool.padding))
        area = prod(pool.window)
        sums = tf.cast(tf.nn.avg_pool2d(padded, pool.window, pool.strides, "VALID"), tf.float64) * area
        if self.scale is None:
            return tf.cast(sums / counts, inputs.dtype)
        sums = straight(sums, tf.round(sums))
        means = (sums / counts if self.factor is None else sums * self.factor) + self.point
        rounded = straight(means, round_real(means, self.rounding)) - self.point
        return tf.cast(rounded * tf.constant(self.scale), inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        scale = None if self.scale is None else self.scale.tolist()
        kept = {"scale": scale, "point": self.point, "rounding": str(self.rounding), "factor": self.factor}
        return {**super().get_config(), **kept}


@saved
class SharedSum(OperationLayer):
    """A sum of tensors, or a difference, each first rounded to a multiple of ``unit``; nothing is without a unit."""

    def __init__(
        self,
        operation: Add | Mapping[str, Any],
        *,
        unit: float | None = None,
        rounding: str = "half_up",
        **keywords: Any,
    ) -> None:
        super().__init__(operation, **keywords)
        self.unit, self.rounding = unit, Rounding(rounding)

    def call(self, *inputs: Any) -> Any:
        """Return the sum (n, …), or the first input less the second."""
        tf = tensorflow()
        combine = tf.subtract if isinstance(self.operation, Subtract) else tf.add
        return reduce(combine, map(self._rounded, inputs))

    def _rounded(self, values: Any) -> Any:
        tf = tensorflow()
        if self.unit is None:
            return values
        quotient = tf.cast(values, tf.float64) / self.unit
        return tf.cast(straight(quotient, round_real(quotient, self.rounding)) * self.unit, values.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        return {**super().get_config(), "unit": self.unit, "rounding": str(self.rounding)}


@saved
class Bend(Layer):
    """ReLU and its relatives on integers: multiples of ``unit``, one number or one for each channel of the last axis.

    ``limit``: the largest integer, one number or one for each channel, or None. Where there is a ``slope``, values are
    rounded to integers by ``before`` (None: they are integers), then negative ones times ``slope`` by ``rounding``.
    Without a unit, ``limit`` and ``slope`` are real and nothing is rounded.
    """

    def __init__(  # noqa: PLR0913
        self,
        unit: Any = None,
        *,
        limit: Any = None,
        slope: float = 0.0,
        before: str | None = None,
        rounding: str = "half_up",
        makes: str = "",
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.settings = {"unit": unit, "limit": limit, "slope": slope, "before": before, "rounding": rounding}
        self.makes = makes
        self.supports_jit = False

    def call(self, inputs: Any) -> Any:
        """Return the function of ``inputs`` (n, …)."""
        tf, unit, limit = tensorflow(), self.settings["unit"], self.settings["limit"]
        unit = tf.constant(1.0 if unit is None else unit, tf.float64)
        values = tf.cast(inputs, tf.float64) / unit
        values = self._leaked(values) if self.settings["slope"] else tf.nn.relu(values)
        if limit is not None:
            values = tf.minimum(values, tf.constant(limit, tf.float64))
        return tf.cast(values * unit, inputs.dtype)

    def _leaked(self, values: Any) -> Any:
        tf, slope, before = tensorflow(), self.settings["slope"], self.settings["before"]
        if self.settings["unit"] is None:
            return tf.where(values < 0, values * slope, values)
        # a value that nothing rounds is an integer but for the error of its division
        values = straight(values, round_real(values, Rounding(before)) if before else tf.round(values))
        low = values * slope
        return tf.where(values < 0, straight(low, round_real(low, Rounding(self.settings["rounding"]))), values)

    def get_config(self) -> dict[str, Any]:
        """Return what a saved model keeps."""
        return {**super().get_config(), **self.settings, "makes": self.makes}


def integers(values: Any, scale: Any) -> Any:
    """Return the integers (float64) of which ``values`` are multiples of ``scale``."""
    tf = tensorflow()
    quotient = tf.cast(values, tf.float64) / tf.constant(scale, tf.float64)
    return straight(quotient, tf.round(quotient))


def whole(values: Any, scale: Any) -> Any:
    """Return the integers (float32) of which ``values`` are multiples of ``scale``."""
    return tensorflow().cast(integers(values, scale), "float32")


def weighted(operation: Weighted, values: Any, kernel: Any) -> Any:
    """Return the sums of products of ``values`` (n, …) and a kernel of the operation's shape, without bias."""
    tf = tensorflow()
    match operation:
        case Dense():
            return tf.linalg.matmul(values, kernel) if len(values.shape) == 2 else tf.tensordot(values, kernel, 1)
        case ScaleShift():
            return values * kernel
        case Conv2DTranspose():
            return _transposed(operation, values, kernel)
        case Conv2D():
            return _convolved(operation, values, kernel)
        case _:
            raise TypeError(f"{operation.name}: {type(operation).__name__} has no weights")


def _convolved(conv: Conv2D, values: Any, kernel: Any) -> Any:
    tf = tensorflow()
    even = conv.strides[0] == conv.strides[1] and (conv.dilation == (1, 1) or conv.strides == (1, 1))
    if conv.kind == "depthwise_conv2d" and even:
        padded = tf.pad(values, explicit(conv.padding))
        filters = tf.reshape(kernel, (*conv.kernel.shape[:2], conv.groups, -1))
        return tf.nn.depthwise_conv2d(padded, filters, (1, *conv.strides, 1), "VALID", dilations=conv.dilation)
    return Convolution.of(conv).sums(values, kernel)


def _transposed(conv: Conv2DTranspose, values: Any, kernel: Any) -> Any:
    tf = tensorflow()
    (rows, columns), (down, across) = conv.kernel.shape[:2], conv.dilation
    # a dilated kernel is one with zeros between its taps; TensorFlow itself has no dilation here
    spread = tf.reshape(kernel, (rows, 1, columns, 1, *kernel.shape[2:]))
    spread = tf.pad(spread, [[0, 0], [0, down - 1], [0, 0], [0, across - 1], [0, 0], [0, 0]])
    spread = tf.reshape(spread, (rows * down, columns * across, *kernel.shape[2:]))
    filters = tf.transpose(spread, (0, 1, 3, 2))
    sizes = [(values.shape[1 + i] - 1) * conv.strides[i] + filters.shape[i] for i in (0, 1)]
    shape = tf.stack([tf.shape(values)[0], *sizes, conv.kernel.shape[3]])
    full = tf.nn.conv2d_transpose(values, filters, shape, conv.strides, "VALID")
    ends = [max(conv.cut[i] + conv.size[i] - sizes[i], 0) for i in (0, 1)]
    full = tf.pad(full, [[0, 0], [0, ends[0]], [0, ends[1]], [0, 0]])
    (top, left), (height, width) = conv.cut, conv.size
    return full[:, top : top + height, left : left + width]
