"""Codes of every type are loaded and stored as they are, and nothing beside them is touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernels.fast.datapaths import compiled
from numpy.typing import NDArray

from hwsim_kernels.fast.stored import given, load, load_padded, store, stored

pytestmark = [compiled]

KINDS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"]
ROWS, CHANNELS = 5, 37


def extremes(kind: str) -> NDArray[Any]:
    """Return codes (ROWS, CHANNELS) of a type, its limits among them."""
    info = np.iinfo(kind)
    low, high = int(info.min), int(info.max)
    codes = np.random.default_rng(3).integers(low, high, (ROWS, CHANNELS), kind, endpoint=True)
    codes[:, ::7], codes[:, 1::7] = low, high
    return codes


@pytest.mark.parametrize("position", [0, 2, 4])
@pytest.mark.parametrize(("column", "columns"), [(0, 64), (0, 16), (16, 16), (32, 32)])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_loaded(kind: str, wide: bool, position: int, column: int, columns: int) -> None:
    codes = extremes(kind)
    if not wide:  # a lane holds what is loaded
        codes = np.minimum(codes, np.array(2**31 - 1, kind)) if kind in ("uint32", "int64") else codes
        codes = np.maximum(codes, np.array(-(2**31), kind)) if kind == "int64" else codes
    values: Any = np.full((ROWS - position, columns), -7, np.int64 if wide else np.int32)
    padded = values.copy()
    for source in (codes, np.repeat(codes, 2, axis=1)[:, ::2]):
        source.flags.writeable = False
        load(given(source), position, column, values)
        load_padded(given(source), position, column, padded)
        wanted = codes[position:, column : column + columns].tolist()
        missing = columns - len(wanted[0])
        assert values.tolist() == [row + [-7] * missing for row in wanted]
        assert padded.tolist() == [row + [0] * missing for row in wanted]


@pytest.mark.parametrize("position", [0, 3])
@pytest.mark.parametrize(("column", "columns"), [(0, 64), (0, 16), (16, 16), (32, 32)])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_stored(kind: str, wide: bool, position: int, column: int, columns: int) -> None:
    type_of_values = np.int64 if wide else np.int32
    info = np.iinfo(type_of_values)
    codes = np.clip(extremes(kind).astype(object), int(info.min), int(info.max)).astype(type_of_values)
    values: Any = np.full((2, columns), 5, type_of_values)
    many = min(columns, CHANNELS - column)
    values[:, :many] = codes[position : position + 2, column : column + many]
    target = np.full((ROWS, CHANNELS), 1, kind)
    wanted = target.tolist()
    for row in range(2):
        wanted[position + row][column : column + many] = values[row, :many].tolist()
    store(values, stored(target), position, column)
    assert target.tolist() == wanted


def test_what_is_written_to_must_be_one_piece() -> None:
    with pytest.raises(ValueError, match="contiguous integers, not int8"):
        stored(np.zeros((4, 6), np.int8)[:, ::2])
    with pytest.raises(ValueError, match="contiguous integers, not float32"):
        stored(np.zeros((4, 6), np.float32))
