"""Rules for the list under `requantize.steps`, and for the rows that it brings to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from hwsim.target.accumulation import FIXED_POINTS, LEDGER_POINTS
from hwsim.target.mistake import Location, Mistake
from hwsim.target.settings import Settings
from hwsim.target.steps import (
    RATIO,
    ActivationStep,
    BiasStep,
    ClipStep,
    LookupStep,
    MultiplyFloatStep,
    MultiplyStep,
    ShiftLeftStep,
    ShiftRightStep,
    Step,
    ThresholdsStep,
    ZeroPointStep,
    point_names,
    scales,
    shifts_alone,
)

Found = Iterator[Mistake]

_STEPS: Location = ("requantize", "steps")

_TAKEN = (*FIXED_POINTS, "accumulator")
"""Rows of the ledger whose names a step may not bear."""


def _given(settings: Settings) -> tuple[Step, ...]:
    return settings.requantize.steps or ()


def _mistake(index: int, key: str, sentence: str, *others: int) -> Mistake:
    """Say a mistake of a key of one step, in which other steps may have a part."""
    return Mistake((*_STEPS, index, key), sentence, tuple((*_STEPS, number) for number in (index, *others)))


def some_steps_come_once(settings: Settings) -> Found:
    """There is one ratio to multiply and to shift by, one activation and one zero point."""
    first: dict[str, int] = {}
    for index, step in enumerate(_given(settings)):
        key, does = _single(step)
        if does in first:
            value, remedy = (RATIO, "give a number") if key == "by" else (step.step, "leave one of the two out")
            sentence = f"{value}, but steps[{first[does]}] {does} already; {remedy}"
            yield _mistake(index, key, sentence, first[does])
        elif does:
            first[does] = index


def _single(step: Step) -> tuple[str, str]:  # noqa: PLR0911 (one line for each step)
    """Return what a step does that only one step of a list can do, and the key that says so."""
    match step:
        case MultiplyStep(by="ratio"):
            return "by", "multiplies by the ratio"
        case MultiplyFloatStep():
            return "step", "multiplies by the ratio"
        case ShiftLeftStep(by="ratio"):
            return "by", "shifts to the left by ratio"
        case ShiftRightStep(by="ratio"):
            return "by", "shifts to the right by ratio"
        case ActivationStep():
            return "step", "is the activation"
        case ZeroPointStep():
            return "step", "adds the zero point"
        case BiasStep():
            return "step", "adds the bias"
        case _:
            return "", ""


def ratio_is_followed_to_its_end(settings: Settings) -> Found:
    """A shift to the right takes what a multiplier or a shift to the left leaves; a float leaves nothing."""
    steps = _given(settings)
    float_at = next((index for index, step in enumerate(steps) if isinstance(step, MultiplyFloatStep)), None)
    ends = any(isinstance(step, ShiftRightStep) and step.by == RATIO for step in steps)
    for index, step in enumerate(steps):
        if getattr(step, "by", None) != RATIO:
            continue
        if float_at is not None and not isinstance(step, MultiplyStep):
            sentence = f"ratio, but steps[{float_at}] (multiply_float) leaves nothing of it; give a number"
            yield _mistake(index, "by", sentence, float_at)
        elif float_at is None and not ends:
            yield _mistake(index, "by", "ratio, but no shift_right goes by ratio; add {step: shift_right, by: ratio}")


def bias_has_its_place(settings: Settings) -> Found:
    """The step `bias` is there if, and only if, the bias enters among the steps."""
    steps = settings.requantize.expanded()
    at = next((index for index, step in enumerate(steps) if isinstance(step, BiasStep)), None)
    among = settings.bias.position == "steps"
    if among and at is None:
        sentence = "steps, but the list of steps has none that adds it; add {step: bias} to requantize.steps"
        yield Mistake(("bias", "position"), sentence, (_STEPS,))
    if not among and at is not None:
        sentence = f"bias, but bias.position is {settings.bias.position}; use `bias: {{position: steps}}`"
        yield Mistake((*_STEPS, at, "step"), sentence, (("bias", "position"),))


def shifts_need_power_of_two_multipliers(settings: Settings) -> Found:
    """Shifts alone follow a ratio of powers of two, so fixed multipliers are powers of two as well."""
    steps = _given(settings)
    for index, step in enumerate(steps if shifts_alone(steps) else ()):
        if isinstance(step, MultiplyStep) and isinstance(step.by, int) and step.by.bit_count() > 1:
            yield Mistake(
                (*_STEPS, index, "by"),
                f"{step.by}, but only shifts go by ratio, and they cannot make up for a factor that is no power of two",
            )


def zero_point_comes_last(settings: Settings) -> Found:
    """The output's zero point counts in LSBs of the output, and the activation function has its zero at 0."""
    steps = _given(settings)
    at = next((index for index, step in enumerate(steps) if isinstance(step, ZeroPointStep)), None)
    if at is None or settings.activations.symmetric:
        return
    place: Location = (*_STEPS, at, "step")
    also: tuple[Location, ...] = (("activations", "symmetric"),)
    scaling = [index for index, step in enumerate(steps) if index > at and scales(step)]
    if scaling:
        word = steps[scaling[-1]].step
        sentence = f"zero_point, but steps[{scaling[-1]}] ({word}) would scale it; put it behind that"
        yield Mistake(place, sentence, also)
    listed = [index for index, step in enumerate(steps) if isinstance(step, ActivationStep)]
    after = settings.activation.position == "after_requantize"
    if (listed and listed[0] > at) or (not listed and after):
        sentence = "zero_point, but the activation behind it has its zero at 0; put {step: activation} before it"
        yield Mistake(place, sentence, (*also, ("activation", "position")))


def keys_have_an_effect(settings: Settings) -> Found:
    """A key that the step does not look at would be ignored without a word."""
    for index, step in enumerate(_given(settings)):
        cause, idle, reason = "", tuple[str, ...](), ""
        if isinstance(step, MultiplyStep) and step.by != RATIO:
            cause, idle, reason = "by", ("bits", "rule", "forming"), f"by is {step.by}, not ratio"
        if isinstance(step, LookupStep) and step.interpolation == "none":
            cause, idle, reason = "interpolation", ("rounding", "name"), "interpolation is none, which drops no bits"
        if isinstance(step, ShiftRightStep) and not step.vector and step.tail_rounding is not None:
            cause, idle, reason = "step", ("tail_rounding",), "without vector nothing is left over"
        if isinstance(step, ShiftRightStep) and step.vector and step.tail_rounding is None:
            yield _mistake(
                index, "vector", f"{step.vector}, but how are channels left over rounded? give tail_rounding"
            )
        for key in idle:
            if key in step.model_fields_set:
                yield Mistake((*_STEPS, index, key), f"no effect: {reason}; leave it out", ((*_STEPS, index, cause),))


def limits_are_in_order(settings: Settings) -> Found:
    """Limits, levels and tables leave something to choose from."""
    for index, step in enumerate(_given(settings)):
        at: Location = (*_STEPS, index)
        match step:
            case ClipStep(low=None, high=None):
                yield Mistake(at, "a clip without limits; give low, high or both")
            case ClipStep(low=int(low), high=int(high)) if low > high:
                yield Mistake((*at, "low"), f"{low}, but high is {high}; low is at most high", ((*at, "high"),))
            case ThresholdsStep(levels=levels):
                for number, (one, two) in enumerate(pairwise(levels), 1):
                    if two <= one:
                        sentence = f"{two}, but the level before it is {one}; levels ascend"
                        yield Mistake((*at, "levels", number), sentence, ((*at, "levels"),))
            case LookupStep(interpolation="linear", table=(_,)):
                sentence = "1 entry, but `interpolation: linear` needs two or more"
                yield Mistake((*at, "table"), sentence, ((*at, "interpolation"),))
            case _:
                pass


# --- rows of the ledger --------------------------------------------------------------------------------


def step_names_differ(settings: Settings) -> Found:
    """Each row of the ledger has a name of its own."""
    first: dict[str, int] = {}
    for index, step in enumerate(_given(settings)):
        for row in point_names(step):
            if row in _TAKEN:
                yield _mistake(index, "name", f"{row!r} is the name of another row of the ledger; choose another name")
            elif row.startswith("input_"):
                yield _mistake(
                    index, "name", f"{row!r}, but the ledger puts input_ before names itself; choose another name"
                )
            elif row in first:
                taken = f"steps[{first[row]}] is {row!r} in the ledger already"
                named = "name" in step.model_fields_set
                sentence = (
                    f"{row!r}, but {taken}; names must differ" if named else f"missing; {taken}, so give a name here"
                )
                yield _mistake(index, "name", sentence, first[row])
            else:
                first[row] = index


def stages_and_steps_differ(settings: Settings) -> Found:
    """So have stages and steps."""
    rows = {name: index for index, step in enumerate(_given(settings)) for name in point_names(step)}
    for index, stage in enumerate(settings.mac.stages):
        if stage.name in rows and stage.name not in (*LEDGER_POINTS, *_TAKEN):
            sentence = (
                f"{stage.name!r}, but so is requantize.steps[{rows[stage.name]}] in the ledger; names must differ"
            )
            yield Mistake(("mac", "stages", index, "name"), sentence, ((*_STEPS, rows[stage.name]),))


GENERAL_RULES: tuple[Callable[[Settings], Found], ...] = (
    some_steps_come_once,
    ratio_is_followed_to_its_end,
    shifts_need_power_of_two_multipliers,
    zero_point_comes_last,
    keys_have_an_effect,
    limits_are_in_order,
    step_names_differ,
)
"""Rules for every kind of operation."""

MAC_RULES: tuple[Callable[[Settings], Found], ...] = (stages_and_steps_differ, bias_has_its_place)
"""Rules for operations with weights."""
