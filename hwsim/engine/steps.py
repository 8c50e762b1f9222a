"""Run the steps behind an accumulator, each by its kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.tally import Tally
from hwsim.program.records import (
    Absolute,
    AddConstant,
    ClipHigh,
    ClipLow,
    CountLevels,
    FitTo,
    LookUp,
    MultiplyBy,
    Negate,
    ScaleFixed,
    ScaleFloat,
    ShiftLeft,
    Step,
)
from hwsim_kernels import steps as kernels
from hwsim_kernels.counting import new_counts
from hwsim_kernels.lookup import look_up

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Place:
    """Where steps draw and count: the random numbers, (first sample, rows per sample), and the tally."""

    draws: Ints
    position: Ints
    tally: Tally


def run_steps(steps: Sequence[Step], values: Ints, draws: Ints, samples: int, tally: Tally) -> None:
    """Run ``steps`` in place on values (words, rows, channels) of ``samples`` samples."""
    position = np.array([tally.first_sample, values.shape[1] // samples], np.int64)
    place = Place(draws, position, tally)
    for step in steps:
        STEPS[type(step)](step, values, place)
        if step.point:
            tally.note(step.point, values)


def add_constant(step: AddConstant, values: Ints, place: Place) -> None:
    """Add a constant per channel."""
    kernels.add_constant(values, step.constant)


def shift_left(step: ShiftLeft, values: Ints, place: Place) -> None:
    """Multiply by powers of two."""
    kernels.shift_left(values, step.shift)


def multiply_by(step: MultiplyBy, values: Ints, place: Place) -> None:
    """Multiply by integers."""
    kernels.multiply_by(values, step.multiplier)


def absolute(step: Absolute, values: Ints, place: Place) -> None:
    """Take magnitudes."""
    kernels.absolute(values)


def negate(step: Negate, values: Ints, place: Place) -> None:
    """Change signs."""
    kernels.negate(values, step.where)


def fit_to(step: FitTo, values: Ints, place: Place) -> None:
    """Fit to a format."""
    histogram = place.tally.histograms[place.tally.index[step.point]] if step.histogram else np.zeros(0, np.int64)
    kernels.fit_values(values, step.field, place.position, place.tally.point(step.point), histogram, step.offset)


def scale_fixed(step: ScaleFixed, values: Ints, place: Place) -> None:
    """Multiply by integers and shift right."""
    kernels.scale_fixed(
        values,
        step.multiplier,
        step.shift,
        step.guard_bits,
        step.rounding.code,
        place.draws,
        place.position,
        step.negatives_only,
        place.tally.point(step.point),
    )


def scale_float(step: ScaleFloat, values: Ints, place: Place) -> None:
    """Scale in float and round."""
    kernels.scale_float(
        values,
        step.ratio,
        step.divisor,
        step.added,
        step.precision,
        step.rounding.code,
        place.draws,
        place.position,
        place.tally.point(step.point),
    )


def clip_low(step: ClipLow, values: Ints, place: Place) -> None:
    """Raise values to a limit."""
    kernels.clip_low(values, step.limit)


def clip_high(step: ClipHigh, values: Ints, place: Place) -> None:
    """Lower values to a limit."""
    kernels.clip_high(values, step.limit)


def read_table(step: LookUp, values: Ints, place: Place) -> None:
    """Look values up in a table."""
    linear = step.rounding is not None
    mode = step.rounding.code if step.rounding is not None else 0
    counts = place.tally.point(step.point) if linear or step.errors.size else new_counts(values.shape[2])
    look_up(values, step.table, step.errors, step.first, step.shift, linear, mode, place.draws, place.position, counts)


def count_levels(step: CountLevels, values: Ints, place: Place) -> None:
    """Count the levels that values have reached."""
    kernels.thresholds(values, step.levels, step.first)


STEPS: Mapping[type[Step], Callable[[Any, Ints, Place], None]] = {
    Absolute: absolute,
    AddConstant: add_constant,
    ClipHigh: clip_high,
    ClipLow: clip_low,
    CountLevels: count_levels,
    FitTo: fit_to,
    LookUp: read_table,
    MultiplyBy: multiply_by,
    Negate: negate,
    ScaleFixed: scale_fixed,
    ScaleFloat: scale_float,
    ShiftLeft: shift_left,
}
