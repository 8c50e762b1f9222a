"""Where bits can be lost, before anything has run: the truncation points of a network on a target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwsim.formats import IntFormat, bits_needed
from hwsim.loaders import load
from hwsim.network import Activation, AveragePool, MatMul, Mean, Network, Operation, Softmax, Subtract, Weighted
from hwsim.pipeline import PlanSource, Result
from hwsim.process.table import frame_of, html_of
from hwsim.program import Program, lower
from hwsim.program.mac import kernel_extent
from hwsim.program.records import (
    ConstantCodes,
    IntOperation,
    MultiplyAccumulate,
    Point,
    Quantize,
    ScaleFixed,
    SlopedSum,
)
from hwsim.quantize import Plan, Profile, decide
from hwsim.quantize.decide import kernel_of
from hwsim.quantize.profile import Statistics
from hwsim.report.columns import paragraph, table
from hwsim.report.wording import counted
from hwsim.target import Settings, Target, load_target
from hwsim.target.bounds import Interval, levels, operand
from hwsim_kernels import counting

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What can happen at one truncation point, as far as it is known before a run.

    ``format_in`` is the narrowest format of all that can arrive ("real" for values that become integers here, empty
    where only a run tells), ``format_out`` what leaves. ``clamping`` is "impossible", "possible" or "certain" (of
    weights and biases, which are known); ``bits_needed`` the width that the worst case needs. ``round_off`` is "none",
    "possible" or "certain", by ``rounding``, of ``dropped_bits`` (None where that depends on scales). ``basis`` says
    what the bits are known from: "weights" (proved with the weights and scales of a plan), "worst case" (any weights
    and inputs, the bias aside) or "" (nothing).
    """

    layer: str
    kind: str
    point: str
    format_in: str
    format_out: str
    clamping: str
    bits_needed: int | None
    overflow: str
    round_off: str
    rounding: str
    dropped_bits: int | None
    basis: str


@dataclass(frozen=True, kw_only=True, repr=False)
class TruncationPoints:
    """The truncation points of a network on a target, in the order of the datapath; ``planned`` if with a plan."""

    network: str
    target: str
    planned: bool
    rows: tuple[Outlook, ...]

    def __str__(self) -> str:
        """Return the list as plain text, no line longer than 100 columns; lossless points are summed up."""
        lossy = [one for one in self.rows if one.clamping != "impossible" or one.round_off != "none"]
        safe = len(self.rows) - len(lossy)
        known = (
            "proved with the plan's weights and scales" if self.planned else "for any weights and inputs, bias aside"
        )
        lines = paragraph(
            f"{self.network} on {self.target}: {counted(len(self.rows), 'truncation point')}; {known}", "  "
        )
        lines += [] if not safe else paragraph(f"{counted(safe, 'point')} can lose nothing: {self._safe()}", "  ")
        headers = ["layer", "point", "in", "out", "clamping", "bits\nneeded", "overflow", "round-off", "rounding"]
        rows: list[list[str]] = []
        layer = ""
        for one in lossy:
            needed = "-" if one.bits_needed is None else str(one.bits_needed)
            name = one.layer if one.layer != layer else ""
            layer = one.layer
            dropped = one.round_off if not one.dropped_bits else f"{one.round_off}, {one.dropped_bits} bits"
            forms = [one.format_in or "-", one.format_out or "-"]
            rows.append(
                [name, one.point, *forms, one.clamping, needed, one.overflow or "-", dropped, one.rounding or "-"]
            )
        return "\n".join([*lines, "", *table(headers, rows, names=[18, 11])])

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each layer and truncation point."""
        return frame_of(Outlook, self.rows)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return html_of(f"Truncation points of {self.network} on {self.target}", self.to_frame())

    def _safe(self) -> str:
        names = [one.point for one in self.rows if one.clamping == "impossible" and one.round_off == "none"]
        return ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))


def truncation_points(model: object, target: str | Path | Target, plan: PlanSource | None = None) -> TruncationPoints:
    """List where bits can be lost, and of what kind, before anything runs.

    model: as for ``hwsim.run``; a Result stands for its network and its plan.
    plan: with one, everything is proved from its weights, scales and zero points; without, worst cases are told: sums
        as long as the layer's, of any weights and inputs that the formats allow.

    Raises HwsimError for whatever is wrong with the model, the target or the plan.
    """
    chosen = load_target(target)
    if isinstance(model, Result):
        network, plan = model.network, plan or model.plan
    else:
        network = load(model, target=chosen)
    given = plan if plan is None or isinstance(plan, Plan) else Plan.load(plan)
    program = lower(network, given or neutral_plan(network, chosen), chosen)
    rows = list(outlooks(program))
    if given is None:
        rows = [worst_case(one, network, chosen) for one in rows]
    return TruncationPoints(network=network.name, target=chosen.name, planned=given is not None, rows=tuple(rows))


def neutral_plan(network: Network, target: Target) -> Plan:
    """Return a plan for feature maps from -1 to 1: it has the formats of any other, but scales of no meaning."""
    ends = {name: Statistics() for name in network.shapes}
    for one in ends.values():
        one.add(np.array([-1.0, 1.0], np.float32))
    return decide(network, Profile(ends), target)


def outlooks(program: Program) -> Iterator[Outlook]:
    """Yield what a program proves of its points."""
    for one in program.operations:
        whole = {
            step.point for step in getattr(one, "steps", ()) if isinstance(step, ScaleFixed) and not step.shift.any()
        }
        for number, point in enumerate(one.points):
            yield _outlook(one, number, point, whole=point.name in whole)


def _outlook(one: IntOperation, number: int, point: Point, *, whole: bool) -> Outlook:
    clamping = "impossible" if point.proven or point.format is None else "possible"
    round_off = "none" if point.rounding is None or whole else "possible"
    basis = "weights"
    if point.once:
        assert isinstance(one, ConstantCodes | MultiplyAccumulate | SlopedSum)
        counts = one.initial[number]
        clamping = "certain" if counts[counting.LOW].any() or counts[counting.HIGH].any() else "impossible"
        round_off = "certain" if counts[counting.INEXACT].any() else "none"
    elif isinstance(one, Quantize):
        basis = ""
    form = point.format
    needed = None if form is None or point.bound is None else _needed(form, point.bound)
    return Outlook(
        layer=one.layer,
        kind=one.kind,
        point=point.name,
        format_in="real"
        if point.once or isinstance(one, Quantize)
        else ""
        if form is None
        else _narrowest(point.bound),
        format_out=_narrowest(point.bound) if form is None else str(form),
        clamping=clamping,
        bits_needed=needed,
        overflow="" if point.overflow is None or clamping == "impossible" else str(point.overflow),
        round_off=round_off,
        rounding="" if point.rounding is None or round_off == "none" else str(point.rounding),
        dropped_bits=point.shift if point.shift and round_off != "none" else None,
        basis=basis,
    )


def worst_case(row: Outlook, network: Network, target: Target) -> Outlook:
    """Return what is known of a point without a plan: of sums the worst case, of other values only their formats."""
    operation = network.by_name[row.layer]
    settings = target.settings(operation.kind, operation.name)
    fitted = row.bits_needed is not None or row.format_in == "real"
    unknown = replace(row, format_in="", format_out=row.format_out if fitted else "", bits_needed=None, basis="")
    if row.point == "weight":
        return replace(row, basis="weights")
    if isinstance(operation, Softmax) and row.format_in != "real":
        return replace(row, basis="worst case")
    if row.format_in == "real":
        bias = row.point == "bias"
        return replace(
            row, clamping="possible", overflow=row.overflow or _bias_overflow(settings, bias), round_off="possible"
        )
    bound = sum_bound(operation, row.point, settings, network)
    if bound is None:
        clamping = "possible" if fitted else row.clamping
        overflow = str(settings.output.overflow) if row.point == "output" else row.overflow
        return replace(unknown, clamping=clamping, overflow=overflow, dropped_bits=None)
    low, high, form, overflow = bound
    holds = form.holds(low, high)
    return replace(
        row,
        format_in=_narrowest((low, high)),
        clamping="impossible" if holds else "possible",
        bits_needed=_needed(form, (low, high)),
        overflow="" if holds else overflow,
        basis="worst case",
    )


def sum_bound(
    operation: Operation, point: str, settings: Settings, network: Network
) -> tuple[int, int, IntFormat, str] | None:
    """Return what a product or a sum can be in the worst case, its format and its overflow mode; None for others."""
    if isinstance(operation, Weighted):
        length = prod(kernel_extent(operation, kernel_of(operation).shape))
        for level in levels(settings, length):
            if level.name == point and level.arrives is not None:
                form = IntFormat(bits=level.fit.bits, signed=level.fit.signed).under(level.fit.overflow)
                return level.arrives.low, level.arrives.high, form, str(level.fit.overflow)
        return None
    if point != "accumulator" or isinstance(operation, MatMul | Activation):
        return None
    value = operand(settings.activations)
    if isinstance(operation, AveragePool):
        section = settings.pooling.accumulator
        if settings.pooling.zero_point == "kept":
            codes = settings.activations.integer_format()
            value = Interval(low=codes.minimum, high=codes.maximum)
        value = value.sum_of(prod(operation.window))
    elif isinstance(operation, Mean):
        section = settings.pooling.accumulator
        value = value.sum_of(prod(network.shapes[operation.inputs[0]][:2]))
    elif settings.addition.kind == "weighted":
        section = settings.addition.accumulator
        largest = 1 << (settings.addition.multiplier_bits - 1)
        value = value.times(Interval(low=0, high=largest)).sum_of(len(network.by_name[operation.name].inputs))
    else:
        section = settings.addition.accumulator
        # an input is at most half of the common scale, which is twice the largest of the inputs'
        value = Interval(low=value.low << settings.addition.left_shift, high=value.high << settings.addition.left_shift)
        value = value.shifted(1)
        if isinstance(operation, Subtract):
            value = Interval(low=value.low - value.high, high=value.high - value.low)
        else:
            value = value.sum_of(len(network.by_name[operation.name].inputs))
    form = IntFormat(bits=section.bits, signed=section.signed).under(section.overflow)
    return value.low, value.high, form, str(section.overflow)


def _bias_overflow(settings: Settings, bias: bool) -> str:
    return str(settings.bias.overflow) if bias else str(settings.activations.integer_format().clamping)


def _needed(form: IntFormat, bound: tuple[int, int]) -> int:
    return bits_needed(*bound, signed=form.signed)


def _narrowest(bound: tuple[int, int] | None) -> str:
    if bound is None:
        return ""
    signed = bound[0] < 0
    return str(IntFormat(bits=min(bits_needed(*bound, signed=signed), 64), signed=signed))
