"""What could be done about a truncation point: keys of the target that say otherwise, each with a sentence.

A new remedy is one more branch here; what a target's rules refuse, what changes nothing and what does not help drops
out when it is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwsim.formats import Rounding
from hwsim.network import Add, MatMul, Mean, Network, Operation, Weighted
from hwsim.network.pooling import Pool
from hwsim.report.figures import CostFigures
from hwsim.report.wording import counted
from hwsim.target import Settings, Target
from hwsim.target.override import Keys
from hwsim.target.settings import Mac, Product, Stage
from hwsim.target.steps import Step
from hwsim.target.target import merge

Needed = Mapping[tuple[str, str], int]
"""The bits that would have held every value at a point: layer and point."""

WIDER = {1: 2, 2: 4, 3: 4, 4: 8, 5: 8, 6: 8, 7: 8}
"""The next usual width of a code; 16 bits above 7."""

MULTIPLIER_BITS = 32

BIASED = (Rounding.FLOOR, Rounding.CEIL, Rounding.TOWARD_ZERO, Rounding.AWAY_FROM_ZERO)
"""Rounding modes that drop a fraction of a half and more, and so move means."""


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """A change of a target for some ``layers``, or a ``technique``, or ranges from the ``data`` itself.

    ``theme`` is the part of the target that it changes.
    """

    theme: str
    text: str
    layers: Mapping[str, Keys] | None = None
    technique: str = ""
    data: bool = False

    @property
    def size(self) -> int:
        """How much is changed: of two that help as much the smaller is better."""
        return len(self.layers or ()) or 1000


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one layer could do. Changes of one ``kind`` are also tried together, under that name if texts differ."""

    theme: str
    text: str
    keys: Keys
    kind: str = ""

    @property
    def group(self) -> str:
        """What it is tried together with."""
        return self.kind or self.text


def remedies(costs: Sequence[CostFigures], network: Network, target: Target, needed: Needed) -> Iterator[Remedy]:
    """Yield what could help with points, those that cost most first; each alone, and then all of one kind together."""
    together: dict[tuple[str, str], list[tuple[str, Change]]] = {}
    for one in costs:
        operation = network.by_name[one.layer]
        settings = target.settings(operation.kind, one.layer)
        for change in _of(one, operation, settings, needed):
            some = together.setdefault((change.theme, change.group), [])
            if (one.layer, change) not in some:
                some.append((one.layer, change))
                yield Remedy(theme=change.theme, text=f"{one.layer}: {change.text}", layers={one.layer: change.keys})
    for (theme, group), some in together.items():
        layers: dict[str, Keys] = {}
        for layer, change in some:
            layers[layer] = merge(layers.get(layer, {}), change.keys)
        if len(layers) > 1:
            texts = {change.text for _, change in some}
            text = texts.pop() if len(texts) == 1 else group
            yield Remedy(theme=theme, text=f"{counted(len(layers), 'layer')}: {text}", layers=layers)


def _of(one: CostFigures, operation: Operation, settings: Settings, needed: Needed) -> Iterator[Change]:
    """Yield the remedies for one point."""
    match one.point:
        case "weight":
            yield from _stored("weights", settings)
        case "input" | "output" | "constant":
            yield from _stored("activations", settings)
        case "requantize" | "activation":
            yield from _rescaling(settings)
        case "curve":
            curve: dict[str, object] = dict.fromkeys(("form", "gates", "gelu", "hard_silu"), "table")
            yield Change(theme="rounding", text="curves from full tables", keys={"curve": curve})
        case "softmax":
            yield Change(theme="rounding", text="softmax on the host", keys={"softmax": {"run_on": "host"}})
        case "division" | "division_width" if settings.pooling.rounding in BIASED:
            yield Change(theme="rounding", text="means rounded half_away", keys={"pooling": {"rounding": "half_away"}})
        case "accumulator" if isinstance(operation, Pool | Mean | Add):
            name, section = (
                ("pooling", settings.pooling) if isinstance(operation, Pool | Mean) else ("addition", settings.addition)
            )
            bits = needed.get((one.layer, "accumulator"), 0)
            if bits > section.accumulator.bits:
                yield _wider("accumulator", bits, {name: {"accumulator": {"bits": bits}}})
        case _ if isinstance(operation, Weighted | MatMul):
            yield from _sums(one, settings, needed)


def _wider(name: str, bits: int, keys: Keys) -> Change:
    kind = "accumulators as wide as needed"
    return Change(theme="accumulator", text=f"{name} of {bits} bits", keys=keys, kind=kind)


def _stored(part: str, settings: Settings) -> Iterator[Change]:
    """Yield other ways to store weights or feature maps."""
    section = getattr(settings, part)
    noun = "weights" if part == "weights" else "feature maps"
    if part == "weights" and section.granularity == "layer":
        keys = {part: {"granularity": "output_channel"}}
        yield Change(theme=part, text="weights with a scale for each output channel", keys=keys)
    for method in ("minmax", "mean_square"):
        if section.range.method != method:
            yield Change(theme=part, text=f"ranges of {noun} by {method}", keys={part: {"range": {"method": method}}})
    if part == "activations" and section.symmetric and section.step == "uniform":
        yield Change(theme=part, text=f"{noun} with a zero point", keys={part: {"symmetric": False}})
    bits = WIDER.get(section.bits, 16)
    if bits > section.bits:
        yield Change(theme=part, text=f"{noun} of {bits} bits", keys={part: {"bits": bits}})


def _rescaling(settings: Settings) -> Iterator[Change]:
    """Yield other ways to round and to multiply behind a sum."""
    section = settings.requantize
    half_even, keys = "requantised with half_even", dict[str, Any]()
    if section.kind == "steps" and section.steps is not None:
        steps = [step.model_dump(mode="json", exclude_unset=True) for step in section.steps]
        listed = zip(section.steps, steps, strict=True)
        better = [{**keys, "rounding": "half_even"} if _biased(step) else keys for step, keys in listed]
        if better != steps:
            keys = {"requantize": {"steps": better}}
            yield Change(theme="rounding", text=half_even, keys=keys)
    elif section.rounding in BIASED and section.kind != "fixed_double":
        yield Change(theme="rounding", text=half_even, keys={"requantize": {"rounding": "half_even"}})
    if section.kind in ("fixed", "fixed_reduced") and section.multiplier_bits < MULTIPLIER_BITS:
        keys = {"requantize": {"multiplier_bits": MULTIPLIER_BITS}}
        yield Change(theme="rounding", text=f"multipliers of {MULTIPLIER_BITS} bits", keys=keys)
    if settings.activation.multiplier_bits < MULTIPLIER_BITS or settings.activation.rounding in BIASED:
        slopes = {"multiplier_bits": MULTIPLIER_BITS, "rounding": "half_even"}
        yield Change(theme="rounding", text=f"slopes of {MULTIPLIER_BITS} bits", keys={"activation": slopes})


def _biased(step: Step) -> bool:
    return getattr(step, "rounding", None) in BIASED


def _sums(one: CostFigures, settings: Settings, needed: Needed) -> Iterator[Change]:
    """Yield remedies for a product, a bias or a stage: the bits that are needed, another rounding, nothing dropped."""
    mac, keys = settings.mac, dict[str, Any]()
    if one.point == "product":
        yield Change(theme="accumulator", text="exact products", keys={"mac": {"product": None}})
        if mac.product is not None and _biased_shift(mac.product):
            keys = {"mac": {"product": {"rounding": "half_even"}}}
            yield Change(theme="accumulator", text="products rounded half_even", keys=keys)
        return
    names = [stage.name for stage in mac.stages]
    index = len(names) - 1 if one.point == "bias" else names.index(one.point)
    stage = mac.stages[index]
    bits = max(needed.get((one.layer, point), 0) for point in (*one.points, "bias", stage.name))
    clipped = needed.get((one.layer, "bias"), 0) > settings.bias.bits
    wide_bias: dict[str, Any] = {"bias": {"bits": bits}} if clipped else {}
    if bits > stage.bits or wide_bias:
        yield _wider(stage.name, bits, {"mac": _with_stage(mac, index, {"bits": max(bits, stage.bits)}), **wide_bias})
    if _biased_shift(stage) and one.point != "bias":
        keys = {"mac": _with_stage(mac, index, {"rounding": "half_even"})}
        yield Change(theme="accumulator", text=f"{stage.name} rounded half_even", keys=keys)


def _biased_shift(section: Product | Stage) -> bool:
    return section.shift > 0 and section.rounding in BIASED


def _with_stage(mac: Mac, index: int, keys: Keys) -> Keys:
    """Return the stages of a datapath, one of them with other keys: lists are replaced whole."""
    stages: list[dict[str, Any]] = [stage.model_dump(mode="json", exclude_defaults=True) for stage in mac.stages]
    return {"stages": [{**each, **keys} if number == index else each for number, each in enumerate(stages)]}
