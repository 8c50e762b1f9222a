"""From the steps of an operation to those that blocks of 64-bit lanes go through, until 32 bits are enough.

Beside ``fused``, for operations that are not proved to be ``narrow``, as long as one word holds their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.fused import MOVES, NARROW, Fused, saturating, scales
from hwsim.program.records import (
    AddConstant,
    ClipHigh,
    ClipLow,
    FitTo,
    MultiplyBy,
    ScaleFixed,
    ScaleFloat,
    ShiftLeft,
    Step,
    Stepped,
)
from hwsim_kernels.fast import passage, strips, wide_strips
from hwsim_kernels.fast.wide_strips import ONE_WORD
from hwsim_kernels.overflow import WRAP, highest, lowest

Ints = NDArray[np.int64]
Bound = tuple[int, int]

SUMS = "accumulator"
"""The name by which the sums of the last stage are traced, whatever it is called."""


def see_widely(fused: Fused, one: Stepped, name: str) -> bool:
    """Look at the exact sums of a stage, of 64 bits, then take the steps; return False if that is not possible.

    What columns behind the channels hold becomes 0.
    """
    index = fused.index(name)
    bound = one.points[index].bound
    if bound is None or not one.points[index].proven:
        return False
    parameters = strips.moves(fused.columns, 64)
    parameters[strips.LOW, fused.channels :] = parameters[strips.HIGH, fused.channels :] = 0
    fused.append(passage.LOOK, parameters, index, bins=magnitude(bound).bit_length() + 1)
    return add_widely(fused, one.steps, bound)


def add_widely(fused: Fused, steps: Sequence[Step], bound: Bound) -> bool:
    """Add an operation's steps for values within ``bound``, which one word holds, and so all that becomes of them.

    From where no step needs more than 32 bits, they are those of 32-bit lanes. Return False if there is a step that
    has no kernel.
    """
    bounds = [within_one_word(bound)]
    for step in steps:
        after = leaving(step, bounds[-1])
        if after is None:
            return False
        bounds.append(within_one_word(after))
    needs = [number for number, step in enumerate(steps) if needs_more(step, bounds[number], bounds[number + 1])]
    count = needs[-1] + 1 if needs else 0
    pending = strips.moves(fused.columns, 64)
    for step, before in zip(steps[:count], bounds, strict=False):
        if type(step) in MOVES:
            if not MOVES[type(step)](step, pending[:, : fused.channels], ONE_WORD):
                fused.move(pending, 64)
                pending = strips.moves(fused.columns, 64)
                if not MOVES[type(step)](step, pending[:, : fused.channels], ONE_WORD):
                    return False
            continue
        added = fit_widely if isinstance(step, FitTo) else scale_widely
        if not added(fused, step, pending, before):
            return False
        pending = strips.moves(fused.columns, 64)
    fused.move(pending, 64)
    fused.wide = len(fused.kinds)
    return fused.steps(steps[count:])


def bound_before_steps(one: Stepped, name: str) -> Bound:
    """Return what bounds the values that come to an operation's steps from where they are traced as ``name``."""
    wanted = [point for point in one.points if (point.stage if name == SUMS else point.name == name)]
    if wanted and wanted[-1].bound is not None:
        return wanted[-1].leaving(wanted[-1].bound)
    return -ONE_WORD, ONE_WORD


def bound_of_codes(kind: np.dtype[Any]) -> Bound:
    """Return what bounds codes that are stored in integers of a type."""
    info = np.iinfo(kind)
    return int(info.min), int(info.max)


def scale_widely(fused: Fused, step: Step, pending: Ints, before: Bound) -> bool:
    """Add a scaling behind a move; return False if it has no kernel."""
    if not isinstance(step, ScaleFixed) or step.negatives_only or not scales(step):
        return False
    how = step.guard_bits, step.rounding.code, magnitude(before)
    pending = fused.unmultiplied(pending, 64)
    way = wide_strips.scaling(pending, step.multiplier, step.shift, *how)
    if way is None:
        return False
    fused.append(passage.WIDE_SCALE + way, pending, fused.index(step.point))
    return True


def fit_widely(fused: Fused, step: Step, pending: Ints, before: Bound) -> bool:
    """Add a fit behind a move."""
    assert isinstance(step, FitTo)
    bins = (magnitude(before) + abs(step.offset)).bit_length() + 1 if step.histogram else 0
    limits = saturating(step.field, fused.columns, ONE_WORD)
    pending = fused.unmultiplied(pending, 64)
    index = fused.index(step.point)
    fused.append(passage.FIT, pending, index, limits=limits, form=step.field, bins=bins, offset=step.offset)
    return True


def needs_more(step: Step, before: Bound, after: Bound) -> bool:
    """Whether a step needs more than 32-bit lanes, and 62 bits for a product."""
    size = magnitude(before)
    if max(size, magnitude(after)) >= NARROW:
        return True
    if isinstance(step, AddConstant):
        return magnitude(ends(step.constant)) >= NARROW
    return isinstance(step, ScaleFixed) and size * int(step.multiplier.max()) >= ONE_WORD


def leaving(step: Step, bound: Bound) -> Bound | None:
    """Return what bounds the results of a step for values within ``bound``; None for steps without a kernel."""
    low, high = bound
    left: Bound | None = None
    match step:
        case AddConstant():
            least, most = ends(step.constant)
            left = low + least, high + most
        case ShiftLeft():
            most = int(step.shift.max())
            left = min(low << most, low), max(high << most, high)
        case MultiplyBy():
            most = int(step.multiplier.max())
            left = min(low * most, 0), max(high * most, 0)
        case ScaleFloat():
            most = int(magnitude(bound) * float((step.ratio / step.divisor).max()) * 1.001) + 2
            left = -most, most
        case ClipLow():
            least, most = ends(step.limit)
            left = max(low, least), max(high, most)
        case ClipHigh():
            least, most = ends(step.limit)
            left = min(low, least), min(high, most)
        case ScaleFixed():
            ratios = list(zip(step.multiplier.tolist(), step.shift.tolist(), strict=True))
            least, most = min((low * m) >> s for m, s in ratios), max((high * m) >> s for m, s in ratios) + 1
            left = min(least, 0), max(high if step.negatives_only else most, 0)
        case FitTo():
            bits, signed, mode = (int(one) for one in step.field[:3])
            least, most = int(lowest(bits, signed, mode)), int(highest(bits, signed))
            left = bound if least <= low and high <= most else (int(lowest(bits, signed, WRAP)), most)
        case _:
            pass
    return left


def within_one_word(bound: Bound) -> Bound:
    """Return a bound of values that are known to be held in one word."""
    return max(bound[0], 1 - ONE_WORD), min(bound[1], ONE_WORD - 1)


def ends(numbers: Ints) -> Bound:
    """Return the smallest and the largest of several integers."""
    return int(numbers.min()), int(numbers.max())


def magnitude(bound: Bound) -> int:
    """Return what bounds the magnitude of values."""
    return max(-bound[0], bound[1])
