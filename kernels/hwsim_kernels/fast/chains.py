"""Chains of registers that are followed in 32-bit lanes: which ones that is proved for, and how they are laid out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._types import Ints
from hwsim_kernels.fast import following
from hwsim_kernels.fast.datapath import Datapath
from hwsim_kernels.fast.following import (
    CARRY,
    CEILING,
    EACH,
    FIELD,
    FITS,
    FLOOR,
    LONGER,
    ONES,
    RULES,
    SHORTER,
    STEADY,
    TOP,
    UP,
)
from hwsim_kernels.fast.lanes import WIDTH
from hwsim_kernels.fast.memory import zeros
from hwsim_kernels.fields import BITS, CHECK_EACH, OVERFLOW, ROUNDING, SATURATED_BITS, SHIFT, SIGNED, TREE
from hwsim_kernels.lanes import least_up
from hwsim_kernels.overflow import SATURATE, SATURATE_SYMMETRIC, WRAP, highest, lowest
from hwsim_kernels.rounding import STOCHASTIC_EQUAL, STOCHASTIC_WEIGHTED

MOST = 1 << 30
"""Magnitudes in lanes stay below this, so that differences of two fit."""

SHORT = 1 << 15
"""Operands and weights are below this, but for its negative."""

MOST_SHIFTED = 30

Words = NDArray[np.int32]


class Chain(NamedTuple):
    """A layer whose sums are followed.

    weights (groups, strips, words, 16), start (groups, strips, 16): of 16 channels side by side. taps (steps, 3). runs
    (many, 5): steps of neighbouring channels, as row, column, first channel, first step, and how many. window: strides
    of rows and columns, positions of a sample, output columns, spread of rows and columns. by_two: whether words hold
    two steps. alone: whether 16 groups of one channel stand side by side. numbers (words,): the last step of each. ends
    (levels, words). rules (levels + 1, RULES).
    """

    weights: Words
    start: Words
    start_level: int
    taps: Ints
    runs: Ints
    window: Ints
    by_two: bool
    alone: bool
    numbers: Words
    ends: NDArray[np.uint8]
    rules: Words


def chain_of(path: Datapath, kind: np.dtype[Any], view: tuple[int, ...]) -> Chain | None:
    """Return how a layer's sums are followed from codes (h, w, c) of a type, or None if lanes may not hold them.

    That is proved for all codes of the type: operands and weights have 16 bits, and neither a product nor a sum reaches
    ``MOST``, with its fits and without. Roundings by chance, adder trees, and overflows that neither wrap nor saturate
    are left to ``accumulate``.
    """
    low, high = path.operands(kind)
    groups, steps, outputs = path.weights.shape
    if low < -SHORT or high >= SHORT or path.weights.min() < -SHORT or path.weights.max() >= SHORT:
        return None
    if not all(map(_has_rule, [*([path.product] if path.product[BITS] else []), *path.stages])):
        return None
    if not _stays_narrow(path, max(-low, high)):
        return None
    alone = groups > 1 and outputs == 1 and view[2] == groups
    each = path.product[BITS] or path.stages[0, CHECK_EACH] or path.ends[0, ::2].any()
    by_two = not (alone or each or steps % 2)
    weights, start = path.weights.astype(np.int64), path.start.reshape(groups, outputs)
    shift = path.stages[path.start_level, SHIFT] if not path.stages[path.start_level, CHECK_EACH] else 0
    start = start << shift
    if alone:
        weights, start = weights.transpose(2, 1, 0), start.reshape(1, groups)
    strips = -(-weights.shape[2] // WIDTH)
    words = steps // 2 if by_two else steps
    packed, begin = (
        zeros((len(weights), strips, words, WIDTH), np.int32),
        zeros((len(weights), strips, WIDTH), np.int32),
    )
    both = weights[:, ::2] & 0xFFFF | weights[:, 1::2] << 16 if by_two else weights & 0xFFFF
    for strip in range(strips):
        mine = both[:, :, strip * WIDTH : (strip + 1) * WIDTH]
        packed[:, strip, :, : mine.shape[2]] = mine.astype(np.int32)
        begin[:, strip, : mine.shape[2]] = start[:, strip * WIDTH : (strip + 1) * WIDTH]
    last = slice(1, None, 2) if by_two else slice(None)
    rows, columns = path.positions
    return Chain(
        weights=packed,
        start=begin,
        start_level=path.start_level,
        taps=path.taps,
        runs=_runs(path.taps),
        window=np.array([*path.strides, rows * columns, columns, *path.spread], np.int64),
        by_two=by_two,
        alone=alone,
        numbers=np.arange(steps, dtype=np.int32)[last].copy(),
        ends=path.ends[:, last].astype(np.uint8, order="C"),
        rules=np.stack([_rule(path.product), *map(_rule, path.stages)]),
    )


def _has_rule(field: Ints) -> bool:
    """Whether lanes can round and fit as a product or a stage does."""
    chance = field[SHIFT] > 0 and field[ROUNDING] in (STOCHASTIC_EQUAL, STOCHASTIC_WEIGHTED)
    mode, bits = field[OVERFLOW], field[BITS]
    known = mode in (SATURATE, SATURATE_SYMMETRIC) or (mode == WRAP and field[SATURATED_BITS] == 0)
    fits = field[SIGNED] or bits <= MOST_SHIFTED
    return bool(known and fits and field[SHIFT] <= MOST_SHIFTED and not chance and not field[TREE])


def _stays_narrow(path: Datapath, operand: int) -> bool:
    """Whether no value of a layer reaches ``MOST``, of operands up to a magnitude."""
    weights = np.abs(path.weights.astype(np.int64))
    product = path.product
    values = operand * weights
    if values.max(initial=0) >= MOST:
        return False
    if product[BITS]:
        values = np.minimum((values >> product[SHIFT]) + 1, _largest(product))
    # of a whole sum: a bound of all that it is made of, and of it without fits
    total, one, handed = int(values.sum(axis=1).max(initial=0)), int(values.max(initial=0)), path.weights.shape[1]
    for level, (field, ends) in enumerate(zip(path.stages, path.ends, strict=True)):
        shift, largest = int(field[SHIFT]), _largest(field)
        start = int(np.abs(path.start).max(initial=0)) if level == path.start_level else 0
        most = total if level == 0 else handed * one
        if field[CHECK_EACH] and shift:
            # rounded each time: what fits have added is no more than a sum without them, and one with them
            most = max((max(largest, start) << shift) + one, start + (most >> shift) + handed)
        else:
            most += start << shift
        if most >= MOST:
            return False
        one, handed = min((most >> shift) + 1, largest), int(ends.sum())
    return True


def _largest(field: Ints) -> int:
    """Return the largest magnitude that a format holds."""
    bits, signed, mode = int(field[BITS]), int(field[SIGNED]), int(field[OVERFLOW])
    return max(-int(lowest(bits, signed, mode)), int(highest(bits, signed)))


def _rule(field: Ints) -> Words:
    """Return (RULES,) of a product or a stage."""
    rule = np.zeros(RULES, np.int32)
    bits, signed, mode, shift = (int(field[name]) for name in (BITS, SIGNED, OVERFLOW, SHIFT))
    if not bits:
        return rule
    low, high = max(int(lowest(bits, signed, mode)), -TOP - 1), min(int(highest(bits, signed)), TOP)
    rule[[following.LOW, following.HIGH]] = low, high
    rule[[FLOOR, CEILING]] = (-TOP - 1, TOP) if mode == WRAP else (low, high)
    rule[FIELD] = (1 << bits) - 1 if mode == WRAP and bits < 32 else -1
    rule[[EACH, FITS, CARRY]] = field[CHECK_EACH], 1, shift if field[CHECK_EACH] else 0
    if shift:
        rule[following.SHIFT], rule[ONES] = shift, (1 << shift) - 1
        rule[[LONGER, SHORTER]] = max(16 - shift, 0), max(shift - 16, 0)
        rounding = int(field[ROUNDING])
        least = [min(int(least_up(shift, rounding, bool(case & 2), bool(case & 1))), TOP) for case in range(4)]
        rule[UP : UP + 4], rule[STEADY] = least, len(set(least)) == 1
    return rule


def _runs(taps: Ints) -> Ints:
    """Return the steps that read neighbouring channels of one pixel."""
    runs: list[list[int]] = []
    for step, (row, column, channel) in enumerate(taps.tolist()):
        if runs and [row, column, channel] == [*runs[-1][:2], runs[-1][2] + runs[-1][4]]:
            runs[-1][4] += 1
        else:
            runs.append([row, column, channel, step, 1])
    return np.array(runs, np.int64)
