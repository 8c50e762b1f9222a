"""Maxima and means of windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.fused import Fused, start_tally
from hwsim.engine.operations.finish import finish
from hwsim.engine.operations.lanes import in_lanes, lane_steps, lanes_for
from hwsim.engine.tally import Tally
from hwsim.program.records import FloatAverage, PoolAverage, PoolMax
from hwsim_kernels import counting
from hwsim_kernels.fast.blocks import padded_columns
from hwsim_kernels.fast.layers import layer_of_means
from hwsim_kernels.fast.passage import Steps, fold
from hwsim_kernels.fast.stored import stored
from hwsim_kernels.float_sums import average_in_float32
from hwsim_kernels.pooling import average_pool, max_pool

Codes = NDArray[Any]
Array = NDArray[Any]

MOST_DIVISOR = 1 << 15


def pool_max(one: PoolMax, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Take the largest code of each window."""
    max_pool(inputs[0], one.window, one.outside, out)


def pool_average(one: PoolAverage, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Take the rounded mean of each window."""
    columns = padded_columns(one.channels)
    steps = lane_steps(one, columns, lambda fused: see_means(one, fused))
    if steps is not None and in_lanes(one, tally):
        means_in_lanes(one, inputs[0], steps, tally, out)
        return
    rows, across = one.output.shape[:2]
    values = np.empty((2 if one.wide else 1, len(out) * rows * across, one.channels), np.int64)
    average_pool(
        inputs[0].astype(np.int32),
        one.zero_point,
        one.window,
        np.array([rows, across], np.int64),
        one.field,
        one.draws,
        tally.first_sample,
        values,
        tally.counts[:2],
        tally.histograms[0],
    )
    finish(one, values, "division", tally, out)


def see_means(one: PoolAverage, fused: Fused) -> bool:
    """Look at the sums of windows, divide them, then take the steps."""
    if int(one.window[0] * one.window[1]) >= MOST_DIVISOR:
        return False
    fused.look("accumulator")
    fused.divide("accumulator", "division", int(one.field[4]))
    return fused.steps(one.steps)


def means_in_lanes(one: PoolAverage, codes: Array, steps: Steps, tally: Tally, out: Codes) -> None:
    """Take means whose sums lose nothing."""
    outputs = np.array(one.output.shape[:2], np.int64)
    rows = out.reshape(-1, one.channels)
    values = lanes_for(steps, len(rows))
    counted = start_tally(steps, tally, tally.first_sample * int(outputs.prod()))
    inside = layer_of_means(codes, one.zero_point, one.window, outputs, values, steps, counted, stored(rows))
    fold(steps, counted, len(rows))
    tally.counts[0, counting.VALUES] += inside
    tally.counts[0, counting.SUMS] += len(rows)


def float_average(one: FloatAverage, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Take the mean of each window in float32."""
    rows, across = one.output.shape[:2]
    values = np.empty((1, len(out) * rows * across, one.channels), np.int64)
    where = one.window, np.array([rows, across], np.int64), one.rounding.code, one.draws, tally.first_sample
    codes = inputs[0].astype(np.int32)
    average_in_float32(codes, one.zero_point, one.scales, *where, values, tally.point("division"))
    finish(one, values, "division", tally, out)
