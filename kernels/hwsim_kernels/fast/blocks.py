"""The sums of a layer, block by block: what is prepared once, and the room that the blocks of one thread need."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._types import Codes, Ints
from hwsim_kernels.counting import BINS, new_counts
from hwsim_kernels.fast.amx import tile_configuration
from hwsim_kernels.fast.datapath import Datapath
from hwsim_kernels.fast.features import PORTABLE
from hwsim_kernels.fast.filtered import filtered_layer
from hwsim_kernels.fast.layers import (
    Room,
    layer_of_bytes,
    layer_of_channels,
    layer_of_lanes,
    layer_of_panels,
    layer_of_wide_channels,
    sums_of_bytes,
    sums_of_lanes,
)
from hwsim_kernels.fast.looks import TILE
from hwsim_kernels.fast.memory import unset, zeros
from hwsim_kernels.fast.packing import BYTES, ELEMENTS, KERNELS, PANEL, SHORTS, Layout, layout, signed_byte
from hwsim_kernels.fast.passage import LOOK, Steps, Tally
from hwsim_kernels.fast.saturating import Room as SaturatingRoom
from hwsim_kernels.fast.saturating import saturating_layer
from hwsim_kernels.fast.saturation import none, saturation, way_of
from hwsim_kernels.fast.stepwise import Saturation, StepRoom, Strips
from hwsim_kernels.fast.stored import stored
from hwsim_kernels.fast.strip_loop import counters
from hwsim_kernels.fast.strips import PARAMETERS, moves
from hwsim_kernels.fast.sums import BLOCK_ROWS, CHUNK, PAIR
from hwsim_kernels.fast.tiling import Tiling, tile_room, tiling
from hwsim_kernels.fast.words import ROWS, STATE, WIDTH

Array = NDArray[Any]

BLOCK_VALUES = 1 << 16
"""About how many sums a block has: they and what they are made of stay in a processor's own cache."""

BLOCK_OPERANDS = 1 << 19
"""About how many bytes the operands of a block have, as the micro-kernels read them."""


class Prepared(NamedTuple):
    """How the sums of a layer are formed for codes of one type.

    ``layout`` is None for depthwise convolutions; ``by_step`` (steps, columns) are their weights, or ``parts_of`` them,
    (2 * steps, columns), where sums need 64 bits. ``columns``: channels with what fills up the last lanes. ``start``:
    what sums begin with, int32 or int64 as they are, for all columns of pairs of panels. ``rows``: of a block.
    ``tiling``: of a convolution that is filtered.
    """

    path: Datapath
    layout: Layout | None
    saturation: Saturation
    window: Ints
    columns: int
    rows: int
    start: Array
    by_step: NDArray[np.int32]
    tiling: Tiling | None = None

    @property
    def kernel(self) -> str:
        """Return the name of the kernel that forms exact sums."""
        if self.layout is None:
            return "depthwise"
        return KERNELS[self.layout.kernel] if self.tiling is None else "filtered"


def prepare(path: Datapath, kind: np.dtype[Any], view: tuple[int, int, int], tier: int) -> Prepared | None:
    """Return how a tier forms the sums of a layer, or None if only the plain way is left.

    ``kind`` is the type of the stored codes, ``view`` the input's (h, w, c).
    """
    if tier < PORTABLE or kind.itemsize > 2 or not (path.exact or path.saturates):
        return None
    operand = path.largest_operand(kind)
    if not path.exact and way_of(path, operand, tier) is None:
        return None
    groups, steps, outputs = path.weights.shape
    rows, columns = path.positions
    window = np.array([*path.strides, columns, rows * columns, *path.spread], np.int64)
    totals = path.weights.sum(axis=1, dtype=np.int64).reshape(-1)
    most = np.abs(path.weights.astype(np.int64)).sum(axis=1).reshape(-1) * operand + np.abs(path.start)
    alone = view[2] == groups and path.spread.max() == 1
    if path.exact and alone:
        wide = int(most.max()) >= 1 << 31
        arranged = by_step(path.weights, padded_columns(path.channels))
        parts = parts_of(arranged) if wide else arranged
        if not wide or largest_part(path, kind, parts) < 1 << 31:
            width = parts.shape[1]
            return Prepared(
                path=path,
                layout=None,
                saturation=none(),
                window=window,
                columns=width,
                rows=block_rows(width, steps),
                start=padded(path.start - path.zero_point * totals, width, np.int64 if wide else np.int32),
                by_step=parts.astype(np.int32),
            )
    form = layout(tier, kind, view, path)
    if form is None or (form.wide and not path.exact):
        return None
    tiles = tiling(path, kind, view, form) if path.exact and by_panels(form, groups) else None
    if tiles is not None and form.kernel >= BYTES:
        # what is filtered are operands in lanes, not bytes
        form = layout(PORTABLE, kind, view, path)
        assert form is not None
    width = padded_columns(outputs) if by_panels(form, groups) and path.exact else paired_columns(groups, outputs)
    many = block_rows(width, form.length * form.panels.itemsize)
    return Prepared(
        path=path,
        layout=form,
        saturation=none() if path.exact else saturation(path, kind, form, width, tier),
        window=window,
        columns=width,
        rows=many if path.exact else min(many, 256),
        start=padded(form.start, -(-width // PAIR) * PAIR, np.int64 if form.wide else np.int32),
        by_step=np.zeros((0, 0), np.int32),
        tiling=tiles,
    )


def by_panels(form: Layout, groups: int) -> bool:
    """Whether exact sums are formed two panels at a time, to be sent on before the next."""
    return form.kernel >= SHORTS and groups == 1 and not form.wide


def padded_columns(channels: int) -> int:
    """Return how many columns lanes for so many channels have."""
    return -(-channels // PANEL) * PANEL


def paired_columns(groups: int, outputs: int) -> int:
    """Return how many columns blocks of sums have that are written two panels at a time, one group after another."""
    return -(-((groups - 1) * outputs + -(-outputs // PAIR) * PAIR) // PAIR) * PAIR


def parts_of(weights: Ints) -> Ints:
    """Return the lowest bytes, signed, of weights (steps, columns), and behind them what is left, (2 * steps, columns).

    >>> parts_of(np.array([[-32768, 128, 127]])).tolist()
    [[0, -128, 127], [-128, 1, 0]]
    """
    low = signed_byte(weights)
    return np.concatenate([low, (weights - low) >> 8])


def largest_part(path: Datapath, kind: np.dtype[Any], parts: Ints) -> int:
    """Return what bounds sums of stored codes, of such a type, by the weights (2 * steps, columns) of either part."""
    info = np.iinfo(kind)
    most = max(-int(info.min), int(info.max), abs(path.outside + path.zero_point))
    return int(np.abs(parts).reshape(2, -1, parts.shape[1]).sum(axis=1).max()) * most


def by_step(weights: Codes, columns: int) -> Ints:
    """Return weights (groups, steps, outputs) as (steps, columns)."""
    groups, steps, outputs = weights.shape
    arranged = np.zeros((steps, columns), np.int64)
    arranged[:, : groups * outputs] = weights.transpose(1, 0, 2).reshape(steps, -1)
    return arranged


def block_rows(columns: int, length: int) -> int:
    """Return how many rows a block has whose operands take so many bytes each."""
    wanted = min(BLOCK_VALUES // columns, BLOCK_OPERANDS // length)
    return max(wanted // BLOCK_ROWS, 1) * BLOCK_ROWS


def padded(start: Ints, columns: int, kind: type[np.int32] | type[np.int64]) -> Array:
    """Return start values for all columns; those of 32 bits wrap, as the sums that they start do."""
    whole = np.zeros(columns, np.int64)
    whole[: start.size] = start
    wrapped: Array = whole.astype(kind)
    return wrapped


def room(prepared: Prepared, *, sums: bool = True) -> Room:
    """Return memory for one block: for one thread at a time; ``sums``: for its sums, too."""
    form = prepared.layout
    assert form is not None
    rows, length, of_bytes = prepared.rows, form.length, form.kernel >= BYTES
    shape = (rows if sums else 0, prepared.columns)
    # behind the last group's panels nothing is ever written
    totals = (zeros if len(prepared.path.weights) > 1 else unset)(shape, prepared.start.dtype)
    planes = 1 if not of_bytes else form.planes if form.planes > 1 or form.flip else 0
    places = form.planes + form.digits - 1 if form.wide and of_bytes else 0
    # units behind the last step must be 0
    units = (zeros if length > len(prepared.path.taps) else unset)((rows, length), f"u{form.planes}")
    return Room(
        rows=units,
        operands=unset((planes, rows if planes else 0, length), ELEMENTS[form.kernel]),
        partial=unset((places, rows, form.panels.shape[2] * PANEL), np.int32),
        sums=totals,
        wide=totals if form.wide else np.zeros((0, 0), np.int64),
        values=zeros(shape, np.int32) if form.wide else totals,
    )


def saturating_room(prepared: Prepared) -> SaturatingRoom:
    """Return memory for one block of a layer that saturates."""
    plain, how, rows = room(prepared, sums=False), prepared.saturation, prepared.rows
    batches = rows // ROWS
    words = (batches, -(-how.takes.shape[1] // WIDTH) * WIDTH + WIDTH, ROWS)
    pieces = (batches, how.strips.heaviest.shape[1], ROWS)
    return SaturatingRoom(
        rows=plain.rows,
        operands=plain.operands,
        sums=unset((prepared.columns // PAIR, rows, PAIR), np.int32),
        squares=np.zeros(len(how.corrections), np.int64),
        norms=np.zeros((len(how.column_norms), rows), np.float32),
        pieces=unset((len(how.corrections) - 1, TILE, TILE), np.int32),
        doubts=zeros((rows, prepared.columns // PANEL), np.uint16),
        ends=np.zeros((2, prepared.columns), np.int32),
        line=zeros((how.by_channel.shape[1],), np.uint8),
        steps=StepRoom(
            rows=np.zeros((batches, ROWS), np.int64),
            operands=unset(words, np.int32),
            listed=unset(words, np.int32),
            numbers=unset(words, np.uint8),
            many=np.zeros(pieces[:2], np.int64),
            largest=unset(pieces, np.int32),
            norms=unset(pieces, np.float32),
            state=unset((batches, STATE, ROWS, WIDTH), np.int32),
            packed=Strips(*(zeros(one.shape[1:], one.dtype) for one in how.strips)),
        ),
    )


def run_layer(prepared: Prepared, codes: Array, steps: Steps, tally: Tally, out: Array) -> None:
    """Run a layer on codes (n, h, w, c), and write what comes out of the steps to ``out`` (rows, channels)."""
    form, path, codes, target = prepared.layout, prepared.path, np.ascontiguousarray(codes), stored(out)
    if form is None:
        shape = (prepared.rows, prepared.columns)
        values = zeros(shape, np.int32)
        where = (codes.dtype.kind == "i", path.outside + path.zero_point, path.taps, prepared.window)
        weights = (prepared.by_step, path.weights.shape[2], prepared.start)
        if prepared.start.itemsize > 4:
            places = (zeros((2, *shape), np.int32), zeros(shape, np.int64), values)
            layer_of_wide_channels(codes, *where, *weights, *places, steps, tally, target)
        else:
            layer_of_channels(codes, *where, *weights, values, steps, tally, target)
        return
    units, window, how = codes.view(f"u{codes.dtype.itemsize}"), prepared.window, prepared.saturation
    if how.fits.size:
        saturating_layer(units, form, window, saturating_room(prepared), how, steps, tally, target)
    elif prepared.tiling is not None:
        filtered_layer(units, prepared.tiling, prepared.start, tile_room(prepared.tiling), steps, tally, target)
    elif by_panels(form, len(path.weights)):
        own = room(prepared, sums=False)._replace(sums=unset((CHUNK, PAIR), np.int32))
        layer_of_panels(units, form, prepared.start, window, tile_configuration(), own, steps, tally, target)
    elif form.kernel >= BYTES:
        settings = tile_configuration()
        layer_of_bytes(units, form, prepared.start, window, settings, room(prepared), steps, tally, target)
    else:
        layer_of_lanes(units, form, prepared.start, window, room(prepared), steps, tally, target)


def write_sums(prepared: Prepared, codes: Array, out: Array) -> None:
    """Write the sums of codes (n, h, w, c) to ``out`` (rows, channels), int32 or int64, and count nothing.

    Sums that need 64 bits need an ``out`` of int64; sums that saturate an ``out`` of int32.
    """
    form, codes = prepared.layout, np.ascontiguousarray(codes)
    saturates = int(prepared.saturation.fits.size > 0)
    plain = not saturates and out.dtype == prepared.start.dtype and out.shape[1] == prepared.columns
    plain = plain and prepared.columns % PAIR == 0
    if form is not None and plain and len(out) % BLOCK_ROWS == 0:
        units, block = codes.view(f"u{codes.dtype.itemsize}"), prepared._replace(rows=min(len(out), prepared.rows))
        layer, own = (units, form, prepared.start, prepared.window), room(block, sums=False)
        if form.kernel >= BYTES:
            sums_of_bytes(*layer, tile_configuration(), own, out)
        else:
            sums_of_lanes(*layer, own, out)
        return
    shape = (saturates, PARAMETERS, prepared.columns)
    steps = Steps(
        kinds=np.full(saturates, LOOK, np.int64),
        parameters=np.zeros(shape, np.int64),
        limits=np.zeros(shape, np.int64),
        fields=np.zeros((saturates, 4), np.int64),
        points=np.zeros(saturates, np.int64),
        bins=np.zeros(saturates, np.int64),
        offsets=np.zeros(saturates, np.int64),
        fits=np.zeros((1, 2), np.int64),
    )
    steps.parameters[:] = moves(prepared.columns)
    tally = Tally(
        counters=counters(saturates, prepared.columns),
        here=counters(prepared.columns),
        counts=new_counts(1, prepared.path.channels),
        histograms=np.zeros((1, BINS), np.int64),
        counted=False,
        first_row=0,
    )
    run_layer(prepared, codes, steps, tally, out)
