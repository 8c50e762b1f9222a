"""A program in which all points are lifted that can be, and single points of it made real again.

The codes of the ideal program are finer than the target's. A point that is made real again there counts in the target's
unit all the same: its word has as many bits more as its unit has become finer, or drops as many bits more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsim.errors import HwsimError
from hwsim.network import Add, MatMul, Mean, Network, Weighted
from hwsim.network.pooling import Pool
from hwsim.program import Program
from hwsim.quantize import Plan
from hwsim.quantize.sharing import PASS_THROUGH
from hwsim.target import Settings, Target
from hwsim.target.override import Keys, overridden
from hwsim.target.target import merge
from hwsim.trial.lift import WIDE, Lift, NotLiftedError, apply_all, layer_keys, names_by_layer, passed_on

Lower = Callable[[Plan, Target], Program]

WITH_OUTPUT = ("requantize", "activation")
"""Groups that have a meaning only together with the format of their layer's output."""

WITH_ALL = ("curve", "softmax")
"""Groups that have a meaning only together with the formats of their layer's input and output."""


@dataclass(frozen=True, kw_only=True)
class Ideal:
    """A program with the points of ``lifted`` lifted, all at once; ``refused`` could not be, each with the reason."""

    network: Network
    plan: Plan
    target: Target
    program: Program
    lifted: tuple[Lift, ...]
    refused: tuple[tuple[Lift, str], ...]


def idealised(wanted: Sequence[Lift], network: Network, plan: Plan, target: Target, lower: Lower) -> Ideal:
    """Lift as many points as can be lifted together, in the order given; name those that cannot, and why.

    lower: makes a program of a plan and a target.
    """
    chosen: list[Lift] = []
    refused = [(one, one.obstacle) for one in wanted if one.obstacle]
    made = plan, target, lower(plan, target)
    waiting = [[one for one in wanted if not one.obstacle]]
    while waiting:
        some = waiting.pop()
        if not some:
            continue
        try:
            changed = apply_all([*chosen, *some], network, plan, target)
            made = *changed, lower(*changed)
            chosen += some
        except HwsimError as error:
            if len(some) == 1:
                refused.append((some[0], str(error).splitlines()[0]))
            else:  # what stands in the way is found by halves
                half = len(some) // 2
                waiting += [some[half:], some[:half]]
    return Ideal(
        network=network,
        plan=made[0],
        target=made[1],
        program=made[2],
        lifted=tuple(chosen),
        refused=tuple(refused),
    )


@dataclass(frozen=True, kw_only=True)
class Alone:
    """Makes the points of one lift real again, in an ideal program, all others staying ideal.

    plan, target, program: the real ones.
    """

    ideal: Ideal
    plan: Plan
    target: Target
    program: Program

    def beside(self, one: Lift) -> tuple[str, ...]:
        """Return the tensors whose formats are real with a point, without which it has no meaning; mostly none."""
        names = [one.layer] if one.name in WITH_OUTPUT + WITH_ALL else []
        names += self.ideal.network.by_name[one.layer].inputs if one.name in WITH_ALL else ()
        return tuple(dict.fromkeys(name for name in map(self._maker, names) if name in self.plan.tensors))

    def apply(self, one: Lift) -> tuple[Plan, Target]:
        """Return the ideal plan and target with the points of ``one`` real. Raises NotLiftedError."""
        if all(other is not one for other in self.ideal.lifted):
            raise NotLiftedError("it is real in the ideal program, too")
        if one.name == "weight":
            return self._real_weights(one), self.ideal.target
        plan = self.with_tensors((self._maker(one.layer),) if one.finer else self.beside(one))
        if one.finer:
            return plan, self.ideal.target
        if one.name == "bias" and one.layer in plan.weights:
            scale = self.plan.weights[one.layer].bias_scale
            entry = plan.weights[one.layer].model_copy(update={"bias_scale": scale})
            plan = plan.model_copy(update={"weights": {**plan.weights, one.layer: entry}})
        return plan, overridden(self.target, self._keys(one))

    def with_tensors(self, names: Collection[str]) -> Plan:
        """Return the ideal plan with the formats of some tensors real."""
        tensors = {**self.ideal.plan.tensors, **{name: self.plan.tensors[name] for name in names}}
        passed_on(self.ideal.network, tensors, names)
        return self.ideal.plan.model_copy(update={"tensors": tensors})

    def _real_weights(self, one: Lift) -> Plan:
        ideal, real = self.ideal.plan, self.plan.weights[one.layer]
        if "bias" in [other.name for other in self.ideal.lifted if other.layer == one.layer]:
            real = real.model_copy(update={"bias_scale": None})
        return ideal.model_copy(update={"weights": {**ideal.weights, one.layer: real}})

    def _maker(self, name: str) -> str:
        """Return the tensor whose codes another one only passes on."""
        while isinstance(operation := self.ideal.network.by_name[name], PASS_THROUGH):
            name = operation.inputs[0]
        return name

    def _keys(self, one: Lift) -> dict[str, Keys]:
        """Return the settings of all layers: as in the ideal program, but for the points of ``one``."""
        found: dict[str, Keys] = {}
        for layer, names in names_by_layer(self.ideal.lifted).items():
            operation = self.ideal.network.by_name[layer]
            settings = self.target.settings(operation.kind, layer)
            others = [name for name in names if layer != one.layer or name != one.name]
            keys = layer_keys(operation, others, settings)
            if layer == one.layer:
                keys = merge(keys, self._real(one, keys, settings))
            found |= {layer: keys} if keys else {}
        return found

    def _real(self, one: Lift, keys: Keys, settings: Settings) -> Keys:
        """Return the settings by which a point counts in its real unit though the codes before it are finer."""
        operation, extra = self.ideal.network.by_name[one.layer], self._extra_bits(one)
        stages: list[dict[str, Any]] = [stage.model_dump(mode="json") for stage in settings.mac.stages]
        given: Any = keys.get("mac", {})
        stages = given.get("stages", stages) if isinstance(operation, Weighted | MatMul) else stages
        if one.name == "bias":
            # the sum that starts from a bias has the bits of an ideal one, and so room for its shift
            return {"bias": {"bits": settings.bias.bits, "shift": extra}} if settings.bias.scale == "sum" else {}
        if one.name == "product":
            section = (
                settings.mac.product if isinstance(operation, Weighted | MatMul) else settings.multiplication.product
            )
            assert section is not None
            product = {"product": _coarser(section.model_dump(mode="json"), extra)}
            return {"mac" if isinstance(operation, Weighted | MatMul) else "multiplication": product}
        if one.name in [stage["name"] for stage in stages] and isinstance(operation, Weighted | MatMul):
            real = [_coarser(each, extra) if each["name"] == one.name else each for each in stages]
            if "bias" in [other.name for other in self.ideal.lifted if other.layer == one.layer]:
                return {"mac": {"stages": real}, **_bias_within(real, settings)}
            return {"mac": {"stages": real}}
        if one.name == "accumulator":
            section = settings.pooling if isinstance(operation, Pool | Mean) else settings.addition
            fit = _coarser(section.accumulator.model_dump(mode="json"), extra)
            return {"pooling" if isinstance(operation, Pool | Mean) else "addition": {"accumulator": fit}}
        if one.name == "requantize" and isinstance(operation, Add) and settings.addition.kind == "rescaled":
            finer = math.ceil(
                math.log2(self.plan.tensors[operation.inputs[0]].scale / self._scale(operation.inputs[0]))
            )
            return {"addition": {"left_shift": max(settings.addition.left_shift - finer, 0)}}
        return {}

    def _scale(self, name: str) -> float:
        return self.ideal.plan.tensors[name].scale

    def _extra_bits(self, one: Lift) -> int:
        """Return by how many bits the unit of a point is finer in the ideal program. Raises NotLiftedError."""
        if one.part != "accumulator":
            return 0
        real, ideal = (
            next(
                (
                    point.unit
                    for each in program.operations
                    if each.layer == one.layer
                    for point in each.points
                    if point.name == one.points[0]
                ),
                None,
            )
            for program in (self.program, self.ideal.program)
        )
        if real is None:
            return 0
        if ideal is None:  # a product that is exact has no point; its unit is that of the first sum
            return self._product_bits(one)
        bits = np.log2(real / ideal)
        extra = round(float(bits[0]))
        if np.any(np.abs(bits - extra) > 1e-6) or extra < 0:  # noqa: PLR2004
            raise NotLiftedError("its unit in the ideal program is not finer by whole bits")
        return extra

    def _product_bits(self, one: Lift) -> int:
        operation = self.ideal.network.by_name[one.layer]
        settings = self.target.settings(operation.kind, one.layer)
        scales = [(self.plan.tensors[name].scale, self._scale(name)) for name in operation.inputs]
        if isinstance(operation, Weighted):
            scales.append((self.plan.weights[one.layer].scale[0], self.ideal.plan.weights[one.layer].scale[0]))
            section = settings.mac.product
        else:
            section = settings.mac.product if isinstance(operation, MatMul) else settings.multiplication.product
        assert section is not None
        finer = sum(math.log2(real / ideal) for real, ideal in scales)
        return round(finer) + section.shift


def _coarser(section: Mapping[str, Any], extra: int) -> dict[str, Any]:
    """Return a width that does to values in a unit 2^extra times finer what ``section`` does to them in its own."""
    if section.get("shift"):
        return {**section, "shift": extra}
    bits = section["bits"] + extra
    return {**section, **WIDE} if bits > WIDE["bits"] else {**section, "bits": bits}


def _bias_within(stages: Sequence[Mapping[str, Any]], settings: Settings) -> Keys:
    """Return the width of an ideal bias that one of these stages starts from."""
    widths = {"first": stages[-1]["bits"], "inner": stages[0]["bits"]}
    return {"bias": {"bits": widths.get(settings.bias.position, 64)}}
