"""Lift a truncation point: make it lossless in a copy of plan and target, to see what its loss does to the results."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from hwsim.errors import HwsimError
from hwsim.network import (
    Activation,
    Add,
    Input,
    MatMul,
    Mean,
    Network,
    Normalize,
    Operation,
    Prelu,
    Resize,
    Softmax,
    Weighted,
)
from hwsim.network.pooling import Pool
from hwsim.program import Program
from hwsim.quantize import Plan
from hwsim.quantize.decide import kernel_of
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
Part = Literal["weights", "activations", "accumulator", "rounding"]
Reach = Mapping[str, tuple[float, float]]
"""The smallest and the largest real value that was seen of each tensor."""

NOWHERE = (0.0, 0.0)
STORED = ("input", "output", "constant")
"""Groups of points that are lifted by a finer format of a tensor."""

WIDE = {"bits": 64, "signed": True, "overflow": "wrap", "saturated_bits": 0}
"""A width that no sum of ours fills."""

ROUNDING = (
    "requantize",
    "activation",
    "curve",
    "softmax",
    "division",
    "division_width",
    "interpolation",
    "normalization",
)
"""Groups of points behind the sums."""

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
    ``reach`` is the range of real values that a tensor has to hold, for points of its format.
    """

    layer: str
    name: str
    points: tuple[str, ...]
    how: str = ""
    obstacle: str = ""
    reach: tuple[float, float] = NOWHERE

    @property
    def part(self) -> Part:
        """The part of a target that the points belong to; a bias goes with the accumulator that it enters."""
        if self.name in ("weight", *STORED):
            return "weights" if self.name == "weight" else "activations"
        return "rounding" if self.name in ROUNDING else "accumulator"

    @property
    def finer(self) -> bool:
        """Whether lifting makes codes finer, and so the sums of what reads them larger."""
        return self.name == "weight" or self.name in STORED

    def apply(self, network: Network, plan: Plan, target: Target) -> tuple[Plan, Target]:
        """Return a plan and a target with the points lifted, all else as it is. Raises NotLiftedError."""
        return apply_all([self], network, plan, target)


def lifts(network: Network, program: Program, target: Target, reach: Reach | None = None) -> Iterator[Lift]:
    """Yield what can be lifted in a program, and what cannot with the reason, in the datapath's order.

    ``reach`` is what tensors have to hold: a lifted one then loses nothing of it, however little the target's held.
    """
    for one in program.operations:
        operation = network.by_name[one.layer]
        settings = target.settings(operation.kind, operation.name)
        groups: dict[str, list[str]] = {}
        for point in one.points:
            groups.setdefault(_group(operation, point.name, settings), []).append(point.name)
        for name, points in groups.items():
            how, obstacle = _way(operation, name, settings)
            seen = (reach or {}).get(one.layer, NOWHERE)
            yield Lift(layer=one.layer, name=name, points=tuple(points), how=how, obstacle=obstacle, reach=seen)


def apply_all(chosen: Sequence[Lift], network: Network, plan: Plan, target: Target) -> tuple[Plan, Target]:
    """Return a plan and a target with several points lifted. Raises NotLiftedError."""
    plan = finer_plan(chosen, network, plan)
    keys = keys_of(chosen, network, target)
    return plan, overridden(target, keys) if keys else target


def finer_plan(chosen: Sequence[Lift], network: Network, plan: Plan) -> Plan:
    """Return a plan with finer codes for the weights and tensors among some lifts. Raises NotLiftedError."""
    weights, tensors = dict(plan.weights), dict(plan.tensors)
    for one in chosen:
        if one.obstacle:
            raise NotLiftedError(f"{one.layer} {one.name}: {one.obstacle}")
        if one.name == "weight":
            weights[one.layer] = finer_weights(network.by_name[one.layer], plan.weights[one.layer])
        elif one.name in STORED:
            tensors[one.layer] = finer_codes(plan.tensors[one.layer], one.reach)
        elif one.name == "bias" and one.layer in weights:
            weights[one.layer] = weights[one.layer].model_copy(update={"bias_scale": None})
    passed_on(network, tensors, {one.layer for one in chosen if one.name in STORED})
    return plan.model_copy(update={"weights": weights, "tensors": tensors})


def passed_on(network: Network, tensors: dict[str, TensorPlan], changed: Collection[str]) -> None:
    """Give what passes the codes of ``changed`` tensors on their format."""
    moved = set(changed)
    for one in network.operations:
        if isinstance(one, PASS_THROUGH) and one.inputs[0] in moved:
            tensors[one.name] = tensors[one.inputs[0]]
            moved.add(one.name)


def keys_of(chosen: Sequence[Lift], network: Network, target: Target) -> dict[str, Keys]:
    """Return the settings, layer by layer, that lift points which are not of a tensor's format."""
    found: dict[str, Keys] = {}
    for layer, names in names_by_layer(chosen).items():
        operation = network.by_name[layer]
        found[layer] = layer_keys(operation, names, target.settings(operation.kind, layer))
    return found


def names_by_layer(chosen: Sequence[Lift]) -> dict[str, list[str]]:
    """Return the names of what is lifted by settings of the target, layer by layer."""
    found: dict[str, list[str]] = {}
    for one in chosen:
        if not one.finer:
            found.setdefault(one.layer, []).append(one.name)
    return found


def refuse_narrow_sums(changed: Program, base: Program) -> None:
    """Raise NotLiftedError if finer codes could make a sum overflow: the lift would then show another loss."""
    known = {id(one) for one in base.operations}
    for one in changed.operations:
        for point in one.points:
            if id(one) not in known and point.stage and not point.proven:
                raise NotLiftedError(f"finer codes make larger sums, which {point.name} ({point.format}) may not hold")


def finer_codes(entry: Entry, reach: tuple[float, float] = NOWHERE) -> Entry:
    """Return an entry of 16-bit codes in even steps, for twice the range or, where that is more, for ``reach``.

    Steps are the target's by a power of two, the smallest that leave room for both; where ``reach`` is far beyond the
    range they can be larger than the target's. Raises NotLiftedError where 16 bits neither reach further nor are finer.
    """
    extra = STORED_BITS - 1 - entry.bits - (not entry.signed)
    low, high = _span(entry)
    if entry.levels or entry.shift:
        extra = STORED_BITS - 2 - max(-low, high).bit_length()
    finest, scale = extra, max(entry.scale) if isinstance(entry, WeightPlan) else entry.scale
    zero_points = entry.zero_point if isinstance(entry, WeightPlan) else (entry.zero_point,)
    ends = min(low, reach[0] / scale), max(high, reach[1] / scale)
    beyond = ends[0] < low - 1 or ends[1] > high + 1
    while not all(_holds(zero_point, extra, ends) for zero_point in zero_points):
        extra -= 1
    if extra < 1 and not beyond:
        raise NotLiftedError(
            f"codes of {entry.bits} bits cannot be made finer within the {STORED_BITS} bits of a stored code"
        )
    assert extra <= finest
    moved = tuple(_moved(zero_point, extra) for zero_point in zero_points)
    change: dict[str, Any] = {"bits": STORED_BITS, "signed": True, "narrow": False, "levels": None, "shift": ()}
    if isinstance(entry, TensorPlan):
        change |= {"scale": entry.scale / 2.0**extra, "zero_point": moved[0]}
    else:
        change |= {"scale": tuple(one / 2.0**extra for one in entry.scale), "zero_point": moved, "group": 1}
    return entry.model_copy(update=change)


def finer_weights(operation: Operation, entry: WeightPlan) -> WeightPlan:
    """Return an entry of 16-bit codes that holds all of an operation's weights. Raises NotLiftedError."""
    assert isinstance(operation, Weighted | Prelu)
    kernel = kernel_of(operation).astype(np.float64)
    scales = np.broadcast_to(np.asarray(entry.scale), kernel.shape[-1:]) if kernel.ndim else np.asarray(entry.scale)
    relative = kernel / scales * max(entry.scale)  # in units of one scale, so that one number says it of all channels
    return finer_codes(entry, (float(relative.min(initial=0.0)), float(relative.max(initial=0.0))))


def _span(entry: TensorPlan | WeightPlan) -> tuple[int, int]:
    """Return the smallest and the largest multiple of its scale that an entry's codes stand for."""
    if entry.levels:
        return entry.levels[0], entry.levels[-1]
    zero_points = entry.zero_point if isinstance(entry, WeightPlan) else (entry.zero_point,)
    rows = entry.shift if isinstance(entry, WeightPlan) else (entry.shift,)
    most = max((shift for row in rows for shift in row), default=0)
    return (entry.format.minimum - max(zero_points)) << most, (entry.format.maximum - min(zero_points)) << most


def _moved(zero_point: int, extra: int) -> int:
    return zero_point << extra if extra >= 0 else round(zero_point * 2.0**extra)


def _holds(zero_point: int, extra: int, ends: tuple[float, float]) -> bool:
    """Whether 16-bit codes of steps 2^extra times finer hold what lies between ``ends``."""
    limit, moved = 1 << (STORED_BITS - 1), _moved(zero_point, extra)
    return moved + ends[0] * 2.0**extra >= -limit and moved + ends[1] * 2.0**extra <= limit - 1


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
    if point == "encode":
        return "output"
    if isinstance(operation, Normalize) and point in ("mean", "variance", "root", "reciprocal", "normalized"):
        return "normalization"
    return point if point in ("activation", "output") else "requantize"


def _way(  # noqa: PLR0911, PLR0912
    operation: Operation, name: str, settings: Settings
) -> tuple[str, str]:
    """Return how points are lifted, and what stands against it: one of them is empty."""
    match name:
        case "input" if isinstance(operation, Input) and operation.indices:
            return "", "indices are stored as they are"
        case "weight" | "input" | "output" | "constant" if not isinstance(operation, Pool | Resize):
            return f"{STORED_BITS}-bit codes for all that was seen, at least twice the range", ""
        case "output":
            return "", f"{'a resize' if isinstance(operation, Resize) else 'pooling'} keeps its input's codes"
        case "normalization":
            return "", "it is computed in integers, for which nothing finer stands"
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


def layer_keys(operation: Operation, names: Collection[str], settings: Settings) -> Keys:
    """Return the settings that lift groups of points of a layer, together."""
    keys: dict[str, Any] = {}
    wide = {**WIDE, "shift": 0}
    stages = [stage.model_dump(mode="json") for stage in settings.mac.stages]
    if isinstance(operation, Weighted | MatMul):
        stages = [{**one, **wide} if one["name"] in names else one for one in stages]
        mac: dict[str, Any] = {"stages": stages} if any(one.name in names for one in settings.mac.stages) else {}
        mac |= {"product": None} if "product" in names else {}
        keys |= {"mac": mac} if mac else {}
    elif "accumulator" in names:
        keys["pooling" if isinstance(operation, Pool | Mean) else "addition"] = {"accumulator": WIDE}
    if "product" in names and not isinstance(operation, Weighted | MatMul):
        keys["multiplication"] = {"product": None}
    if "bias" in names:
        keys["bias"] = {"bits": _bias_bits(settings, [one["bits"] for one in stages]), "shift": 0, "scale": "sum"}
    if "softmax" in names:
        keys["softmax"] = {"run_on": "host"}
    if "activation" in names:
        keys["activation"] = {"multiplier_bits": 32, "rounding": "half_even"}
    if "requantize" in names:
        keys["requantize"] = {
            "kind": "float64",
            "rounding": "half_even",
            "rule": "nearest",
            "steps": None,
        }
        if isinstance(operation, Add):
            bits = 64 if "accumulator" in names else settings.addition.accumulator.bits
            shift = {"kind": "rescaled", "left_shift": _finest_shift(operation, settings, bits)}
            keys["addition"] = {**keys.get("addition", {}), **shift}
    if "curve" in names:
        tables = dict.fromkeys(("form", "hard_silu", "gates", "gelu"), "table")
        keys["curve"] = {**tables, "precision": 64, "rounding": "half_even"}
    return keys


def _bias_bits(settings: Settings, bits: Sequence[int] = ()) -> int:
    """Return the widest that a bias can be: as the stage that starts from it; ``bits`` are those of the stages."""
    wide = bits or [stage.bits for stage in settings.mac.stages]
    return {"first": wide[-1], "inner": wide[0]}.get(settings.bias.position, 64)


def _finest_shift(operation: Operation, settings: Settings, bits: int) -> int:
    """Return the bits by which the inputs of an addition can be shifted left while a sum of ``bits`` holds them.

    Where the sum is lifted the inputs may be, too, so that there have to be more bits than the inputs have now.
    """
    widest = STORED_BITS if bits == WIDE["bits"] else settings.activations.bits
    room = bits - widest - 1 - len(operation.inputs).bit_length()
    return max(settings.addition.left_shift, min(room, 20))
