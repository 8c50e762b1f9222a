"""A target in words: the datapath as a drawing, its formats, and where it can lose bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap
from typing import cast

import yaml

from hwsim.formats import bits_needed
from hwsim.target.bounds import exact_product
from hwsim.target.drawing import WIDTH, drawing
from hwsim.target.losses import losses, range_name, softmax_losses
from hwsim.target.mistake import Location, dotted
from hwsim.target.settings import Product, Requantize, Settings, TensorFormat
from hwsim.target.step_words import activated, by_rule, format_name, in_full, kept, sentence
from hwsim.target.steps import point_name
from hwsim.target.target import Target, name_first

_LABEL = 14


def explain(target: Target) -> str:
    """Return the datapath of ``target`` in words and a small drawing, for a reader who knows hardware.

    >>> print(explain(Target(name="tiny")).splitlines()[0])
    tiny
    """
    parts = [
        _title(target),
        drawing(target),
        _section("Formats", _formats(target)),
        _section("Accumulation", _accumulation(target)),
        _section("From sum to output", _output(target)),
        _section("Where bits can be lost (clamping | round-off)", _losses(target)),
        _section("Other operations", _others(target)),
        _section("Overrides", _overrides(target)),
    ]
    return "\n\n".join(parts) + "\n"


def _title(target: Target) -> str:
    return "\n".join([target.name, *wrap(target.description, WIDTH)])


def _section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Write a heading and labelled paragraphs under it; a long label gets a line of its own."""
    lines, indent = [title], " " * (2 + _LABEL)
    for label, text in rows:
        folded = [indent + line for line in wrap(text, WIDTH - len(indent))]
        if len(label) < _LABEL:
            folded[0] = f"  {label:<{_LABEL}}{folded[0].lstrip()}"
        else:
            lines += [line if line.startswith(" ") else f"  {line}" for line in wrap(label, WIDTH - 2)]
        lines += folded
    return "\n".join(lines)


def _losses(target: Target) -> Iterator[tuple[str, str]]:
    yield from losses(target)
    told = softmax_losses(target.settings("softmax", "").softmax.run_on)
    if told:
        yield "softmax", "; ".join(f"{point}: {text}" for point, text in told)


def _formats(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "weights", f"{_tensor(settings.weights)}; one scale per {_scales(settings)}"
    yield "activations", f"{_tensor(settings.activations)}; one scale per tensor"
    exact = exact_product(settings)
    yield "product", f"{exact.low} to {exact.high}: {bits_needed(exact.low, exact.high)} bits when exact"


def _scales(settings: Settings) -> str:
    return settings.weights.granularity.replace("_", " ")


def _tensor(tensor: TensorFormat) -> str:
    codes = tensor.integer_format()
    zero = "zero point 0" if tensor.symmetric else "free zero point"
    step = "power-of-two" if tensor.step == "power_of_two" else "free"
    scales = f"{step} scales, range by {range_name(tensor.range)}"
    if tensor.fraction_bits is not None:
        scales = f"scales fixed at 2^{-tensor.fraction_bits}"
    width = f"{format_name(tensor.bits, tensor.signed)}, codes {codes.minimum} to {codes.maximum}"
    return f"{width}, {zero}, {scales}, rounded {tensor.rounding}"


def _accumulation(settings: Settings) -> Iterator[tuple[str, str]]:
    mac, bias = settings.mac, settings.bias
    tile = f"; blocks of {mac.tile.input_channel} input channels" if mac.tile else ""
    yield "order", " > ".join(mac.order) + f" (outermost first){tile}"
    yield "product", _product(mac.product)
    for stage in mac.stages:
        takes = f"sums {stage.terms} values" if stage.terms else "sums all that is left"
        takes += f" within {stage.within}" if stage.within else ""
        moment = "fitted after every addition" if stage.check == "each" else "summed exactly, fitted once"
        moment = "added in pairs, every node fitted" if stage.shape == "tree" else moment
        width = format_name(stage.bits, stage.signed)
        dropped = _dropped(stage.shift, stage.rounding)
        yield stage.name, f"{width}, {takes}, {moment}: {stage.overflow}{kept(stage)}{dropped}"
    enters = {
        "first": "the last stage starts from it",
        "inner": "the first sum of the first stage starts from it",
        "last": "added to the finished sum",
        "steps": "added among the steps after the sum",
    }[bias.position]
    shifted = f", shifted left by {bias.shift}" if bias.shift else ""
    shifted = ", with a scale of its own, shifted to the sum's" if bias.scale == "own" else shifted
    yield "bias", f"{format_name(bias.bits, True)}{shifted}, {enters}; rounded {bias.rounding}, {bias.overflow}"
    if mac.input_zero_point == "corrected":
        yield (
            "zero point",
            "inputs are multiplied as stored; what their zero point adds is taken off with the bias",
        )
    if mac.second_zero_point == "ignored":
        yield "second factor", "of two feature maps the second is multiplied as stored, as if its zero point were 0"


def _product(product: Product | None) -> str:
    if product is None:
        return "exact"
    width = format_name(product.bits, product.signed)
    return f"{width}, {product.overflow}{kept(product)}{_dropped(product.shift, product.rounding)}"


def _dropped(shift: int, rounding: str) -> str:
    return f"; {shift} low bits dropped by {rounding}" if shift else ""


def _output(settings: Settings) -> Iterator[tuple[str, str]]:
    requantize, function = settings.requantize, settings.activation
    width = format_name(settings.activations.bits, settings.activations.signed)
    if requantize.kind == "steps":
        for step in in_full(settings):
            yield point_name(step) or step.step, sentence(step, function)
        yield "output", f"to {width}: {settings.output.overflow}"
        return
    yield "requantize", f"{requantize.kind}: {_short(requantize)}"
    place = function.position.replace("_", " ")
    yield (
        "activation",
        f"{place}; {activated(function)}",
    )
    yield "output", f"plus the zero point, to {width}: {settings.output.overflow}"


def _short(requantize: Requantize) -> str:
    """Tell the steps of a short kind in one sentence."""
    bits, rounding = requantize.multiplier_bits, requantize.rounding
    formed, rule = by_rule("nearest", requantize.forming), by_rule(requantize.rule, requantize.forming)
    return {
        "fixed": f"times a {bits}-bit integer{rule}, one shift rounded {rounding}",
        "fixed_double": f"times a 32-bit integer{rule}, high half rounded half_up, then a shift rounded half_away",
        "fixed_reduced": f"times a {bits}-bit integer reduced from 32{formed}, one shift rounded {rounding}, "
        "wrap at 32 bits",
        "float32": f"times a float32{formed} in float32, rounded {rounding}",
        "float64": f"times a float64{formed} in float64, rounded {rounding}",
        "power_of_two": f"a shift alone, rounded {rounding}",
        "none": "the sum itself is the output",
    }[requantize.kind]


def _others(target: Target) -> Iterator[tuple[str, str]]:
    pooling = target.settings("average_pool", "").pooling
    width = format_name(pooling.accumulator.bits, pooling.accumulator.signed)
    codes = "less their zero point" if pooling.zero_point == "removed" else "as they are stored"
    divided = {
        "count": "quotient",
        "dpu": "times N / 2^M of its window",
        "reciprocals": "times 2^16 / width, then times 2^16 / height of its window, each",
    }[pooling.division]
    text = f"codes {codes}, sum {width} {pooling.accumulator.overflow}, {divided} rounded {pooling.rounding}"
    if pooling.average == "float32":
        text = f"real values summed and divided in float32, rounded {pooling.rounding} with the zero point"
    yield "average_pool", text
    padding = target.settings("max_pool", "").pooling.max_padding
    if padding == "zero":
        yield "max_pool", "positions outside the image are 0"
    resize = target.settings("resize", "").resize
    codes = "less their zero point" if resize.zero_point == "removed" else "as they are stored"
    yield "resize", f"codes {codes}, weights of {resize.fraction_bits} bits, sum rounded {resize.rounding}"
    addition = target.settings("add", "").addition
    width = format_name(addition.accumulator.bits, addition.accumulator.signed)
    how = f"times 2^{addition.left_shift}, rescaled"
    end = ""
    if addition.kind == "weighted":
        how = f"times integers of {addition.multiplier_bits} bits"
        end = f", one shift rounded {addition.rounding}"
    text = f"inputs {how}, sum {width} {addition.accumulator.overflow}{end}"
    if addition.kind == "float32":
        text = f"codes times float32 ratios, added in float32 with the zero points, rounded {addition.rounding}"
    yield "add", text
    if target.settings("concatenate", "").concatenation.kind == "float32":
        yield "concatenate", "codes times their scale, divided by the output's in float32, rounded half_even"
    norm = target.settings("normalize", "").normalization
    yield (
        "normalize",
        f"mean with {norm.fraction_bits} bits of fraction, floor of the root, reciprocal 2^{norm.reciprocal_bits} / "
        f"root, {norm.result_bits} bits of fraction, rounded {norm.rounding}",
    )
    product = target.settings("multiply", "").multiplication.product
    yield "multiply", f"codes less their zero points, product {_product(product)}, requantised"
    curve = target.settings("curve", "").curve
    lines = f"{curve.index_bits} bits of a code choose an entry, lines between them"
    corrected = f"{lines}, each entry less half of the error in the middle of its line"
    entries = {"interpolated": lines, "corrected": corrected, "table": "an entry for each code"}[curve.form]
    gates = "; sigmoids by a ratio of polynomials in float32" if curve.gates == "rational" else ""
    yield "curve", f"table, {entries}, computed in float{curve.precision}, rounded {curve.rounding}{gates}"
    yield "mean", _mean(target.settings("mean", ""))
    yield (
        "softmax",
        {
            "fixed": "8-bit codes, in fixed point",
            "polynomial": "8-bit codes, by a parabola and shifts",
            "table": "8-bit codes, by a table of exponentials in float32",
            "divided": "8-bit codes, by a table of exponentials in float32, divided in float64",
            "interpolated": "16-bit codes, by two tables with lines between their entries",
            "host": "on the host, in float64",
        }[target.settings("softmax", "").softmax.run_on],
    )
    if _draws(target):
        random = target.random
        taps = ", ".join(map(str, random.taps))
        yield "random", f"shift register of {random.bits} bits, taps {taps}, seed {random.seed}"


def _mean(settings: Settings) -> str:
    accumulator = settings.pooling.accumulator
    width = format_name(accumulator.bits, accumulator.signed)
    form = settings.pooling.mean
    codes = "codes as they are stored" if form == "folded" else "codes less their zero point"
    divided = form == "divided"
    how = "requantised by a multiplier divided by their number" if divided else "requantised with their number"
    how += " times the output's scale" if form in ("folded", "scaled_count") else ""
    how += ", less the zero point, rescaled" if form == "folded" else ""
    return f"{codes}, sum {width} {accumulator.overflow}, {how}"


def _draws(target: Target) -> bool:
    """Whether any rounding, overrides included, draws random numbers."""
    return "stochastic_" in str(target.model_dump(mode="json", exclude={"name", "description"}))


def _overrides(target: Target) -> Iterator[tuple[str, str]]:
    sections: list[tuple[Location, Settings]] = [(("operations", name), own) for name, own in target.operations.items()]
    sections += [(("layers", name), own) for name, own in target.layers.items()]
    for place, settings in sections:
        given = settings.model_dump(mode="json", exclude_unset=True)
        yield dotted(place), "; ".join(f"{key}: {value}" for key, value in _flat(given, ())) or "nothing"
    if not sections:
        yield "none", "every operation and layer has the settings above"


def _flat(data: Mapping[str, object], at: Location) -> Iterator[tuple[str, str]]:
    """Yield every single key of nested mappings with its dotted name."""
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(cast("Mapping[str, object]", value), (*at, key))
        else:
            yield (
                dotted((*at, key)),
                yaml.safe_dump(name_first(value), sort_keys=False, default_flow_style=True, width=1 << 20).split("\n")[
                    0
                ],
            )
