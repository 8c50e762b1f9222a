"""Functions of one byte: results are read from a table, and what was lost follows from how often each byte came."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim_kernels import counting
from hwsim_kernels._jit import njit
from hwsim_kernels._types import Int, Ints
from hwsim_kernels.counting import Counts

Bytes = NDArray[np.uint8]

BYTES = 256

ENDS = (counting.MINIMUM, counting.MAXIMUM, counting.FIRST)
"""Columns that are not sums."""


@njit
def map_bytes(codes: Bytes, table: NDArray[Any], seen: NDArray[np.int32], out: NDArray[Any]) -> None:
    """Write ``table`` (BYTES,) of each code (rows, channels) to ``out``; count codes in ``seen`` (channels, BYTES)."""
    for row in range(codes.shape[0]):
        for c in range(codes.shape[1]):
            code = codes[row, c]
            out[row, c] = table[code]
            seen[c, code] += 1


@njit
def count_bytes(seen: NDArray[np.int32], known: Counts, bins: Ints, counts: Counts, histogram: Ints) -> None:
    """Count what bytes that were ``seen`` (channels, BYTES) have lost at one truncation point, but where it was first.

    known: (COLUMNS, BYTES), what one of each byte counts, no value beyond ±2**62. bins: (BYTES,) the bin of each in
    the histogram (BINS,), or empty. counts: (COLUMNS, channels).
    """
    for column in range(counting.WIDE_MINIMUM):
        each = known[column]
        if column in ENDS or not each.any():
            continue
        for c in range(seen.shape[0]):
            counts[column, c] += total_of(seen[c], each)
    least, most = known[counting.MINIMUM], known[counting.MAXIMUM]
    for c in range(seen.shape[0]):
        low, high = range_of(seen[c], least, most)
        counts[counting.MINIMUM, c] = min(counts[counting.MINIMUM, c], low)
        counts[counting.MAXIMUM, c] = max(counts[counting.MAXIMUM, c], high)
    if bins.size > 0:
        totals = np.zeros(BYTES, np.int64)
        for c in range(seen.shape[0]):
            mine = seen[c]
            for code in range(BYTES):
                totals[code] += mine[code]
        for code in range(BYTES):
            histogram[bins[code]] += totals[code]


@njit
def total_of(seen: NDArray[np.int32], each: Ints) -> Int:
    """Return the sum over all bytes of what each counts, times how often it was seen."""
    total = np.int64(0)
    for code in range(BYTES):
        total += np.int64(seen[code]) * each[code]
    return total


@njit
def range_of(seen: NDArray[np.int32], least: Ints, most: Ints) -> tuple[Int, Int]:
    """Return the smallest of ``least`` and the largest of ``most`` of the bytes that were seen."""
    low, high = np.int64(counting.NEVER), np.int64(-counting.NEVER)
    for code in range(BYTES):
        there = seen[code] > 0
        low = min(low, least[code] if there else np.int64(counting.NEVER))
        high = max(high, most[code] if there else np.int64(-counting.NEVER))
    return low, high


@njit
def find_first(codes: Bytes, seen: NDArray[np.int32], known: Ints, first_row: Int, first: Ints) -> None:
    """Note in ``first`` (channels,) the row of the first code that counts as a first, which begin at ``first_row``.

    codes: (rows, channels), ``seen`` as ``map_bytes`` counted them. known: (BYTES,), NEVER where a byte does not count.
    """
    if known.min() == counting.NEVER:
        return
    for c in range(codes.shape[1]):
        came = False
        for code in range(BYTES):
            came = came or (seen[c, code] > 0 and known[code] != counting.NEVER)
        row = 0
        while came:
            came = known[codes[row, c]] == counting.NEVER
            row += 1
        if row > 0:
            first[c] = min(first[c], first_row + row - 1)
