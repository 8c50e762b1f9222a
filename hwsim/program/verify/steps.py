"""Check the steps behind an accumulator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hwsim.program.pipeline import MAX_SHIFT
from hwsim.program.records import (
    ClipHigh,
    ClipLow,
    CountLevels,
    FitTo,
    IntOperation,
    Join,
    LookUp,
    MultiplyBy,
    ScaleFixed,
    ScaleFloat,
    ShiftLeft,
    Step,
    Stepped,
    Sum,
    Tensor,
)
from hwsim.program.verify.fields import STORED_BITS, check_format
from hwsim.program.verify.need import magnitude, need


def check_steps(one: IntOperation, inputs: Sequence[Tensor]) -> None:
    """Check the steps of an operation, and that it has random numbers if it has steps."""
    points = {point.name for point in one.points}
    for channels, step in steps_of(one, inputs):
        reads = isinstance(step, LookUp) and (step.rounding is not None or step.errors.size > 0)
        counts = isinstance(step, FitTo | ScaleFixed | ScaleFloat) or reads
        need(not counts or step.point in points, f"{one.name}: has no point {step.point!r}")
        check_step(one.name, step, channels)
    draws = getattr(one, "draws", None)
    need(draws is None or (draws.ndim == 1 and draws.size > 0), f"{one.name}: its random numbers are missing")


def steps_of(one: IntOperation, inputs: Sequence[Tensor]) -> Iterator[tuple[int, Step]]:
    """Yield each step with the number of channels it works on."""
    if isinstance(one, Sum | Join):
        need(len(one.input_steps) == len(inputs), f"{one.name}: its inputs and their steps differ in number")
        for tensor, steps in zip(inputs, one.input_steps, strict=True):
            channels = one.channels if isinstance(one, Sum) else tensor.shape[-1]
            yield from ((channels, step) for step in steps)
    if isinstance(one, Stepped):
        yield from ((one.channels, step) for step in one.steps)


def check_step(name: str, step: Step, channels: int) -> None:
    """Check the arrays of one step."""
    alone = all(getattr(step, array).shape == (channels,) for array in step.by_channel)
    need(alone, f"{name}: a step does not have {channels} channels")
    if isinstance(step, FitTo):
        need(step.field.shape == (4,), f"{name}: a field has the shape {step.field.shape}, not (4,)")
        check_format(name, step.field)
        need(abs(step.offset) <= 1 << STORED_BITS, f"{name}: the zero point of a histogram is no code")
        return
    if isinstance(step, LookUp | CountLevels):
        need(abs(step.first) < 1 << 62, f"{name}: the first value of a table needs more than 62 bits")
    if isinstance(step, CountLevels):
        need(step.levels.ndim == 1 and step.levels.size > 0, f"{name}: a table is empty")
    if isinstance(step, LookUp):
        shape = step.table.shape
        need(len(shape) == 2 and shape[0] in (1, channels) and shape[1] > 0, f"{name}: a table has the shape {shape}")
        need(0 <= step.shift <= 24 and magnitude(step.table) < 1 << 31, f"{name}: a table is too wide")
        need(not step.errors.size or step.errors.shape == shape, f"{name}: a table and its errors differ in shape")
        need(not step.errors.size or magnitude(step.errors) < 1 << 32, f"{name}: an error of a table is too large")
    if isinstance(step, ScaleFixed | ShiftLeft):
        inside = bool(((step.shift >= 0) & (step.shift <= MAX_SHIFT)).all())
        need(inside, f"{name}: a shift is outside 0 to {MAX_SHIFT}")
    if isinstance(step, ScaleFixed | MultiplyBy):
        need(bool(((step.multiplier >= 0) & (step.multiplier < 1 << 32)).all()), f"{name}: a multiplier is too wide")
    if isinstance(step, ScaleFixed):
        need(0 <= step.guard_bits <= 32, f"{name}: a rounder has {step.guard_bits} guard bits")
    if isinstance(step, ScaleFloat):
        need(bool(np.isfinite(step.ratio).all()) and step.precision in (32, 64), f"{name}: a ratio is no number")
        need(bool((step.divisor > 0).all() and np.isfinite(step.divisor).all()), f"{name}: divides by no scale")
        need(magnitude(step.added) <= 1 << STORED_BITS, f"{name}: what is added before a rounding is no code")
    if isinstance(step, ClipLow | ClipHigh):
        need(magnitude(step.limit) < 1 << 62, f"{name}: a limit needs more than 62 bits")
