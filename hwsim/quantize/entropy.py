"""The range that keeps most of the information: entropy calibration, after Migacz (2017).

S. Migacz, "8-bit Inference with TensorRT", GPU Technology Conference 2017, with a histogram of magnitudes. Our variant
in full: ``docs/arithmetic.md`` section 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 2048
"""Bins of equal width between 0 and the largest magnitude."""
MOST_LEVELS = BINS // 2
"""With more levels nothing is left to choose."""
STRIDE = 16
"""Bins between two ends of a range that are tried."""
BLOCK = 1 << 7
"""Rows that are worked on at once."""


def tried_ends(levels: int) -> list[int]:
    """Return the numbers of bins that a range may keep: from ``levels`` up in steps of ``STRIDE``, and all."""
    return [*range(levels, BINS, STRIDE), BINS]


def least_divergence(histograms: Reals, levels: int) -> Ints:
    """Return for each histogram (rows, ``BINS``) after how many bins to clip it, for ``levels`` codes from 0 up.

    Of equal divergences the widest range is kept.
    """
    if not 1 <= levels <= MOST_LEVELS:
        return np.full(len(histograms), BINS)
    parts = [histograms[first : first + BLOCK] for first in range(0, len(histograms), BLOCK)]
    return np.concatenate([_least(part, levels) for part in parts] or [np.zeros(0, np.int64)])


def _least(histograms: Reals, levels: int) -> Ints:
    counts = histograms.copy()
    # zero is exact in every range, so its bin would only drown the others (NVIDIA's pytorch-quantization does so, too)
    counts[:, 0] = counts[:, 1]
    sums, information = _running(counts), _running(_times_log(counts))
    used = _running((counts > 0).astype(np.float64))
    best, kept = np.full(len(counts), np.inf), np.full(len(counts), BINS)
    for end in reversed(tried_ends(levels)):
        cuts = np.arange(levels + 1) * end // levels
        inside, held = np.diff(sums[:, cuts], axis=1), np.diff(used[:, cuts], axis=1)
        last = counts[:, end - 1]
        tail = sums[:, -1] - sums[:, end]
        # a bin that is empty but for the tail counts as used
        held[:, -1] += (last == 0) & (tail > 0)
        wanted = inside.copy()
        wanted[:, -1] += tail
        whole = sums[:, -1]
        entropy = information[:, end] - _times_log(last) + _times_log(last + tail)
        with np.errstate(divide="ignore", invalid="ignore"):
            logarithm = np.where(wanted > 0, np.log(inside / held), 0.0)
            # sum of p log(p / q), where p is normalised by the whole and q by what lies inside
            divergence = (entropy - (wanted * logarithm).sum(axis=1)) / whole + np.log(sums[:, end] / whole)
        better = divergence < best - 1e-12
        best[better], kept[better] = divergence[better], end
    return kept


def _running(values: Reals) -> Reals:
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)


def _times_log(values: Reals) -> Reals:
    return values * np.log(np.where(values > 0, values, 1.0))
