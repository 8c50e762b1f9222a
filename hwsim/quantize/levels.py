"""Levels that are not evenly spaced, and scales that are multiplied by powers of two.

``docs/arithmetic.md`` section 3 says what codes with levels or shifts stand for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import IntFormat

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_POINTS = 1 << 10
"""Places of values between which levels are searched; more are brought together first."""
MOST_ROUNDS = 100
SMALLEST_EXPONENT = -126
"""Of the smallest scale."""


def quadratic(form: IntFormat) -> tuple[int, ...]:
    """Return sign(q) * q**2 for each code.

    >>> quadratic(IntFormat(bits=3))
    (-16, -9, -4, -1, 0, 1, 4, 9)
    """
    return tuple(code * abs(code) for code in range(form.minimum, form.maximum + 1))


def logarithmic(form: IntFormat) -> tuple[int, ...]:
    """Return 0, and sign(q) * 2**(abs(q) - 1), for each code.

    >>> logarithmic(IntFormat(bits=3))
    (-8, -4, -2, -1, 0, 1, 2, 4)
    """
    codes = range(form.minimum, form.maximum + 1)
    return tuple((1 << abs(code) >> 1) * (-1 if code < 0 else 1) for code in codes)


def codebook(values: Reals, counts: Ints, number: int, widest: IntFormat) -> tuple[int, ...]:
    """Return ``number`` integer levels, 0 among them, that lie near values which occur so many times.

    values: in units of the scale, ascending. The levels of the least mean square error (``lloyd_max``) are rounded to
    integers of the format ``widest``; the one nearest to 0 becomes 0, and where two meet one moves to the nearest free
    integer. Raises ValueError if the format has too few integers.

    >>> codebook(np.array([-7.0, -6.0, 1.0, 5.0]), np.array([9, 9, 9, 9]), 3, IntFormat(bits=4))
    (-6, 0, 5)
    """
    if widest.maximum - widest.minimum + 1 < number:
        raise ValueError(f"{number} levels do not fit {widest}")
    wanted = lloyd_max(values, counts, number)
    wanted[np.argmin(np.abs(wanted))] = 0.0
    taken: set[int] = {0}
    for level in sorted((one for one in wanted.tolist() if one != 0.0), key=abs):
        taken.add(_nearest_free(level, taken, widest))
    for code in sorted(range(widest.minimum, widest.maximum + 1), key=abs):
        if len(taken) >= number:
            break
        taken.add(code)
    return tuple(sorted(taken))


def _nearest_free(wanted: float, taken: set[int], form: IntFormat) -> int:
    middle = min(max(round(wanted), form.minimum), form.maximum)
    for distance in range(form.maximum - form.minimum + 1):
        nearby = [middle + distance, middle - distance]
        free = [one for one in nearby if one not in taken and form.holds(one, one)]
        if free:
            return min(free, key=lambda one: (abs(one - wanted), one))
    raise ValueError(f"no level of {form} is free")


def lloyd_max(values: Reals, counts: Ints, number: int) -> Reals:
    """Return ``number`` levels (at most as many as there are values), ascending, of least mean square error.

    values: ascending, each of which occurs ``counts`` times. Up to ``MOST_POINTS`` places the optimum is found exactly,
    by the dynamic programme over intervals (Wu 1991, "Optimal quantization by matrix searching"); more values are first
    brought together into as many cells, whose means the iterations of Lloyd (1982) then improve on all values.
    """
    here = counts > 0
    values, weights = values[here], counts[here].astype(np.float64)
    if values.size <= number:
        return np.concatenate([values, np.zeros(0)])
    cells = np.arange(values.size)
    if values.size > MOST_POINTS:
        # a third of each: cells of equal range resolve the tails, cells of equal share the bulk
        ranged = (values - values[0]) / (values[-1] - values[0])
        shares = np.cumsum(weights) / weights.sum()
        position = np.cumsum(np.diff(np.cbrt(ranged) + ranged + shares, prepend=0.0))
        cells = np.minimum((position / position[-1] * MOST_POINTS).astype(np.int64), MOST_POINTS - 1)
        cells = np.unique(cells, return_inverse=True)[1]
    mass = np.bincount(cells, weights).astype(np.float64)
    means = np.bincount(cells, weights * values) / mass
    levels = _of_intervals(means, mass, number)
    return levels if mass.size == values.size else _improved(values, weights, levels)


def _of_intervals(values: Reals, weights: Reals, number: int) -> Reals:
    """Return the optimal levels, by the least cost of the first n values in k intervals."""
    size = values.size
    shifted = values - np.average(values, weights=weights)
    mass, first, second = (np.concatenate([[0.0], np.cumsum(weights * shifted**power)]) for power in (0, 1, 2))
    ends, starts = np.arange(1, size + 1)[:, None], np.arange(size)[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = mass[ends] - mass[starts]
        cost = (second[ends] - second[starts]) - (first[ends] - first[starts]) ** 2 / inside
    cost = np.where(ends > starts, np.maximum(cost, 0.0), np.inf)
    best, cuts = cost[:, 0], list[Ints]()
    for _ in range(number - 1):
        before = np.concatenate([[0.0], best[:-1]])
        total = cost + before[None, :]
        cut = total.argmin(axis=1)
        cuts.append(cut)
        best = total[np.arange(size), cut]
    bounds, end = [size], size
    for cut in reversed(cuts):
        end = int(cut[end - 1]) if end > 0 else 0
        bounds.append(end)
    edges = sorted({*bounds, 0})
    return np.array([np.average(values[a:b], weights=weights[a:b]) for a, b in zip(edges, edges[1:], strict=False)])


def _improved(values: Reals, weights: Reals, levels: Reals) -> Reals:
    """Return levels after iterations in which each becomes the mean of the values nearest to it."""
    for _ in range(MOST_ROUNDS):
        nearest = np.searchsorted((levels[:-1] + levels[1:]) / 2, values, side="right")
        mass = np.bincount(nearest, weights, levels.size)
        sums = np.bincount(nearest, weights * values, levels.size)
        moved = np.where(mass > 0, sums / np.maximum(mass, 1.0), levels)
        if np.array_equal(moved, levels):
            break
        levels = moved
    return levels


def shared_scale(scales: Reals, most: int) -> tuple[Reals, Ints]:
    """Return for each column of ``scales`` (rows, columns) a scale, and shifts (rows, columns) from 0 to ``most``.

    Scale times 2**shift is the smallest such product that is not below what was wanted: the largest scale of a column
    is kept, others are rounded up to it divided by a power of two. What is 0 is of no scale at all.

    >>> scale, shift = shared_scale(np.array([[1.0], [0.3], [0.001]]), 3)
    >>> scale.tolist(), shift[:, 0].tolist()
    ([0.125], [3, 2, 0])
    """
    largest = scales.max(axis=0)
    largest = np.where(largest > 0, largest, 1.0)
    # the exponent of a quotient of 1 is 1, of one just below 1 it is 0
    halvings = -np.frexp(np.nextafter(scales / largest, 0.0))[1]
    room = np.minimum(np.frexp(largest)[1] - 1 - SMALLEST_EXPONENT, most)
    down = np.where(scales > 0, np.clip(halvings, 0, room), room)
    steps = down.max(axis=0)
    return np.ldexp(largest, -steps), (steps - down).astype(np.int64)
