"""The order in which products are accumulated: ``docs/arithmetic.md`` section 4."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from hwsim_kernels._types import Ints

AXES = ("kernel_height", "kernel_width", "input_channel")
TILES = "input_channel_tile"


def steps_in_order(
    height: int, width: int, channels: int, order: Sequence[str] = AXES, tile: int | None = None
) -> Ints:
    """Return (steps, 3): row, column and channel of each product of an output, in the order of accumulation.

    ``order`` names the loops from the outermost inwards. With ``input_channel_tile`` among them, that loop visits
    blocks of ``tile`` channels and ``input_channel`` the channels of a block.

    >>> steps_in_order(1, 2, 2, ["input_channel", "kernel_height", "kernel_width"]).tolist()
    [[0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]]
    """
    if sorted(order) != sorted([*AXES, *([TILES] if tile else [])]):
        raise ValueError(f"order {list(order)}: it must name {', '.join(AXES)} once, and {TILES} if there is a tile")
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
