"""Images between their pixels (docs/arithmetic.md, section 6, resize)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from oracle.finish import Output
from oracle.ledger import Point
from oracle.lfsr import Draws
from oracle.rescale import to_float32
from oracle.rounding import rounded_shift
from oracle.tensor import Layer, Made, coordinates, index_of, place_of, size_of


class Tap(NamedTuple):
    """A row or column, and its weight."""

    at: int
    weight: int


def taps(operation: Mapping[str, Any], axis: int, inputs: int, bits: int) -> list[tuple[Tap, Tap]]:
    """Return for every row (axis 0) or column of the output the two of the input between which it lies.

    >>> taps({"size": [4], "align_corners": False, "half_pixel": False}, 0, 2, 2)[:2]
    [(Tap(at=0, weight=4), Tap(at=1, weight=0)), (Tap(at=0, weight=2), Tap(at=1, weight=2))]
    """
    outputs, one = operation["size"][axis], 2**bits
    step = (inputs * one + outputs // 2) // outputs
    if operation["align_corners"] and outputs > 1:
        step = ((inputs - 1) * one + (outputs - 1) // 2) // (outputs - 1)
    found = []
    for i in range(outputs):
        t = i * step
        if operation["half_pixel"]:
            t += step // 2 - one // 2
        p, u = divmod(min(max(t, 0), (inputs - 1) * one), one)
        found.append((Tap(p, one - u), Tap(min(p + 1, inputs - 1), u)))
    return found


def real_taps(operation: Mapping[str, Any], axis: int, inputs: int, bits: int) -> list[tuple[Tap, Tap]]:
    """Return the same with places in float32.

    >>> real_taps({"size": [3], "align_corners": False, "half_pixel": True}, 0, 2, 11)
    [(Tap(at=0, weight=2048), Tap(at=1, weight=0)), (Tap(at=0, weight=1024), Tap(at=1, weight=1024)), \
(Tap(at=1, weight=2048), Tap(at=1, weight=0))]
    """
    outputs = operation["size"][axis]
    fewer = int(operation["align_corners"] and outputs > 1)
    step = to_float32(Fraction(inputs - fewer, outputs - fewer))
    shift = to_float32(to_float32(step / 2) - Fraction(1, 2)) if operation["half_pixel"] else Fraction(0)
    found = []
    for i in range(outputs):
        t = to_float32(to_float32(i * step) + shift)
        t = min(max(t, Fraction(0)), Fraction(inputs - 1))
        p = floor(t)
        u = round(to_float32(t - p) * 2**bits)
        found.append((Tap(p, 2**bits - u), Tap(min(p + 1, inputs - 1), u)))
    return found


def resize(layer: Layer) -> Made:
    """Interpolate between rows and columns of (h, w, c)."""
    source, section = layer.inputs[0], layer.settings["resize"]
    height, width, channels = source.shape
    shape = (*layer.operation["size"], channels)
    bits = section["fraction_bits"]
    between = real_taps if section["positions"] == "float32" else taps
    rows, columns = (between(layer.operation, axis, size, bits) for axis, size in enumerate((height, width)))
    kept = section["zero_point"] == "kept"
    output, point = Output(layer.settings, layer.plan, channels), Point("interpolation", channels)
    draws = Draws(layer.settings["random"])
    made = Made(shape, [], [point, output.point])
    for sample, codes in enumerate(source.samples):
        values = codes if kept else [code - source.zero_point for code in codes]
        stored = []
        for number in range(size_of(shape)):
            y, x, channel = coordinates(number, shape)
            total = sum(
                values[index_of((row.at, column.at, channel), source.shape)] * row.weight * column.weight
                for row in rows[y]
                for column in columns[x]
            )
            place = place_of(sample, number, shape)
            draw = draws.draw(number, section["rounding"])
            value = point.round_only(rounded_shift(total, 2 * bits, section["rounding"], draw, draws.bits), place)
            stored.append(output.store_as_is(value, place) if kept else output.store(value, place))
        made.samples.append(stored)
    return made
