"""The datapath as an ASCII drawing, from operands at the top to the output at the bottom."""

from __future__ import annotations

from collections.abc import Iterator

from hwsim.target.settings import Settings, Stage, TensorFormat


def format_name(bits: int, signed: bool) -> str:
    """Name a format: s8, u4."""
    return f"{'s' if signed else 'u'}{bits}"


def drawing(settings: Settings) -> str:
    """Return the multiply-accumulate datapath, one box for each truncation point."""
    boxes = list(_boxes(settings))
    inside = max(len(name) for name, _, _ in boxes) + 2
    middle = 4 + (inside + 2) // 2
    lines = _operands(settings, middle)
    for name, width, text in boxes:
        lines.append(" " * middle + "|")
        lines.append(f"    [{name:^{inside}}]  {width:<4} {text}".rstrip())
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
    product, bias, requantize = settings.mac.product, settings.bias, settings.requantize
    if product is not None:
        dropped = f", >> {product.shift} {product.rounding}" if product.shift else ""
        yield "product", format_name(product.bits, product.signed), f"{product.overflow}{dropped}"
    for stage in settings.mac.stages:
        start = stage is settings.mac.stages[-1] and bias.position == "first"
        entry = f"   <-- bias {format_name(bias.bits, True)}" if start else ""
        yield stage.name, format_name(stage.bits, stage.signed), _stage(stage) + entry
    if bias.position == "last":
        last = settings.mac.stages[-1]
        width = format_name(last.bits, last.signed)
        yield "bias_sum", width, f"{last.overflow}   <-- bias {format_name(bias.bits, True)}"
    steps = [("requantize", "", _requantize(settings)), ("activation", "", "ReLU, clip, leaky slope")]
    if settings.activation.position == "before_requantize":
        steps.reverse()
    yield from (step for step in steps if step[0] != "requantize" or requantize.kind != "none")
    width = format_name(settings.activations.bits, settings.activations.signed)
    zero = "" if settings.activations.symmetric else "+ zero point, "
    yield "output", width, f"{zero}{settings.output.overflow}"


def _stage(stage: Stage) -> str:
    moment = "tree" if stage.shape == "tree" else f"check {stage.check}"
    count = f"{stage.terms} terms" if stage.terms else "all that is left"
    dropped = f", >> {stage.shift} {stage.rounding}" if stage.shift else ""
    return f"{count}, {moment}, {stage.overflow}{dropped}"


def _requantize(settings: Settings) -> str:
    requantize = settings.requantize
    return {
        "fixed": f"x {requantize.multiplier_bits}-bit integer, >> n {requantize.rounding}",
        "fixed_double": "x 32-bit integer, >> 31 half_up, >> n half_away",
        "float32": f"x float32, {requantize.rounding}",
        "float64": f"x float64, {requantize.rounding}",
        "power_of_two": f">> n {requantize.rounding}",
        "none": "",
    }[requantize.kind]
