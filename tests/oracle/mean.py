"""The mean over an image (docs/arithmetic.md, section 6)."""

from __future__ import annotations

from fractions import Fraction

from oracle.finish import Finish, Output
from oracle.ledger import Place, Point
from oracle.levels import scales_of
from oracle.overflow import Format
from oracle.pooling import dpu_factors
from oracle.rescale import MeanUnit, Unit, as_float32, to_float32
from oracle.steps import Walk, expand, rescaling, resolve
from oracle.tensor import Layer, Made

HALF = Fraction(1, 2)


def mean(layer: Layer) -> Made:
    """Compute the mean of each channel over all rows and columns."""
    source, pooling = layer.inputs[0], layer.settings["pooling"]
    rows, columns, channels = source.shape
    count = rows * columns
    accumulator = Format.of(pooling["accumulator"])
    sums = Point("accumulator", channels, last=True)
    form = pooling["mean"]
    finish = Folded(layer) if form == "folded" else Finish(None, layer.settings, layer.plan, channels)
    zero_point = 0 if form == "folded" else source.zero_point
    share = None
    if pooling.get("division") == "dpu":
        factor, shift = dpu_factors(rows, columns)
        share = factor / 2**shift
    elif pooling.get("division") == "reciprocals":
        share = (65536 // rows) * (65536 // columns) / 2**32
    in_float32 = any(one.get("forming") == "float_ratio" for one in expand(layer.settings["requantize"]))
    unit = MeanUnit(source.scale / count, source.scale, count, form, share, in_float32)
    made = Made((1, 1, channels), [], [sums, *finish.points])
    made.values = {"accumulator": [], **finish.walk.trace}
    for sample, codes in enumerate(source.samples):
        stored = []
        for channel in range(channels):
            place = Place(sample, 0, channel)
            terms = [code - zero_point for code in codes[channel::channels]]
            total = sums.add_up(terms, accumulator, place)
            made.values["accumulator"].append(total)
            stored.append(finish.run(total, unit, channel, place))
        made.samples.append(stored)
    return made


class Folded:
    """Rescales a sum of codes as they are stored and takes off the input's zero point behind that."""

    def __init__(self, layer: Layer) -> None:
        """Begin an empty ledger."""
        self.source, channels = layer.inputs[0], layer.inputs[0].shape[-1]
        self.scales = scales_of(layer.plan, channels)
        self.steps = rescaling(expand(layer.settings["requantize"]))
        self.walk = Walk(self.steps, layer.settings["random"], channels)
        self.output = Output(layer.settings, layer.plan, channels)
        self.points = [*self.walk.points, self.output.point]

    def run(self, x: int, unit: Unit, number: int, place: Place) -> int:
        """Return the code of the mean of a sum ``x``."""
        scale = self.scales[place.channel]
        rescaled = self.walk.run(x, resolve(self.steps, unit, scale), number, place)
        source, output = Fraction(as_float32(self.source.scale)), Fraction(as_float32(scale))
        t = to_float32(to_float32(self.source.zero_point * source) / output)
        return self.output.store(rescaled - int(to_float32(t + HALF if t > 0 else t - HALF)), place)
