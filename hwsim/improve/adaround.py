"""Adaptive rounding: weights go to that one of two neighbouring codes that keeps a layer's sums near the float run's.

The problem is that of AdaRound (Nagel et al. 2020, arXiv 2004.10568) with its asymmetric reconstruction: inputs as the
layers before give them, sums as the float run has them. `hwsim.improve.best_rounding` solves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from hwsim.errors import PlanError
from hwsim.improve.best_rounding import Choice, best_rounding
from hwsim.improve.draft import Draft
from hwsim.improve.patches import Positions, as_kernel, as_rows, groups_of, patches, sums_at
from hwsim.improve.rebuild import Seen, rebuild
from hwsim.improve.stored import with_kernel
from hwsim.network import Weighted
from hwsim.network.mac import Floats
from hwsim.program.mac import quantize_weights
from hwsim.quantize.decide import kernel_of
from hwsim.quantize.plan import WeightPlan
from hwsim.target import Settings

Doubles = NDArray[np.float64]
Codes = NDArray[np.int64]

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
MOST_NUDGES = 8


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
        settings = target.settings(operation.kind, operation.name)
        grid = Grid.of(operation, plan.weights[operation.name], settings)
        codes = rounded_codes(operation, seen, grid)
        moved.append(int(np.count_nonzero(codes != grid.nearest)))
        total.append(codes.size)
        return with_kernel(operation, held(operation, codes, grid, settings))

    rebuilt = rebuild(draft, rounded, "rounding weights")
    left_out = f"; left out, as sums have more than {MOST_WEIGHTS} weights: {', '.join(large)}" if large else ""
    return rebuilt.noted(f"weights rounded adaptively: {sum(moved):,} of {sum(total):,} to another code{left_out}")


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The codes around a kernel's weights, less their zero points, in the kernel's shape.

    ``low`` and ``high`` are the same where a weight is a code, or outside the format. ``nearest`` is the target's own
    choice. ``scale``: (output channels,).
    """

    entry: WeightPlan
    scale: Doubles
    low: Codes
    high: Codes
    nearest: Codes

    @staticmethod
    def of(operation: Weighted, entry: WeightPlan, settings: Settings) -> Grid:
        """Return the codes that an operation's weights lie between."""
        kernel = kernel_of(operation).astype(np.float64)
        scale = np.broadcast_to(np.asarray(entry.scale, np.float64), kernel.shape[-1:])
        zero_point = np.asarray(entry.zero_point, np.int64)
        least, most = entry.format.minimum - zero_point, entry.format.maximum - zero_point
        ratio = kernel / scale
        nearest, _, _ = quantize_weights(kernel_of(operation), entry, settings)
        low, high = (np.clip(side(ratio), least, most).astype(np.int64) for side in (np.floor, np.ceil))
        return Grid(
            entry=entry,
            scale=scale,
            low=np.minimum(low, nearest),
            high=np.maximum(high, nearest),
            nearest=nearest,
        )


def rounded_codes(operation: Weighted, seen: Seen, grid: Grid) -> Codes:
    """Return the best codes, less their zero points, in the kernel's shape."""
    shape = seen.sums.shape[1:]
    positions = picked(operation, len(seen.sums) * prod(shape[:-1]))
    rows = patches(operation, seen.stored, positions, shape)
    sums = sums_at(operation, seen.sums - operation.bias, positions)
    low, high, nearest = (as_rows(operation, codes * grid.scale) for codes in (grid.low, grid.high, grid.nearest))
    gram, cross = mean_products(rows, rows), mean_products(sums, rows)
    ridge = RIDGE * np.einsum("gkk->g", gram)[:, None, None] / gram.shape[-1]
    cross += ridge * as_rows(operation, kernel_of(operation))
    choice = Choice(gram=gram + ridge * np.eye(gram.shape[-1]), cross=cross, low=low, high=high)
    upper = as_kernel(best_rounding(choice, nearest > low), grid.low.shape)
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


def held(operation: Weighted, codes: Codes, grid: Grid, settings: Settings) -> Floats:
    """Return float32 weights that the target rounds to ``codes``.

    A product of scale and code that float32 cannot hold moves by single steps of float32 until it is on the right side.
    Raises PlanError where there is none, as the jamming modes set the last bit of codes.
    """
    kernel = (codes * grid.scale).astype(np.float32)
    for _ in range(MOST_NUDGES):
        found, _, _ = quantize_weights(kernel, grid.entry, settings)
        if (found == codes).all():
            return kernel
        towards = np.where(found < codes, np.float32(np.inf), np.float32(-np.inf))
        kernel = np.where(found == codes, kernel, np.nextafter(kernel, towards))
    raise PlanError(
        f"{operation.name}: float32 has no weights that weights.rounding {settings.weights.rounding} takes to the "
        "chosen codes with the scales of the plan; round weights to nearest"
    )
