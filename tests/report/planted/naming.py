"""What the report names first for a planted fault, and what it names without it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from report.planted.plants import Case, Planted, sound

import hwsim
from hwsim.process.attribution import attributed
from hwsim.process.case import case_of
from hwsim.report.figures import CostFigures

WORSE_DB = 3.0
"""A planted fault lowers the SQNR by at least this: it makes half of the error and more, so that it has to be first."""

CLEAR = 1.5
"""By this factor it costs more than any point of another layer."""

LARGEST_SHARE = 0.5
"""No point of a sound network makes half of the error: many make it together."""


def costs_of(case: Case, result: hwsim.Result | None = None) -> Sequence[CostFigures]:
    """Return the costs that ``hwsim.attribute`` gives, what costs most first; the rest of it is left out for speed."""
    run = result or case.run()
    with attributed(run, case_of(run, case.target, case.data), None, len(case.data), quick=False) as found:
        return [one for one in found.costs if one.cost is not None]


@lru_cache(maxsize=8)
def sound_first(seed: int = 0) -> tuple[str, str]:
    """Return the layer and the point that cost most in the sound case."""
    first = costs_of(sound(seed))[0]
    return first.layer, first.point


def sqnr_of(result: hwsim.Result) -> float:
    """Return the SQNR of the only result, in dB."""
    [output] = result.report.outputs
    assert output.sqnr_db is not None
    return output.sqnr_db


@lru_cache(maxsize=8)
def sound_sqnr(seed: int = 0) -> float:
    """Return the SQNR of the sound case, in dB."""
    return sqnr_of(sound(seed).run())


def assert_named_first(planted: Planted, seed: int = 0, clear: float = CLEAR) -> None:
    """Assert that a fault which makes most of the error is named first: by its cost, and by its local loss.

    By its cost it is before all others by the factor ``clear``. Points behind the planted layer may lose more locally:
    a fault can send them values that they were not made for.
    """
    result = planted.case.run()
    assert sqnr_of(result) <= sound_sqnr(seed) - WORSE_DB, (
        "not planted deep enough: the fault makes little of the error"
    )
    costs = costs_of(planted.case, result)
    first, second = costs[0], next(one for one in costs if one.layer != planted.layer)
    assert (first.layer, first.point) == (planted.layer, planted.name), [(o.layer, o.point, o.cost) for o in costs[:4]]
    assert first.cost is not None
    assert second.cost is not None
    assert first.cost > clear * second.cost, (first, second)
    assert sound_first(seed) != (planted.layer, planted.name)
    if planted.point:
        order = [one.name for one in result.report.layers]
        before = order[: order.index(planted.layer) + 1]
        local = [one for one in result.report.worst_points() if one.figures.layer in before]
        assert (local[0].figures.layer, local[0].figures.point) == (planted.layer, planted.point)
