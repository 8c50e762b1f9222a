"""The softmax on the host, in float64 (docs/arithmetic.md, section 6)."""

from __future__ import annotations

from math import exp

from oracle.tensor import Shape, Tensor, coordinates, size_of


def softmax(source: Tensor, axis: int, mask: list[bool] | None = None) -> list[list[float]]:
    """Return the softmax along ``axis`` for each sample, flat, of those values that a mask, flat too, leaves."""
    return [
        _one(
            [source.scale * (code - source.zero_point) for code in codes],
            source.shape,
            axis % len(source.shape),
            mask or [True] * size_of(source.shape),
        )
        for codes in source.samples
    ]


def _one(reals: list[float], shape: Shape, axis: int, mask: list[bool]) -> list[float]:
    """Return the softmax of one sample."""
    lines: dict[tuple[int, ...], list[int]] = {}
    for number in (one for one in range(size_of(shape)) if mask[one]):
        at = coordinates(number, shape)
        lines.setdefault(at[:axis] + at[axis + 1 :], []).append(number)
    result = [0.0] * len(reals)
    for line in lines.values():
        largest = max(reals[i] for i in line)
        powers = [exp(reals[i] - largest) for i in line]
        for i, power in zip(line, powers, strict=True):
            result[i] = power / sum(powers)
    return result
