"""Lift a truncation point: make it lossless in a copy of plan and target, to see what its loss does to the results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hwsim.errors import HwsimError
from hwsim.network import Activation, Add, Input, MatMul, Mean, Network, Operation, Resize, Softmax, Weighted
from hwsim.network.pooling import Pool
from hwsim.program import Program
from hwsim.quantize import Plan
from hwsim.quantize.plan import TensorPlan, WeightPlan
from hwsim.quantize.sharing import PASS_THROUGH
from hwsim.target import Settings, Target
from hwsim.target.override import Keys, overridden
from hwsim.target.steps import (
    ActivationStep,
    FitStep,
    MultiplyFloatStep,
    MultiplyStep,
    ShiftLeftStep,
    ShiftRightStep,
    ZeroPointStep,
    goes_by_ratio,
)

Entry = TypeVar("Entry", TensorPlan, WeightPlan)

WIDE = {"bits": 64, "signed": True, "overflow": "wrap", "saturated_bits": 0}
"""A width that no sum of ours fills."""

STORED_BITS = 16
"""The widest stored code."""

RESCALING = (
    ActivationStep,
    FitStep,
    MultiplyFloatStep,
    MultiplyStep,
    ShiftLeftStep,
    ShiftRightStep,
    ZeroPointStep,
)
"""Steps that only bring a sum to the output's scale, so that one multiplication can stand for them."""


class NotLiftedError(HwsimError):
    """A truncation point cannot be made lossless; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Lift:
    """One layer's ``points`` that are lifted together, under the ``name`` that they share with other layers' points.

    ``how`` says what is changed. ``obstacle`` says why the points cannot be lifted; it is empty where they can.
    """

    layer: str
    name: str
    points: tuple[str, ...]
    how: str = ""
    obstacle: str = ""

    def apply(self, network: Network, plan: Plan, target: Target) -> tuple[Plan, Target]:
        """Return a plan and a target with the points lifted, all else as it is. Raises NotLiftedError."""
        if self.obstacle:
            raise NotLiftedError(self.obstacle)
        operation = network.by_name[self.layer]
        if self.name == "weight":
            finer = {self.layer: finer_codes(plan.weights[self.layer])}
            return plan.model_copy(update={"weights": {**plan.weights, **finer}}), target
        if self.name in ("input", "output", "constant"):
            return finer_tensor(network, plan, self.layer), target
        settings = target.settings(operation.kind, operation.name)
        return plan, overridden(target, {self.layer: _keys(operation, self.name, settings)})


def lifts(network: Network, program: Program, target: Target) -> Iterator[Lift]:
    """Yield what can be lifted in a program, and what cannot with the reason, in the datapath's order."""
    for one in program.operations:
        operation = network.by_name[one.layer]
        settings = target.settings(operation.kind, operation.name)
        groups: dict[str, list[str]] = {}
        for point in one.points:
            groups.setdefault(_group(operation, point.name, settings), []).append(point.name)
        for name, points in groups.items():
            how, obstacle = _way(operation, name, settings)
            yield Lift(layer=one.layer, name=name, points=tuple(points), how=how, obstacle=obstacle)


def apply_all(chosen: Sequence[Lift], network: Network, plan: Plan, target: Target) -> tuple[Plan, Target]:
    """Return a plan and a target with several points lifted. Raises NotLiftedError."""
    for one in chosen:
        plan, target = one.apply(network, plan, target)
    return plan, target


def refuse_narrow_sums(changed: Program, base: Program) -> None:
    """Raise NotLiftedError if finer codes could make a sum overflow: the lift would then show another loss."""
    known = {id(one) for one in base.operations}
    for one in changed.operations:
        for point in one.points:
            if id(one) not in known and point.stage and not point.proven:
                raise NotLiftedError(f"finer codes make larger sums, which {point.name} ({point.format}) may not hold")


def finer_codes(entry: Entry) -> Entry:
    """Return an entry of 16 bits for twice the range, in the smallest steps that this leaves. Raises NotLiftedError."""
    extra = STORED_BITS - 1 - entry.bits - (not entry.signed)
    if extra < 1 or getattr(entry, "levels", None):
        reason = "codes of uneven steps" if getattr(entry, "levels", None) else f"codes of {entry.bits} bits"
        raise NotLiftedError(f"{reason} cannot be made finer within the {STORED_BITS} bits of a stored code")
    change: dict[str, Any] = {"bits": STORED_BITS, "signed": True, "narrow": False}
    if isinstance(entry, TensorPlan):
        change |= {"scale": entry.scale / 2**extra, "zero_point": entry.zero_point << extra}
    else:
        change["scale"] = tuple(scale / 2**extra for scale in entry.scale)
        change["zero_point"] = tuple(zero_point << extra for zero_point in entry.zero_point)
    return entry.model_copy(update=change)


def finer_tensor(network: Network, plan: Plan, name: str) -> Plan:
    """Return a plan with finer codes for a tensor, and for those that pass its codes on."""
    finer = {name: finer_codes(plan.tensors[name])}
    for one in network.operations:
        if isinstance(one, PASS_THROUGH) and one.inputs[0] in finer:
            finer[one.name] = finer[one.inputs[0]]
    return plan.model_copy(update={"tensors": {**plan.tensors, **finer}})


def _group(operation: Operation, point: str, settings: Settings) -> str:
    """Return the name under which a point is lifted."""
    if isinstance(operation, Softmax):
        return "input" if settings.softmax.run_on == "host" else "softmax"
    if isinstance(operation, Weighted | MatMul):
        stages = [stage.name for stage in settings.mac.stages]
        if point == "bias_sum":
            return stages[-1]
        if point in (*stages, "weight", "bias", "product"):
            return point
    elif point in ("accumulator", "division", "division_width", "product", "constant", "curve", "interpolation"):
        return point
    if operation.kind == "input":
        return "input"
    return point if point in ("activation", "output") else "requantize"


def _way(  # noqa: PLR0911, PLR0912
    operation: Operation, name: str, settings: Settings
) -> tuple[str, str]:
    """Return how points are lifted, and what stands against it: one of them is empty."""
    match name:
        case "input" if isinstance(operation, Input) and operation.indices:
            return "", "indices are stored as they are"
        case "weight" | "input" | "output" | "constant" if not isinstance(operation, Pool | Resize):
            return f"{STORED_BITS}-bit codes for twice the range", ""
        case "output":
            return "", f"{'a resize' if isinstance(operation, Resize) else 'pooling'} keeps its input's codes"
        case "division" | "division_width":
            return "", "the quotient must be a code, so its rounding belongs to the format of the output"
        case "interpolation":
            return "", "a pixel must be a code, so its rounding belongs to the format of the output"
        case "curve" if {getattr(settings.curve, key) for key in ("form", "hard_silu", "gates", "gelu")} == {"table"}:
            return "", "an entry must be a code, so its rounding belongs to the format of the output"
        case "curve":
            return "an entry for each code, from float64", ""
        case "accumulator" if isinstance(operation, Activation):
            return "", "it has 64 bits already"
        case "bias" if settings.bias.bits == _bias_bits(settings) and _in_units_of_the_sum(settings):
            return "", "it is as wide as the sum it enters, and its rounding to the unit of that sum cannot be lifted"
        case "bias":
            return "as wide as the sum it enters, in its unit; its rounding to that unit stays", ""
        case "product":
            return "exact products", ""
        case "softmax":
            return "computed by the host in float64", ""
        case "activation":
            return "32-bit slopes, rounded half_even", ""
        case "requantize" if not _only_rescales(settings):
            return "", "the list of steps does more than rescale, so nothing exact can stand for it"
        case "requantize":
            return "multiplied in float64, rounded half_even once; that rounding belongs to the output's format", ""
        case _:
            return "64 bits, nothing dropped", ""


def _in_units_of_the_sum(settings: Settings) -> bool:
    return not settings.bias.shift and settings.bias.scale == "sum"


def _only_rescales(settings: Settings) -> bool:
    steps = settings.requantize.expanded()
    return goes_by_ratio(steps) and all(isinstance(step, RESCALING) for step in steps)


def _keys(operation: Operation, name: str, settings: Settings) -> Keys:  # noqa: PLR0911
    """Return the settings that lift points of a layer."""
    simple: dict[str, Keys] = {
        "bias": {"bias": {"bits": _bias_bits(settings), "shift": 0, "scale": "sum"}},
        "softmax": {"softmax": {"run_on": "host"}},
        "activation": {"activation": {"multiplier_bits": 32, "rounding": "half_even"}},
    }
    if name in simple:
        return simple[name]
    if name == "requantize":
        exact = {"requantize": {"kind": "float64", "rounding": "half_even", "rule": "nearest", "steps": None}}
        return (
            {**exact, "addition": {"kind": "rescaled", "left_shift": _finest_shift(operation, settings)}}
            if isinstance(operation, Add)
            else exact
        )
    if name == "curve":
        return {
            "curve": {
                "form": "table",
                "hard_silu": "table",
                "gates": "table",
                "gelu": "table",
                "precision": 64,
                "rounding": "half_even",
            }
        }
    if name == "product":
        return {"mac" if isinstance(operation, Weighted | MatMul) else "multiplication": {"product": None}}
    if isinstance(operation, Weighted | MatMul):
        wide = {**WIDE, "shift": 0}
        stages = [stage.model_dump(mode="json") for stage in settings.mac.stages]
        return {"mac": {"stages": [{**one, **wide} if one["name"] == name else one for one in stages]}}
    return {"pooling" if isinstance(operation, Pool | Mean) else "addition": {"accumulator": WIDE}}


def _bias_bits(settings: Settings) -> int:
    """Return the widest that a bias can be: as the stage that starts from it."""
    stages = {"first": settings.mac.stages[-1], "inner": settings.mac.stages[0]}
    return stages[settings.bias.position].bits if settings.bias.position in stages else 64


def _finest_shift(operation: Operation, settings: Settings) -> int:
    """Return the bits by which the inputs of an addition can be shifted left while the sum is sure to hold them."""
    room = settings.addition.accumulator.bits - settings.activations.bits - 1 - len(operation.inputs).bit_length()
    return max(settings.addition.left_shift, min(room, 20))
