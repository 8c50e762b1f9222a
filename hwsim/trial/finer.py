"""Finer codes: a copy of a plan whose weights or tensors lose nothing any more, as far as 16 bits go."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, TypeVar

import numpy as np

from hwsim.errors import HwsimError
from hwsim.network import Network, Operation, Prelu, Weighted
from hwsim.quantize import Plan
from hwsim.quantize.decide import kernel_of
from hwsim.quantize.plan import TensorPlan, WeightPlan
from hwsim.quantize.sharing import PASS_THROUGH

Entry = TypeVar("Entry", TensorPlan, WeightPlan)

STORED = ("input", "output", "constant")
"""Points that are lifted by a finer format of their layer's tensor; `weight` is by one of the weights."""

STORED_BITS = 16
"""The widest stored code."""

NOWHERE = (0.0, 0.0)


class NotLiftedError(HwsimError):
    """A truncation point cannot be made lossless; the message says why."""


def finer_plan(network: Network, plan: Plan, points: Iterable[tuple[str, str, tuple[float, float]]]) -> Plan:
    """Return a plan with finer codes at some points: layer, name, and the real range that a tensor has to hold.

    Biases that are points have no scale of their own any more. Raises NotLiftedError.
    """
    weights, tensors = dict(plan.weights), dict(plan.tensors)
    changed: list[str] = []
    for layer, name, reach in points:
        if name == "weight":
            made = finer_weights(network.by_name[layer], plan.weights[layer])
            weights[layer] = made.model_copy(update={"bias_scale": weights[layer].bias_scale})
        elif name in STORED:
            tensors[layer] = finer_codes(plan.tensors[layer], reach)
            changed.append(layer)
        elif name == "bias" and weights[layer].bias_scale is not None:
            weights[layer] = weights[layer].model_copy(update={"bias_scale": None})
    passed_on(network, tensors, changed)
    return plan.model_copy(update={"weights": weights, "tensors": tensors})


def passed_on(network: Network, tensors: dict[str, TensorPlan], changed: Collection[str]) -> None:
    """Give what passes the codes of ``changed`` tensors on their format."""
    moved = set(changed)
    for one in network.operations:
        if isinstance(one, PASS_THROUGH) and one.inputs[0] in moved:
            tensors[one.name] = tensors[one.inputs[0]]
            moved.add(one.name)


def maker_of(network: Network, name: str) -> str:
    """Return the tensor whose codes another one only passes on, or that itself."""
    while isinstance(operation := network.by_name[name], PASS_THROUGH):
        name = operation.inputs[0]
    return name


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
