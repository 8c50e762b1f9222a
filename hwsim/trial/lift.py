"""Lift a truncation point: make it lossless in a copy of plan and target, to see what its loss does to the results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hwsim.network import Activation, Input, MatMul, Network, Normalize, Operation, Resize, Softmax, Weighted
from hwsim.network.pooling import Pool
from hwsim.program import Program
from hwsim.quantize import Plan
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
from hwsim.trial.finer import NOWHERE, STORED, STORED_BITS, NotLiftedError, finer_plan
from hwsim.trial.widths import Widths

Part = Literal["weights", "activations", "accumulator", "rounding"]
Reach = Mapping[str, tuple[float, float]]
"""The smallest and the largest real value that was seen of each tensor."""

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


INSIDE = ("mean", "variance", "root", "reciprocal", "normalized")
"""Points of a normalisation before its post-pipeline."""

BY_FORMAT = ("division", "division_width", "interpolation", "curve")
"""Groups whose rounding is that of the output's format, and so is gone where that is fine enough."""


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
    def jointly(self) -> bool:
        """Whether an obstacle is none where the formats around the points are lifted, too."""
        return self.name == "bias" or self.name in BY_FORMAT

    @property
    def finer(self) -> bool:
        """Whether lifting makes codes finer, and so the sums of what reads them larger."""
        return self.name == "weight" or self.name in STORED

    def apply(self, network: Network, plan: Plan, target: Target) -> tuple[Plan, Target]:
        """Return a plan and a target with the points lifted, all else as it is. Raises NotLiftedError."""
        if self.obstacle:
            raise NotLiftedError(self.obstacle)
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
    """Return a plan and a target with several points lifted, all else counting in the unit that it had.

    Raises NotLiftedError.
    """
    for one in chosen:
        if one.obstacle and not one.jointly:
            raise NotLiftedError(one.obstacle)
    finer = finer_plan(network, plan, [(one.layer, one.name, one.reach) for one in chosen])
    names: dict[str, list[str]] = {}
    for one in chosen:
        if not one.finer and not (one.obstacle and one.name in BY_FORMAT):
            names.setdefault(one.layer, []).append(one.name)
    keys: dict[str, Keys] = {}
    for operation in network.operations:
        changes = Widths(operation, plan, finer, target)
        if operation.name in names or changes.any:
            found = changes.keys(names.get(operation.name, ()))
            keys |= {operation.name: found} if found else {}
    return finer, overridden(target, keys) if keys else target


def _group(operation: Operation, point: str, settings: Settings) -> str:
    """Return the name under which a point is lifted."""
    if isinstance(operation, Softmax):
        return "input" if settings.softmax.run_on == "host" else "softmax"
    own = {"accumulator", "constant", "product", *BY_FORMAT}
    if isinstance(operation, Weighted | MatMul):
        stages = [stage.name for stage in settings.mac.stages]
        own = {*stages, "weight", "bias", "product"}
        point = stages[-1] if point == "bias_sum" else point
    if isinstance(operation, Normalize) and point in INSIDE:
        return "normalization"
    if operation.kind == "input":
        return "input"
    point = "output" if point == "encode" else point
    return point if point in {*own, "activation", "output"} else "requantize"


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
        case "bias" if settings.bias.bits == _widest_bias(settings) and _in_units_of_the_sum(settings):
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


def _widest_bias(settings: Settings) -> int:
    """Return the widest that a bias can be: as the stage that starts from it."""
    stages = {"first": settings.mac.stages[-1], "inner": settings.mac.stages[0]}
    return stages[settings.bias.position].bits if settings.bias.position in stages else 64
