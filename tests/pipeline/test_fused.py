"""A shift to the left that the scaling behind it undoes on its way: values and counters as one after another has."""

from __future__ import annotations

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
from hwsim.program.records import AddConstant, Point, ScaleFixed, ShiftLeft
from hwsim_kernels import counting
from hwsim_kernels.fast.layers import layer_of_codes
from hwsim_kernels.fast.passage import MOVE, fold

pytestmark = [compiled]

CODES = np.arange(-128, 128).astype(np.int8)
CHANNELS = 3
GUARDS = (0, 1, 2, 5)


def new_tally() -> Tally:
    """Return counters of one point."""
    counts, histograms = counting.new_counts(1, CHANNELS), np.zeros((1, counting.BINS), np.int64)
    return Tally(counts, histograms, {"scale": 0}, 0)


@pytest.mark.parametrize("mode", STEADY)
@pytest.mark.parametrize("negatives_only", [False, True])
@pytest.mark.parametrize("left", [[0, 0, 0], [8, 8, 8], [3, 5, 7]])
@pytest.mark.parametrize("right", [[2, 3, 4], [8, 8, 8], [8, 5, 20], [9, 30, 24]])
def test_shifts_that_a_scaling_undoes(mode: str, negatives_only: bool, left: list[int], right: list[int]) -> None:
    points = (Point(name="scale", unit=np.ones(CHANNELS)),)
    codes = np.repeat(CODES[:, None], CHANNELS, axis=1)
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
        plain = new_tally()
        values = codes[None].astype(np.int64)
        run_steps(steps, values, NO_DRAWS, 1, plain)
        fused = Fused(points, CHANNELS, 16)
        assert fused.steps(steps)
        undone = not negatives_only and all(one > other for one, other in zip(right, left, strict=True))
        assert (MOVE not in fused.kinds) == (undone or not any(left))
        lanes, fast = fused.done(), new_tally()
        counted, out = start_tally(lanes, fast, 0), np.zeros(codes.shape, np.int32)
        layer_of_codes(codes, panel_lanes(1)[0], lanes, counted, out)
        fold(lanes, counted, len(codes))
        assert np.array_equal(out, values[0])
        assert np.array_equal(fast.counts, plain.counts)
