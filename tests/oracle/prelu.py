"""A slope for each channel (docs/arithmetic.md, section 6, prelu)."""

from __future__ import annotations

from oracle.finish import InputRescaling, Output
from oracle.ledger import Place, Point
from oracle.levels import scales_of
from oracle.multiply import per_channel
from oracle.overflow import Format
from oracle.quantize import WeightQuantizer
from oracle.rescale import product_unit
from oracle.tensor import Layer, Made, place_of


class Prelu:
    """Brings values above 0, and products of those below, to the output's scale by ratios of their own."""

    def __init__(self, layer: Layer) -> None:
        """Quantise the slopes."""
        source, slopes = layer.inputs[0], layer.operation["slopes"]
        channels = len(slopes)
        weight = Point("weight", channels)
        quantizer = WeightQuantizer(weight, layer.weights, layer.settings["weights"])
        scales = [per_channel(layer.weights["scale"], channel) for channel in range(channels)]
        zeros = [per_channel(layer.weights["zero_point"], channel) for channel in range(channels)]
        self.slopes = [
            quantizer.weight(slope, scales[channel], zeros[channel], 0, Place(0, 0, channel))
            for channel, slope in enumerate(slopes)
        ]
        self.above = product_unit(source.scale, 1.0, 0)
        self.below = [product_unit(source.scale, scale, 0) for scale in scales]
        self.scales = scales_of(layer.plan, channels)
        self.rescaling = InputRescaling(layer.settings, channels)
        self.sums = Point("accumulator", channels, last=True)
        self.output = Output(layer.settings, layer.plan, channels)
        self.points = [weight, *self.rescaling.points, self.sums, self.output.point]

    def run(self, d: int, number: int, place: Place) -> int:
        """Return the code of ``d``, a code less its zero point."""
        channel = place.channel
        parts = ((max(d, 0), self.above), (min(d, 0) * self.slopes[channel], self.below[channel]))
        values = [self.rescaling.bring(part, unit, self.scales[channel], number, place) for part, unit in parts]
        return self.output.store(self.sums.add_up(values, Format(64, True, "saturate"), place), place)


def prelu(layer: Layer) -> Made:
    """Multiply negative values by the slope of their channel."""
    made_by, source = Prelu(layer), layer.inputs[0]
    samples = [
        [
            made_by.run(code - source.zero_point, number, place_of(sample, number, source.shape))
            for number, code in enumerate(codes)
        ]
        for sample, codes in enumerate(source.samples)
    ]
    return Made(source.shape, samples, made_by.points)
