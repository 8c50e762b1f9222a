"""The fast ways to an operation's sums, prepared once for as long as the operation lives."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from hwsim.program.records import MatrixProduct, MultiplyAccumulate, Point
from hwsim_kernels.fast.blocks import Prepared, prepare
from hwsim_kernels.fast.chains import Chain, chain_of
from hwsim_kernels.fast.datapath import Datapath
from hwsim_kernels.fast.features import PORTABLE

_prepared: WeakKeyDictionary[MultiplyAccumulate, dict[tuple[int, np.dtype[Any]], Prepared | None]] = WeakKeyDictionary()


def prepared_sums(one: MultiplyAccumulate, codes: NDArray[Any], tier: int) -> Prepared | None:
    """Return how the fast kernels of a tier form an operation's sums from codes of this type, or None if they can't."""
    known = _prepared.setdefault(one, {})
    key = (tier, codes.dtype)
    if key not in known:
        known[key] = None if one.wide_sums else prepare(datapath(one), codes.dtype, one.view, key[0])
    return known[key]


_chains: WeakKeyDictionary[MultiplyAccumulate, dict[np.dtype[Any], Chain | None]] = WeakKeyDictionary()


def followed_sums(one: MultiplyAccumulate, codes: NDArray[Any], tier: int) -> Chain | None:
    """Return how an operation's sums are followed step by step in lanes, or None if they can't be."""
    if tier < PORTABLE or one.wide_sums:
        return None
    known = _chains.setdefault(one, {})
    if codes.dtype not in known:
        known[codes.dtype] = chain_of(datapath(one), codes.dtype, one.view)
    return known[codes.dtype]


def datapath(one: MultiplyAccumulate) -> Datapath:
    """Return what multiplies and accumulates."""
    return Datapath(
        zero_point=one.zero_point,
        outside=one.outside,
        taps=one.taps,
        strides=one.strides,
        spread=one.spread,
        weights=one.weights,
        start=one.start,
        start_level=one.start_level,
        product=one.product,
        stages=one.stages,
        ends=one.ends,
        positions=one.output_view[:2],
        exact=one.exact,
        contained=all(point.proven for point in stage_points(one)[:-1]),
    )


def stage_points(one: MultiplyAccumulate) -> tuple[Point, ...]:
    """Return the points of the stages."""
    first = first_stage(one)
    return one.points[first : first + len(one.stages)]


def first_stage(one: MultiplyAccumulate | MatrixProduct) -> int:
    """Return the index of the first stage's point; that of products, if there is one, stands before it."""
    return next(number for number, point in enumerate(one.points) if point.stage)


def has_product(one: MultiplyAccumulate | MatrixProduct) -> bool:
    """Whether products have a point of their own."""
    return any(point.name == "product" for point in one.points)
