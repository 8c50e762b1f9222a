"""Operations that move codes without changing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.tally import Tally
from hwsim.program.records import CropCodes, PadCodes, PickCodes, Relabel

Codes = NDArray[Any]
Array = NDArray[Any]


def relabel(one: Relabel, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Give codes another shape."""
    out[...] = inputs[0].reshape(out.shape)


def pad(one: PadCodes, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Put zero points around each sample."""
    sides = ((0, 0), *one.padding, (0, 0))
    out[...] = np.pad(inputs[0], sides, constant_values=one.output.zero_point)


def pick(one: PickCodes, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Pick codes by their place in the sample."""
    rows = inputs[0].reshape(len(inputs[0]), -1)
    np.take(rows, one.index, axis=1, out=out, mode="wrap")
    if one.index.min() < 0:
        out[:, one.index < 0] = one.fill


def crop(one: CropCodes, inputs: Sequence[Array], tally: Tally, out: Codes) -> None:
    """Cut the borders off each sample."""
    (top, bottom), (left, right) = one.cropping
    height, width = inputs[0].shape[1:3]
    out[...] = inputs[0][:, top : height - bottom, left : width - right]
