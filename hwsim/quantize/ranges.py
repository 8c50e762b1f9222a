"""Choose the real range that codes cover: of activations from the bins of a profile, of weights from their values.

``docs/arithmetic.md`` section 3 defines the methods.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwsim.quantize.distributions import fit_distributions
from hwsim.quantize.entropy import BINS as MAGNITUDES
from hwsim.quantize.entropy import least_divergence
from hwsim.quantize.profile import Statistics
from hwsim.quantize.square_error import Cells, Grid, Points, least_square_error
from hwsim.target.settings import TensorFormat

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_POINTS = 1 << 16
"""Weights of one scale; where there are more, their bins are searched instead of each of them."""
FITTED_CELLS = 3 << 10
"""Cells in which a fitted density is taken as flat."""
BLOCK = 1 << 9
"""Rows whose histograms are held at once."""
TINY = 2.0**-120
"""Magnitudes below it are zeros to a density."""


def activation_range(statistics: Statistics, form: TensorFormat) -> tuple[float, float]:
    """Return the real range (low, high) of a tensor by the method of ``form.range``."""
    if _asks_no_search(form):
        return statistics.range(form.range.method, form.range.percent)
    return range_of(form, *statistics.values, statistics.minimum, statistics.maximum)


def weight_ranges(rows: NDArray[np.float32], form: TensorFormat) -> list[tuple[float, float]]:
    """Return the real range (low, high) of each row of weights (scales, weights per scale)."""
    low, high = rows.min(axis=1).astype(np.float64), rows.max(axis=1).astype(np.float64)
    if form.range.method != "percentile" and (_asks_no_search(form) or rows.shape[1] == 1):
        return list(zip(low.tolist(), high.tolist(), strict=True))
    if form.range.method == "percentile":
        share = form.range.percent / 100
        low, high = np.quantile(rows.astype(np.float64), [1 - share, share], axis=1)
    elif form.range.method == "fitted":
        low, high = _fitted_rows(rows.astype(np.float64), form, low, high)
    elif rows.shape[1] > MOST_POINTS:
        ends = [range_of(form, *binned(row), float(row.min()), float(row.max())) for row in rows]
        low, high = (np.array([end[side] for end in ends]) for side in (0, 1))
    elif form.range.method == "mean_square":
        low, high = least_square_error(Points(rows.astype(np.float64)), grid_of(form), low, high)
    else:
        # a histogram is larger than most rows
        blocks = [slice(first, first + BLOCK) for first in range(0, len(rows), BLOCK)]
        parts = [_clipped(_histograms(rows[one], low[one], high[one]), form, low[one], high[one]) for one in blocks]
        low, high = np.concatenate(parts, axis=1)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def weight_range(values: NDArray[np.float32], form: TensorFormat) -> tuple[float, float]:
    """Return the real range (low, high) of weights that share a scale."""
    return weight_ranges(values.reshape(1, -1), form)[0]


def range_of(form: TensorFormat, values: Reals, counts: Ints, minimum: float, maximum: float) -> tuple[float, float]:
    """Return the real range (low, high) of binned values by mean_square, kl or fitted.

    values: middles of bins (``BINS`` of profile.py), ascending, which hold ``counts`` values between minimum and
    maximum. Raises ValueError for other methods.
    """
    low, high = np.array([minimum]), np.array([maximum])
    match form.range.method:
        case "mean_square":
            cells = cells_of(values, counts, minimum, maximum)
            low, high = least_square_error(cells, grid_of(form), low, high)
        case "kl":
            low, high = _clipped(_spread(cells_of(values, counts, minimum, maximum)), form, low, high)
        case "fitted":
            low, high = _fitted(form, values, counts, (minimum, maximum))
        case _:
            raise ValueError(f"{form.range.method} needs no bins")
    return float(low[0]), float(high[0])


def grid_of(form: TensorFormat) -> Grid:
    """Return the codes of a format; codes of uneven steps are taken as evenly spaced ones of as many bits."""
    return Grid(form.integer_format(), form.symmetric, form.step == "power_of_two")


def binned(values: NDArray[np.float32]) -> tuple[Reals, Ints]:
    """Return the middles of the bins of a profile that hold some of the values, ascending, and how many they hold."""
    statistics = Statistics()
    statistics.add(values)
    return statistics.values


def cells_of(values: Reals, counts: Ints, minimum: float, maximum: float) -> Cells:
    """Return the bins about their middles, as far as they lie between minimum and maximum."""
    pattern = values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    inner, outer = (one.view(np.float32).astype(np.float64) for one in (pattern, pattern + np.uint32(0x10000)))
    # the bins next to 0 hold zeros in the first place
    outer = np.where(np.abs(inner) < TINY, inner, outer)
    first, last = np.clip([np.minimum(inner, outer), np.maximum(inner, outer)], minimum, maximum)
    return Cells(first, last, counts.astype(np.float64))


def _asks_no_search(form: TensorFormat) -> bool:
    """Whether nothing is to be searched; a fixed binary point leaves nothing to choose."""
    return form.range.method in ("minmax", "percentile") or form.fraction_bits is not None


def _fitted(form: TensorFormat, values: Reals, counts: Ints, ends: tuple[float, float]) -> tuple[Reals, Reals]:
    """Return the range (1,), (1,) in which the best fitting distribution errs least."""
    low, high = np.array([ends[0]]), np.array([ends[1]])
    present = np.abs(values) >= TINY
    values, counts = values[present], counts[present]
    # distributions of one sign are those of positive values
    sign = -1.0 if values.size and values[-1] < 0 else 1.0
    if sign < 0:
        values, counts = -values[::-1], counts[::-1]
    if values.size == 0 or values[0] == values[-1]:
        return low, high
    best = fit_distributions(values, counts)[0]
    span = ends[1] - ends[0]
    edges = np.linspace(ends[0] - span, ends[1] + span, FITTED_CELLS + 1)
    below = best.cdf(edges) if sign > 0 else 1.0 - best.cdf(-edges)
    return least_square_error(Cells(edges[:-1], edges[1:], np.diff(below)), grid_of(form), low, high)


def _fitted_rows(rows: Reals, form: TensorFormat, low: Reals, high: Reals) -> tuple[Reals, Reals]:
    """Return the ranges of rows that have one distribution, each with a deviation of its own."""
    deviation = np.sqrt(np.mean(rows**2, axis=1))
    deviation = np.where(deviation > 0, deviation, 1.0)
    lengths = (rows / deviation[:, None]).astype(np.float32)
    ends = float(lengths.min()), float(lengths.max())
    low_most, high_most = _fitted(form, *binned(lengths), ends)
    return np.maximum(low, low_most * deviation), np.minimum(high, high_most * deviation)


def _clipped(histograms: Reals, form: TensorFormat, low: Reals, high: Reals) -> tuple[Reals, Reals]:
    """Return the ranges that keep the magnitudes which lose the least information."""
    most = np.maximum(-low, high)
    codes = form.integer_format()
    levels = np.full(most.size, codes.maximum + 1)
    if not form.symmetric:
        width = np.maximum(np.maximum(high, 0.0) - np.minimum(low, 0.0), 2.0**-1000)
        levels = np.rint((codes.maximum - codes.minimum) * np.minimum(most / width, 1.0)).astype(np.int64) + 1
    kept = np.empty(most.size)
    for number in np.unique(levels):
        kept[levels == number] = least_divergence(histograms[levels == number], int(number))
    kept = np.where(kept == MAGNITUDES, most, most * kept / MAGNITUDES)
    return np.maximum(low, -kept), np.minimum(high, kept)


def _histograms(rows: NDArray[np.float32], low: Reals, high: Reals) -> Reals:
    """Return how many magnitudes (rows, bins) lie in bins of equal width up to the largest of the row."""
    most = np.maximum(np.maximum(-low, high), TINY)
    places = np.minimum((np.abs(rows.astype(np.float64)) / most[:, None] * MAGNITUDES).astype(np.int64), MAGNITUDES - 1)
    places += np.arange(len(rows))[:, None] * MAGNITUDES
    return np.bincount(places.ravel(), minlength=len(rows) * MAGNITUDES).reshape(-1, MAGNITUDES).astype(np.float64)


def _spread(cells: Cells) -> Reals:
    """Return the histogram (1, bins) of magnitudes of values that are evenly spread in their cells."""
    near, far = np.sort(np.abs([cells.first, cells.last]), axis=0)
    most = max(float(far.max()), TINY)
    edges = np.linspace(0.0, most, MAGNITUDES + 1)
    histogram = np.zeros(MAGNITUDES)
    for sign in (cells.last <= 0, cells.last > 0):
        order = np.argsort(near[sign], kind="stable")
        places = np.stack([near[sign][order], far[sign][order]], axis=1).ravel()
        counts = cells.counts[sign][order]
        below = np.stack([np.cumsum(counts) - counts, np.cumsum(counts)], axis=1).ravel()
        if places.size:
            inside = np.interp(edges, places, below)
            inside[0], inside[-1] = 0.0, below[-1]
            histogram += np.diff(inside)
    return histogram[None]
