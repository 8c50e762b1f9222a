"""Run the steps behind an accumulator, each by its kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hwsim_kernels as kernels
from hwsim.engine.tally import Tally
from hwsim.program.records import AddConstant, Clip, FitTo, Leak, ScaleFixed, ScaleFloat, ShiftLeft, Step

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Place:
    """Where steps draw and count: the random numbers, (first sample, rows per sample), and the tally."""

    draws: Ints
    position: Ints
    tally: Tally


def run_steps(steps: Sequence[Step], values: Ints, draws: Ints, samples: int, tally: Tally) -> None:
    """Run ``steps`` in place on values (rows, channels) of ``samples`` samples."""
    position = np.array([tally.first_sample, len(values) // samples], np.int64)
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


def fit_to(step: FitTo, values: Ints, place: Place) -> None:
    """Fit to a format."""
    histogram = place.tally.histograms[place.tally.index[step.point]] if step.histogram else np.zeros(0, np.int64)
    kernels.fit_values(values, step.field, place.position, place.tally.point(step.point), histogram, step.offset)


def scale_fixed(step: ScaleFixed, values: Ints, place: Place) -> None:
    """Multiply by integers and shift right."""
    mode, counts = step.rounding.code, place.tally.point(step.point)
    kernels.scale_fixed(
        values, step.multiplier, step.shift, mode, place.draws, place.position, int(step.ranged), counts
    )


def scale_float(step: ScaleFloat, values: Ints, place: Place) -> None:
    """Multiply in float and round."""
    mode, counts = step.rounding.code, place.tally.point(step.point)
    kernels.scale_float(values, step.ratio, step.precision, mode, place.draws, place.position, counts)


def clip(step: Clip, values: Ints, place: Place) -> None:
    """Limit values."""
    kernels.clip(values, step.low, step.high)


def leak(step: Leak, values: Ints, place: Place) -> None:
    """Multiply negative values by a slope."""
    counts = place.tally.point(step.point)
    kernels.leak(values, step.multiplier, step.shift, step.rounding.code, place.draws, place.position, counts)


STEPS: Mapping[type[Step], Callable[[Any, Ints, Place], None]] = {
    AddConstant: add_constant,
    Clip: clip,
    FitTo: fit_to,
    Leak: leak,
    ScaleFixed: scale_fixed,
    ScaleFloat: scale_float,
    ShiftLeft: shift_left,
}
