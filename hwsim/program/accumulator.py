"""Describe the stages of accumulation to the kernel, and prove what cannot leave them.

With operands within [low, high] and weights w, the partial sums of any selection of products lie between the sum of
the smallest and the sum of the largest value that each product, or its absence, can have. What these bounds keep inside
a stage's width can never leave it, in any order, for any input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsim.formats import IntFormat
from hwsim.program.pipeline import ONE_WORD, fit_field, held, refuse_wider
from hwsim.program.records import Codes, Ints, Point, Reals
from hwsim.target.settings import Mac, Product, Stage
from hwsim_kernels.exact import EXACT_LIMIT
from hwsim_kernels.fields import FIELDS, field_of

Bounds = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The stages as the kernel takes them, their points, and what is proved of them.

    ``bound`` holds every sum that the last stage hands up. ``exact``: nothing is lost before that, for any input.
    ``wide``: a sum can need two words on its way.
    """

    product: Ints
    stages: Ints
    points: tuple[Point, ...]
    bound: Bounds
    exact: bool
    wide: bool


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What is summed: ``weights`` (groups, steps, outputs) by operands within ``operands``.

    ``ends`` (levels, steps) says where the sums of each stage end. ``start`` (channels,) is what the first sum of stage
    ``start_level`` starts from.
    """

    weights: Codes
    operands: Bounds
    ends: Ints
    start: Ints
    start_level: int

    def start_of(self, level: int) -> Ints:
        """Return what is part of a stage's exact sums from the start."""
        return self.start if level >= self.start_level else np.zeros(1, np.int64)

    def most_values(self, level: int) -> int:
        """Return how many values one sum of a stage takes at most."""
        arrives = self.ends[level - 1] if level else np.ones(self.ends.shape[1], np.int64)
        taken = np.cumsum(arrives)[self.ends[level] != 0]
        return int(np.diff(taken, prepend=0).max())


def prove_stages(layer: str, mac: Mac, sums: Sums, unit: Reals) -> Proof:
    """Prove what weights and operands allow to be proved.

    ``unit`` (channels,) is the real value of the last stage's LSB. Raises WidthError if a sum could leave the
    simulator's two words.
    """
    weights, operands = sums.weights, sums.operands
    steps = weights.shape[1]
    one, other = (weights.astype(np.int64) * end for end in operands)
    low, high = np.minimum(np.minimum(one, other), 0), np.maximum(np.maximum(one, other), 0)
    shifts = sum(stage.shift for stage in mac.stages)
    points: list[Point] = []
    exact, products_exact, wide = True, True, False
    bound = (int(low.min()), int(high.max()))
    if mac.product is not None:
        point = product_point(mac.product, bound, steps, unit * 2.0**-shifts)
        points.append(point)
        exact = products_exact = point.proven and mac.product.shift == 0
        assert point.bound is not None
        bound = point.leaving(point.bound)
    for level, stage in enumerate(mac.stages):
        first, count = sums.start_of(level), sums.most_values(level)
        before, needed = bound_before_fit(layer, stage, max(-bound[0], bound[1]), first, count)
        wide |= needed >= ONE_WORD
        shifts -= stage.shift
        grouped = exact and stage.shift == 0
        bound = grouped_bound(low, high, sums.ends[level], first) if grouped else (-before, before)
        point = stage_point(stage, bound, steps, unit * 2.0**-shifts)
        points.append(point)
        exact = exact and point.proven and stage.shift == 0
        bound = point.leaving(bound)
    safe = max(-bound[0], bound[1]) < EXACT_LIMIT
    return Proof(
        product=product_field(None if products_exact else mac.product),
        stages=np.stack([stage_field(stage) for stage in mac.stages]),
        points=tuple(points),
        bound=bound,
        exact=exact and safe,
        wide=wide,
    )


def grouped_bound(low: Ints, high: Ints, ends: Ints, start: Ints) -> Bounds:
    """Return what bounds every partial sum of the products between ``ends``, from ``start`` (channels,) or (1,)."""
    groups, _, outputs = low.shape
    cuts = np.flatnonzero(np.concatenate([[1], ends[:-1]]))
    begin = np.broadcast_to(start, (groups * outputs,)).reshape(groups, 1, outputs).astype(object)
    smallest = np.add.reduceat(low, cuts, axis=1).min(axis=1, keepdims=True) + begin
    largest = np.add.reduceat(high, cuts, axis=1).max(axis=1, keepdims=True) + begin
    return int(smallest.min()), int(largest.max())


def bound_before_fit(layer: str, stage: Stage, widest: int, start: Ints, count: int) -> Bounds:
    """Return what no sum of ``count`` values of magnitude ``widest`` exceeds when it comes to its fit, and on its way.

    On its way are the register with its LSBs still there, and the exact sum that the ledger compares it with. Raises
    WidthError if that does not fit the simulator's two words.
    """
    first = max(-int(start.min()), int(start.max()))
    exact = first + count * (widest + 1)
    form = IntFormat(bits=stage.bits, signed=stage.signed)
    register = max(first, held(form, stage.overflow, (-exact, exact)))
    if stage.shape == "tree":
        most = max(2 * register, count * widest)
    elif stage.check == "each":
        most = (register << stage.shift) + widest
    else:
        most = (first << stage.shift) + count * widest
    needed = max(most, exact, register)
    refuse_wider(f"{layer}: stage '{stage.name}'", needed)
    return (most >> stage.shift) + (1 if stage.shift else 0), needed


def product_point(product: Product, bound: Bounds, steps: int, unit: Reals) -> Point:
    """Describe the truncation of products."""
    form = IntFormat(bits=product.bits, signed=product.signed)
    after = bound[0] >> product.shift, (bound[1] >> product.shift) + (1 if product.shift else 0)
    return Point(
        name="product",
        unit=unit,
        format=form,
        overflow=product.overflow,
        saturated_bits=product.saturated_bits,
        rounding=product.rounding if product.shift else None,
        shift=product.shift,
        steps=steps,
        proven=form.under(product.overflow).holds(*after),
        bound=after,
    )


def stage_point(stage: Stage, bound: Bounds, steps: int, unit: Reals) -> Point:
    """Describe a stage of accumulation."""
    form = IntFormat(bits=stage.bits, signed=stage.signed)
    return Point(
        name=stage.name,
        unit=unit,
        format=form,
        overflow=stage.overflow,
        saturated_bits=stage.saturated_bits,
        rounding=stage.rounding if stage.shift else None,
        shift=stage.shift,
        steps=steps,
        stage=True,
        proven=form.under(stage.overflow).holds(*bound),
        bound=bound,
    )


def product_field(product: Product | None) -> Ints:
    """Return the product's format as the kernel takes it, zeros for exact products."""
    if product is None:
        return np.zeros(FIELDS, np.int64)
    return field_of(*fit_field(product), shift=product.shift, rounding=product.rounding.code)


def stage_field(stage: Stage) -> Ints:
    """Return a stage as the kernel takes it."""
    return field_of(
        *fit_field(stage),
        shift=stage.shift,
        rounding=stage.rounding.code,
        terms=stage.terms or 0,
        check_each=stage.check == "each",
        tree=stage.shape == "tree",
    )
