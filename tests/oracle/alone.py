"""Activations that stand alone (docs/arithmetic.md, section 5, activation)."""

from __future__ import annotations

from oracle.activation import Relu, limit
from oracle.finish import Finish, InputRescaling, Output
from oracle.ledger import Place, Point
from oracle.levels import scales_of
from oracle.overflow import Format
from oracle.rescale import Unit, product_unit
from oracle.tensor import Layer, Made, place_of


def activation(layer: Layer) -> Made:
    """Compute an activation; without a function, bring codes to another scale."""
    function = layer.operation["function"]
    clamped = function and function["max_value"] is not None
    clamped = clamped and layer.settings["activation"].get("bounded", "rescaled") == "clamped"
    apart = function and function.get("negative_slope", 0.0) != 0 and layer.settings["activation"]["slope"] == "apart"
    source = layer.inputs[0]
    made_by = Apart(layer) if apart else Clamped(layer) if clamped else Whole(layer)
    samples = [
        [
            made_by.run(code - source.zero_point, number, place_of(sample, number, source.shape))
            for number, code in enumerate(codes)
        ]
        for sample, codes in enumerate(source.samples)
    ]
    return Made(source.shape, samples, made_by.points)


class Whole:
    """Sends values through the post-pipeline."""

    def __init__(self, layer: Layer) -> None:
        """Begin an empty ledger."""
        source, function = layer.inputs[0], layer.operation["function"]
        self.finish = Finish(function, layer.settings, layer.plan, source.shape[-1])
        self.unit = product_unit(source.scale, 1.0, 0) if function else Unit(source.scale)
        self.points = self.finish.points

    def run(self, d: int, number: int, place: Place) -> int:
        """Return the code of ``d``, a code less its zero point."""
        return self.finish.run(d, self.unit, number, place)


class Clamped:
    """Limits codes as they are, by the scale and the zero point of the input (``activation.bounded: clamped``)."""

    def __init__(self, layer: Layer) -> None:
        """Begin an empty ledger."""
        self.source, channels = layer.inputs[0], layer.inputs[0].shape[-1]
        self.relu = Relu(layer.operation["function"], layer.settings, channels)
        self.output = Output(layer.settings, layer.plan, channels)
        self.points = [*self.relu.points, self.output.point]

    def run(self, d: int, number: int, place: Place) -> int:
        """Return the code of ``d``, a code less its zero point."""
        limited = self.relu.apply(d, self.source.scale, number, place)
        return self.output.store_as_is(limited + self.source.zero_point, place)


class Apart:
    """Brings values above and below 0 to the output's scale by ratios of their own (``activation.slope: apart``)."""

    def __init__(self, layer: Layer) -> None:
        """Begin an empty ledger."""
        source, function = layer.inputs[0], layer.operation["function"]
        channels = source.shape[-1]
        self.max_value, self.settings = function["max_value"], layer.settings["activation"]
        slopes = (1.0, function.get("negative_slope", 0.0))
        self.units = [product_unit(source.scale, slope, 0) for slope in slopes]
        self.scales = scales_of(layer.plan, channels)
        self.rescaling = InputRescaling(layer.settings, channels)
        self.sums = Point("accumulator", channels, last=True)
        self.output = Output(layer.settings, layer.plan, channels)
        self.points = [*self.rescaling.points, self.sums, self.output.point]

    def run(self, d: int, number: int, place: Place) -> int:
        """Return the code of ``d``, a code less its zero point."""
        scale = self.scales[place.channel]
        parts = (max(d, 0), min(d, 0))
        values = [
            self.rescaling.bring(part, unit, scale, number, place) for part, unit in zip(parts, self.units, strict=True)
        ]
        x = self.sums.add_up(values, Format(64, True, "saturate"), place)
        if self.max_value is not None:
            x = min(x, limit(self.max_value, scale, self.settings))
        return self.output.store(x, place)
