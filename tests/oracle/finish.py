"""From a sum to a stored code: post-pipeline and output (docs/arithmetic.md, section 4, 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oracle.activation import Relu
from oracle.ledger import Place, Point
from oracle.levels import scales_of
from oracle.overflow import Format
from oracle.rescale import Unit
from oracle.steps import Step, Walk, complete, expand, goes_by_ratio, holds, rescaling, resolve, unit_at


class Output:
    """Fits into the stored format."""

    def __init__(self, settings: Mapping[str, Any], plan: Mapping[str, Any], channels: int) -> None:
        """Begin an empty ledger."""
        self.format = Format.stored(plan, settings["output"]["overflow"])
        self.zero_point: int = plan["zero_point"]
        self.point = Point("output", channels, histogram=True)

    def store(self, x: int, place: Place) -> int:
        """Return the code of ``x``, to which the zero point is still to be added."""
        return self.store_as_is(x + self.zero_point, place)

    def store_as_is(self, x: int, place: Place) -> int:
        """Return the code of ``x`` that holds the zero point already."""
        self.point.magnitude(x - self.zero_point)
        return self.point.fit(x, self.format, place)


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
        self.output = Output(settings, plan, channels)
        self.scales = scales_of(plan, channels)
        self.steps = complete(expand(settings["requantize"]), settings["activation"]["position"])
        self.walk = Walk(self.steps, settings["random"], channels, Relu(function, settings, channels))
        self.points = [*self.walk.points, self.output.point]
        self._resolved: dict[tuple[Unit, int, float], list[Step]] = {}

    def run(self, x: int, unit: Unit, number: int, place: Place, bias: int = 0) -> int:
        """Return the code of ``x``, an integer in units of ``unit`` and value ``number`` of the output.

        ``bias`` is what a step ``bias`` adds.
        """
        key = (unit, bias, self.scales[place.channel])
        if key not in self._resolved:
            self._resolved[key] = self._resolve(*key)
        return self.output.store_as_is(self.walk.run(x, self._resolved[key], number, place), place)

    @property
    def takes_bias(self) -> bool:
        """Whether a bias enters here."""
        return holds(self.steps, "bias")

    def unit_at_bias(self, unit: Unit, channel: int) -> float:
        """Return what an LSB is worth at the step ``bias``, of a channel's sums in a unit."""
        scale = self.scales[channel]
        (index,) = (i for i, one in enumerate(self.steps) if one["step"] == "bias")
        return unit_at(resolve(self.steps, unit, scale), index, unit.value, scale)

    def _resolve(self, unit: Unit, bias: int, scale: float) -> list[Step]:
        """Return the list with all its numbers for sums in a unit and an output scale."""
        steps = resolve(self.steps, unit, scale)
        for index, one in enumerate(steps):
            if one["step"] == "activation":
                steps[index] = {**one, "unit": unit_at(steps, index, unit.value, scale)}
            if one["step"] == "zero_point":
                steps[index] = {**one, "value": self.output.zero_point}
            if one["step"] == "bias":
                steps[index] = {**one, "value": bias}
            if one.get("zero_point") == "inside":
                steps[index] = {**one, "added": self.output.zero_point}
        return steps


class InputRescaling:
    """Brings the inputs of add and concatenate to one scale."""

    def __init__(self, settings: Mapping[str, Any], channels: int, each: int | None = None) -> None:
        """Begin an empty ledger; ``each``: the channels of an input, where several stand side by side."""
        self.steps = rescaling(expand(settings["requantize"]))
        self.walk = Walk(self.steps, settings["random"], channels, of_inputs=True, each=each)
        self.points = self.walk.points
        self._resolved: dict[tuple[Unit, float], list[Step]] = {}

    @property
    def by_ratio(self) -> bool:
        """Whether anything depends on the ratio."""
        return any(map(goes_by_ratio, self.steps))

    def rescale(
        self, x: int, scales: tuple[float, float], number: int, place: Place, among: range | None = None
    ) -> int:
        """Bring ``x``, which is value ``number`` of its tensor, from one scale to another."""
        return self.bring(x, Unit(scales[0]), scales[1], number, place, among)

    def bring(self, x: int, unit: Unit, scale: float, number: int, place: Place, among: range | None = None) -> int:
        """Bring ``x``, which is value ``number`` of its tensor, from a unit to a scale; ``among``: see ``Walk.run``."""
        key = (unit, scale)
        if key not in self._resolved:
            self._resolved[key] = resolve(self.steps, unit, scale)
        return self.walk.run(x, self._resolved[key], number, place, among)
