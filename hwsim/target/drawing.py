"""The datapath as an ASCII drawing, from operands at the top to the output at the bottom."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from hwsim.target.settings import Bias, Settings, Stage, TensorFormat
from hwsim.target.step_words import format_name, in_full, signs
from hwsim.target.steps import ActivationStep, FitStep, ZeroPointStep, point_name

WIDTH = 100
"""No line is longer."""


def drawing(settings: Settings) -> str:
    """Return the multiply-accumulate datapath, one box for each truncation point."""
    boxes = list(_boxes(settings))
    inside = max(len(name) for name, _, _ in boxes) + 2
    middle = 4 + (inside + 2) // 2
    lines = _operands(settings, middle)
    for name, width, text in boxes:
        box = f"    [{name:^{inside}}]  {width:<4} "
        first, *more = wrap(text, WIDTH - len(box)) or [""]
        lines.append(" " * middle + "|")
        lines.append((box + first).rstrip())
        lines += [" " * middle + "|".ljust(len(box) - middle) + line for line in more]
    return "\n".join(lines)


def _operands(settings: Settings, middle: int) -> list[str]:
    """Draw inputs and weights meeting in the multiplier, which stands in column ``middle``."""
    inputs, weights = f"input {_codes(settings.activations)}", f"weight {_codes(settings.weights)}"
    return [
        f"  {inputs}   {weights}",
        " " * (middle - 3) + "\\     /",
        " " * (middle - 1) + "(x)",
    ]


def _codes(tensor: TensorFormat) -> str:
    return format_name(tensor.bits, tensor.signed) + (" narrow" if tensor.narrow else "")


def _boxes(settings: Settings) -> Iterator[tuple[str, str, str]]:
    product, bias = settings.mac.product, settings.bias
    if product is not None:
        dropped = f", >> {product.shift} {product.rounding}" if product.shift else ""
        yield "product", format_name(product.bits, product.signed), f"{product.overflow}{dropped}"
    for stage in settings.mac.stages:
        at = {"first": settings.mac.stages[-1], "inner": settings.mac.stages[0]}.get(bias.position)
        start = stage is at
        entry = f"   <-- {_bias(bias)}" if start else ""
        yield stage.name, format_name(stage.bits, stage.signed), _stage(stage) + entry
    if bias.position == "last":
        last = settings.mac.stages[-1]
        width = format_name(last.bits, last.signed)
        yield "bias_sum", width, f"{last.overflow}   <-- {_bias(bias)}"
    yield from _after_sum(settings)


def _after_sum(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Yield a box for each point; what has none is told in the next one's."""
    before = list[str]()
    for step in in_full(settings):
        name = "activation" if isinstance(step, ActivationStep) else point_name(step)
        if not isinstance(step, ZeroPointStep) or not settings.activations.symmetric:
            before.append(signs(step))
        if name:
            yield name, format_name(step.bits, step.signed) if isinstance(step, FitStep) else "", ", ".join(before)
            before.clear()
    width = format_name(settings.activations.bits, settings.activations.signed)
    yield "output", width, ", ".join([*before, settings.output.overflow])


def _bias(bias: Bias) -> str:
    shifted = " << n" if bias.scale == "own" else f" << {bias.shift}" if bias.shift else ""
    return f"bias {format_name(bias.bits, True)}{shifted}"


def _stage(stage: Stage) -> str:
    moment = "tree" if stage.shape == "tree" else f"check {stage.check}"
    count = f"{stage.terms} terms" if stage.terms else "all that is left"
    count += f" within {stage.within}" if stage.within else ""
    dropped = f", >> {stage.shift} {stage.rounding}" if stage.shift else ""
    return f"{count}, {moment}, {stage.overflow}{dropped}"
