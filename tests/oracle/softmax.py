"""The softmax: on the host, in float64, and what its forms of codes share (docs/arithmetic.md, section 6)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import exp
from typing import Any

from oracle.ledger import Place, Point
from oracle.overflow import Format
from oracle.rounding import Rounded
from oracle.tensor import Layer, Made, Shape, Tensor, coordinates, place_of, size_of


def flat_mask(mask: Any, size: int) -> list[bool]:
    """Return a nested list of flags, flat; without one all are set."""
    if mask is None:
        return [True] * size
    return [flag for part in mask for flag in flat_mask(part, 0)] if isinstance(mask, list) else [bool(mask)]


def lines(shape: Shape, axis: int) -> list[list[int]]:
    """Return the numbers of the values of each line along an axis.

    >>> lines((2, 3), 0), lines((2, 3), -1)
    ([[0, 3], [1, 4], [2, 5]], [[0, 1, 2], [3, 4, 5]])
    """
    along = axis % len(shape)
    made: dict[tuple[int, ...], list[int]] = {}
    for number in range(size_of(shape)):
        at = coordinates(number, shape)
        made.setdefault(at[:along] + at[along + 1 :], []).append(number)
    return list(made.values())


def softmax(source: Tensor, axis: int, mask: list[bool]) -> list[list[float]]:
    """Return the softmax along ``axis`` for each sample, flat, of those values that a mask, flat too, leaves."""
    return [
        _one([source.scale * (code - source.zero_point) for code in codes], lines(source.shape, axis), mask)
        for codes in source.samples
    ]


def _one(reals: list[float], along: list[list[int]], mask: list[bool]) -> list[float]:
    """Return the softmax of one sample."""
    result = [0.0] * len(reals)
    for whole in along:
        line = [number for number in whole if mask[number]]
        largest = max(reals[i] for i in line)
        powers = [exp(reals[i] - largest) for i in line]
        for i, power in zip(line, powers, strict=True):
            result[i] = power / sum(powers)
    return result


def distances(codes: Sequence[int], mask: Sequence[bool] | None) -> list[int | None]:
    """Return how far each code of a line is below the largest that takes part; None for those that a mask leaves out.

    >>> distances([3, 9, 1], [True, False, True])
    [0, None, -2]
    """
    taken = mask or [True] * len(codes)
    largest = max(code for code, part in zip(codes, taken, strict=True) if part)
    return [code - largest if part else None for code, part in zip(codes, taken, strict=True)]


class SoftmaxOfCodes(ABC):
    """A form of the softmax that takes codes and gives codes: its datapath along a line, and its ledger."""

    codes = Format(8, True, "saturate")
    """Of its input and of its output."""

    scale, zero_point = 2.0**-8, -128
    """Of its output."""

    def __init__(self, points: Sequence[str], channels: int) -> None:
        """Begin an empty ledger of these points and the output."""
        self.output = Point("output", channels, histogram=True)
        self.points = [*(Point(name, channels) for name in points), self.output]

    @abstractmethod
    def line(self, codes: Sequence[int], places: Sequence[Place], mask: Sequence[bool] | None = None) -> list[int]:
        """Return the output codes of a line of codes, of which those take part that a mask leaves."""

    def share(self, rounded: Rounded, place: Place) -> int:
        """Return an output code."""
        x = self.output.round(rounded, place)
        self.output.magnitude(x)
        return self.output.fit(x + self.zero_point, self.codes, place)


def softmax_of_codes(layer: Layer, form: SoftmaxOfCodes) -> Made:
    """Compute a softmax along an axis in a form of codes."""
    source, shape = layer.inputs[0], layer.inputs[0].shape
    for plan in (source.plan, layer.plan):
        if (plan["bits"], plan["signed"], plan["narrow"]) != (form.codes.bits, form.codes.signed, False):
            raise ValueError(f"no codes of {form.codes.bits} bits: {plan}")
    if (layer.plan["scale"], layer.plan["zero_point"]) != (form.scale, form.zero_point):
        raise ValueError(f"no shares: {layer.plan}")
    mask = flat_mask(layer.operation.get("mask"), size_of(shape))
    made = Made(shape, [], form.points)
    for sample, codes in enumerate(source.samples):
        stored = [0] * len(codes)
        for line in lines(shape, layer.operation["axis"]):
            places = [place_of(sample, number, shape) for number in line]
            shares = form.line([codes[i] for i in line], places, [mask[i] for i in line])
            for number, code in zip(line, shares, strict=True):
                stored[number] = code
        made.samples.append(stored)
    return made
