"""A softmax in one of its forms."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.ledger import positions_of
from hwsim.engine.tally import Tally
from hwsim.program.records import (
    DividedSoftmax,
    FixedSoftmax,
    HostSoftmax,
    LineSoftmax,
    PolynomialSoftmax,
    SoftmaxOfCodes,
    TableSoftmax,
)
from hwsim_kernels.softmax import softmax as softmax_in_fixed_point
from hwsim_kernels.softmax_divided import softmax_by_division
from hwsim_kernels.softmax_lines import softmax_by_lines
from hwsim_kernels.softmax_polynomial import softmax_by_parabola
from hwsim_kernels.softmax_table import softmax_by_table

Codes = NDArray[Any]
Array = NDArray[Any]


def softmax(one: HostSoftmax, inputs: Sequence[Array], tally: Tally, out: NDArray[np.float64]) -> None:
    """Compute a softmax of the dequantised codes in float64, on the host."""
    axis = one.axis + 1
    real = one.scale * (inputs[0].astype(np.float64) - one.zero_point)
    if one.mask is not None:
        real[:, ~one.mask] = -np.inf
    powers = np.exp(real - real.max(axis=axis, keepdims=True))
    np.divide(powers, powers.sum(axis=axis, keepdims=True), out=out)


def taking_part(one: SoftmaxOfCodes) -> NDArray[np.bool_]:
    """Return the mask of a softmax, of the sample's shape."""
    return np.ones(one.output.shape, np.bool_) if one.mask is None else one.mask


def lines_along(one: SoftmaxOfCodes, codes: Codes, out: Codes) -> tuple[Codes, NDArray[np.bool_], Codes]:
    """Return views (samples and outer axes, size of the axis, inner axes) of codes, the mask and the results."""
    shape = one.output.shape
    size, inner = shape[one.axis], prod(shape[one.axis + 1 :])
    return codes.reshape(-1, size, inner), taking_part(one).reshape(-1, size, inner), out.reshape(-1, size, inner)


def rows_along(one: SoftmaxOfCodes, codes: Codes) -> tuple[Codes, NDArray[np.bool_], Codes]:
    """Return copies (rows, size of the axis) of codes and the mask, the axis last, and room for the results."""
    size = one.output.shape[one.axis]
    moved = ((codes, one.axis + 1), (taking_part(one), one.axis))
    rows, mask = (np.ascontiguousarray(np.moveaxis(each, axis, -1)).reshape(-1, size) for each, axis in moved)
    return rows, mask, np.empty_like(rows)


def put_back(one: SoftmaxOfCodes, made: Codes, out: Codes) -> None:
    """Write rows, as of ``rows_along``, to where they belong in the results."""
    place = np.moveaxis(out, one.axis + 1, -1)
    place[...] = made.reshape(place.shape)


def fixed_softmax(one: FixedSoftmax, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Compute a softmax of 8-bit codes in fixed point."""
    lines, mask, made = lines_along(one, inputs[0], out)
    first, histogram = tally.first_sample * positions_of(one), tally.histograms[-1]
    softmax_in_fixed_point(lines, mask, one.multiplier, one.shift, one.channels, first, made, tally.counts, histogram)


def polynomial_softmax(one: PolynomialSoftmax, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Compute a softmax of 8-bit codes by a parabola and shifts."""
    lines, mask, made = lines_along(one, inputs[0], out)
    first, histogram = tally.first_sample * positions_of(one), tally.histograms[-1]
    softmax_by_parabola(lines, mask, one.numbers, one.channels, first, made, tally.counts, histogram)


def line_softmax(one: LineSoftmax, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Compute a softmax of 16-bit codes by two tables with lines between their entries."""
    lines, mask, made = lines_along(one, inputs[0], out)
    first, histogram = tally.first_sample * positions_of(one), tally.histograms[-1]
    ways = one.multiplier, one.exponent, one.powers, one.reciprocals
    softmax_by_lines(lines, mask, *ways, one.channels, first, made, tally.counts, histogram)


def divided_softmax(one: DividedSoftmax, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Compute a softmax of 8-bit codes by a table of float32 numbers and a division."""
    rows, mask, made = rows_along(one, inputs[0])
    table, zero_point = one.table.astype(np.float32), one.output.zero_point
    assert one.output.format is not None
    limits = np.array([one.output.format.minimum, one.output.format.maximum], np.int64)
    softmax_by_division(rows, mask, table, one.factor, zero_point, limits, made)
    put_back(one, made, out)


def table_softmax(one: TableSoftmax, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Compute a softmax of 8-bit codes by a table of float32 numbers."""
    rows, mask, made = rows_along(one, inputs[0])
    softmax_by_table(rows, mask, one.table.astype(np.float32), made)
    put_back(one, made, out)
