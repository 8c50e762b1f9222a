"""Folding a scale-and-shift into the weights of a neighbour. Results in float32, arithmetic in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hwsim.network.mac import Conv2D, Conv2DTranspose, Dense, Floats, ScaleShift, Weighted
from hwsim.network.operation import Operation

Doubles = NDArray[np.float64]


def fold_into_previous(producer: Operation, consumer: Operation) -> Operation | None:
    """Fold ``consumer``, a scale-and-shift, into ``producer``, which multiplies and has no activation.

    s * (x * w + b) + t = x * (w * s) + (b * s + t), with s and t per output channel.
    """
    if not isinstance(consumer, ScaleShift) or not isinstance(producer, Weighted):
        return None
    if producer.activation is not None:
        return None
    scale = _double(consumer.scale)
    bias = _single(_double(producer.bias) * scale + _double(consumer.bias))
    if isinstance(producer, Conv2D | Conv2DTranspose | Dense):
        kernel = _single(_double(producer.kernel) * scale)
        return replace(producer, kernel=kernel, bias=bias, activation=consumer.activation)
    if isinstance(producer, ScaleShift):
        scales = _single(_double(producer.scale) * scale)
        return replace(producer, scale=scales, bias=bias, activation=consumer.activation)
    return None


def fold_into_next(producer: Operation, consumer: Operation) -> Operation | None:
    """Fold ``producer``, a scale-and-shift without activation, into the convolution or product after it.

    (x * s + t) * w + b = x * (s * w) + (b + sum(t * w)), with s and t per input channel. Where the
    convolution reaches over the borders, t is missing from the sum, so that it holds only if t is zero.
    """
    if not isinstance(producer, ScaleShift) or producer.activation is not None:
        return None
    scale, shift = _double(producer.scale), _double(producer.bias)
    if _reaches_over_borders(consumer) and np.any(shift):
        return None
    if isinstance(consumer, Conv2D):
        scale, shift = (_per_kernel_channel(values, consumer) for values in (scale, shift))
    elif isinstance(consumer, Conv2DTranspose | Dense):
        scale, shift = scale[:, None], shift[:, None]
    else:
        return None
    kernel = _double(consumer.kernel)
    bias = _double(consumer.bias) + np.sum(kernel * shift, axis=tuple(range(kernel.ndim - 1)))
    return replace(consumer, inputs=producer.inputs, kernel=_single(kernel * scale), bias=_single(bias))


def _reaches_over_borders(consumer: Operation) -> bool:
    """Return whether some results may come from a part of the kernel alone, the rest meeting no input."""
    padded = isinstance(consumer, Conv2D) and any(size for side in consumer.padding for size in side)
    return padded or isinstance(consumer, Conv2DTranspose)


def _per_kernel_channel(values: Doubles, conv: Conv2D) -> Doubles:
    """Return ``values`` of the input channels as (c / groups, outputs), as the kernel reads them."""
    grouped = values.reshape(conv.groups, -1).T
    return np.repeat(grouped, conv.kernel.shape[3] // conv.groups, axis=1)


def _double(values: Floats | Doubles) -> Doubles:
    return values.astype(np.float64)


def _single(values: Doubles) -> Floats:
    return values.astype(np.float32)
