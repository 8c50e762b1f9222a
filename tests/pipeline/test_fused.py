"""Moves that the step behind them does on its way, or not: values and counters as one after another has."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from kernels.fast.datapaths import compiled
from kernels.plain import STEADY

from hwsim.engine.fused import Fused, start_tally
from hwsim.engine.operations.lanes import NO_DRAWS, panel_lanes
from hwsim.engine.steps import run_steps
from hwsim.engine.tally import Tally
from hwsim.formats import Rounding
from hwsim.program.records import (
    AddConstant,
    ClipHigh,
    ClipLow,
    FitTo,
    MultiplyBy,
    Point,
    ScaleFixed,
    ScaleFloat,
    ShiftLeft,
    Step,
)
from hwsim_kernels import counting
from hwsim_kernels.fast.layers import layer_of_codes
from hwsim_kernels.fast.passage import FIT, MOVE, SCALE_SHORTLY, fold
from hwsim_kernels.fast.stored import given, stored

pytestmark = [compiled]

CODES = np.arange(-128, 128).astype(np.int8)
CHANNELS = 3
GUARDS = (0, 1, 2, 5)


def new_tally(*names: str) -> Tally:
    """Return counters of points."""
    many = len(names)
    counts, histograms = counting.new_counts(many, CHANNELS), np.zeros((many, counting.BINS), np.int64)
    return Tally(counts, histograms, {name: number for number, name in enumerate(names)}, 0)


def check(fused: Fused, steps: Sequence[Step]) -> None:
    """Compare all codes of a byte that went through the lanes with those that took one step after another."""
    codes, names = np.repeat(CODES[:, None], CHANNELS, axis=1), [point.name for point in fused.points]
    values, plain = codes[None].astype(np.int64), new_tally(*names)
    run_steps(steps, values, NO_DRAWS, 1, plain)
    lanes, fast = fused.done(), new_tally(*names)
    counted, out = start_tally(lanes, fast, 0), np.zeros(codes.shape, np.int32)
    layer_of_codes(given(codes), panel_lanes(1)[0], lanes, counted, stored(out))
    fold(lanes, counted, len(codes))
    assert np.array_equal(out, values[0])
    assert np.array_equal(fast.counts, plain.counts)
    assert np.array_equal(fast.histograms, plain.histograms)


@pytest.mark.parametrize("mode", STEADY)
@pytest.mark.parametrize("negatives_only", [False, True])
@pytest.mark.parametrize("left", [[0, 0, 0], [8, 8, 8], [3, 5, 7]])
@pytest.mark.parametrize("right", [[2, 3, 4], [8, 8, 8], [8, 5, 20], [9, 30, 24]])
def test_shifts_that_a_scaling_undoes(mode: str, negatives_only: bool, left: list[int], right: list[int]) -> None:
    points = (Point(name="scale", unit=np.ones(CHANNELS)),)
    for guard_bits, multiplier in product(GUARDS, [(1, 1, 1), (5, 96, 1 << 12), (3, 1234, 16383)]):
        steps = [
            AddConstant(constant=np.array([0, 7, -100])),
            ShiftLeft(shift=np.array(left)),
            ScaleFixed(
                point="scale",
                multiplier=np.array(multiplier),
                shift=np.array(right),
                rounding=Rounding(mode),
                guard_bits=guard_bits,
                negatives_only=negatives_only,
            ),
        ]
        fused = Fused(points, CHANNELS, 16)
        assert fused.steps(steps)
        assert (MOVE in fused.kinds) == (negatives_only and any(left))
        check(fused, steps)


def step_behind(kind: str, rounding: Rounding) -> Step:
    """Return a step of a kind that rounds so, if it rounds."""
    match kind:
        case "fit":
            return FitTo(point="step", field=np.array([6, 1, 0, 0]))
        case "clip":
            return ClipHigh(limit=np.array([5, 100, 1 << 25]))
        case "scale":
            multiplier, shift = np.array([5, 96, 1 << 12]), np.array([2, 0, 9])
            return ScaleFixed(point="step", multiplier=multiplier, shift=shift, rounding=rounding)
        case "scale far":  # with a factor of 5 more than a multiplier holds
            multiplier, shift = np.array([3, (1 << 30) - 1, 5]), np.array([4, 40, 6])
            return ScaleFixed(point="step", multiplier=multiplier, shift=shift, rounding=rounding)
        case _:
            divided = kind == "divided float"
            return ScaleFloat(
                point="step",
                ratio=np.array([0.1, 0.5, 1 / 3]),
                divisor=np.full(CHANNELS, 3.0 if divided else 1.0),
                added=np.array([7, -7, 0]) * divided,
                precision=64 if kind == "float64" else 32,
                rounding=rounding,
            )


@pytest.mark.parametrize("mode", STEADY)
@pytest.mark.parametrize("factor", [[1, 1, 1], [3, 5, 0], [96, 1 << 12, 7]])
@pytest.mark.parametrize("behind", ["scale", "scale far", "float", "float64", "divided float", "fit", "clip"])
def test_factors_before_every_kind_of_step(mode: str, factor: list[int], behind: str) -> None:
    points = tuple(Point(name=name, unit=np.ones(CHANNELS), bound=(-(1 << 25), 1 << 25)) for name in ("step", "out"))
    step = step_behind(behind, Rounding(mode))
    # its histogram tells what lanes behind the channels hold
    out = FitTo(point="out", field=np.array([30, 1, 0, 0]), histogram=True)
    steps = [AddConstant(constant=np.array([0, 7, -100])), MultiplyBy(multiplier=np.array(factor)), step, out]
    fused = Fused(points, CHANNELS, 16)
    assert fused.steps(steps)
    # a power of two is lost to the shift
    assert (MOVE in fused.kinds) == {"scale": False, "scale far": factor == [3, 5, 0]}.get(behind, factor != [1, 1, 1])
    check(fused, steps)


@pytest.mark.parametrize("limits", [(), (ClipLow,), (ClipHigh,), (ClipLow, ClipHigh)])
@pytest.mark.parametrize("added", [0, -7])
def test_limits_before_a_scaling_that_has_none(limits: tuple[type[ClipLow] | type[ClipHigh], ...], added: int) -> None:
    unit = np.ones(CHANNELS)
    points = Point(name="scale", unit=unit, bound=(-500, 500)), Point(name="out", unit=unit, bound=(-500, 500))
    ends = {ClipLow: np.array([-100, -3, 0]), ClipHigh: np.array([90, 4, 0])}
    steps: list[Step] = [
        AddConstant(constant=np.array([added, added, added])),
        *(one(limit=ends[one]) for one in limits),
        ScaleFixed(
            point="scale",
            multiplier=np.array([3 << 14, 45000, 1 << 15]),
            shift=np.array([14, 15, 16]),
            rounding=Rounding("half_up"),
        ),
        FitTo(point="out", field=np.array([8, 1, 0, 0]), histogram=True, offset=-5),
    ]
    fused = Fused(points, CHANNELS, 16)
    assert fused.steps(steps)
    assert fused.kinds == [*[MOVE] * bool(limits), SCALE_SHORTLY, FIT]
    check(fused, steps)
