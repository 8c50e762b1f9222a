"""The mean over an image (docs/arithmetic.md, section 6)."""

from __future__ import annotations

from oracle.finish import Finish
from oracle.ledger import Place, Point
from oracle.overflow import Format
from oracle.pooling import dpu_factors
from oracle.rescale import MeanUnit
from oracle.tensor import Layer, Made


def mean(layer: Layer) -> Made:
    """Compute the mean of each channel over all rows and columns."""
    source, pooling = layer.inputs[0], layer.settings["pooling"]
    rows, columns, channels = source.shape
    count = rows * columns
    accumulator = Format.of(pooling["accumulator"])
    sums = Point("accumulator", channels, last=True)
    finish = Finish(None, layer.settings, layer.plan, channels)
    factor, shift = dpu_factors(rows, columns)
    share = factor / 2**shift if pooling.get("division") == "dpu" else None
    unit = MeanUnit(source.scale / count, source.scale, count, pooling["mean"] == "divided", share)
    made = Made((1, 1, channels), [], [sums, *finish.points])
    made.values = {"accumulator": [], **finish.walk.trace}
    for sample, codes in enumerate(source.samples):
        stored = []
        for channel in range(channels):
            place = Place(sample, 0, channel)
            terms = [code - source.zero_point for code in codes[channel::channels]]
            total = sums.add_up(terms, accumulator, place)
            made.values["accumulator"].append(total)
            stored.append(finish.run(total, unit, channel, place))
        made.samples.append(stored)
    return made
