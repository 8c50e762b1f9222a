"""What ``stepwise`` needs of a layer whose last stage saturates, prepared once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels.fast import vnni
from hwsim_kernels.fast.amx import tile_configuration
from hwsim_kernels.fast.datapath import Datapath
from hwsim_kernels.fast.features import AMX
from hwsim_kernels.fast.packing import BYTES, Layout
from hwsim_kernels.fast.stepwise import LIMIT, PIECE, SLACK, WIDTH, Saturation
from hwsim_kernels.fields import BITS, CHECK_EACH, OVERFLOW, SATURATED_BITS, SIGNED

WIDEST = 24


def none() -> Saturation:
    """Return what stands for no saturation."""
    return Saturation(
        flip=0,
        offset=0,
        signed=False,
        start=np.zeros(0, np.int64),
        weights=np.zeros((0, 0, 0, 0), np.int8),
        corrections=np.zeros((0, 0), np.int32),
        panels=np.zeros((0, 0, 0), np.float32),
        column_norms=np.zeros((0, 0)),
        field=np.zeros(4, np.int64),
        fits=np.zeros(0, np.uint8),
        settings=tile_configuration(),
    )


def fits_in_floats(path: Datapath, operand: int) -> bool:
    """Whether float32 is exact for sums that saturate, between two fits too; ``operand`` bounds the operands."""
    bits = int(path.stages[-1, BITS])
    largest = int(np.abs(path.weights.astype(np.int64)).max(initial=0)) * operand
    between = int(np.diff(np.flatnonzero(fits_of(path)), prepend=-1).max(initial=1))
    held = max(1 << bits, int(np.abs(path.start).max(initial=0)))
    return bits <= WIDEST and held + (between + PIECE) * largest < LIMIT


def fits_of(path: Datapath) -> NDArray[np.uint8]:
    """Return 1 for each step behind which the last stage fits its sum."""
    steps = path.weights.shape[1]
    each = path.ends[-2] if len(path.stages) > 1 else np.ones(steps, np.int64)
    fits: NDArray[np.uint8] = (each if path.stages[-1, CHECK_EACH] else path.ends[-1]).astype(np.uint8)
    return fits


def saturation(path: Datapath, kind: np.dtype[Any], form: Layout, columns: int) -> Saturation:
    """Return what it takes to saturate; ``form``: how exact sums of codes of a type are formed, steps in order."""
    _, steps, outputs = path.weights.shape
    last = path.stages[-1]
    flip = 1 << (8 * kind.itemsize - 1) if kind.kind == "i" else 0
    offset = path.zero_point + flip
    pieces = -(-steps // vnni.PIECE)
    weights = np.zeros((pieces * vnni.PIECE, columns), np.int64)
    weights[:steps, :outputs] = path.weights[0]
    by_piece = weights.reshape(pieces, vnni.PIECE, columns)
    corrections = np.zeros((pieces + 1, columns), np.int64)
    corrections[:, :outputs] = path.start
    # what units exceed operands by: AMX takes signed units as they are
    excess = path.zero_point if form.tier == AMX else offset
    corrections[1:] -= excess * by_piece.sum(axis=1).cumsum(axis=0)
    squares = (by_piece**2).sum(axis=1).astype(np.float64)
    bounds = np.abs(weights).sum(axis=0).astype(np.float64) * path.largest_operand(kind)
    norms = (np.sqrt(squares.sum(axis=0)) * SLACK, np.sqrt(squares.max(axis=0)) * SLACK, bounds)
    lanes = -(-outputs // WIDTH) * WIDTH
    panels = weights[:steps, :lanes].reshape(steps, -1, WIDTH).transpose(1, 0, 2)
    in_bytes = form.kind == BYTES and form.digits == 1 and form.planes == 1
    return Saturation(
        flip=flip,
        offset=offset,
        signed=form.signed,
        start=path.start,
        weights=form.panels[0, 0] if in_bytes else np.zeros((0, 0, 0, 0), np.int8),
        corrections=corrections.astype(np.int32),
        panels=np.ascontiguousarray(panels, np.float32),
        column_norms=np.stack(norms),
        field=np.array([last[BITS], last[SIGNED], last[OVERFLOW], last[SATURATED_BITS]], np.int64),
        fits=fits_of(path),
        settings=tile_configuration(),
    )
