"""From a sum to a stored code: activation, requantisation, output (docs/arithmetic.md, section 4, 4 to 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from oracle.activation import Relu
from oracle.ledger import Place, Point
from oracle.overflow import Format
from oracle.rescale import Rescaling


class Output:
    """Adds the zero point and fits into the stored format."""

    def __init__(self, settings: Mapping[str, Any], plan: Mapping[str, Any], channels: int) -> None:
        """Begin an empty ledger."""
        self.format = Format.stored(plan, settings["output"]["overflow"])
        self.zero_point: int = plan["zero_point"]
        self.point = Point("output", channels, histogram=True)

    def store(self, x: int, place: Place) -> int:
        """Return the code of ``x``."""
        self.point.magnitude(x)
        return self.point.fit(x + self.zero_point, self.format, place)

    def store_as_is(self, x: int, place: Place) -> int:
        """Return the code of ``x`` that holds the zero point already."""
        self.point.magnitude(x - self.zero_point)
        return self.point.fit(x, self.format, place)


class Finished(NamedTuple):
    """A code, and the value before the output zero point was added."""

    before: int
    code: int


class Finish:
    """The end of the pipeline of one layer."""

    def __init__(
        self,
        function: Mapping[str, Any] | None,
        settings: Mapping[str, Any],
        plan: Mapping[str, Any],
        channels: int,
    ) -> None:
        """Begin an empty ledger."""
        self.relu = Relu(function, settings, channels)
        self.rescaling = Rescaling(settings, channels)
        self.output = Output(settings, plan, channels)
        self.scale: float = plan["scale"]
        self.early = settings["activation"]["position"] == "before_requantize"

    @property
    def points(self) -> list[Point]:
        """The points in the order in which values come to them."""
        first, second = self.rescaling.points, self.relu.points
        if self.early:
            first, second = second, first
        return [*first, *second, self.output.point]

    def run(self, x: int, unit: float, number: int, place: Place) -> Finished:
        """Return the code of ``x``, an integer in units of ``unit`` and value ``number`` of the output."""
        if self.early:
            x = self.relu.apply(x, unit, number, place)
        x = self.rescaling.rescale(x, unit / self.scale, number, place)
        if not self.early:
            x = self.relu.apply(x, self.scale, number, place)
        return Finished(x, self.output.store(x, place))
