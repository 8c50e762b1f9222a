"""Real values become codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.fused import saturating
from hwsim.engine.tally import Tally
from hwsim.program.records import Quantize
from hwsim_kernels import counting
from hwsim_kernels.counting import new_counts
from hwsim_kernels.fast import float_strips, strip_loop, strips
from hwsim_kernels.fast.blocks import block_rows
from hwsim_kernels.fast.features import PORTABLE
from hwsim_kernels.fast.lanes import WIDTH
from hwsim_kernels.fast.layers import layer_of_reals
from hwsim_kernels.fast.passage import SUMMED
from hwsim_kernels.fast.stored import stored
from hwsim_kernels.quantize import quantize as quantize_reals
from hwsim_kernels.rounding import STOCHASTIC_EQUAL, STOCHASTIC_WEIGHTED

Codes = NDArray[Any]
Array = NDArray[Any]

NARROW = 1 << 30
STOCHASTIC = (STOCHASTIC_WEIGHTED, STOCHASTIC_EQUAL)


def quantize(one: Quantize, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Turn real values into codes."""
    values = inputs[0].reshape(-1, one.channels)
    first_row, together, target = tally.first_sample * (len(values) // len(inputs[0])), 0, out.reshape(values.shape)
    if quantizes_in_lanes(one, values, tally.tier):
        together = len(values) // WIDTH * WIDTH
        quantize_in_lanes(one, values[:together], target[:together], first_row, tally)
    if together == len(values):
        return
    rows = values[together:].astype(np.float64)
    codes = np.empty(rows.shape, np.int64)
    scale = one.output.scales
    zero_point = np.full(one.channels, one.output.zero_point, np.int64)
    quantize_reals(rows, scale, zero_point, one.field, np.array([first_row + together, 1]), codes, tally.counts[0])
    target[together:] = codes


def quantizes_in_lanes(one: Quantize, values: Array, tier: int) -> bool:
    """Whether values are moderate enough for 32-bit lanes."""
    if (
        tier < PORTABLE
        or one.output.shift
        or one.field[4] in STOCHASTIC
        or values.dtype != np.float32
        or not values.size
    ):
        return False
    largest = max(float(values.max()), -float(values.min()))
    return largest / one.output.scale + abs(one.output.zero_point) < NARROW / 2


def quantize_in_lanes(one: Quantize, reals: Array, out: Codes, first_row: int, tally: Tally) -> None:
    """Turn real values (rows, channels) into codes; WIDTH rows side by side make the lanes."""
    columns = WIDTH * one.channels
    bits, codes = (np.ascontiguousarray(array).reshape(-1, columns) for array in (reals.view(np.int32), out))
    limits, parameters = saturating(one.field, columns), np.stack([strips.moves(columns)] * 2)
    parameters[0, float_strips.DIVISOR] = np.float64(one.output.scale).view(np.int64)
    parameters[0, strips.ADD] = one.output.zero_point
    parameters[0, strips.TABLE] = strips.table_of(int(one.field[4]))
    counters, here, unused = strip_loop.counters(columns), strip_loop.counters(columns), new_counts(columns)
    size = block_rows(columns, 1)
    layer_of_reals(bits, parameters, limits, one.field, counters, here, unused, tally.counted, size, stored(codes))
    side = counters.reshape(len(counters), WIDTH, one.channels)
    counts = tally.counts[0]
    found = side[strip_loop.FIRST] != counting.NEVER
    rows = first_row + side[strip_loop.FIRST] * WIDTH + np.arange(WIDTH)[:, None]
    counts[counting.VALUES] += len(reals)
    counts[counting.FIRST] = np.where(found, rows, counting.NEVER).min(axis=0)
    counts[counting.MINIMUM], counts[counting.MAXIMUM] = (
        side[strip_loop.LEAST].min(axis=0),
        side[strip_loop.LARGEST].max(axis=0),
    )
    for column, counter in SUMMED:
        counts[column] += side[counter].sum(axis=0)
