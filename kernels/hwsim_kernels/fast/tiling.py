"""Which convolutions are filtered, and how: what is prepared once for a layer, and the room that a block needs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._types import Ints
from hwsim_kernels.fast.datapath import Datapath
from hwsim_kernels.fast.dots import ROWS
from hwsim_kernels.fast.filtering import FILTERINGS, Filtering, odd_and_shift
from hwsim_kernels.fast.memory import unset
from hwsim_kernels.fast.packing import BYTES, SHORTS, TOGETHER, Layout, panels_of, sorted_steps
from hwsim_kernels.fast.pairs import SHORT, STEPS
from hwsim_kernels.fast.sums import PAIR

BLOCK_BYTES = 1 << 20
"""About how many bytes the points and the products of a block have."""


class Prices(NamedTuple):
    """What takes how long, in products of 16 bits: a product, an operand of a point and a product that are combined."""

    product: float
    operand: float
    sum: float


PRICES = {SHORTS: Prices(1, 6, 12), BYTES: Prices(0.5, 9, 18)}
"""Beside each micro-kernel that would form products directly; measured. Where bytes multiply, twice as many do in a
time, while combining is as fast as before: on Zen 4 whole networks take the same with anything from 6 and 12 to 9 and
18, and 3 % longer with 18 and 36. A processor that forms twice as many products of bytes at a time should want more."""

WORTH = 0.9
"""The share of the direct way's time that filtering must stay below."""


class Tiling(NamedTuple):
    """How a convolution is filtered. Pairs are of rows and of columns.

    kinds: of filterings. tile, reach: outputs and operands of a tile. image: rows and columns of the output. before:
    where the first operand of the first output is. across: tiles of a band. bands: of a block. channels: of the input,
    with those that fill up vectors. panels: (points, panels, depth / 2, 16, 2). inverse, shift: what makes sums of what
    filtering leaves. flip, offset: what makes operands of units. outside: the operand of what lies outside.
    """

    kinds: tuple[int, int]
    tile: tuple[int, int]
    reach: tuple[int, int]
    image: tuple[int, int]
    before: tuple[int, int]
    across: int
    bands: int
    channels: int
    panels: NDArray[np.int16]
    inverse: int
    shift: int
    flip: int
    offset: int
    outside: int


class TileRoom(NamedTuple):
    """Memory for one block.

    frame, lines: (rows, columns, channels). points: (points, tiles, channels). products: (points, tiles, 32). parts:
    of one tile, combined along rows. sums: (positions, 32).
    """

    frame: NDArray[np.int16]
    lines: NDArray[np.int16]
    points: NDArray[np.int16]
    products: NDArray[np.int32]
    parts: NDArray[np.int32]
    sums: NDArray[np.int32]


def tiling(path: Datapath, kind: np.dtype[Any], view: tuple[int, int, int], form: Layout) -> Tiling | None:
    """Return how to filter a convolution whose sums have 32 bits, or None if it cannot be or would take longer.

    kind, view: type of the stored codes, and (h, w, c) of the input. form: how products are formed directly.
    """
    prices, order = PRICES.get(form.kernel), sorted_steps(path.taps)
    shape = shape_of(path, path.taps[order], view[2])
    if shape is None or prices is None or kind.itemsize > 1:
        return None
    worth = worthwhile(shape, path.positions, prices)
    if not worth:
        return None
    kernel: Ints = path.weights[0, order].astype(np.int64).reshape(shape)
    found = exact_one(worth, kernel, path.operands(kind))
    if found is None:
        return None
    kinds, weights = found
    one, other = (FILTERINGS[each] for each in kinds)
    odd, shift = odd_and_shift(one.scale * other.scale)
    inverse = pow(odd, -1, 1 << 32)
    across, channels = -(-path.positions[1] // other.outputs), -(-view[2] // STEPS) * STEPS
    tiles = BLOCK_BYTES // (len(weights) * (2 * channels + 4 * PAIR))
    return Tiling(
        kinds=kinds,
        tile=(one.outputs, other.outputs),
        reach=(one.reach, other.reach),
        image=path.positions,
        before=(int(path.taps[:, 0].min()), int(path.taps[:, 1].min())),
        across=across,
        bands=bands_of(across, tiles),
        channels=channels,
        panels=panels_of(weights, SHORTS, -(-view[2] // TOGETHER[SHORTS]) * TOGETHER[SHORTS], 1)[:, 0],
        inverse=inverse - (1 << 32) if inverse >= 1 << 31 else inverse,
        shift=shift,
        flip=form.flip,
        offset=form.offset,
        outside=path.outside,
    )


def shape_of(path: Datapath, taps: Ints, channels: int) -> tuple[int, int, int, int] | None:
    """Return the shape of the kernel (rows, columns, channels, outputs) whose steps, in the order of memory, are
    ``taps``; None unless a convolution has stride 1, one group and no holes."""
    if len(path.weights) > 1 or (path.strides > 1).any() or (path.spread > 1).any():
        return None
    first = taps[0]
    rows, columns, depth = (int(size) for size in taps[-1] - first + 1)
    whole = np.indices((rows, columns, depth)).reshape(3, -1).T + first
    if depth != channels or not np.array_equal(whole, taps):
        return None
    return rows, columns, depth, path.weights.shape[2]


def worthwhile(shape: tuple[int, int, int, int], image: tuple[int, int], prices: Prices) -> list[tuple[int, int]]:
    """Return the filterings of rows and of columns that take less than products as they are, the best first.

    shape: of the kernel, as ``shape_of`` returns it. image: rows and columns of the output.
    """
    numbers, direct = range(len(FILTERINGS)), image[0] * image[1] * prod(shape) * prices.product
    fitting = [(y, x) for y in numbers for x in numbers if (FILTERINGS[y].taps, FILTERINGS[x].taps) == shape[:2]]
    taken = {(y, x): price(FILTERINGS[y], FILTERINGS[x], image, shape[2:], prices) for y, x in fitting}
    return [kinds for kinds in sorted(taken, key=taken.__getitem__) if taken[kinds] < WORTH * direct]


def exact_one(
    worth: Sequence[tuple[int, int]], kernel: Ints, operands: tuple[int, int]
) -> tuple[tuple[int, int], NDArray[np.int32]] | None:
    """Return the first filterings of rows and of columns that are exact, and the weights that they combine, or None.

    kernel: weights (rows, columns, channels, outputs). operands: the least and the largest.
    """
    ends = kernel * operands[0], kernel * operands[1]
    largest, least = np.maximum(*ends).sum(axis=(0, 1, 2)).max(), np.minimum(*ends).sum(axis=(0, 1, 2)).min()
    for kinds in worth:
        one, other = (FILTERINGS[each] for each in kinds)
        if max(largest, -least) < 1 << (31 - odd_and_shift(one.scale * other.scale)[1]):
            weights = combined(one, other, kernel)
            if small(one, other, operands, weights):
                return kinds, weights
    return None


def price(one: Filtering, other: Filtering, image: tuple[int, int], channels: tuple[int, ...], prices: Prices) -> float:
    """Return about how long filtering rows and columns so takes; channels: of the input and of the output."""
    tiles = -(-image[0] // one.outputs) * -(-image[1] // other.outputs)
    each = channels[0] * channels[1] + prices.operand * channels[0] + prices.sum * channels[1]
    return tiles * one.points * other.points * each


def combined(one: Filtering, other: Filtering, kernel: Ints) -> NDArray[np.int32]:
    """Return weights (points, channels, outputs) as filterings of rows and of columns combine those of a kernel.

    Weights of 16 bits, as ``layout`` has them, leave room enough in 32.
    """
    parts = (np.array(each.weights, np.int32) for each in (one, other))
    made: NDArray[np.int32] = np.einsum("iy,jx,yxco->ijco", *parts, kernel.astype(np.int32), optimize=True)
    return made.reshape(-1, *kernel.shape[2:])


def small(one: Filtering, other: Filtering, operands: tuple[int, int], weights: NDArray[np.int32]) -> bool:
    """Whether combined weights, and what operands from a least to a largest one are combined to, keep 16 bits."""
    factors = np.kron(one.operands, other.operands)
    up, down = factors.clip(min=0).sum(axis=1), -factors.clip(max=0).sum(axis=1)
    least, largest = (up * operands[0] - down * operands[1]).min(), (up * operands[1] - down * operands[0]).max()
    return bool(max(largest, weights.max()) < SHORT and min(least, weights.min()) >= -SHORT)


def bands_of(across: int, tiles: int) -> int:
    """Return how many bands of ``across`` tiles, about ``tiles`` in all, fill up rows of the micro-kernel best."""
    most = max(tiles // across, 1)
    return min(range(1, most + 1), key=lambda bands: (-bands * across % ROWS / (bands * across), -bands))


def tile_room(form: Tiling) -> TileRoom:
    """Return memory for one block; what stands behind channels and tiles is multiplied by nothing or for nothing."""
    points, tiles = len(form.panels), -(-form.bands * form.across // ROWS) * ROWS
    columns = (form.across - 1) * form.tile[1] + form.reach[1]
    rows = FILTERINGS[form.kinds[0]].points
    positions = form.bands * form.tile[0] * form.image[1]
    return TileRoom(
        frame=unset((form.reach[0], columns, form.channels), np.int16),
        lines=unset((rows, columns, form.channels), np.int16),
        points=unset((points, tiles, form.channels), np.int16),
        products=unset((points, tiles, PAIR), np.int32),
        parts=unset((rows * form.tile[1], PAIR), np.int32),
        sums=unset((positions, PAIR), np.int32),
    )
