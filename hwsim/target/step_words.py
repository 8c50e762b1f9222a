"""The steps between accumulator and output in words: a sentence for each, and a few signs for drawings."""

from __future__ import annotations

from hwsim.target.section import Fit
from hwsim.target.settings import ActivationFunction, Settings
from hwsim.target.steps import (
    RATIO,
    AbsoluteStep,
    ActivationStep,
    AddStep,
    BiasStep,
    ClipStep,
    FitStep,
    Forming,
    LookupStep,
    MultiplyFloatStep,
    MultiplyStep,
    Rule,
    ShiftLeftStep,
    ShiftRightStep,
    Step,
    ThresholdsStep,
    ZeroPointStep,
)


def format_name(bits: int, signed: bool) -> str:
    """Name a format: s8, u4."""
    return f"{'s' if signed else 'u'}{bits}"


def in_full(settings: Settings) -> tuple[Step, ...]:
    """Return the list of steps with the activation and the zero point at their places."""
    steps = settings.requantize.expanded()
    if not any(isinstance(step, ActivationStep) for step in steps):
        activation = (ActivationStep(step="activation"),)
        before = settings.activation.position == "before_requantize"
        steps = (*activation, *steps) if before else (*steps, *activation)
    if not any(isinstance(step, ZeroPointStep) for step in steps):
        steps = (*steps, ZeroPointStep(step="zero_point"))
    return steps


def sentence(step: Step, function: ActivationFunction) -> str:  # noqa: PLR0911, PLR0912 (one line for each step)
    """Say what a step does."""
    match step:
        case AddStep():
            return f"minus {-step.value}" if step.value < 0 else f"plus {step.value}"
        case ShiftLeftStep():
            return f"shifted left {_by(step.by)}"
        case ShiftRightStep():
            return f"shifted right {_by(step.by)}, rounded {rounded(step)}"
        case MultiplyStep(by="ratio"):
            return f"times a {step.bits}-bit integer{by_rule(step.rule, step.forming)}"
        case MultiplyStep():
            return f"times {step.by}"
        case MultiplyFloatStep():
            formed = by_rule("nearest", step.forming)
            inside = " with the zero point" if step.zero_point == "inside" else ""
            return f"times a float{step.precision}{formed} in float{step.precision}, rounded {step.rounding}{inside}"
        case FitStep():
            return f"to {format_name(step.bits, step.signed)}: {step.overflow}{kept(step)}"
        case ClipStep():
            return f"limited to {_limits(step)}"
        case AbsoluteStep():
            return "the magnitude"
        case LookupStep():
            between = f", between entries linear, rounded {step.rounding}" if step.interpolation == "linear" else ""
            apart = f", {1 << step.shift} apart" if step.shift else ""
            return f"a table of {_count(len(step.table), 'value')}{apart}, the first for {step.first}{between}"
        case ThresholdsStep():
            worth = f"; 1 is worth {1 << step.shift} of before" if step.shift else ""
            return f"{step.first} plus 1 for each level reached, of {_count(len(step.levels), 'level')}{worth}"
        case ActivationStep():
            return activated(function)
        case ZeroPointStep():
            return "plus the zero point"
        case BiasStep():
            return "plus the bias"


def signs(step: Step) -> str:  # noqa: PLR0911, PLR0912 (one line for each step)
    """Write a step with a few signs: ``>> 3 floor``."""
    match step:
        case AddStep():
            return f"- {-step.value}" if step.value < 0 else f"+ {step.value}"
        case ShiftLeftStep():
            return f"<< {_amount(step.by)}"
        case ShiftRightStep():
            return f">> {_amount(step.by)} {rounded(step)}"
        case MultiplyStep(by="ratio"):
            return f"x {step.bits}-bit integer"
        case MultiplyStep():
            return f"x {step.by}"
        case MultiplyFloatStep():
            return f"x float{step.precision}, {step.rounding}"
        case FitStep():
            return step.overflow
        case ClipStep():
            return f"limit {_limits(step)}"
        case AbsoluteStep():
            return "magnitude"
        case LookupStep():
            linear = f", linear, {step.rounding}" if step.interpolation == "linear" else ""
            return f"table of {len(step.table)}{linear}"
        case ThresholdsStep():
            return _count(len(step.levels), "threshold")
        case ActivationStep():
            return "ReLU, clip, leaky slope"
        case ZeroPointStep():
            return "+ zero point"
        case BiasStep():
            return "+ bias"


def activated(function: ActivationFunction) -> str:
    """Say how slopes are applied, and how limits become integers, unless as usual."""
    slopes = f"leaky slopes of {function.multiplier_bits} bits, rounded {function.rounding}"
    usual = ActivationFunction()
    limit, precision = function.limit_rounding, function.limit_precision
    if (limit, precision) == (usual.limit_rounding, usual.limit_precision):
        return slopes
    return f"{slopes}; limits divided in float{precision}, rounded {limit}"


def by_rule(rule: Rule, forming: Forming) -> str:
    """Say how a multiplier is derived and its ratio formed, unless as usual."""
    words = [f"rule {rule}"] if rule != "nearest" else []
    words += [f"forming {forming}"] if forming != "float64" else []
    return f" ({', '.join(words)})" if words else ""


def rounded(step: ShiftRightStep) -> str:
    """Say how a shift rounds."""
    guarded = f" on {_count(step.guard_bits, 'guard bit')}" if step.guard_bits else ""
    tail = f" ({step.tail_rounding} what vectors of {step.vector} channels leave)" if step.vector else ""
    return step.rounding + guarded + tail


def kept(fit: Fit) -> str:
    """Say how many bits a wrap saturates, if any."""
    return f" with {_count(fit.saturated_bits, 'saturated bit')}" if fit.saturated_bits else ""


def _by(amount: int | str) -> str:
    return "as far as the ratio says" if amount == RATIO else f"by {_count(int(amount), 'bit')}"


def _amount(by: int | str) -> str:
    return "n" if by == RATIO else str(by)


def _limits(step: ClipStep) -> str:
    if step.low is None:
        return f"{step.high} or less"
    return f"{step.low} or more" if step.high is None else f"{step.low} to {step.high}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
