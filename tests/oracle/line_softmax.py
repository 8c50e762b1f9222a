"""The softmax of 16-bit codes by two tables with lines (docs/arithmetic.md, section 6; docs/ledger.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import exp, floor

from oracle.fixed_softmax import flat_mask
from oracle.ledger import Place, Point
from oracle.overflow import Format
from oracle.rescale import multiplier
from oracle.rounding import Rounded, round_fraction, round_shift, rounded_shift
from oracle.tensor import Layer, Made, coordinates, place_of, size_of

WORD = Format(16, True, "saturate")
MOST = 65536
HALF_AWAY = "half_away"


def table(real: Callable[[float], float], low: float, high: float) -> list[int]:
    """Return the 513 entries of a function.

    >>> table(exp, -10.0, 0.0)[::128], table(lambda x: 1 / (1 + x), 0.0, 1.0)[::256]
    ([2, 18, 221, 2690, 32767], [32767, 21845, 16384])
    """
    w = (high - low) / 512
    y = [32768.0 * real(low + i * w) for i in range(513)]
    made = []
    for i in range(512):
        h = 32768.0 * real(low + i * w + w / 2)
        whole = _away(y[i])
        error = _away((y[i + 1] + whole) / 2) - _away(h)
        made.append(WORD.fit(whole - _away(error / 2)))
    return [*made, WORD.fit(_away(y[512]))]


def _away(x: float) -> int:
    return round_fraction(Fraction(x), HALF_AWAY)


POWERS = table(exp, -10.0, 0.0)
RECIPROCALS = table(lambda x: 1 / (1 + x), 0.0, 1.0)


def line(entries: Sequence[int], v: int) -> Rounded:
    """Return what a table has at a place of 16 bits."""
    i = 256 + v // 128
    rise = rounded_shift((entries[i + 1] - entries[i]) * (v % 128), 7, "half_up")
    return rise._replace(value=entries[i] + rise.value)


class LineSoftmax:
    """The datapath of a softmax, and its ledger."""

    def __init__(self, scale: float, channels: int) -> None:
        """Begin an empty ledger; ``scale`` is that of the input."""
        self.q, _, self.e = multiplier(scale / (10.0 / 65535.0), 32)
        if not -31 <= self.e <= 15:
            raise ValueError(f"an input scale of {scale}")
        self.difference, self.power = Point("difference", channels), Point("power", channels)
        self.sum, self.reciprocal = Point("sum", channels), Point("reciprocal", channels)
        self.output = Point("output", channels, histogram=True)
        self.points = [self.difference, self.power, self.sum, self.reciprocal, self.output]

    def line(self, codes: Sequence[int], places: Sequence[Place], mask: Sequence[bool] | None = None) -> list[int]:
        """Return the output codes of a line of codes, of which those take part that a mask leaves."""
        if len(codes) > MOST:
            raise ValueError(f"a line of {len(codes)} codes")
        taken = mask or [True] * len(codes)
        largest = max(code for code, part in zip(codes, taken, strict=True) if part)
        each = zip(codes, places, taken, strict=True)
        powers = [self._power(code - largest, place) if part else 0 for code, place, part in each]
        k = 31 - sum(powers).bit_length()
        t = self.sum.round(rounded_shift(sum(powers) * 2**k, 14, "half_up"), places[0])
        x = self.sum.fit(t - 98304, WORD, places[0])
        r = self.reciprocal.round_only(line(RECIPROCALS, x), places[0])
        return [self._share(p * r, 30 - k, place) for p, place in zip(powers, places, strict=True)]

    def _power(self, d: int, place: Place) -> int:
        """Return the power of a difference to the largest code."""
        high = round_shift(d * 2 ** max(self.e, 0) * self.q, 31, "half_up")
        x = round_shift(high, max(-self.e, 0), HALF_AWAY)
        exact = d * self.q * Fraction(2) ** (self.e - 31)
        lost = Rounded(x, exact.denominator > 1, x * 2**16 - floor(exact * 2**16))
        v = self.difference.fit(self.difference.round(lost, place) + 32767, WORD, place)
        return self.power.round_only(line(POWERS, v), place)

    def _share(self, product: int, shift: int, place: Place) -> int:
        """Return an output code."""
        x = self.output.round(rounded_shift(product, shift, "half_up"), place)
        self.output.magnitude(x)
        return self.output.fit(x, WORD, place)


def line_softmax(layer: Layer) -> Made:
    """Compute the softmax along an axis of 16-bit codes."""
    source, shape = layer.inputs[0], layer.inputs[0].shape
    for plan in (source.plan, layer.plan):
        if (plan["bits"], plan["signed"], plan["narrow"]) != (16, True, False):
            raise ValueError(f"no codes of 16 bits: {plan}")
    if (layer.plan["scale"], layer.plan["zero_point"]) != (2.0**-15, 0):
        raise ValueError(f"no shares: {layer.plan}")
    axis = layer.operation["axis"] % len(shape)
    lines: dict[tuple[int, ...], list[int]] = {}
    for number in range(size_of(shape)):
        at = coordinates(number, shape)
        lines.setdefault(at[:axis] + at[axis + 1 :], []).append(number)
    softmax, mask = LineSoftmax(source.scale, shape[-1]), flat_mask(layer.operation.get("mask"), size_of(shape))
    made = Made(shape, [], softmax.points)
    for sample, codes in enumerate(source.samples):
        stored = [0] * len(codes)
        for numbers in lines.values():
            places = [place_of(sample, number, shape) for number in numbers]
            made_of_line = softmax.line([codes[i] for i in numbers], places, [mask[i] for i in numbers])
            for number, code in zip(numbers, made_of_line, strict=True):
                stored[number] = code
        made.samples.append(stored)
    return made
