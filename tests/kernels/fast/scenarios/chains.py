"""Sums that are followed step by step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from kernels.fast.datapaths import Case
from kernels.fast.scenarios.moved import Left, Moved, Scenario, Take
from kernels.fast.scenarios.sums import convolution
from numpy.typing import DTypeLike, NDArray

from hwsim_kernels import counting
from hwsim_kernels.fast import followed
from hwsim_kernels.fast.chains import chain_of
from hwsim_kernels.fast.memory import unset, zeros
from hwsim_kernels.fields import FIELDS, field_of
from hwsim_kernels.order import sums_end
from hwsim_kernels.overflow import SATURATE, WRAP
from hwsim_kernels.rounding import FLOOR, HALF_EVEN

Ints = NDArray[np.int64]

WRAPS = field_of(9, True, WRAP, 0, shift=0, rounding=FLOOR, check_each=True)
PAIRS = field_of(8, True, SATURATE, 0, shift=2, rounding=HALF_EVEN, terms=2)
ROUNDED = field_of(8, True, WRAP, 0, shift=4, rounding=FLOOR)


def followed_sums(case: Case, product: Ints, stages: tuple[Ints, ...], take: Take) -> Left:
    """Follow the sums of a layer."""
    steps, moved = case.path.taps.shape[0], Moved(take)
    never = np.zeros(steps, np.int64)
    never[-1] = 1
    ends = sums_end([int(one[0]) for one in stages], [never] * len(stages))
    last = len(stages) - 1
    path = case.path._replace(product=product, stages=np.stack(stages), ends=ends, start_level=last)
    path = path._replace(exact=False, contained=False)
    chain = chain_of(path, case.codes.dtype, case.codes.shape[1:])
    assert chain is not None
    counts = take(counting.new_counts(len(stages) + 1, path.channels))
    out, histogram = take(np.zeros((case.positions, path.channels), np.int64)), take(np.zeros(counting.BINS, np.int64))

    def moved_unset(shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
        return moved.array(unset(shape, kind))

    def moved_zeros(shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
        return moved.array(zeros(shape, kind))

    with (
        patch.object(followed, "unset", moved_unset),
        patch.object(followed, "zeros", moved_zeros),
        patch.object(followed, "BLOCK_WORDS", 256),
    ):
        followed.follow_sums(moved.of(chain), path, take(case.codes.astype(np.int32)), 3, out, counts, histogram)
    return [out.copy(), counts.copy(), histogram.copy()]


def all_chains() -> Iterator[tuple[str, Scenario]]:
    """Yield layers of which every register may lose something."""
    layers = {
        "groups": convolution("int8", 127, 3, 5, groups=3),
        "depthwise": convolution("uint8", 127, 1, 1, groups=19),
        "zeros between": convolution("uint8", 127, 2, 20, spread=2),
        "an even number of steps": convolution("int8", 127, 4, 33),
    }
    none = np.zeros(FIELDS, np.int64)
    chains = {
        "a register that wraps": (none, (WRAPS,)),
        "products that round": (ROUNDED, (WRAPS,)),
        "pairs that saturate": (none, (PAIRS, WRAPS)),
    }
    for name, case in layers.items():
        yield from ((f"{what}, {name}", partial(followed_sums, case, *fields)) for what, fields in chains.items())
