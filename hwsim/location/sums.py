"""Replay sums of products step by step, many outputs at once: where the datapath loses bits, and what it computes with.

``docs/arithmetic.md`` section 4 in NumPy: products, then stages from the inside out. The engine's kernels only count
what is lost; here every fit and every rounding can be looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hwsim_kernels as hk
from hwsim.location.location import Kind
from hwsim.location.recipe import overflow_name, rounding_name, stochastic
from hwsim_kernels.fields import BITS, CHECK_EACH, OVERFLOW, ROUNDING, SATURATED_BITS, SHIFT, SIGNED, TERMS, TREE

Array = NDArray[Any]
Ints = NDArray[np.int64]

PRODUCT = -1
"""The level of products."""


@dataclass(frozen=True)
class Event:
    """What one fit or rounding did: to ``before + added``, or to ``value``; ``began`` is the first step in ``added``.

    ``scaled`` is what came to the rounding, in the finer unit before it; ``value`` what came to the fit.
    """

    step: int
    began: int
    before: int
    added: int
    scaled: int
    value: int
    result: int
    draw: int | None


@dataclass(kw_only=True, eq=False)
class Watch:
    """Looks at one level: for each output (rows, outputs) the first step that lost something, how many, and how much.

    ``events`` keeps the first loss of the only output, if ``keep``.
    """

    level: int
    kind: Kind
    first: Ints
    hits: Ints
    error: NDArray[np.float64]
    keep: bool = False
    events: list[Event] = field(default_factory=list)

    @staticmethod
    def over(level: int, kind: Kind, shape: tuple[int, int], *, keep: bool = False) -> Watch:
        """Return a watch at rest for so many (rows, outputs)."""
        first, hits = np.full(shape, -1, np.int64), np.zeros(shape, np.int64)
        return Watch(level=level, kind=kind, first=first, hits=hits, error=np.zeros(shape), keep=keep)

    def see(self, step: int, lost: Array, error: Array) -> bool:
        """Note where something was ``lost`` (bool) and how much; say whether that is new."""
        if not lost.any():
            return False
        self.first[lost & (self.first < 0)] = step
        self.hits += lost
        self.error += np.where(lost, error.astype(np.float64), 0.0)
        return self.keep and not self.events


@dataclass(frozen=True, kw_only=True, eq=False)
class Datapath:
    """Products and stages as a program has them: ``product`` (FIELDS,), ``stages`` (levels, FIELDS), ``ends``."""

    product: Ints
    stages: Ints
    ends: Ints
    draws: Ints
    start_level: int


def replay(path: Datapath, a: Array, w: Array, start: Array, numbers: Ints, watch: Watch) -> Array:
    """Accumulate a (rows, steps) by w (steps, outputs) from ``start`` (outputs,); return the sums (rows, outputs).

    ``numbers`` (rows, outputs) are those of the outputs in their sample, by which random numbers are drawn. Arrays of
    Python's integers (object) hold whatever comes; int64 must be wide enough.
    """
    levels = len(path.stages)
    zero = np.zeros((len(a), w.shape[1]), a.dtype)
    begin = [zero] * levels
    begin[path.start_level] = (zero + start) << _late_shift(path.stages[path.start_level])
    sums = list(begin)
    leaves: list[list[Array]] = [[] for _ in range(levels)]
    register = Register(path, numbers, watch)
    for k in range(a.shape[1]):
        value = a[:, k, None] * w[k]
        if path.product[BITS]:
            value = register.settle(path.product, PRODUCT, k, k, zero, value)
        for level, stage in enumerate(path.stages):
            finished = bool(path.ends[level, k])
            if stage[TREE]:
                leaves[level].append(value)
                if finished:
                    sums[level], leaves[level] = register.tree(stage, level, k, leaves[level]), []
            elif stage[CHECK_EACH]:
                before = sums[level] << int(stage[SHIFT])
                sums[level] = register.settle(stage, level, k, arrival(path.ends, level, k), before, value)
            else:
                sums[level] = sums[level] + value
                if finished:
                    began = sum_begin(path.ends, level, k)
                    before = begin[level] if began == 0 else zero
                    added = sums[level] - before
                    sums[level] = register.settle(stage, level, k, began, before, added)
            if not finished:
                break
            value = sums[level]
            if level < levels - 1:
                sums[level] = zero
    return sums[-1]


def _late_shift(stage: Ints) -> int:
    """By how many bits what a sum starts from is shifted: at once where it is rounded at the end alone."""
    return 0 if stage[CHECK_EACH] or stage[TREE] else int(stage[SHIFT])


def sum_begin(ends: Ints, level: int, step: int) -> int:
    """Return the first step of the sum of a stage that takes ``step``."""
    earlier = np.flatnonzero(ends[level, :step])
    return int(earlier[-1]) + 1 if earlier.size else 0


def arrival(ends: Ints, level: int, step: int) -> int:
    """Return the first step of the value that reaches a stage at ``step``: a product, or a sum of the stage below."""
    return step if level == 0 else sum_begin(ends, level - 1, step)


@dataclass(frozen=True, eq=False)
class Register:
    """Rounds and fits values as a stage or a product says, and lets the watch see it."""

    path: Datapath
    numbers: Ints
    watch: Watch

    def settle(self, stage: Ints, level: int, step: int, began: int, before: Array, added: Array) -> Array:
        """Return what a register makes of ``before + added``."""
        scaled = before + added
        shift, watched = int(stage[SHIFT]), self.watch.level == level
        value, draws = scaled, None
        if shift:
            draws = self._draws(step, scaled.shape) if stochastic(stage[ROUNDING]) else None
            value = hk.round_shift(scaled, shift, rounding_name(stage[ROUNDING]), draws=draws).astype(scaled.dtype)
        result = fitted(value, stage)
        if watched:
            if self.watch.kind == "clamping":
                new = self.watch.see(step, value != result, result - value)
            else:
                dropped = scaled - (value << shift)
                new = self.watch.see(step, (scaled & ((1 << shift) - 1)) != 0, -dropped / 2.0**shift)
            if new:
                numbers = (int(each[0, 0]) for each in (before, added, scaled, value, result))
                draw = None if draws is None else int(draws[0])
                one, two, three, four, five = numbers
                self.watch.events.append(Event(step, began, one, two, three, four, five, draw))
        return result

    def tree(self, stage: Ints, level: int, step: int, leaves: list[Array]) -> Array:
        """Return the sum of ``leaves`` by pairs, every node fitted; missing ones at the end are 0."""
        began, zero = sum_begin(self.path.ends, level, step), np.zeros_like(leaves[0])
        values, width = leaves, int(stage[TERMS])
        if width == 1:
            return self.settle(stage, level, step, began, zero, values[0])
        while width > 1:
            nodes = []
            for at in range(0, len(values), 2):
                if at + 1 < width:
                    right = values[at + 1] if at + 1 < len(values) else zero
                    nodes.append(self.settle(stage, level, step, began, values[at], right))
                else:
                    nodes.append(values[at])
            values, width = nodes, (width + 1) // 2
        return values[0]

    def _draws(self, step: int, shape: tuple[int, ...]) -> Ints:
        steps = self.path.ends.shape[1]
        places = np.broadcast_to(self.numbers * steps + step, shape)
        drawn: Ints = self.path.draws[places % self.path.draws.size].reshape(-1)
        return drawn


@cache
def _format(bits: int, overflow: str, signed: bool, saturated_bits: int) -> tuple[hk.Format, int, int]:
    form = hk.Format(bits, overflow, signed, saturated_bits)
    return form, *form.limits


def fitted(values: Array, field: Ints) -> Array:
    """Return values as the format of a stage holds them."""
    words = int(field[BITS]), overflow_name(field[OVERFLOW])
    form, low, high = _format(*words, bool(field[SIGNED]), int(field[SATURATED_BITS]))
    outside = (values < low) | (values > high)
    if not outside.any():
        return values
    if form.overflow == "saturate":
        return np.clip(values, low, high)
    result = values.copy()
    result[outside] = hk.fit(values[outside], *words, signed=form.signed, saturated_bits=form.saturated_bits)
    return result
