"""The ways in which a device may compute one operation otherwise than its program says, one change at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from hwsim.formats import IntFormat, Overflow, Rounding, bits_needed
from hwsim.program import Program
from hwsim.program.records import (
    ClipHigh,
    ClipLow,
    FitTo,
    IntOperation,
    Ints,
    LookUp,
    MultiplyAccumulate,
    PadCodes,
    Point,
    PoolAverage,
    Product,
    ScaleFixed,
    ScaleFloat,
    ShiftLeft,
    Step,
    Sum,
)
from hwsim_kernels.fields import BITS, OVERFLOW, ROUNDING, SHIFT, SIGNED

DETERMINISTIC = tuple(mode for mode in Rounding if not mode.stochastic)
Mode = TypeVar("Mode", Rounding, Overflow)

ROUNDED = (ScaleFixed, ScaleFloat, LookUp)
"""The steps that round; a look-up does if it interpolates."""

LEAST_BITS = 4
MOST_BITS = 48

_FIT_BITS, _FIT_SIGNED, _FIT_OVERFLOW = range(3)
"""Columns of the field of a plain fit, as ``Pipeline.fit`` writes it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Variant:
    """An operation with one thing changed: ``what`` is it, ``how`` it is now, ``was`` how the program has it."""

    kind: str
    what: str
    how: str
    was: str
    operation: IntOperation


def variants(one: IntOperation, program: Program) -> Iterator[Variant]:
    """Yield an operation's variants; those of its last steps come first."""
    yield from _roundings(one)
    yield from _fits(one)
    yield from _shifts(one)
    yield from _clips(one)
    if isinstance(one, MultiplyAccumulate):
        yield from _registers(one)
        yield from _paddings(one, program)
        yield from _zero_points(one, program)
    elif isinstance(one, PoolAverage | Sum):
        yield from _accumulators(one)
    elif isinstance(one, PadCodes):
        yield from _padded(one)


def _steps(one: IntOperation) -> tuple[Step, ...]:
    return getattr(one, "steps", ())


def _input_steps(one: IntOperation) -> tuple[tuple[Step, ...], ...]:
    return getattr(one, "input_steps", ())


def _sites(one: IntOperation) -> Iterator[tuple[str, Step, Callable[[tuple[Step, ...]], Any]]]:
    """Yield every step with its place in words and what puts other steps there, the last first."""
    steps = _steps(one)
    for number in reversed(range(len(steps))):

        def put(new: tuple[Step, ...], number: int = number) -> Any:  # noqa: ANN401
            return replace(one, steps=(*steps[:number], *new, *steps[number + 1 :]))  # type: ignore[call-arg]

        yield "", steps[number], put
    inputs = _input_steps(one)
    for place, each in enumerate(inputs):
        for number in reversed(range(len(each))):

            def put_there(
                new: tuple[Step, ...], place: int = place, number: int = number, each: tuple[Step, ...] = each
            ) -> Any:  # noqa: ANN401
                own = (*each[:number], *new, *each[number + 1 :])
                return replace(one, input_steps=(*inputs[:place], own, *inputs[place + 1 :]))  # type: ignore[call-arg]

            yield f" of input {place}", each[number], put_there


def _roundings(one: IntOperation) -> Iterator[Variant]:
    steps = [step for _, step, _ in _sites(one) if isinstance(step, ROUNDED) and step.rounding is not None]
    modes = {step.rounding for step in steps}
    if len(steps) > 1 and len(modes) == 1:
        now = next(iter(modes))
        assert now is not None
        for mode in _others(now):
            made = _everywhere(one, mode)
            yield Variant(kind="rounding", what="every rounding", how=mode.value, was=now.value, operation=made)
    for where, step, put in _sites(one):
        if isinstance(step, ROUNDED) and step.rounding is not None:
            for mode in _others(step.rounding):
                changed = replace(step, rounding=mode)
                yield Variant(
                    kind="rounding",
                    what=f"the rounding of {step.point!r}{where}",
                    how=mode.value,
                    was=step.rounding.value,
                    operation=put((changed,)),
                )
    for what, column, field, put_field in _fields(one):
        now = _mode(Rounding, int(field[column]))
        for mode in _others(now):
            changed_field = field.copy()
            changed_field[column] = mode.code
            yield Variant(
                kind="rounding", what=f"the rounding of {what}", how=mode.value, was=now.value,
                operation=put_field(changed_field),
            )  # fmt: skip


def _everywhere(one: IntOperation, mode: Rounding) -> Any:  # noqa: ANN401
    """Return an operation all of whose steps round by a mode, those of its inputs, too."""

    def changed(steps: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(
            replace(step, rounding=mode) if isinstance(step, ROUNDED) and step.rounding is not None else step
            for step in steps
        )

    lists: dict[str, Any] = {}
    if steps := _steps(one):
        lists["steps"] = changed(steps)
    if inputs := _input_steps(one):
        lists["input_steps"] = tuple(changed(each) for each in inputs)
    return replace(one, **lists)


def _fields(one: IntOperation) -> Iterator[tuple[str, int, Any, Callable[[Any], Any]]]:
    """Yield the roundings that stand in plain arrays: name, column, array, and what puts another array there."""
    if isinstance(one, PoolAverage):
        yield "'division'", 4, one.field, lambda field: replace(one, field=field)
    if isinstance(one, MultiplyAccumulate | Product) and one.product[BITS] and one.product[SHIFT]:
        yield "'product'", ROUNDING, one.product, lambda field: replace(one, product=field)
    if isinstance(one, MultiplyAccumulate):
        for level, point in enumerate(stages_of(one)):
            if one.stages[level, SHIFT]:
                yield f"{point.name!r}", ROUNDING, one.stages[level], _stage_putter(one, level)


def _stage_putter(one: MultiplyAccumulate, level: int) -> Callable[[Any], MultiplyAccumulate]:
    def put(field: Any) -> MultiplyAccumulate:  # noqa: ANN401
        stages = one.stages.copy()
        stages[level] = field
        return replace(one, stages=stages)

    return put


def stages_of(one: MultiplyAccumulate) -> list[Point]:
    """Return the points of the stages, innermost first."""
    return [point for point in one.points if point.stage]


def _others(mode: Rounding) -> list[Rounding]:
    return [other for other in DETERMINISTIC if other is not mode]


def _mode(kind: type[Mode], code: int) -> Mode:
    return next(mode for mode in kind if mode.code == code)


def _fits(one: IntOperation) -> Iterator[Variant]:
    for where, step, put in _sites(one):
        if not isinstance(step, FitTo):
            continue
        now = _register(step.field[_FIT_BITS], step.field[_FIT_SIGNED], step.field[_FIT_OVERFLOW])
        for bits in range(int(step.field[_FIT_BITS]), 1, -1):
            for mode in (Overflow.WRAP, Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC, Overflow.SATURATE_ZERO):
                field = step.field.copy()
                field[_FIT_BITS], field[_FIT_OVERFLOW] = bits, mode.code
                how = _register(bits, field[_FIT_SIGNED], mode.code)
                if how != now:
                    yield Variant(
                        kind="overflow",
                        what=f"the fit {step.point!r}{where}",
                        how=how,
                        was=now,
                        operation=put((replace(step, field=field),)),
                    )


def _register(bits: int, signed: int, overflow: int) -> str:
    mode = _mode(Overflow, int(overflow)).value
    return f"{IntFormat(bits=int(bits), signed=bool(signed))} {mode}"


def _shifts(one: IntOperation) -> Iterator[Variant]:
    for where, step, put in _sites(one):
        if not isinstance(step, ScaleFixed | ShiftLeft) or (isinstance(step, ScaleFixed) and step.negatives_only):
            continue
        for more in (1, -1, 2, -2):
            shift = step.shift + more
            if shift.min() < 0 or shift.max() > 62:
                continue
            name = f"the shift of {step.point!r}" if step.point else "the shift to the left"
            yield Variant(
                kind="shift",
                what=f"{name}{where}",
                how=f"{abs(more)} {'more' if more > 0 else 'less'}",
                was=_shown(step.shift),
                operation=replace(put((replace(step, shift=shift),)), wide=True),
            )


def _shown(values: Any) -> str:  # noqa: ANN401
    low, high = int(values.min()), int(values.max())
    return f"{low}" if low == high else f"{low} to {high}"


def _clips(one: IntOperation) -> Iterator[Variant]:
    for where, step, put in _sites(one):
        if isinstance(step, ClipLow | ClipHigh):
            what = "the lower" if isinstance(step, ClipLow) else "the upper"
            yield Variant(
                kind="activation",
                what=f"{what} limit of the activation{where}",
                how="absent",
                was=_shown(step.limit),
                operation=put(()),
            )


def _registers(one: MultiplyAccumulate) -> Iterator[Variant]:
    """Yield the stages of accumulation, narrower and wider, wrapping and saturating."""
    for level, point in enumerate(stages_of(one)):
        field = one.stages[level]
        now = _register(field[BITS], field[SIGNED], field[OVERFLOW])
        enough = min(bits_needed(*point.bound) if point.bound else int(field[BITS]), MOST_BITS)
        widths = sorted({*range(LEAST_BITS, enough + 1), int(field[BITS])}, reverse=True)
        for bits in widths:
            register = IntFormat(bits=bits, signed=bool(field[SIGNED]))
            for mode in (Overflow.WRAP, Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC):
                changed = field.copy()
                changed[BITS], changed[OVERFLOW] = bits, mode.code
                how = _register(bits, changed[SIGNED], mode.code)
                if how != now:
                    yield Variant(
                        kind="accumulator",
                        what=f"the register of {point.name!r}",
                        how=how,
                        was=now,
                        operation=replace(_stage_putter(one, level)(changed), start=_held(one, level, register)),
                    )


def _held(one: MultiplyAccumulate, level: int, register: IntFormat) -> Ints:
    """Return what sums start from, saturated to the register that is to hold it."""
    return one.start if one.start_level != level else np.clip(one.start, register.minimum, register.maximum)


def _accumulators(one: PoolAverage | Sum) -> Iterator[Variant]:
    now = _register(*one.field[:3])
    for bits in range(min(int(one.field[0]), MOST_BITS), LEAST_BITS - 1, -1):
        for mode in (Overflow.WRAP, Overflow.SATURATE):
            field = one.field.copy()
            field[0], field[2] = bits, mode.code
            how = _register(*field[:3])
            if how != now:
                made = replace(one, field=field)
                yield Variant(
                    kind="accumulator", what="the register of 'accumulator'", how=how, was=now, operation=made
                )


def _paddings(one: MultiplyAccumulate, program: Program) -> Iterator[Variant]:
    """Yield other codes than the zero point around the image."""
    source = program.tensors[one.inputs[0]]
    if source.format is None:
        return
    for code in dict.fromkeys((0, source.zero_point, source.format.minimum)):
        if code - one.zero_point != one.outside:
            yield Variant(
                kind="padding",
                what="the code around the image",
                how=str(code),
                was=str(one.outside + one.zero_point),
                operation=replace(one, outside=code - one.zero_point),
            )


def _padded(one: PadCodes) -> Iterator[Variant]:
    assert one.output.format is not None
    for code in dict.fromkeys((0, one.output.format.minimum)):
        if code != one.output.zero_point:
            yield Variant(
                kind="padding",
                what="the code around the image",
                how=str(code),
                was=str(one.output.zero_point),
                operation=replace(one, output=replace(one.output, zero_point=code)),
            )


def _zero_points(one: MultiplyAccumulate, program: Program) -> Iterator[Variant]:
    """Yield other zero points of the input; where it is corrected in the bias, the bias would have to change."""
    real = program.tensors[one.inputs[0]].zero_point
    if one.zero_point != real:
        return
    for point in dict.fromkeys((0, real + 1, real - 1, -real)):
        if point != real:
            yield Variant(
                kind="input_zero_point",
                what="the zero point of the input",
                how=str(point),
                was=str(real),
                operation=replace(one, zero_point=point),
            )
