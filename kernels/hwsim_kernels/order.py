"""The order in which products are accumulated: ``docs/arithmetic.md`` section 4."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from hwsim_kernels._types import Ints
from hwsim_kernels.convert import whole

AXES = ("kernel_height", "kernel_width", "input_channel")
TILES = "input_channel_tile"


def steps_in_order(
    height: int, width: int, channels: int, order: Sequence[str] = AXES, tile: int | None = None
) -> Ints:
    """Return (steps, 3): row, column and channel of each product of an output, in the order of accumulation.

    ``order`` names the loops from the outermost inwards. With ``input_channel_tile`` among them, that loop visits
    blocks of ``tile`` channels and ``input_channel`` the channels of a block, whichever is outside the other.

    >>> steps_in_order(1, 2, 2, ["input_channel", "kernel_height", "kernel_width"]).tolist()
    [[0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]]
    """
    if tile is not None:
        tile = whole(tile, "tile", 1, (1 << 31) - 1, "channels")
    if sorted(map(str, order)) != sorted([*AXES, *([TILES] if tile else [])]):
        tiled = f"and {TILES} with a tile of {tile} channels" if tile else f"without {TILES}, as there is no tile"
        raise ValueError(f"order {list(order)}: it must name {', '.join(AXES)} once each, {tiled}")
    sizes = {
        "kernel_height": range(height),
        "kernel_width": range(width),
        "input_channel_tile": range(0, channels, tile or channels),
        "input_channel": range(tile or channels),
    }
    steps: list[tuple[int, int, int]] = []
    for indices in product(*(sizes[axis] for axis in order)):
        at = dict(zip(order, indices, strict=True))
        channel = at.get(TILES, 0) + at["input_channel"]
        if channel < channels:
            steps.append((at["kernel_height"], at["kernel_width"], channel))
    return np.array(steps, np.int64).reshape(-1, 3)


def loop_ends(places: Ints, order: Sequence[str], loop: str, tile: int | None = None) -> Ints:
    """Return (steps,) 1 at the last step before an index of a loop outside ``loop`` changes, and at the very last.

    ``places`` as ``steps_in_order`` returns them for ``order`` and ``tile``.

    >>> loop_ends(steps_in_order(1, 2, 2), AXES, "input_channel").tolist()
    [0, 1, 0, 1]
    """
    block = tile or (int(places[:, 2].max(initial=0)) + 1)
    indices = {
        "kernel_height": places[:, 0],
        "kernel_width": places[:, 1],
        "input_channel_tile": places[:, 2] // block,
        "input_channel": places[:, 2] % block,
    }
    ends = np.zeros(len(places), np.int64)
    ends[-1:] = 1
    for outside in list(order)[: list(order).index(loop)]:
        ends[:-1] |= indices[outside][1:] != indices[outside][:-1]
    return ends


def sums_end(terms: Sequence[int], boundaries: Sequence[Ints]) -> Ints:
    """Return (levels, steps): 1 where a sum of a stage ends, from the inside out.

    A sum of stage i ends after ``terms[i]`` values of the stage below (0: never by number), where ``boundaries[i]``
    (steps,) is 1, and where a boundary of a stage above is.

    >>> sums_end([2, 0], [np.array([0, 0, 1, 0, 0, 1]), np.array([0, 0, 0, 0, 0, 1])]).tolist()
    [[0, 1, 1, 0, 1, 1], [0, 0, 0, 0, 0, 1]]
    """
    ends = np.array(boundaries, np.int64)
    for level in range(len(ends) - 2, -1, -1):
        ends[level] |= ends[level + 1]
    arrives = np.ones(ends.shape[1], bool)
    for level, most in enumerate(terms):
        count = 0
        for step in np.flatnonzero(arrives):
            count += 1
            if ends[level, step] or count == most:
                ends[level, step], count = 1, 0
        arrives = ends[level] != 0
    return ends
