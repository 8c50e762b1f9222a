"""Minimal filtering (S. Winograd, 1980): sums of a sliding window from fewer products, in integers alone.

A filtering of m outputs and r taps takes three matrices, A for the operands a that it reads, W for weights w, and S:

    scale * sum_l a[k + l] w[l] = sum_i S[k, i] (A a)[i] (W w)[i]    for each output k.

All are integers, so nothing is rounded: what comes out is ``scale`` times the wanted sum, which divides it exactly. It
may even be formed modulo 2^32. With scale = odd * 2^shift, the inverse of the odd part takes that away whatever the sum
is, so that only ``shift`` bits are lost: a sum below 2^(31 - shift) is known exactly. (In floats, where such filtering
is common, it costs digits; A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016.)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, lcm, prod
from typing import NamedTuple

Matrix = tuple[tuple[int, ...], ...]

Point = tuple[int, int]

POINTS: tuple[Point, ...] = ((0, 1), (1, 1), (-1, 1), (1, 0), (2, 1), (-2, 1), (1, 2), (-1, 2))
"""Ratios p : q, in the order in which they are taken. One and its negative have most of their sums in common."""


class Filtering(NamedTuple):
    """The filtering of one dimension.

    operands: (points, reach), A above. weights: (points, taps), W. sums: (outputs, points), S.
    """

    operands: Matrix
    weights: Matrix
    sums: Matrix
    scale: int = 1

    @property
    def outputs(self) -> int:
        """Return how many sums there are."""
        return len(self.sums)

    @property
    def taps(self) -> int:
        """Return how many products the definition of a sum has."""
        return len(self.weights[0])

    @property
    def points(self) -> int:
        """Return how many products are formed."""
        return len(self.operands)

    @property
    def reach(self) -> int:
        """Return how many operands are read, side by side."""
        return len(self.operands[0])


def interpolated(outputs: int, taps: int) -> Filtering:
    """Return a filtering with the least of products, outputs + taps - 1, by the algorithm of Toom and Cook.

    With points (p : q) and the polynomials V_i(x) = prod (q_j x - p_j), j != i, that vanish at all others,
    N_i = prod (p_i q_j - p_j q_i), Lagrange's interpolation of x^(k + l) says

        [t = k + l] = sum_i p_i^k q_i^(m - 1 - k) * p_i^l q_i^(r - 1 - l) * V_i[t] / N_i.

    >>> one = interpolated(2, 3)
    >>> one.operands, one.weights
    (((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1)), ((1, 0, 0), (1, 1, 1), (1, -1, 1), (0, 0, 1)))
    >>> one.sums, one.scale
    (((2, 1, 1, 0), (0, 1, -1, 2)), 2)
    """
    points = POINTS[: outputs + taps - 1]
    vanishing: list[tuple[int, ...]] = []
    norms: list[int] = []
    for p, q in points:
        others = [one for one in points if one != (p, q)]
        polynomial, norm = _product(others), prod(p * other[1] - other[0] * q for other in others)
        common = gcd(*polynomial) if norm > 0 else -gcd(*polynomial)
        vanishing.append(tuple(one // common for one in polynomial))
        norms.append(norm // common)
    scale = lcm(*norms)
    weighed = [
        [scale // norm * one for one in _powers(point, outputs)] for norm, point in zip(norms, points, strict=True)
    ]
    return Filtering(
        operands=tuple(vanishing),
        weights=tuple(_powers(one, taps) for one in points),
        sums=tuple(zip(*weighed, strict=True)),
        scale=scale,
    )


def directly(outputs: int, taps: int) -> Filtering:
    """Return the products of the definition, each as it is.

    >>> directly(1, 2)
    Filtering(operands=((1, 0), (0, 1)), weights=((1, 0), (0, 1)), sums=((1, 1),), scale=1)
    """
    each = [(k, tap) for k in range(outputs) for tap in range(taps)]
    return Filtering(
        operands=tuple(_unit(k + tap, outputs + taps - 1) for k, tap in each),
        weights=tuple(_unit(tap, taps) for _, tap in each),
        sums=tuple(tuple(int(its == k) for its, _ in each) for k in range(outputs)),
    )


def nested(outer: Filtering, inner: Filtering, taps: int) -> Filtering:
    """Return the filtering by ``outer`` of blocks that ``inner``, of as many outputs as taps, filters in themselves.

    More products than need be, but factors stay small. Taps behind ``taps`` are left out.
    """
    block = inner.outputs
    reach = outer.outputs * block + taps - 1
    operands = [[0] * reach for _ in range(outer.points * inner.points)]
    for number, (one, other) in enumerate((a, b) for a in outer.operands for b in inner.operands):
        for first, factor in enumerate(one):
            for place, value in enumerate(other):
                if first * block + place < reach:
                    operands[number][first * block + place] += factor * value
    return Filtering(
        operands=tuple(map(tuple, operands)),
        weights=tuple(row[:taps] for row in _kronecker(outer.weights, inner.weights)),
        sums=_kronecker(outer.sums, inner.sums),
        scale=outer.scale * inner.scale,
    )


def odd_and_shift(scale: int) -> tuple[int, int]:
    """Return a scale as an odd number and a power of two.

    >>> odd_and_shift(360)
    (45, 3)
    """
    shift = (scale & -scale).bit_length() - 1
    return scale >> shift, shift


def _powers(point: Point, count: int) -> tuple[int, ...]:
    p, q = point
    return tuple(p**k * q ** (count - 1 - k) for k in range(count))


def _product(points: Sequence[Point]) -> list[int]:
    """Return the coefficients of prod (q x - p)."""
    made = [1]
    for p, q in points:
        made = [q * high - p * low for high, low in zip([0, *made], [*made, 0], strict=True)]
    return made


def _kronecker(one: Matrix, other: Matrix) -> Matrix:
    return tuple(tuple(a * b for a in row for b in line) for row in one for line in other)


def _unit(place: int, size: int) -> tuple[int, ...]:
    return tuple(int(number == place) for number in range(size))


FILTERINGS: tuple[Filtering, ...] = (
    directly(1, 1),
    directly(1, 5),
    interpolated(2, 3),
    interpolated(4, 3),
    interpolated(4, 5),
    nested(interpolated(3, 4), interpolated(2, 2), 7),
)
"""Those that there is machine code for. Factors have to stay so small that operands and weights keep 16 bits."""
