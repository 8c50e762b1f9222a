"""Layers of which any register may lose something, followed step by step: one call for a layer, a block at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Codes, Int, Ints
from hwsim_kernels.counting import (
    CLAMP_ENERGY,
    FIRST,
    HIGH,
    INEXACT,
    LOW,
    MAXIMUM,
    MINIMUM,
    PERSISTENT,
    ROUND_BIAS,
    ROUND_ENERGY,
    TRANSIENT,
)
from hwsim_kernels.fast import following
from hwsim_kernels.fast.bits import bit_lengths
from hwsim_kernels.fast.borrowing import borrowed
from hwsim_kernels.fast.chains import Chain, Words
from hwsim_kernels.fast.datapath import Datapath
from hwsim_kernels.fast.following import (
    AHEAD,
    LONG_COUNTERS,
    MET,
    SHORT_COUNTERS,
    STATE,
    TOP,
    follow_row,
    follow_row_alone,
    follow_rows,
    follow_rows_alone,
)
from hwsim_kernels.fast.lanes import WIDTH
from hwsim_kernels.fast.memory import unset, zeros
from hwsim_kernels.fast.operands import between
from hwsim_kernels.fast.stored import convert

BLOCK_WORDS = 1 << 15
"""About so many words of operands are gathered at a time: they stay in the cache of a core."""

BLOCK_ROWS = 256

NO_OFFSET, BITS_OF_LANES = np.int64(0), np.int64(32)
"""Of a type, as ``layers.FIRST_STEP``."""


@njit
def gather_words(
    codes: Codes, zero_point: Int, outside: Int, chain: Chain, channel: Int, position: Int, line: Words, words: Words
) -> None:
    """Write the operands of positions (rows, words) of the group whose first channel is given, as words.

    line: (steps,) room for a position's operands.
    """
    height, width = codes.shape[1], codes.shape[2]
    zero, none = np.int32(zero_point), np.int32(outside)
    for p in range(words.shape[0]):
        n, place = (position + p) // chain.window[2], (position + p) % chain.window[2]
        top, left = place // chain.window[3] * chain.window[0], place % chain.window[3] * chain.window[1]
        target = line if chain.by_two else words[p]
        for number in range(chain.runs.shape[0]):
            run = chain.runs[number]
            y, x, first, step, length = top + run[0], left + run[1], channel + run[2], run[3], run[4]
            y, x = between(y, chain.window[4]), between(x, chain.window[5])
            some = target[step:]
            if 0 <= y < height and 0 <= x < width:
                source = codes[n, y, x][first:]
                for c in range(length):
                    some[c] = source[c] - zero
            else:
                for c in range(length):
                    some[c] = none
        if chain.by_two:
            made = words[p]
            for word in range(made.size):
                made[word] = (line[2 * word] & 0xFFFF) | (line[2 * word + 1] << 16)


@njit
def fill_frame(
    codes: Codes, zero_point: Int, outside: Int, chain: Chain, sample: Int, top: Int, left: Int, frame: Words
) -> None:
    """Write the operands of a part of the (spread) image to a frame (rows, columns, channels), from a corner on."""
    height, width, channels = codes.shape[1], codes.shape[2], codes.shape[3]
    zero, none = np.int32(zero_point), np.int32(outside)
    for row in range(frame.shape[0]):
        y = between(top + row, chain.window[4])
        for column in range(frame.shape[1]):
            x, pixel = between(left + column, chain.window[5]), frame[row, column]
            if 0 <= y < height and 0 <= x < width:
                source = codes[sample, y, x]
                for c in range(channels):
                    pixel[c] = source[c] - zero
            else:
                for c in range(channels):
                    pixel[c] = none


class Room(NamedTuple):
    """Memory for what is followed at a time.

    bases: (AHEAD,) addresses. state, lone: of AHEAD rows and of one, (levels, STATE, rows, 16). firsts, first: (levels
    + 1, rows, 16). counters, longs: (levels + 1, …, 16). flags: (levels + 1, 2). exact, results: (rows, 16). ends: (2,
    16), of a strip's exact sums.
    """

    bases: Ints
    state: Words
    lone: Words
    firsts: Words
    first: Words
    counters: Words
    longs: Ints
    flags: Ints
    exact: Words
    results: Words
    ends: Words


@njit
def follow(chain: Chain, group: Int, strip: Int, places: Ints, ahead: Int, row: Int, room: Room) -> None:
    """Follow the sums of AHEAD rows, or of one, of a strip; they are the results' and begin at ``row`` there."""
    weights, several = chain.weights[group, strip], ahead > 1
    state, firsts = (room.state, room.firsts) if several else (room.lone, room.first)
    some = (
        room.bases.ctypes.data,
        places.ctypes.data,
        weights.ctypes.data,
        weights.shape[0],
        chain.start[group, strip].ctypes.data,
        chain.start_level,
        chain.rules.ctypes.data,
        chain.ends.ctypes.data,
        chain.ends.strides[0],
        chain.numbers.ctypes.data,
        chain.ends.shape[0],
        state.ctypes.data,
        room.counters.ctypes.data,
        room.longs.ctypes.data,
        firsts.ctypes.data,
        room.flags.ctypes.data,
        room.results[row:].ctypes.data,
        room.exact[row:].ctypes.data,
    )
    if chain.alone and several:
        follow_rows_alone(*some)
    elif chain.alone:
        follow_row_alone(*some)
    elif several:
        follow_rows(*some)
    else:
        follow_row(*some)


@njit
def note_firsts(firsts: Words, flags: Ints, key: Int, steps: Int, channel: Int, many: Int, counts: Ints) -> None:
    """Note the earliest hits of rows (levels, rows, 16), whose first one's key is given, in counts (levels, …)."""
    for level in range(firsts.shape[0]):
        if flags[level, MET] == 0:
            continue
        known = counts[level, FIRST]
        for row in range(firsts.shape[1]):
            line, here = firsts[level, row], key + row * steps
            for c in range(many):
                if here < known[channel + c] and line[c] != TOP:
                    known[channel + c] = min(known[channel + c], here + np.int64(line[c]))


@njit
def note_counters(counters: Words, longs: Ints, channel: Int, many: Int, counts: Ints) -> None:
    """Add what was counted in lanes (levels, …, 16) to counts (levels, …), and set it back."""
    for level in range(counters.shape[0]):
        mine, own, ours = counters[level], longs[level], counts[level]
        for c in range(many):
            ours[LOW, channel + c] += mine[following.BELOW, c]
            ours[HIGH, channel + c] += mine[following.ABOVE, c]
            ours[INEXACT, channel + c] += mine[following.DROPPED, c]
            ours[TRANSIENT, channel + c] += mine[following.TRANSIENT, c]
            ours[PERSISTENT, channel + c] += mine[following.PERSISTENT, c]
            if mine[following.BELOW, c] > 0:
                ours[MINIMUM, channel + c] = min(ours[MINIMUM, channel + c], np.int64(mine[following.SMALLEST, c]))
            if mine[following.ABOVE, c] > 0:
                ours[MAXIMUM, channel + c] = max(ours[MAXIMUM, channel + c], np.int64(mine[following.LARGEST, c]))
            paired = c // 2 + c % 2 * (WIDTH // 2)
            ours[ROUND_BIAS, channel + c] += own[following.ERRORS, c]
            ours[ROUND_ENERGY, channel + c] += own[following.SQUARES, paired]
            ours[CLAMP_ENERGY, channel + c] += own[following.ENERGY, paired]
            ours[CLAMP_ENERGY + 1, channel + c] += own[following.ENERGY_MORE, paired]
    begin_counters(counters, longs)


@njit
def begin_counters(counters: Words, longs: Ints) -> None:
    """Set counters to rest."""
    for level in range(counters.shape[0]):
        for c in range(WIDTH):
            for name in range(SHORT_COUNTERS):
                counters[level, name, c] = 0
            counters[level, following.SMALLEST, c] = TOP
            counters[level, following.LARGEST, c] = -TOP - 1
            for name in range(LONG_COUNTERS):
                longs[level, name, c] = 0


@njit
def close_strip(room: Room, size: Int, many: Int, channel: Int, counts: Ints, histogram: Ints, out: Ints) -> None:
    """Note the range and the bits of the exact sums of so many rows, and write their results to ``out``."""
    least, most = room.ends[0], room.ends[1]
    for c in range(WIDTH):
        least[c], most[c] = TOP, -TOP - 1
    for row in range(size):
        line = room.exact[row]
        for c in range(WIDTH):
            least[c], most[c] = min(least[c], line[c]), max(most[c], line[c])
    lowest_known, highest_known = counts[MINIMUM][channel:], counts[MAXIMUM][channel:]
    for c in range(many):
        lowest_known[c] = min(lowest_known[c], np.int64(least[c]))
        highest_known[c] = max(highest_known[c], np.int64(most[c]))
    for row in range(size):
        convert(room.results[row], out[row][channel:], many)
    if many < WIDTH:
        for row in range(size):
            room.exact[row, many:] = 0
    bit_lengths(room.exact[:size], NO_OFFSET, BITS_OF_LANES, histogram)
    histogram[0] -= size * (WIDTH - many)


@njit
def follow_strip(
    chain: Chain,
    group: Int,
    strip: Int,
    places: Ints,
    origins: Ints,
    key: Int,
    room: Room,
    out: Ints,
    counts: Ints,
    histogram: Ints,
) -> None:
    """Follow the sums of positions whose operands begin at ``origins``, and write them to ``out`` (rows, channels)."""
    size, last = origins.size, chain.ends.shape[0]
    channels, steps = counts.shape[2] // chain.start.shape[0], chain.taps.shape[0]
    many, channel = min(WIDTH, channels - strip * WIDTH), group * channels + strip * WIDTH
    row: Int = np.int64(0)
    while row < size:
        ahead = np.int64(AHEAD if size - row >= AHEAD else 1)
        for one in range(ahead):
            room.bases[one] = origins[row + one]
        follow(chain, group, strip, places, ahead, row, room)
        note_firsts(
            room.firsts if ahead > 1 else room.first, room.flags, key + row * steps, steps, channel, many, counts
        )
        row += ahead
    close_strip(room, size, many, channel, counts[last], histogram, out)
    note_counters(room.counters, room.longs, channel, many, counts)
    for level in range(last + 1):
        room.flags[level, MET] = 0


@njit
def follow_layer(
    codes: Codes,
    zero_point: Int,
    outside: Int,
    chain: Chain,
    words: Words,
    line: Words,
    room: Room,
    first_sample: Int,
    out: Ints,
    counts: Ints,
    histogram: Ints,
) -> None:
    """Multiply and accumulate a batch, as ``accumulate`` does, but for numbers of fits and of sums.

    codes: (n, h, w, c). out: (rows, channels). counts: (levels + 1, COLUMNS, channels), of products first. histogram:
    (BINS,) of the last stage's sums without its fits. words (rows, words), line (steps,) are room.
    """
    codes, chain, words, line, room = borrowed((codes, chain, words, line, room))
    out, counts = borrowed((out, counts))
    groups, inputs = chain.start.shape[0], codes.shape[3] // chain.start.shape[0]
    places, origins = np.empty(words.shape[1], np.int64), np.empty(words.shape[0], np.int64)
    for word in range(len(places)):
        places[word] = word * 4
    begin_counters(room.counters, room.longs)
    for position in range(0, out.shape[0], words.shape[0]):
        size = min(words.shape[0], out.shape[0] - position)
        key = (first_sample * chain.window[2] + position) * chain.taps.shape[0]
        for row in range(size):
            origins[row] = words.ctypes.data + row * words.strides[0]
        for group in range(groups):
            gather_words(codes, zero_point, outside, chain, group * inputs, position, line, words[:size])
            for strip in range(chain.start.shape[1]):
                here = (key, room, out[position : position + size], counts, histogram)
                follow_strip(chain, group, strip, places, origins[:size], *here)


@njit
def follow_channels(
    codes: Codes,
    zero_point: Int,
    outside: Int,
    chain: Chain,
    frame: Words,
    corner: tuple[Int, Int],
    room: Room,
    first_sample: Int,
    out: Ints,
    counts: Ints,
    histogram: Ints,
) -> None:
    """Do what ``follow_layer`` does where channels are alone with theirs.

    frame (rows, columns, channels, a multiple of 16) is room for the operands of some output rows. corner: the smallest
    row and column of a tap.
    """
    codes, chain, frame, room = borrowed((codes, chain, frame, room))
    out, counts = borrowed((out, counts))
    steps, across = chain.taps.shape[0], chain.window[3]
    down = chain.window[2] // across
    deepest = 0
    for step in range(steps):
        deepest = max(deepest, chain.taps[step, 0] - corner[0])
    rows = (frame.shape[0] - 1 - deepest) // chain.window[0] + 1
    places = np.empty(steps, np.int64)
    for step in range(steps):
        row, column = chain.taps[step, 0] - corner[0], chain.taps[step, 1] - corner[1]
        places[step] = row * frame.strides[0] + column * frame.strides[1]
    origins = np.empty(rows * across, np.int64)
    begin_counters(room.counters, room.longs)
    for sample in range(codes.shape[0]):
        for first in range(0, down, rows):
            size = min(rows, down - first) * across
            position = (sample * down + first) * across
            fill_frame(codes, zero_point, outside, chain, sample, first * chain.window[0] + corner[0], corner[1], frame)
            key = (first_sample * chain.window[2] + position) * steps
            for strip in range(chain.start.shape[1]):
                for place in range(size):
                    row, column = place // across * chain.window[0], place % across * chain.window[1]
                    here = row * frame.strides[0] + column * frame.strides[1]
                    origins[place] = frame.ctypes.data + here + 4 * WIDTH * strip
                ends = (key, room, out[position : position + size], counts, histogram)
                follow_strip(chain, np.int64(0), strip, places, origins[:size], *ends)


def follow_sums(
    chain: Chain, path: Datapath, codes: Codes, first_sample: int, out: Ints, counts: Ints, histogram: Ints
) -> None:
    """Follow the sums of codes (n, h, w, c), see ``follow_layer``; numbers of fits and of sums are not counted."""
    levels, words = chain.ends.shape[0], chain.numbers.size
    where = (codes, path.zero_point, path.outside, chain)
    behind = (first_sample, out, counts, histogram)
    if chain.alone:
        low, high = chain.taps.min(axis=0), chain.taps.max(axis=0)
        strides, across, down = chain.window[:2], int(chain.window[3]), int(chain.window[2] // chain.window[3])
        width = int((across - 1) * strides[1] + high[1] - low[1] + 1)
        columns = chain.start.shape[1] * WIDTH
        together = int(max(min(BLOCK_WORDS // (width * columns * strides[0]), BLOCK_ROWS // across, down), 1))
        shape = int((together - 1) * strides[0] + high[0] - low[0] + 1), width, columns
        corner = int(low[0]), int(low[1])
        follow_channels(*where, zeros(shape, np.int32), corner, room_of(levels, together * across), *behind)
    else:
        rows = max(min(BLOCK_ROWS, BLOCK_WORDS // words, len(out)) // AHEAD * AHEAD, AHEAD)
        operands, line = unset((rows, words), np.int32), zeros((len(chain.taps),), np.int32)
        follow_layer(*where, operands, line, room_of(levels, rows), *behind)


def room_of(levels: int, rows: int) -> Room:
    """Return memory to follow so many rows."""
    return Room(
        bases=zeros((AHEAD,), np.int64),
        state=unset((levels, STATE, AHEAD, WIDTH), np.int32),
        lone=unset((levels, STATE, 1, WIDTH), np.int32),
        firsts=unset((levels + 1, AHEAD, WIDTH), np.int32),
        first=unset((levels + 1, 1, WIDTH), np.int32),
        counters=unset((levels + 1, SHORT_COUNTERS, WIDTH), np.int32),
        longs=unset((levels + 1, LONG_COUNTERS, WIDTH), np.int64),
        flags=zeros((levels + 1, 2), np.int64),
        exact=unset((rows, WIDTH), np.int32),
        results=unset((rows, WIDTH), np.int32),
        ends=unset((2, WIDTH), np.int32),
    )
