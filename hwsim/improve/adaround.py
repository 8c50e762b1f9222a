"""Adaptive rounding: weights go to that one of two neighbouring codes that keeps a layer's sums near the float run's.

The problem is that of AdaRound (Nagel et al. 2020, arXiv 2004.10568) with its asymmetric reconstruction: inputs as the
layers before give them, sums as the float run has them. `hwsim.improve.best_rounding` solves it.
"""

from __future__ import annotations

from math import prod

import numpy as np

from hwsim.improve.best_rounding import Choice, best_rounding
from hwsim.improve.draft import Draft
from hwsim.improve.grid import Grid
from hwsim.improve.patches import Positions, as_kernel, as_rows, groups_of, patches, sums_at
from hwsim.improve.rebuild import Seen, rebuild
from hwsim.improve.stored import Codes, Doubles, with_kernel
from hwsim.network import Weighted
from hwsim.network.mac import Floats
from hwsim.quantize.decide import kernel_of

PATCH_VALUES = 1 << 25
MOST_POSITIONS = 1 << 14
"""How many input values of a layer are looked at, and how many outputs' positions, at most."""
MOST_WEIGHTS = 6144
"""Of one output: the Gram matrix has the square of it."""
RIDGE = 0.03
"""Of the mean square of inputs: what a weight's own error adds to that of sums, so that weights of which the samples
say little stay as they are, and few samples are not learnt by heart."""
CHUNK = 1 << 10
"""Positions whose products are summed in float32, before they go into a sum in float64."""


def adaround(draft: Draft) -> Draft:
    """Round weights so that sums change least; the network's kernels then hold values that are codes already."""
    plan, target = draft.decision(), draft.target
    moved: list[int] = []
    total: list[int] = []
    large: list[str] = []

    def rounded(operation: Weighted, seen: Seen) -> Weighted:
        if kernel_of(operation)[..., 0].size > MOST_WEIGHTS:
            large.append(operation.name)
            return operation
        grid = Grid.of(operation, plan.weights[operation.name], target.settings(operation.kind, operation.name))
        codes = rounded_codes(operation, seen, grid)
        moved.append(int(np.count_nonzero(codes != grid.given)))
        total.append(codes.size)
        return with_kernel(operation, grid.held(codes))

    rebuilt = rebuild(draft, rounded, "rounding weights")
    left_out = f"; left out, as sums have more than {MOST_WEIGHTS} weights: {', '.join(large)}" if large else ""
    return rebuilt.noted(f"weights rounded adaptively: {sum(moved):,} of {sum(total):,} to another code{left_out}")


def rounded_codes(operation: Weighted, seen: Seen, grid: Grid) -> Codes:
    """Return the best codes, in the kernel's shape."""
    shape = seen.sums.shape[1:]
    positions = picked(operation, len(seen.sums) * prod(shape[:-1]))
    rows = patches(operation, seen.stored, positions, shape)
    sums = sums_at(operation, seen.sums - operation.bias.astype(np.float32, copy=False), positions)
    low, high, given = (as_rows(operation, grid.reals(codes)) for codes in (grid.low, grid.high, grid.given))
    gram, cross = mean_products(rows, rows), mean_products(sums, rows)
    ridge = RIDGE * np.einsum("gkk->g", gram)[:, None, None] / gram.shape[-1]
    cross += ridge * as_rows(operation, kernel_of(operation))
    choice = Choice(gram=gram + ridge * np.eye(gram.shape[-1]), cross=cross, low=low, high=high)
    upper = as_kernel(best_rounding(choice, given > low), grid.low.shape)
    return np.where(upper, grid.high, grid.low)


def mean_products(left: Floats, right: Floats) -> Doubles:
    """Return (groups, a, b) the mean over positions of (groups, positions, a) times (groups, positions, b)."""
    total: Doubles = np.zeros((len(left), left.shape[2], right.shape[2]))
    for first in range(0, left.shape[1], CHUNK):
        part = slice(first, first + CHUNK)
        total += left[:, part].swapaxes(1, 2) @ right[:, part]
    return np.asarray(total / left.shape[1])


def picked(operation: Weighted, total: int) -> Positions:
    """Return the positions of outputs that are looked at: all, or so many from a fixed seed as memory has room for."""
    weights = kernel_of(operation)[..., 0].size * groups_of(operation)
    count = min(total, MOST_POSITIONS, max(PATCH_VALUES // weights, 1))
    if count == total:
        return np.arange(total)
    return np.sort(np.random.default_rng(0).choice(total, count, replace=False))
