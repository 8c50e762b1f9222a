"""Steps on codes of 8 bits: each code is sent through them once, and the results and losses are read from tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from hwsim.engine.steps import run_steps
from hwsim.engine.tally import Tally
from hwsim.engine.words import codes_of
from hwsim.program.records import FitTo, IntOperation, LookUp, Step
from hwsim_kernels import counting
from hwsim_kernels.counting import BINS, new_counts
from hwsim_kernels.fast.features import PORTABLE
from hwsim_kernels.fast.mapping import BYTES, count_bytes, find_first, map_bytes

Array = NDArray[Any]
Ints = NDArray[np.int64]
Kind = np.dtype[Any]

FEW_ROWS = 32
"""For fewer rows than this it takes longer to count by bytes than to run the steps on each code."""


@dataclass(frozen=True)
class Mapping:
    """What steps make of each byte, and what they count: ``table`` (BYTES,), ``counts`` (points, COLUMNS, BYTES).

    ``bins`` has (BYTES,) bins of the histogram for each point that keeps one.
    """

    table: Array
    counts: Ints
    bins: dict[int, Ints]


_mappings: WeakKeyDictionary[IntOperation, dict[int, Mapping]] = WeakKeyDictionary()


def maps(one: IntOperation, steps: Sequence[Step], codes: Array, tally: Tally) -> bool:
    """Whether steps on codes (rows, channels) depend on the code alone, in all channels alike, and tables are faster.

    None of their values is traced or rounded by chance.
    """
    steady = getattr(one, "draws", np.zeros(1)).size == 1
    small = codes.dtype.itemsize == 1 and not one.wide and len(codes) >= FEW_ROWS
    return steady and small and tally.trace is None and tally.tier >= PORTABLE and all(map(uniform, steps))


def uniform(step: Step) -> bool:
    """Whether a step treats all channels alike."""
    alike = all(bool((values == values[0]).all()) for values in by_channel(step).values())
    return alike and not (isinstance(step, LookUp) and len(step.table) > 1)


def by_channel(step: Step) -> dict[str, Array]:
    """Return the arrays of a step that have one value for each channel."""
    return {name: getattr(step, name) for name in step.by_channel}


def mapping_of(one: IntOperation, steps: Sequence[Step], number: int, given: Kind, made: Kind) -> Mapping:
    """Return what the steps of input ``number`` make of each byte of a type, as codes of another, found once."""
    known = _mappings.setdefault(one, {})
    if number not in known:
        codes = np.arange(BYTES, dtype=np.uint8).view(given).astype(np.int64)
        counts, index = new_counts(len(one.points), BYTES), {point.name: at for at, point in enumerate(one.points)}
        tally = Tally(counts, np.zeros((len(one.points), BINS), np.int64), index, 0)
        values = codes[np.newaxis, np.newaxis].copy()
        # one byte for each channel: each counts apart
        run_steps([spread(step) for step in steps], values, np.zeros(1, np.int64), 1, tally)
        bins = {
            index[step.point]: bits_of(counts[index[step.point], counting.MINIMUM] - step.offset)
            for step in steps
            if isinstance(step, FitTo) and step.histogram
        }
        known[number] = Mapping(codes_of(values)[0].astype(made), counts, bins)
    return known[number]


def spread(step: Step) -> Step:
    """Return a uniform step for as many channels as there are bytes."""
    changes: dict[str, Any] = {name: np.full(BYTES, values[0]) for name, values in by_channel(step).items()}
    return replace(step, **changes)


def bits_of(values: Ints) -> Ints:
    """Return how many bits magnitudes have.

    >>> bits_of(np.array([0, 1, -1, 2, 255, -256])).tolist()
    [0, 1, 1, 2, 8, 9]
    """
    return np.array([abs(value).bit_length() for value in values.tolist()], np.int64)


def run_mapping(mapping: Mapping, codes: Array, samples: int, tally: Tally, out: Array) -> None:
    """Map codes (rows, channels) of 8 bits, of so many samples, to ``out`` (samples, …, channels)."""
    rows, first_row = codes.view(np.uint8), tally.first_sample * (len(codes) // samples)
    # a copy, if rows of the place do not follow one another
    stored = out.reshape(codes.shape)
    seen = np.zeros((codes.shape[1], BYTES), np.int32)
    map_bytes(rows, mapping.table, seen, stored)
    if not np.may_share_memory(stored, out):
        out[...] = stored.reshape(out.shape)
    if not tally.counted:
        return
    for point, known in enumerate(mapping.counts):
        bins = mapping.bins.get(point, np.zeros(0, np.int64))
        count_bytes(seen, known, bins, tally.counts[point], tally.histograms[point])
        find_first(rows, seen, known[counting.FIRST], first_row, tally.counts[point, counting.FIRST])
