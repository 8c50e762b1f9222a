"""Arrays that a test moves to another place."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
from kernels.fast.datapaths import Array

from hwsim_kernels.fast import blocks
from hwsim_kernels.fast.memory import LINE
from hwsim_kernels.fast.tiling import TileRoom, Tiling, tile_room

Take = Callable[[Array], Array]
"""Copies an array to another place: same type, shape and contents."""

Left = list[Array]
Scenario = Callable[[Take], Left]


def memory_of(array: Array) -> Array:
    """Return the array that an array is a view of, without what ``unset`` has around it to line it up."""
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    if root is array or root.dtype != np.uint8 or root.ndim != 1:
        return root
    first = -root.ctypes.data % LINE
    return root[first : first + root.size - LINE]


class Moved:
    """Moves all arrays that a value holds, those that share memory together."""

    def __init__(self, take: Take) -> None:
        self.take = take
        self.roots: dict[int, tuple[Array, Array]] = {}

    def array(self, array: Array) -> Array:
        """Return the same view of moved memory."""
        root = memory_of(array)
        if array.size == 0:
            return array
        if root.ctypes.data not in self.roots:
            assert root.flags.c_contiguous
            self.roots[root.ctypes.data] = root, self.take(root)
        moved = self.roots[root.ctypes.data][1]
        offset = array.ctypes.data - root.ctypes.data
        return np.ndarray(array.shape, array.dtype, moved.reshape(-1).view(np.uint8).data, offset, array.strides)

    def of(self, value: Any) -> Any:
        """Return a value with all arrays in it moved."""
        if isinstance(value, np.ndarray):
            return self.array(value)
        if isinstance(value, tuple):
            made = [self.of(one) for one in value]
            return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
        return value

    @contextmanager
    def rooms(self) -> Generator[None]:
        """Let layers have their room in moved memory."""

        room, saturating_room = blocks.room, blocks.saturating_room

        def moved(*given: Any, **named: Any) -> Any:
            return self.of(room(*given, **named))

        def moved_once(how: blocks.Prepared) -> Any:
            with patch.object(blocks, "room", room):
                return self.of(saturating_room(how))

        def moved_tiles(form: Tiling) -> TileRoom:
            made: TileRoom = self.of(tile_room(form))
            return made

        with (
            patch.object(blocks, "room", moved),
            patch.object(blocks, "saturating_room", moved_once),
            patch.object(blocks, "tile_room", moved_tiles),
        ):
            yield
