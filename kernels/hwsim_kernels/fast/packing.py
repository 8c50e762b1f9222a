"""Weights as the micro-kernels read them, laid out once for a layer.

Stored codes are read as unsigned *units*: of 8 bits or of 16, signed codes with their top bit flipped, so that
``operand = unit - offset`` with one offset for the layer. The offset's part of every sum, ``offset * sum(weights)``, is
taken off before: sums start from ``start``. Order does not matter here, since nothing is lost on the way; steps are
sorted so that they run through memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._types import Ints
from hwsim_kernels.fast.datapath import Datapath
from hwsim_kernels.fast.dots import LIMIT32, LIMIT64
from hwsim_kernels.fast.features import AMX, VNNI
from hwsim_kernels.fast.memory import lined_up
from hwsim_kernels.fast.pairs import ADDED, SHORT

FLOAT64, FLOAT32, SHORTS, BYTES, TILES = range(5)
"""Micro-kernels: of operands in lanes, see ``dots``; then of bytes, those of VNNI and of AMX."""

KERNELS = "float64", "float32", "int16", "vnni", "amx"
"""Their names."""

PANEL = 16
"""Columns of a panel. Micro-kernels take two at a time."""

UNIT = 64
"""Steps of a tile, and of a piece of a sum that saturates."""

FOUR = 4
"""Steps of one instruction of VNNI."""

TOGETHER = 1, 1, 2, FOUR, UNIT
"""Steps of one instruction of each micro-kernel."""

ELEMENTS = np.float64, np.float32, np.int16, np.uint8, np.uint8
"""The types of operands that each of them reads."""

MOST_STEPS = 1 << 14
"""Steps up to which the sums of bytes times bytes, two pairs of them, stay within 32 bits."""

DIGITS = 3
"""Signed bytes of a weight at most."""

SHORTEST = 16
"""Steps that a sum in lanes must be able to hold to be worth its while."""


class Layout(NamedTuple):
    """How a layer is computed on one tier.

    ``kernel``: one of the above. ``panels``: bytes (groups, digits, panels, depth / 4, 16, 4), integers of 16 bits
    (groups, 1, panels, depth / 2, 16, 2) or floats (groups, 1, panels, depth, 16, 1). ``depth``: steps with those of no
    weight that fill up the last instruction. ``length``: units of a row with what may follow the last step. ``planes``:
    bytes of a unit. ``chunk``: steps after which a sum in lanes is emptied. ``start`` (channels,): what sums start
    from. ``wide``: whether they need 64 bits. ``runs``: see ``runs_of``. ``blank`` (c,): the units of a pixel outside.
    ``signed``: units are signed as they are. ``raised``: what the weights in panels lack, see ``raise_of``; every sum
    lacks that times the sum of its units. ``direct``: the rows of operands are the input's pixels, as they lie.
    """

    kernel: int
    panels: NDArray[Any]
    depth: int
    length: int
    planes: int
    digits: int
    chunk: int
    outputs: int
    flip: int
    offset: int
    blank: NDArray[Any]
    signed: bool
    raised: int
    start: Ints
    wide: bool
    runs: Ints
    direct: bool


def sorted_steps(taps: Ints) -> Ints:
    """Return the order in which steps (k, 3) run through memory."""
    return np.lexsort((taps[:, 2], taps[:, 1], taps[:, 0])).astype(np.int64)


def runs_of(taps: Ints, channels: int, spread: Ints) -> Ints:
    """Return (runs, 5): row, column and channel of the first step, how many steps lie side by side in memory, and over
    how many pixels behind the first.

    A run goes on over the end of a pixel if the next pixel follows in the image.
    """
    flat = taps[:, 1] * channels + taps[:, 2]
    joined = (np.diff(taps[:, 0]) == 0) & (np.diff(flat) == 1)
    if spread.max() > 1:
        joined &= np.diff(taps[:, 1]) == 0
    first = np.concatenate([[0], np.flatnonzero(~joined) + 1])
    lengths = np.diff(np.concatenate([first, [len(taps)]]))
    across = (taps[first, 2] + lengths - 1) // channels
    return np.ascontiguousarray(np.column_stack([taps[first], lengths, across]), np.int64)


def layout(tier: int, kind: np.dtype[Any], view: tuple[int, int, int], path: Datapath) -> Layout | None:
    """Return how to compute exact sums on a tier, or None if only the plain way is left.

    kind: the type of the stored codes, of one byte or two. view: (h, w, c) of the input. Steps keep their order where a
    saturating stage will want to see it. The caller has proved that sums stay below 2**53.
    """
    _, steps, outputs = path.weights.shape
    order: Ints = sorted_steps(path.taps) if path.exact else np.arange(steps, dtype=np.int64)
    arranged = path.weights[:, order].astype(np.int64)
    operand = path.largest_operand(kind)
    most = int((np.abs(arranged).sum(axis=1).reshape(-1) * operand + np.abs(path.start)).max(initial=0))
    bits = 8 * kind.itemsize
    raised = raise_of(arranged) if tier == VNNI else 0
    digits = bytes_of(arranged) if tier == AMX else digits_of(arranged - raised)
    if tier in (AMX, VNNI) and digits <= DIGITS and steps <= MOST_STEPS:
        kernel, chunk = TILES if tier == AMX else BYTES, 0
    else:
        kernel, chunk = in_lanes(arranged, path.operands(kind), most)
        raised, digits = 0, 1
    fill, codes = path.outside + path.zero_point, np.iinfo(kind)
    if (kernel == FLOAT64 and most >= LIMIT64) or not codes.min <= fill <= codes.max:
        return None
    as_signed = kind.kind == "i" and kernel == TILES
    flip = 1 << (bits - 1) if kind.kind == "i" and not as_signed else 0
    offset = path.zero_point + flip
    start = path.start - (offset * arranged.sum(axis=1).reshape(-1) if kernel >= BYTES else 0)
    channels = view[2]
    runs = runs_of(path.taps[order], channels, path.spread)
    unit = TOGETHER[kernel]
    depth = -(-steps // unit) * unit
    length = depth if path.exact else -(-steps // UNIT) * UNIT
    return Layout(
        kernel=kernel,
        panels=panels_of(arranged - raised, kernel, depth, digits),
        depth=depth,
        length=length,
        planes=bits // 8,
        digits=digits,
        chunk=chunk,
        outputs=outputs,
        flip=flip,
        offset=offset,
        blank=np.full(channels, fill & ((1 << bits) - 1), f"u{kind.itemsize}"),
        signed=as_signed,
        raised=raised,
        start=start,
        wide=kernel == FLOAT64 or most >= 1 << 31 or (kernel >= BYTES and (digits > 1 or bits > 8)),
        runs=runs,
        direct=runs.tolist() == [[0, 0, 0, length, 0]] and length == channels and in_place(path, view),
    )


def in_place(path: Datapath, view: tuple[int, int, int]) -> bool:
    """Whether output positions are those of the input, one by one."""
    return bool((path.strides == 1).all() and (path.spread == 1).all() and path.positions == view[:2])


def in_lanes(weights: Ints, operands: tuple[int, int], most: int) -> tuple[int, int]:
    """Return the micro-kernel of operands in lanes that is fastest, and after how many steps its sums are emptied.

    operands: the least and the largest; ``most`` bounds whole sums.
    """
    steps, heaviest = weights.shape[1], int(np.abs(weights).max(initial=1))
    product = max(heaviest * max(map(abs, operands)), 1)
    shorts = ADDED and heaviest < SHORT and min(operands) >= -SHORT and max(operands) < SHORT
    in_word, in_float = ((1 << 31) - 1) // product // 2 * 2, (LIMIT32 - 1) // product
    if shorts and most < 1 << 31:
        return SHORTS, steps + 1
    if shorts and in_word >= SHORTEST:
        return SHORTS, in_word
    if most < 1 << 31 and in_float >= min(SHORTEST, steps):
        return FLOAT32, in_float
    return FLOAT64, (LIMIT64 - 1) // product


def digits_of(weights: Ints) -> int:
    """Return how many signed bytes the weights have.

    >>> [digits_of(np.array([one])) for one in (-128, 127, 128, 32639, 32640)]
    [1, 1, 2, 2, 3]
    """
    return _digits_between(int(weights.min(initial=0)), int(weights.max(initial=0)))


def _digits_between(low: int, high: int) -> int:
    count, ones = 1, 1
    while low < -128 * ones or high > 127 * ones:
        count, ones = count + 1, 256 * ones + 1
    return count


def raise_of(weights: Ints) -> int:
    """Return what to take off weights of several signed bytes so that they have fewer, or 0.

    Without 128 for each lower byte, a weight's bytes are those that it has with no sign, less 128 each.

    >>> [raise_of(np.array(some)) for some in ([-32640, 32639], [-32768, 32767], [0, 255], [1 << 22, (1 << 23) - 1])]
    [0, 128, 0, 32896]
    """
    low, high = int(weights.min(initial=0)), int(weights.max(initial=0))
    count = _digits_between(low, high)
    fewer = [lower for lower in (128, 128 * 257) if 1 < _digits_between(low - lower, high - lower) < count]
    return fewer[0] if fewer else 0


def signed_byte(values: NDArray[Any]) -> NDArray[Any]:
    """Return the lowest signed byte of each value: the digit d, -128 <= d < 128, with value = d mod 256."""
    return ((values + 128) & 255) - 128


def bytes_of(weights: Ints) -> int:
    """Return how many bytes the weights have, only the highest of them signed.

    >>> [bytes_of(np.array([one])) for one in (-128, 127, 128, -32768, 32767, 32768)]
    [1, 1, 2, 2, 2, 3]
    """
    low, high = int(weights.min(initial=0)), int(weights.max(initial=0))
    return -(-(max(high, -low - 1).bit_length() + 1) // 8)


def panels_of(weights: NDArray[np.int32] | Ints, kernel: int, depth: int, digits: int) -> NDArray[Any]:
    """Return weights (groups, steps, outputs) as a micro-kernel reads them; see ``Layout``.

    Steps of one instruction stand side by side. All bytes of a weight are signed, but for tiles the highest alone.
    """
    groups, steps, outputs = weights.shape
    parts = np.zeros((digits, groups, depth, -(-outputs // (2 * PANEL)) * 2 * PANEL), ELEMENTS[kernel])
    rest = weights
    for number in range(digits):
        last = number == digits - 1
        alone = kernel < BYTES or digits == 1
        digit = rest if alone else rest & 255 if kernel == TILES and not last else signed_byte(rest)
        parts[number, :, :steps, :outputs] = digit
        rest = rest if last else (rest - digit) >> 8
    together = FOUR if kernel >= BYTES else TOGETHER[kernel]
    split = parts.reshape(digits, groups, depth // together, together, -1, PANEL)
    arranged = lined_up(split.transpose(1, 0, 4, 2, 5, 3))
    return arranged.view(np.int8) if kernel >= BYTES else arranged
