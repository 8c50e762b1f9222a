"""Layer, group and RMS normalisation (docs/arithmetic.md, section 6, normalize)."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from oracle.finish import Finish
from oracle.ledger import Place, Point
from oracle.rescale import Unit
from oracle.rounding import Rounded, round_fraction, rounded_divide, rounded_shift
from oracle.tensor import Layer, Made, place_of, size_of

LARGEST_EPSILON = 2**61


class Normalization:
    """The datapath of a normalisation, and its ledger."""

    def __init__(self, layer: Layer) -> None:
        """Begin an empty ledger."""
        self.operation, self.source = layer.operation, layer.inputs[0]
        section, channels = layer.settings["normalization"], self.source.shape[-1]
        self.fraction, self.reciprocal, self.result = (
            section[name] for name in ("fraction_bits", "reciprocal_bits", "result_bits")
        )
        self.rounding: str = section["rounding"]
        scaled = self.operation["epsilon"] * 2.0 ** (2 * self.fraction) / (self.source.scale * self.source.scale)
        self.epsilon = round_fraction(Fraction(min(scaled, float(LARGEST_EPSILON))), "half_even")
        names = ("mean", "variance", "root", "reciprocal", "normalized")
        self.mean, self.variance, self.root, self.factor, self.normalized = (Point(name, channels) for name in names)
        self.finish = Finish(None, layer.settings, layer.plan, channels)
        own = [self.variance, self.root, self.factor, self.normalized]
        self.points = [*([self.mean] if self.operation["centered"] else []), *own, *self.finish.points]

    def groups(self) -> list[list[int]]:
        """Return the numbers of the values of each group, in ascending order."""
        channels, groups = self.source.shape[-1], self.operation["groups"]
        found: dict[tuple[int, int], list[int]] = {}
        for number in range(size_of(self.source.shape)):
            row = 0 if self.operation["whole"] else number // channels
            found.setdefault((row, number % channels // (channels // groups)), []).append(number)
        return list(found.values())

    def values(self, sample: int, group: list[int]) -> list[int]:
        """Return the normalised values of a group, whose LSB is 2^-result."""
        codes = self.source.samples[sample]
        first = place_of(sample, group[0], self.source.shape)
        lifted = [(codes[number] - self.source.zero_point) * 2**self.fraction for number in group]
        mean = self._mean(lifted, first) if self.operation["centered"] else 0
        distances = [one - mean for one in lifted]
        squares = rounded_divide(sum(one * one for one in distances), len(group), self.rounding)
        root = self._root(self.variance.round_only(squares, first) + self.epsilon, first)
        factor = self.factor.round_only(rounded_divide(2**self.reciprocal, max(root, 1), self.rounding), first)
        return [
            self.normalized.round_only(
                rounded_shift(distance * factor, self.reciprocal - self.result, self.rounding),
                place_of(sample, number, self.source.shape),
            )
            for distance, number in zip(distances, group, strict=True)
        ]

    def _mean(self, lifted: list[int], place: Place) -> int:
        """Return the mean of a group."""
        return self.mean.round_only(rounded_divide(sum(lifted), len(lifted), self.rounding), place)

    def _root(self, variance: int, place: Place) -> int:
        """Return the whole part of the square root."""
        root = isqrt(variance)
        error = root * 2**16 - isqrt(variance * 2**32)
        return self.root.round_only(Rounded(root, root * root != variance, error), place)

    def run(self, sample: int) -> list[int]:
        """Return the codes of a sample."""
        unit = Unit(2.0**-self.result)
        found = {
            number: value
            for group in self.groups()
            for number, value in zip(group, self.values(sample, group), strict=True)
        }
        return [
            self.finish.run(found[number], unit, number, place_of(sample, number, self.source.shape))
            for number in sorted(found)
        ]


def normalize(layer: Layer) -> Made:
    """Bring groups of values to a mean of 0 and a variance of 1."""
    made_by = Normalization(layer)
    samples = [made_by.run(sample) for sample in range(len(layer.inputs[0].samples))]
    return Made(layer.inputs[0].shape, samples, made_by.points)
