"""How the real values of a tensor lie about its codes: what a format cuts off at the top, and what at the bottom."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.network import Network, Weighted
from hwsim.program.records import Tensor
from hwsim.quantize import Plan
from hwsim.quantize.decide import kernel_of
from hwsim.report.figures import FINEST, TensorFigures

Array = NDArray[Any]
Reals = NDArray[np.float64]

MOST_VALUES = 1 << 14
"""About so many values of a tensor are looked at, spread evenly, or those of one position if they are more."""

BINS = 64
"""Bins of equal width."""


def tensor_figures(layer: str, tensor: Tensor, values: Array) -> TensorFigures | None:
    """Return how ``values`` (n, …, channels) of a layer's output lie; None without a format or finite values."""
    form = tensor.format
    if form is None or not values.size:
        return None
    low, high = tensor.levels[:: len(tensor.levels) - 1] if tensor.levels else _ends(form, tensor.zero_point)
    in_lsb = some(values).astype(np.float64) / tensor.scales
    if not (math.isfinite(in_lsb.min()) and math.isfinite(in_lsb.max())):
        # which is refused where all values are looked at
        return None
    return _figures(layer, "output", str(form), (low, high), in_lsb, tensor.scale if not tensor.shift else None)


def weight_figures(network: Network, plan: Plan) -> tuple[TensorFigures, ...]:
    """Return how the weights of each layer lie, in LSB of their channels; without those with a scale for each group."""
    found = []
    for one in network.operations:
        if not isinstance(one, Weighted) or one.name not in plan.weights:
            continue
        entry, kernel = plan.weights[one.name], kernel_of(one)
        if entry.shift or not kernel.size:
            continue
        ends = [_ends(entry.format, zero_point) for zero_point in entry.zero_point]
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        if entry.levels:
            low, high = entry.levels[0], entry.levels[-1]
        in_lsb = some(kernel.reshape(-1, kernel.shape[-1])).astype(np.float64) / np.asarray(entry.scale)
        scale = entry.scale[0] if len(set(entry.scale)) == 1 else None
        found.append(_figures(one.name, "weight", str(entry.format), (low, high), in_lsb, scale))
    return tuple(found)


def _ends(form: Any, zero_point: int) -> tuple[int, int]:  # noqa: ANN401
    return form.minimum - zero_point, form.maximum - zero_point


def some(values: Array) -> Array:
    """Return about MOST_VALUES values as (positions, channels), positions spread evenly.

    >>> some(np.zeros((4, 300, 1000))).shape
    (17, 1000)
    """
    rows = values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
    return rows[:: math.ceil(rows.size / MOST_VALUES)]


def _figures(
    layer: str, tensor: str, form: str, ends: tuple[int, int], in_lsb: Reals, scale: float | None
) -> TensorFigures:
    low, high, bits = float(in_lsb.min()), float(in_lsb.max()), bit_weights(in_lsb)
    inside = ends[0] - 0.5 <= low and high <= ends[1] + 0.5
    return TensorFigures(
        layer=layer,
        tensor=tensor,
        format=form,
        scale=scale,
        low=ends[0],
        high=ends[1],
        values=in_lsb.size,
        minimum=low,
        maximum=high,
        outside=0 if inside else int(np.count_nonzero((in_lsb < ends[0] - 0.5) | (in_lsb > ends[1] + 0.5))),
        below=sum(bits[:FINEST]) - in_lsb.size + int(np.count_nonzero(in_lsb)),
        bits=bits,
        counts=equal_bins(in_lsb, low, high),
    )


def bit_weights(in_lsb: Reals) -> tuple[int, ...]:
    """Return how many magnitudes lie in each power of two, from 2**-FINEST LSB; the first bin: all below, and 0.

    >>> bit_weights(np.array([0.0, 2.0**-9, 2.0**-8, 0.4, 0.5, 1.0, 3.0]))
    (2, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1)
    """
    # the field of the exponent in a float64, which is 0 for 0 as for what is too small to have a bin of its own
    exponents = (np.ascontiguousarray(in_lsb, np.float64).view(np.int64) >> 52) & 0x7FF
    return tuple(np.bincount(np.maximum(exponents - 1022 + FINEST, 0).ravel()).tolist())


def equal_bins(values: Reals, low: float, high: float) -> tuple[int, ...]:
    """Return how many values lie in each of BINS bins of equal width from ``low`` to ``high``, one if they are equal.

    >>> equal_bins(np.array([0.0, 0.0, 64.0]), 0.0, 64.0)[:2], equal_bins(np.array([3.0, 3.0]), 3.0, 3.0)
    ((2, 0), (2,))
    """
    if not low < high:
        return (values.size,)
    places = ((values - low) * (BINS / (high - low))).astype(np.int64)
    return tuple(np.bincount(np.minimum(places, BINS - 1).ravel(), minlength=BINS).tolist())
