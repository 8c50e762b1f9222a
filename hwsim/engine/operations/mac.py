"""Convolutions, dense layers, scales and shifts: weighted sums, on the fastest way that is proved exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.exact import datapath, first_stage, followed_sums, has_product, prepared_sums, stage_points
from hwsim.engine.fused import Fused, start_tally
from hwsim.engine.fused_wide import see_widely
from hwsim.engine.operations.finish import finish
from hwsim.engine.operations.lanes import in_lanes, lane_steps
from hwsim.engine.tally import Tally
from hwsim.engine.words import in_words
from hwsim.program.records import MatrixProduct, MultiplyAccumulate
from hwsim_kernels import counting
from hwsim_kernels.accumulate import accumulate
from hwsim_kernels.counting import new_counts
from hwsim_kernels.exact import count_sums, fits_and_sums
from hwsim_kernels.fast.blocks import Prepared, run_layer, write_sums
from hwsim_kernels.fast.chains import Chain
from hwsim_kernels.fast.features import NUMPY
from hwsim_kernels.fast.followed import follow_sums
from hwsim_kernels.fast.passage import fold
from hwsim_kernels.float_products import write_products
from hwsim_kernels.plain import accumulate_plain

Codes = NDArray[Any]
Ints = NDArray[np.int64]
Array = NDArray[Any]

MOST_SUM = (1 << 31) - 1


def multiply_accumulate(one: MultiplyAccumulate, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Run a convolution, a dense layer or a scale-and-shift."""
    codes = inputs[0].reshape(-1, *one.view)
    layer = prepared_sums(one, codes, tally.tier)
    steps = (
        None
        if layer is None
        else lane_steps(
            one,
            layer.columns,
            lambda fused: see_sums(one, fused, layer),
            kind=(codes.dtype, tally.tier),  # how sums are formed depends on both
            wide=layer.start.itemsize > 4,
        )
    )
    if layer is None or steps is None or not in_lanes(one, tally):
        finish(one, sums(one, layer, codes, tally), "accumulator", tally, out)
        return
    rows = out.reshape(-1, one.channels)
    counted = start_tally(steps, tally, tally.first_sample * (len(rows) // len(codes)))
    run_layer(layer, codes, steps, counted, rows)
    fold(steps, counted, len(rows))


def see_sums(one: MultiplyAccumulate, fused: Fused, layer: Prepared) -> bool:
    """Look at the exact sums of the last stage, then take the steps."""
    first, fits = fits_of_a_position(one)
    fused.fits[first : first + len(fits)] = fits
    if not one.narrow:
        return see_widely(fused, one, stage_points(one)[-1].name)
    # unsaturated, sums can go beyond the bound of the stage
    fused.look(stage_points(one)[-1].name, MOST_SUM if layer.saturation.fits.size else None)
    return fused.steps(one.steps)


def sums(one: MultiplyAccumulate, layer: Prepared | None, codes: Array, tally: Tally) -> Ints:
    """Return the sums (words, rows, channels) of codes (n, h, w, c), on the fastest way that is proved exact."""
    first, levels = first_stage(one), one.stages.shape[0]
    product = tally.counts[first - 1] if has_product(one) else new_counts(one.channels)
    counts, histogram = tally.counts[first : first + levels], tally.histograms[first + levels - 1]
    shape = (len(codes), *one.output_view)
    by_numpy = one.exact and not one.wide_sums and tally.tier == NUMPY
    if by_numpy or (layer is not None and not layer.saturation.fits.size):
        found = np.empty((len(codes) * shape[1] * shape[2], one.channels), np.int64)
        if layer is None:
            write_products(datapath(one), codes, found)
        else:
            write_sums(layer, codes, found)
        count_sums(found, counts[-1], histogram)
        count_exact(one, len(found), tally)
        return in_words(found, one.wide)
    chain = followed_sums(one, codes, tally.tier)
    codes = codes.astype(np.int32)
    if chain is not None:
        return in_words(follow(one, chain, codes, tally), one.wide)
    where = (codes, one.zero_point, one.outside, one.taps, one.strides, one.spread, one.weights, one.start)
    how = (one.start_level, one.product, one.stages, one.ends, one.draws, tally.first_sample)
    if one.wide_sums:
        wide = np.empty((2, *shape), np.int64)
        accumulate_plain(*where, *how, wide, product, counts, histogram)
        return wide.reshape(2, -1, one.channels)
    out = np.empty(shape, np.int64)
    accumulate(*where, *how, out, product, counts, histogram)
    return in_words(out.reshape(-1, one.channels), one.wide)


def follow(one: MultiplyAccumulate, chain: Chain, codes: Codes, tally: Tally) -> Ints:
    """Return the sums (rows, channels) of codes (n, h, w, c) that are followed in lanes."""
    first, levels = first_stage(one), one.stages.shape[0]
    out = np.empty((len(codes) * int(np.prod(one.output_view[:2])), one.channels), np.int64)
    stages, histogram = tally.counts[first : first + levels], tally.histograms[first + levels - 1]
    if has_product(one):
        counts = tally.counts[first - 1 : first + levels]
    else:
        counts = np.concatenate([new_counts(1, one.channels), stages])
    follow_sums(chain, datapath(one), codes, tally.first_sample, out, counts, histogram)
    stages[:] = counts[1:]
    count_exact(one, len(out), tally)
    return out


def count_exact(one: MultiplyAccumulate | MatrixProduct, rows: int, tally: Tally) -> None:
    """Count the fits and sums that ``rows`` positions take where nothing is lost."""
    first, each = fits_of_a_position(one)
    for point, (fits, sums) in enumerate(each, start=first):
        tally.counts[point, counting.VALUES] += fits * rows
        tally.counts[point, counting.SUMS] += sums * rows


def fits_of_a_position(one: MultiplyAccumulate | MatrixProduct) -> tuple[int, list[tuple[int, int]]]:
    """Return the first of the points of products and stages, and the fits and the sums of one position at each."""
    first, each = first_stage(one), fits_and_sums(one.stages, one.ends)
    if has_product(one):
        return first - 1, [(one.ends.shape[1], 0), *each]
    return first, each
