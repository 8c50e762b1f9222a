"""Exact sums of products by NumPy's matrix product of float64: nothing of it is compiled here.

Every operand, product and sum is an integer below 2**53, so float64 holds it and the order of additions does not
matter.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._types import Codes, Ints
from hwsim_kernels.fast.datapath import Datapath

Floats = NDArray[np.float64]

OPERANDS = 1 << 20
"""About how many operands are laid out at a time."""

PRODUCTS = 1 << 17
"""So many products at a time NumPy's library forms in the thread that asks: samples are already shared out to threads,
and those of the library would wait for work at the expense of ours."""
LEAST_ROWS = 4


def write_products(path: Datapath, codes: Codes, out: Ints) -> None:
    """Write the sums of codes (n, h, w, c) to ``out`` (rows, channels), where ``path`` is exact."""
    groups, steps, outputs = path.weights.shape
    weights, (rows, columns) = path.weights.astype(np.float64), path.positions
    sums = out.reshape(len(codes), rows, columns, groups, outputs)
    samples = max(1, OPERANDS // (rows * columns * groups * steps))
    high = max(1, OPERANDS // (columns * groups * steps))
    for sample in range(0, len(codes), samples):
        field = field_of(path, codes[sample : sample + samples])
        for row in range(0, rows, high):
            behind, place = min(row + high, rows), sums[sample : sample + samples, row : row + high]
            if outputs == 1 and field.shape[3] == groups:
                place[...] = multiplied_by_taps(path, field, row, behind)
                continue
            operands = operands_of(path, field, row, behind)
            product = multiplied(operands.reshape(groups, -1, steps), weights)
            place[...] = product.reshape(*operands.shape[:4], outputs).transpose(1, 2, 3, 0, 4)
    out += path.start


def multiplied(operands: Floats, weights: Floats) -> Floats:
    """Return the matrix products (groups, rows, outputs) of operands (groups, rows, steps) and weights."""
    (groups, rows, steps), outputs = operands.shape, weights.shape[2]
    together = max(LEAST_ROWS, PRODUCTS // (steps * outputs))
    blocks = rows // together
    whole = blocks * together
    product = np.empty((groups, rows, outputs))
    for group, (mine, into) in enumerate(zip(operands, product, strict=True)):
        several = mine[:whole].reshape(blocks, together, steps)
        np.matmul(several, weights[group], out=into[:whole].reshape(blocks, together, outputs))
        np.matmul(mine[whole:], weights[group], out=into[whole:])
    return product


def field_of(path: Datapath, codes: Codes) -> Floats:
    """Return operands (n, …, …, c) from the first row and column that a window reaches to the last."""
    first, last = reach(path)
    field = np.full((len(codes), *(last - first + 1), codes.shape[3]), float(path.outside))
    given, place = [slice(None)], [slice(None)]
    for axis, (begin, end, spread) in enumerate(zip(first.tolist(), last.tolist(), path.spread.tolist(), strict=True)):
        # codes lie at multiples of the spread
        from_code, behind = max(0, -(-begin // spread)), min(codes.shape[1 + axis], end // spread + 1)
        given.append(slice(from_code, max(from_code, behind)))
        place.append(slice(from_code * spread - begin, max(from_code, behind) * spread - begin, spread))
    field[tuple(place)] = codes[tuple(given)].astype(np.float64) - path.zero_point
    return field


def operands_of(path: Datapath, field: Floats, row: int, behind: int) -> Floats:
    """Return operands (groups, n, rows, columns, steps) of the output's rows from ``row`` on, without ``behind``."""
    groups, steps, _ = path.weights.shape
    channels = field.shape[3] // groups
    operands = np.empty((groups, len(field), behind - row, path.positions[1], steps))
    for begin, end, (y, x, c) in runs(path.taps):
        seen = seen_by(path, field, row, behind, (y, x))
        for group in range(groups):
            channel = group * channels + c
            operands[group, ..., begin:end] = seen[..., channel : channel + end - begin]
    return operands


def multiplied_by_taps(path: Datapath, field: Floats, row: int, behind: int) -> Floats:
    """Return the sums (n, rows, columns, channels, 1) of a depthwise convolution for the same rows."""
    weights = path.weights[:, :, 0].astype(np.float64)
    sums, product = (np.zeros((len(field), behind - row, path.positions[1], field.shape[3])) for _ in range(2))
    for step, (y, x, _) in enumerate(path.taps.tolist()):
        np.multiply(seen_by(path, field, row, behind, (y, x)), weights[:, step], out=product)
        sums += product
    return sums[..., np.newaxis]


def seen_by(path: Datapath, field: Floats, row: int, behind: int, tap: tuple[int, int]) -> Floats:
    """Return what one tap sees of the field (n, rows, columns, c), for the same rows."""
    (down, across), (top, left) = path.strides.tolist(), (np.array(tap) - reach(path)[0]).tolist()
    top, high, wide = top + row * down, (behind - row - 1) * down + 1, (path.positions[1] - 1) * across + 1
    return field[:, top : top + high : down, left : left + wide : across]


def reach(path: Datapath) -> tuple[Ints, Ints]:
    """Return the first and the last row and column (2,) that a window reaches."""
    taps, ends = path.taps[:, :2], (np.array(path.positions) - 1) * path.strides
    return taps.min(axis=0), taps.max(axis=0) + ends


def runs(taps: Ints) -> Iterator[tuple[int, int, tuple[int, int, int]]]:
    """Yield (first step, step behind the last, first tap) of steps that take channels of one pixel in their order.

    >>> list(runs(np.array([(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 2)])))
    [(0, 2, (0, 0, 0)), (2, 3, (0, 1, 0)), (3, 4, (0, 1, 2))]
    """
    cuts = [0, *(np.flatnonzero((np.diff(taps, axis=0) != (0, 0, 1)).any(axis=1)) + 1).tolist(), len(taps)]
    for begin, end in zip(cuts, cuts[1:], strict=False):
        y, x, c = taps[begin].tolist()
        yield begin, end, (y, x, c)
