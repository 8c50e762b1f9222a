"""The matrix product of two feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.exact import has_product
from hwsim.engine.operations.finish import finish
from hwsim.engine.operations.mac import count_exact
from hwsim.engine.tally import Tally
from hwsim.engine.words import in_words
from hwsim.program.records import MatrixProduct
from hwsim_kernels.accumulate import accumulate
from hwsim_kernels.counting import new_counts
from hwsim_kernels.exact import count_sums
from hwsim_kernels.plain import accumulate_plain

Codes = NDArray[Any]
Array = NDArray[Any]


def matmul(one: MatrixProduct, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Multiply matrices of codes: in float64 where that is exact, else step by step."""
    first, second = (
        (codes.swapaxes(-1, -2) if turned else codes).reshape(
            -1, *(codes.shape[:-3:-1] if turned else codes.shape[-2:])
        )
        for codes, turned in zip(inputs, one.transpose, strict=True)
    )
    products = int(has_product(one))
    counts = tally.counts[products : products + len(one.stages)]
    histogram = tally.histograms[products + len(one.stages) - 1]
    if one.exact:
        zero, zero_too = one.zero_points.astype(np.float64).tolist()
        # a proved sum has 53 bits or fewer (EXACT_LIMIT)
        sums = np.matmul(first.astype(np.float64) - zero, second.astype(np.float64) - zero_too)
        found = sums.reshape(-1, one.channels).astype(np.int64)
        count_sums(found, counts[-1], histogram)
        count_exact(one, len(found), tally)
        finish(one, in_words(found, one.wide), "accumulator", tally, out)
        return
    product = tally.counts[0] if products else new_counts(one.channels)
    values = np.empty((2 if one.wide_sums else 1, len(first), first.shape[1], one.channels), np.int64)
    for number, (left, right) in enumerate(zip(first, second, strict=True)):
        taps = np.zeros((len(one.places), 3), np.int64)
        taps[:, 2] = one.places
        weights = (right[one.places].astype(np.int32) - np.int32(one.zero_points[1]))[None]
        ones, start = np.ones(2, np.int64), np.zeros(one.channels, np.int64)
        image = np.ascontiguousarray(left[None, :, None].astype(np.int32))
        where = (image, one.zero_points[0], 0, taps, ones, ones, np.ascontiguousarray(weights), start)
        # matrices count as samples of their own, so that positions run through all of a sample's
        place = tally.first_sample * (len(first) // len(out)) + number
        how = (len(one.stages) - 1, one.product, one.stages, one.ends, one.draws, place)
        into = values[:, number, :, None]
        if one.wide_sums:
            made = np.empty((2, 1, *into.shape[1:]), np.int64)
            accumulate_plain(*where, *how, made, product, counts, histogram)
            into[...] = made[:, 0]
        else:
            made = np.empty((1, *into.shape[1:]), np.int64)
            accumulate(*where, *how, made, product, counts, histogram)
            into[...] = made
    rows = values.reshape(len(values), -1, one.channels)
    finish(one, rows if one.wide_sums else in_words(rows[0], one.wide), "accumulator", tally, out)
