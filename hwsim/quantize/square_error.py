"""The range of the least mean square error: where clipping fewer values would cost more in rounding than it saves.

All functions take rows, one for each scale that is wanted, and search them side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import IntFormat

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

STEP = 2.0**-0.125
"""Ratio of two neighbouring ends of a range in the first pass."""
COARSE = tuple(STEP**k for k in range(129))
FINE = tuple(2.0 ** (k / 64) for k in range(7, -8, -1) if k)
BLOCK = 1 << 16
"""Values that are worked on at once, so that they stay in the cache."""


@dataclass(frozen=True)
class Grid:
    """The codes of a range: a format, and how its scale and zero point follow from the range."""

    form: IntFormat
    symmetric: bool
    power_of_two: bool

    @property
    def margin(self) -> int:
        """Steps by which the codes of a narrower range may reach further up than those of a wider one.

        One, as zero points are rounded; powers of two may also nearly double a width when its lower end comes in.
        """
        return self.form.maximum - self.form.minimum + 2 if self.power_of_two and not self.symmetric else 1

    def scales(self, low: Reals, high: Reals) -> tuple[Reals, Reals]:
        """Return scales and zero points (rows,) of ranges that hold 0, as ``scales.choose_scale`` does of one."""
        form = self.form
        if not self.symmetric:
            scale = (high - low) / (form.maximum - form.minimum)
        elif form.signed and form.bits == 1:
            scale = -low
        else:
            scale = (np.maximum(-low, high) if form.signed else high) / form.maximum
        scale = np.where(scale >= 2.0**-126, scale, 1.0)
        if self.power_of_two:
            mantissa, exponent = np.frexp(scale)
            scale = np.ldexp(1.0, exponent - (mantissa == 0.5))  # noqa: PLR2004
        if self.symmetric:
            return scale, np.zeros_like(scale)
        return scale, np.clip(np.rint(form.minimum - low / scale), form.minimum, form.maximum)


class Held(Protocol):
    """Values in rows, whose error of quantisation can be measured."""

    def errors(self, rows: Ints, low: Reals, high: Reals, grid: Grid) -> tuple[Reals, Reals]:
        """Return the sums of squared errors of some rows, and what no narrower range can come below."""
        ...


@dataclass(frozen=True)
class Points:
    """Values (rows, values per row) that are known exactly."""

    values: Reals

    def errors(self, rows: Ints, low: Reals, high: Reals, grid: Grid) -> tuple[Reals, Reals]:
        """Return the sums of squared errors of some rows, and what no narrower range can come below."""
        scale, zero = grid.scales(low, high)
        total, outside = np.empty(rows.size), np.empty(rows.size)
        size = max(BLOCK // self.values.shape[1], 1)
        for first in range(0, rows.size, size):
            part = slice(first, first + size)
            unit, offset = scale[part, None], zero[part, None]
            position = self.values[rows[part]] / unit
            apart = np.rint(position)
            np.clip(apart, grid.form.minimum - offset, grid.form.maximum - offset, out=apart)
            apart -= position
            squared = scale[part] ** 2
            total[part] = np.einsum("ij,ij->i", apart, apart) * squared
            beyond = _beyond(apart, grid)
            outside[part] = np.einsum("ij,ij->i", beyond, beyond) * squared
        return total, outside


@dataclass(frozen=True)
class Cells:
    """One row of values of which is known how many (counts) lie between two edges (first, last), evenly spread."""

    first: Reals
    last: Reals
    counts: Reals

    def errors(self, rows: Ints, low: Reals, high: Reals, grid: Grid) -> tuple[Reals, Reals]:
        """Return the expected sum of squared errors, and what no narrower range can come below."""
        if rows.size == 0:
            return np.empty(0), np.empty(0)
        scale, zero = grid.scales(low, high)
        floor, top = grid.form.minimum - zero, grid.form.maximum - zero
        first, last = self.first / scale, self.last / scale
        width, middle = last - first, (first + last) / 2
        apart = np.clip(np.rint(middle), floor, top) - middle
        narrow = width <= 2.0**-20 * np.maximum(np.abs(middle), 1.0)
        wide = np.where(narrow, 1.0, width)
        spread = (_integral(last, floor, top) - _integral(first, floor, top)) / wide
        squares = np.where(narrow, np.square(apart), spread)
        beyond = self.counts @ np.square(_beyond(apart, grid))
        return self.counts @ squares * scale**2, beyond * scale**2


def _beyond(apart: Reals, grid: Grid) -> Reals:
    """Return how far values lie outside of all narrower ranges, of code less value in steps."""
    return np.maximum(np.maximum(apart - 1.0, -grid.margin - apart), 0.0)


def _integral(place: Reals, floor: Reals, top: Reals) -> Reals:
    """Return an antiderivative of the squared distance to the nearest of the codes from ``floor`` to ``top``.

    Each code's half steps on both sides contribute 1/12; the clip makes the outer ones go on for ever.
    """
    code = np.clip(np.rint(place), floor, top)
    integral: Reals = code / 12 + (place - code) ** 3 / 3
    return integral


def least_square_error(held: Held, grid: Grid, low: Reals, high: Reals) -> tuple[Reals, Reals]:
    """Return for each row the range within ``low`` and ``high`` (rows,), widened to hold 0, that errs least.

    Both ends shrink together, in ratios of 2^(-k/8), k up to 128; where both signs occur and the format has a free zero
    point, then each end alone; last come ratios of 2^(k/64), k from -7 to 7, about what was found. The search begins
    with the whole range and moves for a smaller error only. A pass ends early where the values that would be clipped
    already cost more than the best range, so nothing on the grid is missed by that.
    """
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    search = _Search(held, grid, np.stack([low, high]))
    search.sweep(COARSE, (True, True), restart=True)
    alone = [(False, True), (True, False)]
    if grid.symmetric or not ((low < 0) & (high > 0)).any():
        alone = []
    for moved in alone:
        search.sweep(COARSE, moved, restart=True)
    for moved in [*alone, (True, True)]:
        search.sweep(FINE, moved, restart=False)
    found_low, found_high = search.ends
    if grid.symmetric and grid.form.signed and grid.form.bits > 1:
        # the scale follows from the longer end, so the shorter one has room
        reach = np.maximum(-found_low, found_high)
        return np.maximum(low, -reach), np.minimum(high, reach)
    return found_low, found_high


class _Search:
    """The best ranges so far (2, rows), and their errors (rows,)."""

    def __init__(self, held: Held, grid: Grid, ends: Reals) -> None:
        self.held, self.grid, self.whole, self.ends = held, grid, ends, ends.copy()
        self.best = held.errors(np.arange(ends.shape[1]), ends[0], ends[1], grid)[0]

    def sweep(self, ratios: Iterable[float], moved: tuple[bool, bool], *, restart: bool) -> None:
        """Try ratios, descending, on the ends that are moved: of the whole range, or of the best so far."""
        which = np.array(moved)[:, None]
        start = np.where(which, self.whole if restart else self.ends, self.ends)
        rows = np.flatnonzero(self.best > 0)
        for ratio in ratios:
            if rows.size == 0:
                break
            low, high = (start * np.where(which, ratio, 1.0))[:, rows]
            low, high = np.maximum(low, self.whole[0, rows]), np.minimum(high, self.whole[1, rows])
            total, outside = self.held.errors(rows, low, high, self.grid)
            better = total < self.best[rows]
            improved = rows[better]
            self.best[improved], self.ends[0, improved], self.ends[1, improved] = (
                total[better],
                low[better],
                high[better],
            )
            rows = rows[outside <= self.best[rows]]
