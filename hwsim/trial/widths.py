"""Settings of a layer that lift some of its points, and keep all others as they are though codes became finer.

Where the codes of a layer's input or of its weights are finer, so is the unit of its sums. A word that stays as it is
counts in its own unit all the same: it has as many bits more as its unit is finer, or drops as many bits more, so that
it saturates, wraps and rounds where it did.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hwsim.network import (
    Activation,
    Add,
    Concatenate,
    MatMul,
    Mean,
    Multiply,
    Normalize,
    Operation,
    Prelu,
    Weighted,
)
from hwsim.network.pooling import Pool
from hwsim.program.ratio import sum_weights
from hwsim.quantize import Plan
from hwsim.target import Settings, Target
from hwsim.target.override import Keys
from hwsim.target.section import Fit
from hwsim.target.settings import Product
from hwsim.target.steps import (
    RATIO,
    ActivationStep,
    BiasStep,
    FitStep,
    MultiplyFloatStep,
    MultiplyStep,
    ShiftLeftStep,
    ShiftRightStep,
    Step,
    ZeroPointStep,
    goes_by_ratio,
)
from hwsim.trial.finer import STORED_BITS, NotLiftedError

WIDE: dict[str, Any] = {"bits": 64, "signed": True, "overflow": "wrap", "saturated_bits": 0}
"""A width that no sum of ours fills."""

REQUANTISED = (Weighted, MatMul, Add, Multiply, Mean, Activation, Prelu, Concatenate, Normalize)
"""Operations with the steps of requantisation behind them."""

UNITLESS = (
    ActivationStep,
    MultiplyFloatStep,
    MultiplyStep,
    ShiftLeftStep,
    ShiftRightStep,
    ZeroPointStep,
    BiasStep,
    FitStep,
)
"""Steps that need no constants of the target's own unit."""


@dataclass(frozen=True)
class Widths:
    """The layer of an operation in a plan, ``real``, beside the same in a plan with finer codes, ``finer``."""

    operation: Operation
    real: Plan
    finer: Plan
    target: Target

    @property
    def any(self) -> bool:
        """Whether codes that the layer reads or makes are finer."""
        return any(one != 0 for one in (*self._inputs, self._weights, self._output))

    @cached_property
    def settings(self) -> Settings:
        """What the target says of the layer."""
        return self.target.settings(self.operation.kind, self.operation.name)

    @cached_property
    def _inputs(self) -> tuple[float, ...]:
        return tuple(self._tensor(name) for name in self.operation.inputs)

    @cached_property
    def _output(self) -> float:
        return self._tensor(self.operation.name)

    def _tensor(self, name: str) -> float:
        """Return by how many bits the codes of a tensor are finer."""
        real, finer = self.real.tensors.get(name), self.finer.tensors.get(name)
        if real is None or finer is None or real is finer:
            return 0.0
        return math.log2(real.scale / finer.scale)

    @cached_property
    def _weights(self) -> float:
        real, finer = (one.weights.get(self.operation.name) for one in (self.real, self.finer))
        return 0.0 if real is None or finer is None else math.log2(real.scale[0] / finer.scale[0])

    def keys(self, lifted: Collection[str]) -> Keys:
        """Return the settings with the groups of points ``lifted``. Raises NotLiftedError where that cannot be said."""
        operation, keys = self.operation, dict[str, Any]()
        if isinstance(operation, Weighted | MatMul):
            extra = self._sums(keys, lifted)
        elif isinstance(operation, Add):
            extra = self._addition(keys, lifted)
        elif isinstance(operation, Multiply):
            extra = round(sum(self._inputs))
            extra = self._product(keys, "multiplication", self.settings.multiplication.product, lifted, extra)
        else:
            extra = round(max(self._inputs, default=0.0))
        if isinstance(operation, Pool | Mean):
            self._running_sum(keys, "pooling", self.settings.pooling.accumulator, lifted, extra)
        self._behind(keys, lifted)
        if "requantize" in lifted:
            exact = {"kind": "float64", "rounding": "half_even", "rule": "nearest", "forming": "float64", "steps": None}
            keys["requantize"] = exact
            if self.settings.bias.position == "steps":  # there is no step any more at which it could enter
                keys["bias"] = {"bits": 64, "shift": 0, "position": "last"}
        elif isinstance(operation, REQUANTISED) and (extra or self._output):
            self._steps(keys, extra, round(self._output))
        return keys

    def _behind(self, keys: dict[str, Any], lifted: Collection[str]) -> None:
        """Say how what comes behind the sums, but requantisation, is computed where it is lifted."""
        if {"division", "division_width"} & set(lifted):
            keys["pooling"] = {**keys.get("pooling", {}), "rounding": "half_even", "average": "integer"}
        if "interpolation" in lifted:
            keys["resize"] = {"rounding": "half_even"}
        if "softmax" in lifted:
            keys["softmax"] = {"run_on": "host"}
        if "activation" in lifted:
            keys["activation"] = {"multiplier_bits": 32, "rounding": "half_even"}
        if "curve" in lifted:
            tables = dict.fromkeys(("form", "hard_silu", "gates", "gelu"), "table")
            keys["curve"] = {**tables, "precision": 64, "rounding": "half_even"}

    def _sums(self, keys: dict[str, Any], lifted: Collection[str]) -> int:
        """Say how products, sums and biases are held; return by how many bits the last sum's unit is finer."""
        settings, operation = self.settings, self.operation
        extra = round(self._weights + sum(self._inputs))
        extra = self._product(keys, "mac", settings.mac.product, lifted, extra)
        given = extra
        stages: list[dict[str, Any]] = []
        starts: dict[str, int] = {}
        for number, stage in enumerate(settings.mac.stages):
            section, extra = _held(stage, extra, lifted=stage.name in lifted)
            stages.append(section)
            starts |= {"inner": extra} if number == 0 else {}
        if given or any(stage.name in lifted for stage in settings.mac.stages):
            keys["mac"] = {**keys.get("mac", {}), "stages": stages}
        if isinstance(operation, Weighted):
            bias, wide = settings.bias, {"first": stages[-1]["bits"], "inner": stages[0]["bits"]}
            finer = starts["inner"] if bias.position == "inner" else extra
            if "bias" in lifted:
                keys["bias"] = {"bits": wide.get(bias.position, 64), "shift": 0, "scale": "sum"}
            elif finer and bias.scale == "sum" and bias.position != "steps":
                shift = bias.shift + finer
                keys["bias"] = {"shift": max(shift, 0), "bits": max(bias.bits + min(shift, 0), 1)}
        return extra

    def _product(
        self,
        keys: dict[str, Any],
        name: str,
        product: Product | None,
        lifted: Collection[str],
        extra: int,
    ) -> int:
        """Say how a product is held, in the section ``name``; return by how many bits the unit behind it is finer."""
        if product is None:
            return extra
        if "product" in lifted:
            keys[name] = {"product": None}
            return extra + int(product.shift)
        if not extra:
            return 0
        section, left = _held(product, extra, lifted=False)
        keys[name] = {"product": section}
        return left

    def _addition(self, keys: dict[str, Any], lifted: Collection[str]) -> int:
        """Say how inputs of a sum are brought to one scale; return by how many bits its unit is finer."""
        addition, names = self.settings.addition, self.operation.inputs
        real, finer = (
            [plan.tensors[name].scale for name in names if name in plan.tensors] for plan in (self.real, self.finer)
        )
        if not real:
            return 0
        if addition.kind == "float32":  # which is as wide as codes ask for, but for its one rounding
            if "requantize" in lifted:
                keys["addition"] = {"kind": "rescaled", "left_shift": 20, "accumulator": WIDE}
            return 0
        extra = round(math.log2(max(real) / max(finer)))
        if "requantize" in lifted:
            wide = addition.accumulator.bits if "accumulator" not in lifted else WIDE["bits"] - extra
            bits = STORED_BITS if extra else self.settings.activations.bits
            room = wide + extra - bits - 1 - len(names).bit_length()
            shift = max(addition.left_shift, min(room, 20))
            if addition.kind == "weighted" and "accumulator" not in lifted:
                raise NotLiftedError("the sum of weighted inputs has a unit of its own, in which its width is given")
            extra += shift - addition.left_shift
            keys["addition"] = {"kind": "rescaled", "left_shift": shift}
        elif addition.kind == "weighted":
            output = [plan.tensors[self.operation.name].scale for plan in (self.real, self.finer)]
            units = [
                scale / 2.0 ** sum_weights(self.operation.name, scales, scale, addition.multiplier_bits)[1]
                for scales, scale in zip((real, finer), output, strict=True)
            ]
            extra = round(math.log2(units[0] / units[1]))
        elif extra and goes_by_ratio(self.settings.requantize.expanded()):
            shift = max(addition.left_shift - extra, 0)
            extra -= addition.left_shift - shift
            keys["addition"] = {"left_shift": shift}
        self._running_sum(keys, "addition", addition.accumulator, lifted, extra)
        return extra

    def _running_sum(
        self, keys: dict[str, Any], name: str, accumulator: Fit, lifted: Collection[str], extra: int
    ) -> None:
        if "accumulator" in lifted:
            keys[name] = {**keys.get(name, {}), "accumulator": WIDE}
        elif extra:
            keys[name] = {**keys.get(name, {}), "accumulator": _held(accumulator, extra, lifted=False)[0]}

    def _steps(self, keys: dict[str, Any], extra: int, output: int) -> None:
        """Say how the steps behind a sum hold values whose unit is finer; a step by ratio follows by itself."""
        listed = self.settings.requantize.expanded()
        by_ratio = [number for number, step in enumerate(listed) if _follows(step)]
        if not by_ratio:
            keys["requantize"] = {"kind": "steps", "steps": _between_units(listed, extra, output)}
            return
        if all(_follows(step) for step in listed):
            return
        made: list[dict[str, Any]] = []
        for number, step in enumerate(listed):
            if not isinstance(step, UNITLESS) and extra:
                raise NotLiftedError(f"the step {step.step} counts in the target's own unit, which would be another")
            section = step.model_dump(mode="json", exclude_defaults=True)
            if isinstance(step, FitStep) and extra:
                room = extra + (output if number < by_ratio[-1] else 0)
                section["bits"] = min(step.bits + max(room, 0), WIDE["bits"])
            elif isinstance(step, ShiftRightStep) and isinstance(step.by, int) and number < by_ratio[-1] and extra > 0:
                section["by"], extra = step.by + extra, 0
            elif isinstance(step, BiasStep) and extra and self.settings.bias.scale == "sum":
                keys["bias"] = {**keys.get("bias", {}), "shift": self.settings.bias.shift + extra}
            made.append(section)
            extra = output if number == by_ratio[-1] else extra
        keys["requantize"] = {"kind": "steps", "steps": made}


def _between_units(listed: Sequence[Step], extra: int, output: int) -> list[dict[str, Any]]:
    """Return steps of a ratio of their own for sums whose unit is finer by ``extra`` bits, and an output's by others.

    Sums are brought to the unit that they had, rounded to nearest. Raises NotLiftedError for coarser units.
    """
    if extra < 0 or output < 0:
        raise NotLiftedError("its codes would be coarser, but the target has a ratio of its own")
    down = {"step": "shift_right", "by": extra, "rounding": "half_even", "name": "to_unit"}
    up = {"step": "shift_left", "by": output}
    own = [step.model_dump(mode="json", exclude_defaults=True) for step in listed]
    return [*([down] if extra else []), *own, *([up] if output else [])]


def _follows(step: Step) -> bool:
    """Whether a step goes by the ratio of the scales."""
    return isinstance(step, MultiplyFloatStep) or getattr(step, "by", None) == RATIO


def _held(section: Fit, extra: int, *, lifted: bool) -> tuple[dict[str, Any], int]:
    """Return a product's, stage's or accumulator's width for a unit finer by so many bits, and what is left of them.

    Codes that are coarser than the target's, since they reach further, leave it as it is.
    """
    given: dict[str, Any] = section.model_dump(mode="json")
    drops = int(given.get("shift", 0))
    if lifted:
        return {**given, **WIDE, **({"shift": 0} if "shift" in given else {})}, extra + drops
    if drops + extra > 0 and drops:
        return {**given, "shift": drops + extra}, 0
    extra += drops
    given |= {"shift": 0} if drops else {}
    bits = given["bits"] + extra
    return ({**given, **WIDE} if bits > WIDE["bits"] else {**given, "bits": max(bits, 1)}), extra
