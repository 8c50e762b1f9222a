"""From the steps of an operation to those that blocks of 32-bit lanes go through.

Only for operations whose values are proved to be ``narrow``. Additions, clips and exact factors between two steps
that count become one move, which the next step does on its way, unless it multiplies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.tally import Tally
from hwsim.program.records import (
    AddConstant,
    ClipHigh,
    ClipLow,
    FitTo,
    MultiplyBy,
    Point,
    ScaleFixed,
    ScaleFloat,
    ShiftLeft,
    Step,
)
from hwsim_kernels.fast import float_strips, passage, strip_loop, strips
from hwsim_kernels.overflow import highest, lowest

Ints = NDArray[np.int64]

MULTIPLIERS = 1 << 31
"""Multipliers below this have a kernel for 32-bit lanes."""

MOST_SHIFTED = 62
NARROW = 1 << 30
"""Values are below this, so that a limit there or further out is none, and constants of less can be added up."""


@dataclass
class Fused:
    """Steps under construction for so many ``channels``, padded to ``columns``; ``points`` are the operation's.

    ``fits`` (points, 2): the values that a row fits and the sums that it hands up where neither is a step. ``wide``:
    how many of the first steps take values of 64 bits.
    """

    points: Sequence[Point]
    channels: int
    columns: int
    kinds: list[int] = field(default_factory=list)
    parameters: list[Ints] = field(default_factory=list)
    limits: list[Ints] = field(default_factory=list)
    fields: list[Ints] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    bins: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    fits: Ints = field(init=False)
    wide: int = 0

    def __post_init__(self) -> None:
        """Begin with no fits."""
        self.fits = np.zeros((len(self.points), 2), np.int64)

    def append(
        self,
        kind: int,
        parameters: Ints,
        index: int = -1,
        *,
        limits: Ints | None = None,
        form: Ints | None = None,
        bins: int = 0,
        offset: int = 0,
    ) -> None:
        """Add a step that counts into the point of an index."""
        self.kinds.append(kind)
        self.parameters.append(parameters)
        self.limits.append(strips.moves(self.columns) if limits is None else limits)
        self.fields.append(np.zeros(4, np.int64) if form is None else form)
        self.indices.append(index)
        self.bins.append(bins)
        self.offsets.append(offset)

    def index(self, name: str) -> int:
        """Return the index of a point."""
        return next(number for number, point in enumerate(self.points) if point.name == name)

    def most(self, index: int) -> int:
        """Return what bounds the magnitude of values at a point."""
        low, high = self.points[index].bound or (-NARROW, NARROW)
        return max(-low, high)

    def look(self, name: str, bound: int | None = None) -> None:
        """Look at exact sums; ``bound`` is of their magnitude, by default what the point has."""
        index = self.index(name)
        most = self.most(index) if bound is None else bound
        self.append(passage.LOOK, strips.moves(self.columns), index, bins=most.bit_length() + 1)

    def divide(self, sums: str, name: str, mode: int) -> None:
        """Divide each row of what stands at the point ``sums`` by a number of its own."""
        parameters = strips.moves(self.columns)
        parameters[strips.TABLE, : self.channels] = strips.table_of(mode)
        short = self.most(self.index(sums)) < 1 << 15
        self.append(passage.DIVIDE_SHORTLY if short else passage.DIVIDE, parameters, self.index(name))

    def steps(self, steps: Sequence[Step]) -> bool:
        """Add an operation's steps; return False if there is one that has no kernel for 32-bit lanes."""
        pending = strips.moves(self.columns)
        for step in steps:
            if type(step) in MOVES:
                if not MOVES[type(step)](step, pending[:, : self.channels]):
                    self.move(pending)
                    pending = strips.moves(self.columns)
                    if not MOVES[type(step)](step, pending[:, : self.channels]):
                        return False
            elif isinstance(step, ScaleFixed) and scales(step):
                self.scale(step, pending)
                pending = strips.moves(self.columns)
            elif isinstance(step, ScaleFloat) and scales_in_float(step):
                self.scale_float(step, pending)
                pending = strips.moves(self.columns)
            elif isinstance(step, FitTo):
                self.fit(step, pending)
                pending = strips.moves(self.columns)
            else:
                return False
        self.move(pending)
        return True

    def move(self, pending: Ints, width: int = 32) -> None:
        """Add a move of lanes of ``width`` bits, unless it changes nothing."""
        if not np.array_equal(pending, strips.moves(self.columns, width)):
            self.append(passage.MOVE, pending)

    def unmultiplied(self, pending: Ints, width: int = 32) -> Ints:
        """Return a move that the next step can do on its way: one that multiplies is added and leaves nothing."""
        if not multiplies(pending):
            return pending
        self.move(pending, width)
        return strips.moves(self.columns, width)

    def limit(self, pending: Ints) -> None:
        """Let a move be a step of its own, and leave nothing of it, if it has limits."""
        move, still = slice(strips.FACTOR + 1), strips.moves(self.columns)
        limits = [strips.LOW, strips.HIGH]
        if not np.array_equal(pending[limits], still[limits]):
            own = still.copy()
            own[move] = pending[move]
            self.move(own)
            pending[move] = still[move]

    def scale(self, step: ScaleFixed, pending: Ints) -> None:
        """Add a scaling behind a move."""
        ratio = one_ratio(pending[strips.FACTOR, : self.channels], step)
        if ratio is None:
            pending, ratio = self.unmultiplied(pending), (step.multiplier, step.shift)
        pending[strips.FACTOR] = 1
        steady = strips.scaling(pending, *ratio, step.guard_bits, step.rounding.code)
        kind = passage.SCALE_STEADILY if steady else passage.SCALE
        index = self.index(step.point)
        if step.negatives_only:
            kind = passage.SCALE_NEGATIVES
        elif strips.half_up(pending, self.channels):
            kind = passage.SCALE_HALF_UP
            if strips.short(pending, self.most(index)):
                kind = passage.SCALE_SHORTLY
                self.limit(pending)
        self.append(kind, pending, index)

    def scale_float(self, step: ScaleFloat, pending: Ints) -> None:
        """Add a scaling in float behind a move."""
        pending = self.unmultiplied(pending)
        how = step.ratio, step.divisor, step.added, step.precision, step.rounding.code
        self.append(passage.FLOAT_SCALE + float_strips.scaling(pending, *how), pending, self.index(step.point))

    def fit(self, step: FitTo, pending: Ints) -> None:
        """Add a fit behind a move."""
        pending = self.unmultiplied(pending)
        index = self.index(step.point)
        bins = (self.most(index) + abs(step.offset)).bit_length() + 1 if step.histogram else 0
        limits = saturating(step.field, self.columns)
        self.append(passage.FIT, pending, index, limits=limits, form=step.field, bins=bins, offset=step.offset)

    def done(self) -> passage.Steps:
        """Return the steps as arrays."""
        none = not self.kinds
        shape = (0, strips.PARAMETERS, self.columns)
        return passage.Steps(
            kinds=np.array(self.kinds, np.int64),
            parameters=np.zeros(shape, np.int64) if none else np.stack(self.parameters),
            limits=np.zeros(shape, np.int64) if none else np.stack(self.limits),
            fields=np.zeros((0, 4), np.int64) if none else np.stack(self.fields),
            points=np.array(self.indices, np.int64),
            bins=np.array(self.bins, np.int64),
            offsets=np.array(self.offsets, np.int64),
            fits=self.fits,
            wide=self.wide,
        )


def scales(step: ScaleFixed) -> bool:
    """Whether there is a kernel for a scaling."""
    return bool(step.multiplier.max() < MULTIPLIERS and step.shift.max() <= MOST_SHIFTED)


def scales_in_float(step: ScaleFloat) -> bool:
    """Whether there is a kernel for a scaling in float of values below ``NARROW``, before and behind."""
    return NARROW * float(step.ratio.max()) < float_strips.MOST_PRODUCT


def multiplies(pending: Ints) -> bool:
    """Whether a move multiplies by more than 1."""
    return bool((pending[strips.FACTOR] != 1).any())


def one_ratio(factor: Ints, step: ScaleFixed) -> tuple[Ints, Ints] | None:
    """Return the multiplier and the shift that are a factor (channels,) and a scaling in one, or None for none.

    Of ``v * factor`` times the multiplier they give the same quotient and the same fraction. Both lose the same powers
    of two, but where something is shifted, something is left of that: a rounding may change even what is exact.
    """
    if (factor == 1).all():
        return step.multiplier, step.shift
    if step.negatives_only:
        return None
    product = factor * step.multiplier
    lowest_one = np.maximum(product & -product, 1)
    free = np.minimum(np.log2(lowest_one).astype(np.int64), np.maximum(step.shift - 1, 0))
    multiplier = product >> free
    return (multiplier, step.shift - free) if multiplier.max() < MULTIPLIERS else None


def saturating(form: Ints, columns: int, most: int = NARROW) -> Ints:
    """Return the parameters of a move that saturates values below ``most`` to a format."""
    bits, signed, mode = (int(one) for one in form[:3])
    limits = strips.moves(columns)
    limits[strips.LOW] = max(int(lowest(bits, signed, mode)), -most)
    limits[strips.HIGH] = min(int(highest(bits, signed)), most)
    return limits


def add_constant(step: AddConstant, pending: Ints, most: int = NARROW) -> bool:
    """Add behind a move; return False if that is too much for one move.

    Values of these and all other moves are below ``most``, which a limit reaches that is none.
    """
    low, high = int(step.constant.min()), int(step.constant.max())
    if max(-low, high) >= most or multiplies(pending):
        return False
    if np.abs(pending[strips.ADD] + step.constant).max() >= most:
        return False
    pending[strips.ADD] += step.constant
    for limit in (strips.LOW, strips.HIGH):
        free = np.abs(pending[limit]) >= most
        pending[limit] = np.where(free, pending[limit], pending[limit] + step.constant)
    return True


def clip_low(step: ClipLow, pending: Ints, most: int = NARROW) -> bool:
    """Raise to a limit behind a move."""
    if multiplies(pending):
        return False
    limit = np.clip(step.limit, -most, most)
    np.maximum(pending[strips.LOW], limit, out=pending[strips.LOW])
    np.maximum(pending[strips.HIGH], limit, out=pending[strips.HIGH])
    return True


def clip_high(step: ClipHigh, pending: Ints, most: int = NARROW) -> bool:
    """Lower to a limit behind a move."""
    if multiplies(pending):
        return False
    limit = np.clip(step.limit, -most, most)
    np.minimum(pending[strips.LOW], limit, out=pending[strips.LOW])
    np.minimum(pending[strips.HIGH], limit, out=pending[strips.HIGH])
    return True


def shift_left(step: ShiftLeft, pending: Ints, most: int = NARROW) -> bool:
    """Shift behind a move."""
    return times(pending, [1 << shift for shift in step.shift.tolist()], most)


def multiply_by(step: MultiplyBy, pending: Ints, most: int = NARROW) -> bool:
    """Multiply behind a move."""
    return times(pending, step.multiplier.tolist(), most)


def times(pending: Ints, factors: Sequence[int], most: int) -> bool:
    """Multiply a move's factors by others (channels,)."""
    products = [one * factor for one, factor in zip(pending[strips.FACTOR].tolist(), factors, strict=True)]
    if max(products) > most:
        return False
    pending[strips.FACTOR] = products
    return True


MOVES: dict[type[Step], Callable[..., bool]] = {
    AddConstant: add_constant,
    ClipHigh: clip_high,
    ClipLow: clip_low,
    MultiplyBy: multiply_by,
    ShiftLeft: shift_left,
}


def start_tally(steps: passage.Steps, tally: Tally, first_row: int) -> passage.Tally:
    """Return where blocks count, from a part's first row on."""
    columns, make = steps.parameters.shape[2], strip_loop.counters if tally.counted else strip_loop.no_counters
    counters, here = make(len(steps.kinds), columns), make(columns)
    return passage.Tally(counters, here, tally.counts, tally.histograms, tally.counted, first_row)
