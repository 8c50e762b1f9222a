"""The control: where nothing is planted, nothing stands out."""

from __future__ import annotations

import pytest
from report.planted.naming import LARGEST_SHARE, costs_of, sqnr_of
from report.planted.plants import sound


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3, 4))])
def test_no_point_makes_most_of_the_error(seed: int) -> None:
    case = sound(seed)
    result = case.run()
    assert sqnr_of(result) > 20
    costs = [one.cost or 0.0 for one in costs_of(case, result)]
    assert costs[0] < LARGEST_SHARE
    local = [one.relative for one in result.report.worst_points()]
    assert None not in local
    assert (local[0] or 0.0) < 0.03, "a local loss of 3 % of the output's RMS stands out"
