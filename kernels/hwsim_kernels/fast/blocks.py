"""The sums of a layer, block by block: what is prepared once, and the room that the blocks of one thread need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels._types import Ints
from hwsim_kernels.fast.amx import tile_configuration
from hwsim_kernels.fast.datapath import Datapath
from hwsim_kernels.fast.depthwise import depthwise_sums
from hwsim_kernels.fast.features import AMX, PORTABLE
from hwsim_kernels.fast.packing import BYTES, FLOAT32, Layout, layout
from hwsim_kernels.fast.saturation import Saturation, fits_in_floats, saturation
from hwsim_kernels.fast.stepwise import settle_block
from hwsim_kernels.fast.sums import BLOCK_ROWS, block_of_bytes, block_of_floats

Array = NDArray[Any]

BLOCK_VALUES = 1 << 16
"""About how many sums a block has: they and what they are made of stay in a processor's own cache."""

BLOCK_OPERANDS = 1 << 19


@dataclass(frozen=True, eq=False, kw_only=True)
class Prepared:
    """How the sums of a layer are formed for codes of one type.

    ``layout`` is None for depthwise convolutions whose sums fit 32 bits; ``by_step`` (steps, channels) are their
    weights. ``columns``: channels with what fills up the last lanes. ``start`` (columns,). ``rows``: of a block.
    """

    path: Datapath
    layout: Layout | None
    saturation: Saturation | None
    window: Ints
    columns: int
    rows: int
    start: Array
    by_step: NDArray[np.int32]

    @property
    def kernel(self) -> str:
        """Return the name of the kernel that forms exact sums."""
        if self.layout is None:
            return "depthwise"
        if self.layout.kind == BYTES:
            return "amx" if self.layout.tier == AMX else "vnni"
        return "float32" if self.layout.kind == FLOAT32 else "float64"


def prepare(path: Datapath, kind: np.dtype[Any], channels: int, tier: int) -> Prepared | None:
    """Return how a tier forms the sums of a layer, or None if only the plain way is left.

    ``kind`` is the type of the stored codes, ``channels`` how many the input has.
    """
    if tier < PORTABLE or kind.itemsize > 2 or not (path.exact or path.saturates):
        return None
    operand = path.largest_operand(kind)
    if not path.exact and not fits_in_floats(path, operand):
        return None
    groups, steps, outputs = path.weights.shape
    rows, columns = path.positions
    window = np.array([*path.strides, columns, rows * columns, *path.spread], np.int64)
    totals = path.weights.sum(axis=1, dtype=np.int64).reshape(-1)
    most = np.abs(path.weights.astype(np.int64)).sum(axis=1).reshape(-1) * operand + np.abs(path.start)
    alone = channels == groups and path.spread.max() == 1
    if path.exact and alone and int(most.max()) < 1 << 31:
        width = padded_columns(path.channels)
        return Prepared(
            path=path,
            layout=None,
            saturation=None,
            window=window,
            columns=width,
            rows=block_rows(width, steps),
            start=padded(path.start - path.zero_point * totals, width, np.int32),
            by_step=np.ascontiguousarray(path.weights.transpose(1, 0, 2).reshape(steps, -1)),
        )
    form = layout(tier, kind, channels, operand, path)
    if form is None or (form.wide and not path.exact):
        return None
    width = padded_columns((groups - 1) * outputs + padded_columns(outputs))
    return Prepared(
        path=path,
        layout=form,
        saturation=None if path.exact else saturation(path, kind, form, width),
        window=window,
        columns=width,
        rows=block_rows(width, form.depth),
        start=padded(form.start, width, np.int64 if form.wide else np.int32),
        by_step=np.zeros((0, 0), np.int32),
    )


def padded_columns(channels: int) -> int:
    """Return how many columns lanes for so many channels have."""
    return -(-channels // BLOCK_ROWS) * BLOCK_ROWS


def block_rows(columns: int, depth: int) -> int:
    """Return how many rows a block has."""
    wanted = min(BLOCK_VALUES // columns, BLOCK_OPERANDS // depth)
    return max(wanted // BLOCK_ROWS, 1) * BLOCK_ROWS


def padded(start: Ints, columns: int, kind: type) -> Array:
    """Return start values for all columns; those of 32 bits wrap, as the sums that they start do."""
    whole = np.zeros(columns, np.int64)
    whole[: start.size] = start
    wrapped: Array = whole.astype(kind)
    return wrapped


class Blocks:
    """The blocks of codes (n, h, w, c), and room for one of them: for one thread at a time."""

    def __init__(self, prepared: Prepared, codes: Array) -> None:
        self.prepared = prepared
        self.codes: Array = np.ascontiguousarray(codes)
        self.sums: Array = np.zeros((prepared.rows, prepared.columns), prepared.start.dtype)
        self.found: NDArray[np.int32] | None = None
        form = prepared.layout
        if form is None:
            return
        self.settings = tile_configuration()
        self.units: Array = self.codes.view(f"u{self.codes.dtype.itemsize}")
        self.room: Array = np.zeros((prepared.rows, form.depth), self.units.dtype)
        self.rows = self.room
        kind = (np.uint8, np.float32, np.float64)[form.kind]
        planes = form.planes if form.kind == BYTES else 1
        self.operands: Array = np.zeros((planes, prepared.rows, form.depth), kind)
        self.partial = np.zeros((prepared.rows, form.panels.shape[2] * 16) if form.wide else (0, 0), np.int32)

    def form(self, position: int, size: int, into: Array | None = None) -> Array:
        """Return the exact sums (size, columns) of output positions from ``position`` on.

        They last until the next call, or are written to ``into``, (rows, columns) with rows a multiple of BLOCK_ROWS.
        """
        prepared, form = self.prepared, self.prepared.layout
        path, rows = prepared.path, padded_columns(size)
        sums = self.sums[:rows] if into is None else into
        if form is None:
            outside = path.outside + path.zero_point
            layer = (path.taps, prepared.window, prepared.by_step, prepared.start)
            depthwise_sums(self.codes, outside, *layer, position, size, sums)
            return sums[:size]
        gathered = self._take_rows(form, position, rows)
        operands = self.operands[:, :rows]
        if form.kind == BYTES and form.planes == 1 and not form.flip:
            operands = self.rows[np.newaxis]
        elif rows < prepared.rows:
            operands = np.ascontiguousarray(operands)
        shared = (form.runs, prepared.window, form.flip, form.panels, prepared.start, form.outputs)
        block = (self.units, form.fill, *shared, position, size, gathered, self.rows, operands)
        if form.kind == BYTES:
            block_of_bytes(form.tier, form.signed, self.settings, *block, self.partial[:rows], sums)
        else:
            block_of_floats(form.offset, form.chunk, *block, sums)
        return sums[:size]

    def _take_rows(self, form: Layout, position: int, rows: int) -> bool:
        """Choose the rows of units; return whether they lie in the codes already as they are wanted."""
        if form.direct and position + rows <= self.units.size // form.depth:
            self.rows = self.units.reshape(-1, form.depth)[position : position + rows]
            return True
        self.rows = self.room[:rows]
        return False

    def settle(self, sums: NDArray[np.int32], key: int, here: Ints, counts: Ints) -> int:
        """Saturate the sums of the last block in place, count hits, and return how many were not proved harmless.

        ``key`` is that of the first row's first step, ``here`` holds the range of the block's exact sums.
        """
        how, form = self.prepared.saturation, self.prepared.layout
        assert how is not None and form is not None
        if self.found is None:
            rows, columns = self.sums.shape
            self.found = np.empty((rows, columns), np.int32)
            in_bytes = how.weights.size > 0 and form.tier != PORTABLE
            self.peaks = (
                np.zeros((1, rows, form.depth) if in_bytes else (1, 0, 0), np.uint8),
                np.zeros((0, 0) if in_bytes else (rows, how.fits.size), np.float32),
            )
        operands = (self.rows, how.flip, how.offset, how.start, how.weights, how.corrections, how.panels)
        rules = (how.column_norms, how.field, how.fits)
        found = self.found[: padded_columns(len(sums))]
        return int(settle_block(form.tier, sums, *operands, *rules, key, here, counts, self.peaks, found))
