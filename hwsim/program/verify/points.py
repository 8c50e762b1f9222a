"""Check truncation points."""

from __future__ import annotations

from hwsim.program.records import IntOperation
from hwsim.program.verify.need import need


def check_points(one: IntOperation) -> None:
    """Check the truncation points of an operation."""
    need(len({point.name for point in one.points}) == len(one.points), f"{one.name}: two points share a name")
    for point in one.points:
        need(point.unit.shape == (one.channels,), f"{one.name}: {point.name} does not have {one.channels} units")
        need(point.steps > 0, f"{one.name}: {point.name} takes {point.steps} steps")
