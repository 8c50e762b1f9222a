"""How one tensor lies beside another: fewer samples, axes in another order, no axes at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Beside:
    """Two tensors of one shape, and in words what was done to have them so; ``problem`` if nothing helps."""

    a: Array
    b: Array
    notes: tuple[str, ...] = ()
    problem: str = ""


def lay_beside(a: Array, b: Array) -> Beside:
    """Bring two tensors to one shape, that of ``a`` (samples, …, channels), or of ``b`` where ``a`` is flat.

    Of several ways that fit, the one with the fewest differences is taken, the earliest of equals.
    """
    if a.shape == b.shape:
        return Beside(a=a, b=b)
    if a.ndim == 1 and b.ndim > 1:
        turned = lay_beside(b, a)
        notes = tuple(note.translate(str.maketrans("AB", "BA")) for note in turned.notes)
        problem = turned.problem and _misfit(a, b)
        return Beside(a=turned.b, b=turned.a, notes=notes, problem=problem)
    found = [_cut(a, view, notes) for view, notes in _views(a.shape, b)]
    if not found:
        return Beside(a=a, b=b, problem=_misfit(a, b))
    return min(found, key=lambda one: int(np.count_nonzero(one.a != one.b)))


def _misfit(a: Array, b: Array) -> str:
    return f"shape {a.shape} in A, {b.shape} in B: these cannot be the same tensor"


def _views(shape: tuple[int, ...], b: Array) -> Iterator[tuple[Array, tuple[str, ...]]]:
    """Yield ``b`` in every way in which its samples have the shape of A's."""
    sample = shape[1:]
    if not sample:
        return
    count, rest = divmod(b.size, prod(sample))
    if rest:
        return
    said = f"B has shape {b.shape}"
    squeezed = tuple(size for size in b.shape if size > 1)
    if squeezed in (tuple(size for size in (count, *sample) if size > 1), (b.size,)):
        same = b.shape == (count, *sample)
        yield b.reshape(count, *sample), () if same else (f"{said}, read as {(count, *sample)}",)
    if b.shape == shape[::-1] and len(shape) == 2:
        yield b.T, (f"{said}, its axes are CN where A has NC",)
    for order in _orders(len(sample)):
        stored = tuple(sample[axis] for axis in order)
        if squeezed in (tuple(size for size in (count, *stored) if size > 1), (b.size,)):
            back = [0, *(1 + order.index(axis) for axis in range(len(sample)))]
            view = b.reshape(count, *stored).transpose(back)
            yield view, (f"{said}, its axes are {axes_named(order, len(sample))}",)


def _orders(count: int) -> list[tuple[int, ...]]:
    """Return the orders of a sample's axes but the given one; channels in front come first."""
    found = [one for one in permutations(range(count)) if one != tuple(range(count))] if 2 <= count <= 4 else []
    first = (count - 1, *range(count - 1))
    return sorted(found, key=lambda one: one != first)


def axes_named(order: tuple[int, ...], count: int) -> str:
    """Return an order of a sample's axes in letters, samples first.

    >>> axes_named((2, 0, 1), 3)
    'NCHW where A has NHWC'
    """
    letters = {2: "HC", 3: "HWC"}.get(count, "1234567"[: count - 1] + "C")
    return f"N{''.join(letters[axis] for axis in order)} where A has N{letters}"


def _cut(a: Array, b: Array, notes: tuple[str, ...]) -> Beside:
    """Leave out samples that one side alone has."""
    count = min(len(a), len(b))
    if len(a) != len(b):
        side = "A" if len(a) < len(b) else "B"
        notes = (*notes, f"{side} holds only the first {count} of {max(len(a), len(b))} samples")
    return Beside(a=a[:count], b=b[:count], notes=notes)
