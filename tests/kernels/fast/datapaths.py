"""Datapaths for the fast kernels and, in plain Python integers, what comes out of them.

The sums are formed from ``docs/arithmetic.md`` section 4 alone; nothing here calls a kernel but ``sums_of``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import Any

import numpy as np
import pytest
from kernels.plain import COMPILED, Ints
from numpy.typing import NDArray

from hwsim_kernels.counting import BINS, new_counts
from hwsim_kernels.fast import packing, strip_loop, strips
from hwsim_kernels.fast.blocks import Prepared, prepare, write_sums
from hwsim_kernels.fast.datapath import Datapath
from hwsim_kernels.fast.features import PORTABLE, TIERS, offered
from hwsim_kernels.fast.pairs import ADDED
from hwsim_kernels.fast.passage import LOOK, Steps, Tally
from hwsim_kernels.fields import FIELDS, field_of
from hwsim_kernels.overflow import SATURATE

Array = NDArray[Any]

FAST = [name for name, number in TIERS.items() if number >= PORTABLE]
OFFERED = [name for name in FAST if offered()[name]]
"""Tiers that this machine offers; none where kernels run as Python."""

HERE = OFFERED if os.environ.get("HWSIM_TEST_TIERS") == "all" else OFFERED[-1:]
"""Tiers to test: the one that this machine uses, or all of them, which takes long to compile."""

FLOATS = "portable, in floats"
"""The tier of processors without an instruction that adds up the products of pairs."""

WAYS = [*HERE, FLOATS] if HERE and os.environ.get("HWSIM_TEST_TIERS") == "all" else HERE
"""Tiers to test where a layer needs no more than to be prepared."""

KINDS = ("int8", "uint8", "int16", "uint16")
"""Types of stored codes that have fast kernels."""

compiled = pytest.mark.skipif(not COMPILED, reason="these kernels exist as machine code alone")

pairs = pytest.mark.skipif(
    not ADDED or "portable" not in OFFERED, reason="no instruction adds up the products of pairs"
)


def limits_of(kind: str) -> tuple[int, int]:
    """Return the smallest and the largest code of a type."""
    info = np.iinfo(kind)
    return int(info.min), int(info.max)


def exact_stages() -> Ints:
    """Return stages that lose nothing."""
    return np.stack([field_of(62, True, SATURATE, 0, shift=0, rounding=0, check_each=True)])


@dataclass(frozen=True)
class Case:
    """Codes (n, h, w, c) and the layer that they come to.

    taps: (k, 3) row, column, channel of each step. weights: (groups, k, outputs). start: what sums start from.
    shape: rows and columns of the output. ``outside``: the operand for what lies outside.
    """

    codes: Array
    weights: Ints
    taps: Ints
    start: Sequence[int]
    shape: tuple[int, int] = (1, 1)
    zero_point: int = 0
    outside: int = 0
    strides: tuple[int, int] = (1, 1)
    spread: tuple[int, int] = (1, 1)
    stages: Ints = field(default_factory=exact_stages)
    ends: Ints | None = None
    exact: bool = True

    @property
    def path(self) -> Datapath:
        """The layer as the kernels take it."""
        steps = self.weights.shape[1]
        last = np.zeros((1, steps), np.int64)
        last[0, -1] = 1
        return Datapath(
            zero_point=self.zero_point,
            outside=self.outside,
            taps=self.taps,
            strides=np.array(self.strides, np.int64),
            spread=np.array(self.spread, np.int64),
            weights=self.weights.astype(np.int32),
            start=np.array(self.start, np.int64),
            start_level=len(self.stages) - 1,
            product=np.zeros(FIELDS, np.int64),
            stages=self.stages,
            ends=last if self.ends is None else self.ends,
            positions=self.shape,
            exact=self.exact,
            contained=True,
        )

    @property
    def positions(self) -> int:
        """How many output positions there are, of all samples."""
        return len(self.codes) * self.shape[0] * self.shape[1]

    def operands(self, position: int, group: int) -> list[int]:
        """Return the operands (k,) of an output position."""
        n, place = divmod(position, self.shape[0] * self.shape[1])
        row, column = divmod(place, self.shape[1])
        _, height, width, channels = self.codes.shape
        first = group * (channels // len(self.weights))
        found: list[int] = []
        for tap_row, tap_column, channel in self.taps.tolist():
            y, odd_row = divmod(row * self.strides[0] + tap_row, self.spread[0])
            x, odd_column = divmod(column * self.strides[1] + tap_column, self.spread[1])
            inside = not odd_row and not odd_column and 0 <= y < height and 0 <= x < width
            code = int(self.codes[n, y, x, first + channel]) - self.zero_point if inside else self.outside
            found.append(code)
        return found

    def products(self, position: int) -> Iterator[list[int]]:
        """Yield the products of each channel's sum at a position, in the order of the steps."""
        for group, weights in enumerate(self.weights):
            operands = self.operands(position, group)
            for column in weights.T.tolist():
                yield list(map(mul, operands, column))

    def sums(self, position: int = 0, size: int | None = None) -> list[list[int]]:
        """Return the exact sums (positions, channels) of ``size`` positions from ``position`` on."""
        last = self.positions if size is None else position + size
        return [
            [first + sum(products) for first, products in zip(self.start, self.products(at), strict=True)]
            for at in range(position, last)
        ]

    @property
    def most(self) -> int:
        """What no sum can exceed in magnitude, whatever the codes: the proof that the caller owes."""
        low, high = limits_of(self.codes.dtype.name)
        operand = max(abs(low - self.zero_point), abs(high - self.zero_point), abs(self.outside))
        totals = np.abs(self.weights).sum(axis=1).reshape(-1).tolist()
        return max(abs(int(first)) + int(total) * operand for first, total in zip(self.start, totals, strict=True))


def dense(codes: Array, weights: Array, start: Sequence[int] = (), **other: Any) -> Case:
    """Return rows of codes (n, k) that are multiplied by weights (k, outputs)."""
    steps, outputs = weights.shape
    taps = np.zeros((steps, 3), np.int64)
    taps[:, 2] = np.arange(steps)
    return Case(codes[:, None, None], weights[None].astype(np.int64), taps, start or [0] * outputs, **other)


def prepared(case: Case, tier: str, rows: int | None = None) -> Prepared | None:
    """Return how a tier forms the sums of a case, perhaps in blocks of so many rows; None if it cannot."""
    with pytest.MonkeyPatch.context() as patch:
        if tier == FLOATS:
            patch.setattr(packing, "ADDED", False)
        name = tier.partition(",")[0]
        how = prepare(case.path, case.codes.dtype, case.codes.shape[1:], TIERS[name])
    return how if how is None or rows is None else how._replace(rows=rows)


def sums_of(case: Case, tier: str, rows: int | None = None) -> list[list[int]]:
    """Return all sums (positions, channels) that a tier forms of a case that it is known to take."""
    how = prepared(case, tier, rows)
    assert how is not None
    out = np.zeros((case.positions, case.path.channels), np.int64)
    write_sums(how, case.codes, out)
    found: list[list[int]] = out.tolist()
    return found


def one_look(how: Prepared) -> Steps:
    """Return a look at sums of 32 bits, which counts into point 0."""
    one, parameters = np.zeros(1, np.int64), strips.moves(how.columns)[None]
    nothing = np.zeros((1, 2), np.int64)
    return Steps(one + LOOK, parameters, parameters, np.zeros((1, 4), np.int64), one, one + 32, one, nothing)


def new_tally(channels: int, columns: int, first_row: int = 0, *, steps: int = 1) -> Tally:
    """Return counters at rest, of so many steps and one point."""
    return Tally(
        counters=strip_loop.counters(steps, columns),
        here=strip_loop.counters(columns),
        counts=new_counts(1, channels),
        histograms=np.zeros((1, BINS), np.int64),
        counted=True,
        first_row=first_row,
    )
