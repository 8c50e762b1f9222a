"""Padding as TensorFlow takes it."""

from __future__ import annotations

from collections.abc import Sequence

from hwsim.network.operation import Sides

NONE: Sides = ((0, 0), (0, 0))


def explicit(padding: Sides) -> list[list[int]]:
    """Return ``padding`` for all four axes of (n, h, w, c), as TensorFlow and NumPy take it.

    >>> explicit(((0, 1), (2, 3)))
    [[0, 0], [0, 1], [2, 3], [0, 0]]
    """
    return [[0, 0], list(padding[0]), list(padding[1]), [0, 0]]


def in_words(padding: Sides, sizes: Sequence[int], window: Sequence[int], strides: Sequence[int]) -> tuple[str, Sides]:
    """Return TensorFlow's word for the padding of (h, w) and what must be padded before, where it has no word.

    >>> in_words(((1, 1), (0, 1)), (5, 6), (3, 3), (1, 2))
    ('SAME', ((0, 0), (0, 0)))
    >>> in_words(((1, 1), (1, 1)), (5, 6), (3, 3), (1, 2))
    ('VALID', ((1, 1), (1, 1)))
    """
    totals = [
        max((-(-sizes[axis] // strides[axis]) - 1) * strides[axis] + window[axis] - sizes[axis], 0) for axis in (0, 1)
    ]
    if padding != NONE and padding == tuple((total // 2, total - total // 2) for total in totals):
        return "SAME", NONE
    return "VALID", padding
