"""The steps behind an accumulator on blocks of 32-bit lanes that stay in the nearest caches.

Only for operations whose values are proved to fit 32 bits (``narrow``). Additions and clips between two steps that
count become one move, which the next step does on its way. A step without a kernel for 32-bit lanes runs by its plain
one. Counters are kept in lanes while a part of the data passes, and folded into the tally at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.steps import STEPS, Place
from hwsim.engine.tally import Tally
from hwsim.engine.words import codes_of, in_words
from hwsim.program.records import (
    AddConstant,
    ClipHigh,
    ClipLow,
    FitTo,
    IntOperation,
    Point,
    ScaleFixed,
    Step,
)
from hwsim_kernels import counting
from hwsim_kernels.fast import strips
from hwsim_kernels.fast.fitting import fit_block, look_at
from hwsim_kernels.overflow import SATURATE, SATURATE_SYMMETRIC, highest, lowest

Ints = NDArray[np.int64]
Values = NDArray[np.int32]

MULTIPLIERS = 1 << 31
"""Multipliers below this have a kernel for 32-bit lanes."""

MOST_SHIFTED = 62
NARROW = 1 << 30
"""Values are below this, so that a limit there or further out is none, and constants of less can be added up."""

SATURATING = (SATURATE, SATURATE_SYMMETRIC)

NO_HISTOGRAM = np.zeros(0, np.int64)


@dataclass
class Passage:
    """The blocks of one part of the data on their way through the steps.

    ``first_row`` is the number of the part's first row in the whole run. ``here`` is room for one block's counters.
    """

    tally: Tally
    first_row: int
    columns: int
    here: Ints
    counters: list[Ints]
    rows: int = 0
    divisors: NDArray[np.int32] = field(default_factory=lambda: np.ones(0, np.int32))

    @staticmethod
    def of(steps: Sequence[BlockStep], tally: Tally, first_row: int, columns: int) -> Passage:
        """Return the state before the first block."""
        fresh = [strips.counters(columns) for _ in steps]
        return Passage(tally, first_row, columns, strips.counters(columns), fresh)

    def run(self, steps: Sequence[BlockStep], values: Values) -> None:
        """Send the next block of values (rows, columns) through the steps, in place."""
        for step, counters in zip(steps, self.counters, strict=True):
            step.run(values, self, counters)
        self.rows += len(values)

    def close(self, steps: Sequence[BlockStep]) -> None:
        """Fold the counters into the tally."""
        for step, counters in zip(steps, self.counters, strict=True):
            step.fold(counters, self)


class BlockStep(Protocol):
    """One step of a block."""

    def run(self, values: Values, passage: Passage, counters: Ints) -> None:
        """Run on values (rows, columns) in place."""
        ...

    def fold(self, counters: Ints, passage: Passage) -> None:
        """Add the counters of all blocks to the tally."""
        ...


def fold_range(counters: Ints, counts: Ints) -> None:
    """Add a range of values to the counters (COLUMNS, channels) of a point."""
    channels = counts.shape[1]
    np.minimum(counts[counting.MINIMUM], counters[strips.LEAST, :channels], out=counts[counting.MINIMUM])
    np.maximum(counts[counting.MAXIMUM], counters[strips.LARGEST, :channels], out=counts[counting.MAXIMUM])


def fit_behind(pending: Ints, step: FitTo, bins: int) -> Fit:
    """Return a fit behind a move."""
    bits, signed, mode = (int(one) for one in step.field[:3])
    limits = strips.moves(pending.shape[1])
    low, high = int(lowest(bits, signed, mode)), int(highest(bits, signed))
    limits[strips.LOW], limits[strips.HIGH] = max(low, -NARROW), min(high, NARROW)
    return Fit(pending, limits, step, bins, mode in SATURATING)


def fold_rounding(counters: Ints, passage: Passage, point: str) -> None:
    """Add the range of what was rounded, and the errors."""
    counts = passage.tally.point(point)
    mine = counters[:, : counts.shape[1]]
    fold_range(counters, counts)
    counts[counting.INEXACT] += mine[strips.INEXACT]
    counts[counting.ROUND_BIAS] += mine[strips.BIAS]
    counts[counting.ROUND_ENERGY] += mine[strips.ENERGY]


@dataclass(frozen=True)
class Look:
    """Look at values as they are: the exact sums of the last stage, or of an accumulator."""

    parameters: Ints
    point: str
    bins: int

    def run(self, values: Values, passage: Passage, counters: Ints) -> None:
        """Note the range and the bits."""
        tally = passage.tally
        if not tally.counted:
            return
        histogram = tally.histograms[tally.index[self.point]]
        look_at(values, self.parameters, counters, self.bins, 0, histogram)

    def fold(self, counters: Ints, passage: Passage) -> None:
        """Add the range."""
        tally = passage.tally
        if not tally.counted:
            return
        counts = tally.point(self.point)
        fold_range(counters, counts)
        tally.histograms[tally.index[self.point]][0] -= passage.rows * (passage.columns - counts.shape[1])


@dataclass(frozen=True)
class Saturate:
    """Look at exact sums, then make of them what a last stage does that saturates on their way."""

    look: Look
    settle: Callable[[Values, int, Ints, Ints], int]

    def run(self, values: Values, passage: Passage, counters: Ints) -> None:
        """Note range and bits, correct the sums that cannot be proved to stay inside."""
        here, tally = passage.here, passage.tally
        here[strips.LEAST], here[strips.LARGEST] = counting.NEVER, -counting.NEVER
        histogram = tally.histograms[tally.index[self.look.point]]
        look_at(values, self.look.parameters, here, self.look.bins, 0, histogram)
        np.minimum(counters[strips.LEAST], here[strips.LEAST], out=counters[strips.LEAST])
        np.maximum(counters[strips.LARGEST], here[strips.LARGEST], out=counters[strips.LARGEST])
        self.settle(values, passage.first_row + passage.rows, here, tally.point(self.look.point))

    def fold(self, counters: Ints, passage: Passage) -> None:
        """Add the range."""
        self.look.fold(counters, passage)


@dataclass(frozen=True)
class Move:
    """Add and clip."""

    parameters: Ints

    def run(self, values: Values, passage: Passage, counters: Ints) -> None:
        """Move the values."""
        strips.move(values, self.parameters)

    def fold(self, counters: Ints, passage: Passage) -> None:
        """Nothing is counted."""


@dataclass(frozen=True)
class Scale:
    """Move, multiply by a fixed-point ratio, round."""

    parameters: Ints
    point: str
    negatives_only: bool

    def run(self, values: Values, passage: Passage, counters: Ints) -> None:
        """Scale the values."""
        if self.negatives_only:
            strips.scale_negatives(values, self.parameters, counters)
        else:
            strips.scale(values, self.parameters, counters, passage.tally.counted)

    def fold(self, counters: Ints, passage: Passage) -> None:
        """Add range and rounding errors."""
        fold_rounding(counters, passage, self.point)
        counts = passage.tally.point(self.point)
        rounded = counters[strips.ROUNDED, : counts.shape[1]]
        counts[counting.VALUES] += rounded if self.negatives_only else passage.rows


@dataclass(frozen=True)
class Divide:
    """Divide each row by a number of its own, which ``Passage.divisors`` holds, and round."""

    parameters: Ints
    point: str

    def run(self, values: Values, passage: Passage, counters: Ints) -> None:
        """Divide the values."""
        strips.divide(values, passage.divisors, self.parameters, counters)

    def fold(self, counters: Ints, passage: Passage) -> None:
        """Add range and rounding errors."""
        fold_rounding(counters, passage, self.point)
        passage.tally.point(self.point)[counting.VALUES] += passage.rows


@dataclass(frozen=True)
class Fit:
    """Move, fit to a format."""

    parameters: Ints
    limits: Ints
    step: FitTo
    bins: int
    saturating: bool

    def run(self, values: Values, passage: Passage, counters: Ints) -> None:
        """Fit the values."""
        tally = passage.tally
        if not tally.counted and self.saturating:
            strips.move(values, self.parameters)
            strips.move(values, self.limits)
            return
        index = tally.index[self.step.point]
        fit_block(
            values,
            self.parameters,
            self.limits,
            self.step.field,
            passage.first_row + passage.rows,
            self.bins,
            self.step.offset,
            counters,
            passage.here,
            tally.counts[index],
            tally.histograms[index] if self.step.histogram and tally.counted else NO_HISTOGRAM,
        )

    def fold(self, counters: Ints, passage: Passage) -> None:
        """Add range and hits."""
        tally = passage.tally
        if not tally.counted:
            return
        counts = tally.point(self.step.point)
        mine = counters[:, : counts.shape[1]]
        fold_range(counters, counts)
        counts[counting.VALUES] += passage.rows
        counts[counting.LOW] += mine[strips.BELOW]
        counts[counting.HIGH] += mine[strips.ABOVE]
        counts[counting.CLAMP_ENERGY] += mine[strips.LOST]
        counts[counting.CLAMP_ENERGY + 1] += mine[strips.LOST_MORE]
        np.minimum(counts[counting.FIRST], mine[strips.FIRST], out=counts[counting.FIRST])
        if self.step.histogram:
            unused = passage.rows * (passage.columns - counts.shape[1])
            tally.histograms[tally.index[self.step.point]][abs(self.step.offset).bit_length()] -= unused


@dataclass(frozen=True)
class Plain:
    """A step that only has a plain kernel: in 64 bits, and two words where its products may need them."""

    step: Step
    channels: int
    draws: Ints

    def run(self, values: Values, passage: Passage, counters: Ints) -> None:
        """Run the plain kernel."""
        words = in_words(values[:, : self.channels], wide=True)
        position = np.array([passage.first_row + passage.rows, 1], np.int64)
        STEPS[type(self.step)](self.step, words, Place(self.draws, position, passage.tally))
        values[:, : self.channels] = codes_of(words)

    def fold(self, counters: Ints, passage: Passage) -> None:
        """Everything is counted already."""


def fuse(one: IntOperation, steps: Sequence[Step], channels: int, columns: int, draws: Ints) -> list[BlockStep]:
    """Return the steps as a block runs them."""
    points = {point.name: point for point in one.points}
    fused: list[BlockStep] = []
    pending = strips.moves(columns)
    for step in steps:
        if isinstance(step, AddConstant | ClipLow | ClipHigh):
            if isinstance(step, AddConstant) and np.abs(pending[strips.ADD, :channels] + step.constant).max() >= NARROW:
                fused += _moved(pending)
                pending = strips.moves(columns)
            MOVES[type(step)](step, pending[:, :channels])
            continue
        made = _counting(step, pending, channels, points)
        if made is None:
            fused += _moved(pending)
            made = Plain(step, channels, draws)
        fused.append(made)
        pending = strips.moves(columns)
    return fused + _moved(pending)


def _moved(pending: Ints) -> list[BlockStep]:
    """Return a move, unless it changes nothing."""
    idle = strips.moves(pending.shape[1])
    return [] if np.array_equal(pending, idle) else [Move(pending)]


def _counting(step: Step, pending: Ints, channels: int, points: dict[str, Point]) -> BlockStep | None:
    """Return a step that does a move and then counts, or None if there is no kernel for 32-bit lanes."""
    if isinstance(step, ScaleFixed):
        if step.multiplier.max() >= MULTIPLIERS or step.shift.max() > MOST_SHIFTED:
            return None
        strips.scaling(pending, step.multiplier, step.shift, step.guard_bits, step.rounding.code)
        return Scale(pending, step.point, step.negatives_only)
    if isinstance(step, FitTo):
        bound = points[step.point].bound or (-NARROW, NARROW)
        most = max(-bound[0], bound[1]) + abs(step.offset)
        return fit_behind(pending, step, most.bit_length() + 1)
    return None


def add_constant(step: AddConstant, pending: Ints) -> None:
    """Add behind a move."""
    pending[strips.ADD] += step.constant
    for limit in (strips.LOW, strips.HIGH):
        free = np.abs(pending[limit]) >= NARROW
        pending[limit] = np.where(free, pending[limit], pending[limit] + step.constant)


def clip_low(step: ClipLow, pending: Ints) -> None:
    """Raise to a limit behind a move."""
    limit = np.clip(step.limit, -NARROW, NARROW)
    np.maximum(pending[strips.LOW], limit, out=pending[strips.LOW])
    np.maximum(pending[strips.HIGH], limit, out=pending[strips.HIGH])


def clip_high(step: ClipHigh, pending: Ints) -> None:
    """Lower to a limit behind a move."""
    limit = np.clip(step.limit, -NARROW, NARROW)
    np.minimum(pending[strips.LOW], limit, out=pending[strips.LOW])
    np.minimum(pending[strips.HIGH], limit, out=pending[strips.HIGH])


MOVES: dict[type[Step], Callable[[Any, Ints], None]] = {
    AddConstant: add_constant,
    ClipHigh: clip_high,
    ClipLow: clip_low,
}
