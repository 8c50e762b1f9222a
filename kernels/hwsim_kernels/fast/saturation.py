"""What ``looks`` and ``stepwise`` need of a layer whose last stage saturates, prepared once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._types import Ints
from hwsim_kernels.fast.amx import tile_configuration
from hwsim_kernels.fast.datapath import Datapath
from hwsim_kernels.fast.features import AMX, VNNI
from hwsim_kernels.fast.instructions import AVX512_VNNI, emits
from hwsim_kernels.fast.looks import SLACK
from hwsim_kernels.fast.memory import lined_up
from hwsim_kernels.fast.packing import BYTES, FOUR, TILES, UNIT, Layout
from hwsim_kernels.fast.pairs import SHORT
from hwsim_kernels.fast.stepwise import EACH, GROUPS, WORDS, Saturation, Strips
from hwsim_kernels.fast.words import LEAST_FIELD, PIECE, ROWS, WIDTH, longest, mark_bits
from hwsim_kernels.fields import BITS, CHECK_EACH, OVERFLOW, SIGNED
from hwsim_kernels.overflow import SATURATE, highest, lowest

WIDEST = 30
"""Bits of the widest register in 32-bit lanes."""


def none() -> Saturation:
    """Return what stands for no saturation."""
    nothing, column = np.zeros((0, 0), np.float32), np.zeros(0, np.int64)
    return Saturation(
        corrections=np.zeros((0, 0), np.int32),
        half_start=np.zeros(0, np.int32),
        column_norms=nothing,
        bounds=nothing,
        settings=tile_configuration(),
        by_channel=np.zeros((0, 0), np.int8),
        way=GROUPS,
        flip=0,
        offset=0,
        start=column,
        weights=np.zeros((0, 0), np.int32),
        fits=np.zeros(0, np.uint8),
        limits=np.zeros(2, np.int64),
        takes=np.zeros((2, 0), np.int64),
        left=0,
        strips=Strips(*(np.zeros((0, 0, 0), np.int32),) * 4, norms=np.zeros((0, 0, 0), np.float32)),
        groups=column,
        numbers=np.zeros((0, ROWS), np.uint8),
        field=0,
        mark=0,
        longest=1,
        raised=0,
    )


def fits_of(path: Datapath) -> NDArray[np.uint8]:
    """Return 1 for each step behind which the last stage fits its sum; the last step is one."""
    steps = path.weights.shape[1]
    each = path.ends[-2] if len(path.stages) > 1 else np.ones(steps, np.int64)
    fits: NDArray[np.uint8] = (each if path.stages[-1, CHECK_EACH] else path.ends[-1]).astype(np.uint8)
    return fits


def limits_of(path: Datapath) -> tuple[int, int]:
    """Return the smallest and the largest sum that the register holds."""
    bits, signed, overflow = (int(path.stages[-1, name]) for name in (BITS, SIGNED, OVERFLOW))
    return int(lowest(bits, signed, overflow)), int(highest(bits, signed))


def heaviest_of(path: Datapath) -> int:
    """Return the largest magnitude of a weight."""
    return int(np.abs(path.weights.astype(np.int64)).max(initial=0))


def shifts_of(path: Datapath, operand: int) -> tuple[int, int, bool] | None:
    """Return by how much operands and weights are shifted to the left to stand in ``words``, and whether products are
    doubled; None if they find no place there."""
    field, heaviest = 32 - int(path.stages[-1, BITS]), heaviest_of(path)
    for doubled in (False, True):
        left = 0
        while left < field - doubled and operand << (left + 1) < SHORT:
            left += 1
        more = field - doubled - left
        if operand << left < SHORT and heaviest << more < SHORT:
            return left, more, doubled
    return None


def way_of(path: Datapath, operand: int, tier: int) -> int | None:
    """Return the way in which sums can be taken step by step, None if only the plain one is left.

    ``operand`` bounds operands, ``tier`` is what machine and user allow.
    """
    bits, heaviest = int(path.stages[-1, BITS]), heaviest_of(path)
    fits, (low, high) = fits_of(path), limits_of(path)
    first = int(np.abs(path.start).max(initial=0))
    inside = low <= int(path.start.min(initial=0)) and int(path.start.max(initial=0)) <= high
    between = int(np.diff(np.flatnonzero(fits), prepend=-1).max(initial=1))
    reached = max(1 << bits, first) + between * heaviest * operand
    if tier in (VNNI, AMX) and emits(AVX512_VNNI):
        field = 32 - bits
        plain = path.stages[-1, OVERFLOW] == SATURATE and bool(fits.all()) and inside
        if plain and field >= LEAST_FIELD and shifts_of(path, operand) is not None:
            return WORDS
    if bits > WIDEST or reached >= 1 << 31 or max(operand, heaviest) >= SHORT:
        return None
    return EACH if takes_of(fits).shape[1] == np.count_nonzero(fits) else GROUPS


def saturation(path: Datapath, kind: np.dtype[Any], form: Layout, columns: int, tier: int) -> Saturation:
    """Return what it takes to saturate; ``form``: how exact sums of codes of a type are formed, steps in order."""
    _, steps, outputs = path.weights.shape
    operand = path.largest_operand(kind)
    way = way_of(path, operand, tier)
    assert way is not None
    flip = 1 << (8 * kind.itemsize - 1) if kind.kind == "i" else 0
    weights = np.zeros((steps, columns), np.int64)
    weights[:, :outputs] = path.weights[0]
    start = np.zeros(columns, np.int64)
    start[:outputs] = path.start
    looked = looks_of(path, weights, start, form, operand)
    fits, last = fits_of(path), path.stages[-1]
    takes = singles(steps) if way == WORDS else takes_of(fits)
    left, more, field = 0, 0, 32 - int(last[BITS])
    if way == WORDS:
        shifts = shifts_of(path, operand)
        assert shifts is not None
        left, more, doubled = shifts
        if doubled:
            takes[1] = takes[0]
    ends = np.flatnonzero(fits[takes.max(axis=0)])
    return Saturation(
        **looked,
        settings=tile_configuration(),
        by_channel=in_lines(path),
        way=way,
        flip=flip,
        offset=path.zero_point + flip,
        start=path.start,
        weights=np.ascontiguousarray(path.weights[0], np.int32),
        fits=fits,
        limits=np.array(limits_of(path), np.int64),
        takes=takes,
        left=left,
        strips=strips_of(weights, takes, way, more, path.zero_point + flip),
        groups=np.diff(ends, prepend=-1),
        numbers=numbers_of(steps, PIECE),
        field=field,
        mark=mark_bits(field) if way == WORDS else 0,
        longest=min(longest(field), PIECE) if way == WORDS else PIECE,
        raised=0 if last[SIGNED] else 1 << (int(last[BITS]) - 1),
    )


def looks_of(path: Datapath, weights: Ints, start: Ints, form: Layout, operand: int) -> dict[str, NDArray[Any]]:
    """Return what ``looks.checked_sums`` takes of weights (steps, columns)."""
    steps, columns = weights.shape
    units = -(-steps // UNIT)
    levels = (units - 1).bit_length() + 1
    whole = np.zeros((units * UNIT, columns), np.int64)
    whole[:steps] = weights
    by_unit = whole.reshape(units, UNIT, columns)
    corrections = np.tile(start, ((1 << (levels - 1)) + 1, 1))
    if form.kernel >= BYTES:
        # what units exceed operands by: AMX takes signed units as they are
        excess = path.zero_point if form.kernel == TILES else form.offset
        totals = by_unit.sum(axis=1).cumsum(axis=0)
        corrections[1 : units + 1] -= excess * totals
        corrections[units + 1 :] = corrections[units]
    squares, sizes = (by_unit**2).sum(axis=1), np.abs(by_unit).sum(axis=1)
    norms: list[NDArray[Any]] = []
    bounds: list[NDArray[Any]] = []
    for level in range(levels):
        first: Ints = np.arange(0, units, 1 << level, dtype=np.int64)
        norms.append(np.sqrt(np.add.reduceat(squares, first).max(axis=0)) * SLACK)
        bounds.append(0.5 * operand * np.add.reduceat(sizes, first).max(axis=0) * SLACK)
    return {
        "corrections": corrections.astype(np.int32),
        "half_start": (start >> 1).astype(np.int32),
        "column_norms": np.stack(norms).astype(np.float32),
        "bounds": np.stack(bounds).astype(np.float32),
    }


def singles(steps: int) -> Ints:
    """Return a step for each word, and no second one."""
    taken = np.full((2, steps), -1, np.int64)
    taken[0] = np.arange(steps)
    return taken


def numbers_of(steps: int, piece: int) -> NDArray[np.uint8]:
    """Return the numbers (steps, 8) that steps have in pieces of so many.

    >>> numbers_of(5, 3)[:, 0].tolist()
    [0, 1, 2, 0, 1]
    """
    numbers = np.empty((steps, ROWS), np.uint8)
    numbers[:] = np.arange(steps)[:, None] % piece
    return numbers


def in_lines(path: Datapath) -> NDArray[np.int8]:
    """Return the weights of each channel side by side, 0 up to a multiple of UNIT; none if they are no bytes."""
    _, steps, outputs = path.weights.shape
    if int(path.weights.min(initial=0)) < -128 or int(path.weights.max(initial=0)) > 127:
        return np.zeros((outputs, 0), np.int8)
    lines = np.zeros((outputs, -(-steps // UNIT) * UNIT), np.int8)
    lines[:, :steps] = path.weights[0].T
    return lined_up(lines)


def takes_of(fits: NDArray[np.uint8]) -> Ints:
    """Return two steps for each word, so that none holds steps of two groups: -1 for no second one.

    >>> takes_of(np.array([0, 0, 1, 1, 0, 1], np.uint8)).tolist()
    [[0, 2, 3, 4], [1, -1, -1, 5]]
    """
    taken: list[tuple[int, int]] = []
    step = 0
    while step < fits.size:
        pair = not fits[step] and step + 1 < fits.size
        taken.append((step, step + 1 if pair else -1))
        step += 1 + pair
    return np.array(taken, np.int64).T.copy()


def strips_of(weights: Ints, takes: Ints, way: int, more: int, offset: int) -> Strips:
    """Return weights (steps, columns) as the ways take them; in words they are shifted by ``more``.

    offset: what operands lack to units.
    """
    magnitudes, by_bytes = np.abs(weights), weights[:0]
    if way == GROUPS:
        magnitudes = weights[:0]
    elif way == EACH:
        magnitudes = magnitudes[takes[0]] + np.where(takes[1, :, None] < 0, 0, magnitudes[takes[1]])
    elif weights.min(initial=0) >= -128 and weights.max(initial=0) <= 127:
        by_bytes = np.concatenate([weights, np.zeros((-len(weights) % FOUR, weights.shape[1]), np.int64)])
    fours = by_bytes.reshape(-1, FOUR, weights.shape[1]).transpose(0, 2, 1).astype(np.int8, order="C")
    norms = np.sqrt(by_piece(np.add, by_bytes**2)) * SLACK
    return Strips(
        panel=lined_up(in_strips(words_of(weights << more, takes))),
        heaviest=in_strips(by_piece(np.maximum, magnitudes)).astype(np.int32),
        quads=lined_up(in_strips(fours.view(np.int32)[..., 0])),
        lacking=in_strips(by_piece(np.add, -offset * by_bytes)).astype(np.int32),
        norms=in_strips(norms).astype(np.float32),
    )


def words_of(weights: Ints, takes: Ints) -> NDArray[np.int32]:
    """Return the words (words, columns) of weights (steps, columns)."""
    second = np.where(takes[1, :, None] < 0, 0, weights[takes[1]])
    words: NDArray[np.int32] = ((weights[takes[0]] & 0xFFFF) | (second << 16)).astype(np.int32)
    return words


def in_strips(values: NDArray[Any]) -> NDArray[Any]:
    """Return values (…, columns) as (strips, …, 16)."""
    return np.ascontiguousarray(values.reshape(len(values), values.shape[1] // WIDTH, WIDTH).transpose(1, 0, 2))


def by_piece(together: np.ufunc, values: Ints) -> Ints:
    """Return values (words, columns) as (pieces, columns), those of each piece taken together.

    >>> by_piece(np.maximum, np.arange(70)[:, None]).tolist()
    [[59], [69]]
    """
    firsts = np.arange(0, len(values), PIECE)
    return together.reduceat(values, firsts, axis=0) if firsts.size else values
