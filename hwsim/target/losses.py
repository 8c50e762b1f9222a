"""Where a datapath can lose bits: clamping and round-off of each truncation point, told for any network."""

from __future__ import annotations

from collections.abc import Iterator

from hwsim.formats import Overflow
from hwsim.target.bounds import Level, levels
from hwsim.target.settings import NON_UNIFORM, RangeMethod, Settings, Stage, TensorFormat
from hwsim.target.step_words import in_full, rounded
from hwsim.target.steps import (
    RATIO,
    ActivationStep,
    FitStep,
    LookupStep,
    MultiplyFloatStep,
    MultiplyStep,
    ShiftRightStep,
    Step,
    point_name,
)

_FOREVER = 1 << 40
"""More products than any sum has."""


def losses(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield each truncation point with its clamping and its round-off."""
    weights, bias = settings.weights, settings.bias
    yield "weight", f"{_stored(weights, 'none: the range covers every weight')} | {weights.rounding}"
    clamped = _stored(settings.activations, "possible: saturate, values beyond the calibrated range")
    yield "input", f"{clamped} | {settings.activations.rounding}"
    yield "bias", f"{bias.overflow}, if a bias needs more than {bias.bits} bits | {bias.rounding}"
    for level in levels(settings):
        yield level.name, f"{_clamping(level)} | {_round_off(level)}"
    if bias.position == "last":
        last = settings.mac.stages[-1]
        yield "bias_sum", f"possible: {last.overflow} at {last.bits} bits | none"
    yield from _after_sum(settings)


def softmax_losses(run_on: str) -> tuple[tuple[str, str], ...]:
    """Return the truncation points of a softmax with their clamping and their round-off; none where it has none."""
    if run_on == "polynomial":
        return (
            ("power", "impossible | a bit for each halving, floor"),
            ("output", "possible: saturate at 8 bits, a share of 1 | a division, floor"),
        )
    if run_on == "interpolated":
        return (
            ("difference", "possible: saturate at 16 bits, exponents below -10 | 31 bits, half_up, then half_away"),
            ("power", "impossible | 7 bits, half_up"),
            ("sum", "possible: saturate at 16 bits, by 1 | 14 bits, half_up"),
            ("reciprocal", "impossible | 7 bits, half_up"),
            ("output", "possible: saturate at 16 bits, a share of 1 | 14 to 30 bits, half_up"),
        )
    if run_on != "fixed":
        return ()
    return (
        ("difference", "impossible | 31 bits, half_up"),
        ("sum", "impossible | 12 bits, half_away, of every power"),
        ("product", "impossible | 31 bits, half_up"),
        ("output", "possible: saturate at 8 bits, a share of 1 | 23 to 34 bits, half_away"),
    )


def _stored(tensor: TensorFormat, otherwise: str) -> str:
    """Tell of the way from real values to codes; ``otherwise`` is said of a range without tails."""
    clamped = otherwise
    if tensor.fraction_bits is not None:
        clamped = f"possible: saturate, the scale is 2^{-tensor.fraction_bits} whatever the range"
    elif tensor.range.method == "percentile":
        clamped = f"by design: saturate, the tails beyond {range_name(tensor.range)}"
    elif tensor.range.method != "minmax":
        clamped = f"by design: saturate, the tails beyond the range by {range_name(tensor.range)}"
    return clamped + ("; all negative values become 0" if tensor.symmetric and not tensor.signed else "")


def range_name(chosen: RangeMethod) -> str:
    """Return what a range is chosen by."""
    return {
        "minmax": "minimum and maximum",
        "percentile": f"percentile {chosen.percent:g}",
        "mean_square": "least mean square error",
        "kl": "least relative entropy",
        "fitted": "fitted distribution",
    }[chosen.method]


def _clamping(level: Level) -> str:
    fit = level.fit
    if level.arrives is not None:
        if level.holds:
            return f"impossible: the worst case needs {level.bits} of {fit.bits} bits"
        need = (
            f"the worst case needs {level.bits} bits" if fit.signed or level.arrives.low >= 0 else "it can be negative"
        )
        return f"possible: {fit.overflow}, {need}"
    if level.safe_products is None or level.safe_products >= _FOREVER:
        return "practically impossible"
    if level.safe_products == 0:
        return f"possible: {fit.overflow}, from the first product on"
    return f"possible: {fit.overflow}, in sums of more than {level.safe_products} products (bias aside)"


def _round_off(level: Level) -> str:
    shift, rounding = getattr(level.fit, "shift", 0), getattr(level.fit, "rounding", "")
    if not shift:
        return "none"
    every = isinstance(level.fit, Stage) and level.fit.check == "each"
    return f"{shift} bits, {rounding}" + (", at every addition" if every else "")


def _after_sum(settings: Settings) -> Iterator[tuple[str, str]]:
    steps, activations = in_full(settings), settings.activations
    for step in steps:
        for one in step.apart() if isinstance(step, ShiftRightStep) else (step,):
            name = "activation" if isinstance(one, ActivationStep) else point_name(one)
            if name:
                yield name, _of_step(one, steps, settings)
    overflow = settings.output.overflow
    if activations.narrow and overflow is Overflow.SATURATE:
        overflow = Overflow.SATURATE_SYMMETRIC
    if activations.step in NON_UNIFORM:
        yield "output", "possible: saturate at the width of the largest level | none"
        yield "encode", f"none | to the nearest of {1 << activations.bits} levels, ties upwards"
        return
    yield "output", f"possible: {overflow} at {activations.bits} bits | none"


def _of_step(step: Step, steps: tuple[Step, ...], settings: Settings) -> str:
    """Tell of a step that is a point of the ledger."""
    match step:
        case ShiftRightStep(by="ratio"):
            widths = [one.bits for one in steps if isinstance(one, MultiplyStep) and one.by == RATIO]
            source = f" (and the ratio itself, to {widths[0]} bits)" if widths else ""
            return f"none | {rounded(step)}{source}"
        case ShiftRightStep():
            return f"none | {step.by} bits, {rounded(step)}" if step.by else "none | none"
        case MultiplyFloatStep():
            source = " (and the sum itself beyond 24 bits)" if step.precision == 32 else ""
            return f"none | {step.rounding}{source}"
        case FitStep():
            width = f"{step.bits} bits" if step.signed else f"{step.bits} bits, unsigned"
            return f"possible: {step.overflow} at {width} | none"
        case LookupStep():
            return f"none | between entries: {step.rounding}"
        case _:
            return f"none | leaky slopes only: {settings.activation.rounding}"
