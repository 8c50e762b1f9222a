"""Sums that saturate on their way and are not proved harmless: taken step by step, in the order of the target.

16 channels go side by side, packed together so that a channel costs what it needs, and 8 rows at a time, so that one
does not wait for the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from hwsim_kernels._jit import njit
from hwsim_kernels._types import Flag, Int, Ints
from hwsim_kernels.counting import CLAMP_ENERGY, FIRST, HIGH, LOW, MAXIMUM, MINIMUM, PERSISTENT, TRANSIENT
from hwsim_kernels.fast import hits
from hwsim_kernels.fast.borrowing import borrowed
from hwsim_kernels.fast.each import PARTS, fit_each, range_each
from hwsim_kernels.fast.groups import fit_groups, stay_within
from hwsim_kernels.fast.hits import COUNTED, begin_sums, finish_sums
from hwsim_kernels.fast.ir import HOST, I64, call, machine_code
from hwsim_kernels.fast.looks import Norms
from hwsim_kernels.fast.operands import Units
from hwsim_kernels.fast.packing import FOUR, UNIT
from hwsim_kernels.fast.pieces import advance, measure
from hwsim_kernels.fast.prefixes import stays_within
from hwsim_kernels.fast.sums import PAIR
from hwsim_kernels.fast.words import ABOVE, BEFORE, BELOW, PIECE, ROWS, STATE, WIDTH, count, excesses, fill

ALONE = 6 if "avx512bw" in HOST else 3
"""About so many sums side by side take as long as one that is followed by itself."""

MANY = 128
"""So many channels that to leave out steps costs less than to take them."""

AGAIN = 8
"""Of so many batches one is tried without fits, where the one before needed them."""

ATTEMPTS = 32
"""How many sums that are followed tell whether more are worth their while."""

MOST = (1 << 31) - 1
"""What no excess exceeds."""

WORDS, EACH, GROUPS = range(3)
"""Ways of a step: ``words``; or pairs of 16 bits, with a fit behind ``each`` of them or behind ``groups``."""

ALL_PARTS = (1 << PARTS) - 1

STATE_SIZE = STATE * ROWS * WIDTH

WORD_BYTES = 4 * WIDTH
"""From one word of 16 columns to the next."""

Words = NDArray[np.int32]
Bytes = NDArray[np.uint8]


class Strips(NamedTuple):
    """The weights of 16 channels side by side, or of many such strips, (strips, …) each.

    panel (words, 16): words of them. Of ``WORDS`` and ``EACH``: heaviest (pieces, 16): the largest magnitudes in each
    PIECE of words, of the two of a word their sum. Of ``WORDS`` with bytes on both sides: quads (fours, 16): four bytes
    a word, 0 behind the last step; lacking (pieces, 16): what sums of units lack to those of operands; norms (pieces,
    16): no less than their norms.
    """

    panel: Words
    heaviest: Words
    quads: Words
    lacking: Words
    norms: Norms


class Saturation(NamedTuple):
    """What a layer whose last stage saturates needs, besides its layout.

    To look at sums: corrections (2**n + 1, columns), half_start (columns,), column_norms and bounds (levels, columns),
    see ``looks.checked_sums``. settings: of AMX's tiles.

    To follow one alone: by_channel (channels, steps): the weights, 0 up to a multiple of UNIT; none where they are no
    bytes.

    To take them step by step: way, one of the above. flip, offset: from units to operands. start (channels,): what sums
    start from. weights (steps, channels). fits (steps,): where sums are fitted; none where nothing saturates. limits:
    (2,) of the register. takes (2, words): the steps that a word of operands holds, -1 for none. left: how far operands
    are shifted to the left. groups: words to each fit. numbers (words, 8): those of each word in its PIECE.

    Of ``WORDS`` alone: field: bits of it; mark: which of them is the mark; longest: how many steps are counted at a
    time; raised: what sums are above the register's words.
    """

    corrections: NDArray[np.int32]
    half_start: NDArray[np.int32]
    column_norms: Norms
    bounds: Norms
    settings: NDArray[np.uint8]
    by_channel: NDArray[np.int8]
    way: int
    flip: int
    offset: int
    start: Ints
    weights: NDArray[np.int32]
    fits: NDArray[np.uint8]
    limits: Ints
    takes: Ints
    left: int
    strips: Strips
    groups: Ints
    numbers: Bytes
    field: int
    mark: int
    longest: int
    raised: int


class StepRoom(NamedTuple):
    """Memory for the steps of a block, in batches of 8 rows.

    rows: (batches, 8), addresses of units. operands: (batches, words, 8); largest, norms: (batches, pieces, 8), what
    ``pieces.measure`` finds. listed, numbers: (batches, words, 8), many: (batches, pieces), the lists of each piece as
    ``words.count`` and ``each.fit_each`` take them. state: (batches, STATE, 8, 16). packed: a strip.
    """

    rows: Ints

    operands: Words
    listed: Words
    numbers: Bytes
    many: Ints
    largest: Words
    norms: Norms
    state: Words
    packed: Strips


@machine_code
def ones_in(context: Any, mask: Any) -> Any:
    """Return how many bits of a mask are set."""

    def build(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return call(builder, "llvm.ctpop.i64", I64, [arguments[0]])

    return types.int64(types.int64), build


@njit
def write_operands(units: Units, how: Saturation, operands: Words) -> None:
    """Write the operands that a row of units stands for as words."""
    turn, off, left = units.dtype.type(how.flip), np.int32(how.offset), np.int32(how.left)
    for word in range(how.takes.shape[1]):
        one, two = how.takes[0, word], how.takes[1, word]
        low = (np.int32(units[one] ^ turn) - off) << left
        high = (np.int32(units[two] ^ turn) - off) << left if two >= 0 else np.int32(0)
        operands[word] = (low & 0xFFFF) | (high << 16)


@njit
def write_batch(rows: Units, how: Saturation, mine: Ints, batch: Int, room: StepRoom) -> None:
    """Write the operands of 8 rows, some perhaps more than once, and how large they are in each piece."""
    steps, words, operands, addresses = how.fits.size, how.takes.shape[1], room.operands[batch], room.rows[batch]
    for place in range(ROWS):
        addresses[place] = rows.ctypes.data + mine[place] * rows.strides[0]
    in_bytes = rows.itemsize == 1 and rows.shape[1] >= (steps + WIDTH - 1) // WIDTH * WIDTH
    if in_bytes and words == steps:
        upper = -1 << 16 if how.takes[1, 0] >= 0 else 0
        fill(addresses.ctypes.data, steps, how.flip, how.offset, how.left, upper, operands.ctypes.data)
    else:
        for place in range(ROWS):
            write_operands(rows[mine[place]], how, operands[:, place])
    for piece in range(room.largest.shape[1]):
        first = piece * PIECE
        largest, norms = room.largest[batch, piece].ctypes.data, room.norms[batch, piece].ctypes.data
        measure(operands.ctypes.data + 4 * ROWS * first, min(PIECE, words - first), how.left, largest, norms)


@njit
def list_batch(how: Saturation, batch: Int, room: StepRoom) -> None:
    """List the words of 8 rows that are not 0, piece by piece, and the first, which fits what a sum starts from."""
    words, counts = how.takes.shape[1], np.empty(ROWS, np.int64)
    for piece in range(room.many.shape[1]):
        first = piece * PIECE
        size = min(PIECE, words - first)
        operands = room.operands[batch, first : first + size]
        listed, numbers = room.listed[batch, first : first + size], room.numbers[batch, first : first + size]
        for row in range(ROWS):
            place = 0
            for k in range(size):
                word = operands[k, row]
                listed[place, row], numbers[place, row] = word, k
                place += word != 0 or (piece == 0 and k == 0)
            counts[row] = place
        # a kernel takes one step at least
        most = np.int64(1)
        for row in range(ROWS):
            most = max(most, counts[row])
        for row in range(ROWS):
            listed[counts[row] : most, row] = 0
            numbers[counts[row] : most, row] = 0
        room.many[batch, piece] = most


@njit
def first_hit(units: Units, how: Saturation, channel: Int) -> Int:
    """Return the step at which the sum of a row and a channel first leaves its limits where it is fitted."""
    turn, off = units.dtype.type(how.flip), np.int64(how.offset)
    total: Int = how.start[channel]
    for k in range(how.fits.size):
        total += (np.int64(units[k] ^ turn) - off) * np.int64(how.weights[k, channel])
        if how.fits[k] != 0 and (total < how.limits[0] or total > how.limits[1]):
            return np.int64(k)
    return np.int64(how.fits.size)


@njit
def prove_alone(rows: Units, how: Saturation, doubts: NDArray[np.uint16], line: Bytes) -> None:
    """Take sums out of ``doubts`` that never leave the register, where those in doubt are few, and mostly do not.

    line: room for a row, 0 up to a multiple of UNIT.
    """
    channels, depth = how.by_channel.shape
    if depth == 0 or rows.itemsize > 1:
        return
    doubtful, suspects, unproved = doubtful_places(doubts, channels)
    in_lanes = (doubtful.size + ROWS - 1) // ROWS * ROWS * ((suspects.size + WIDTH - 1) // WIDTH * WIDTH)
    if unproved * ALONE > in_lanes:
        return
    tried, proved, width = 0, 0, min(rows.shape[1], depth)
    for row in doubtful:
        for k in range(width):
            line[k] = rows[row, k]
        for c in suspects:
            strip, bit = c // WIDTH, np.uint16(1 << c % WIDTH)
            if doubts[row, strip] & bit == 0:
                continue
            if tried > ATTEMPTS and proved * 2 < tried:
                return
            tried += 1
            factors = (line.ctypes.data, how.by_channel.ctypes.data + c * depth, depth // UNIT)
            if stays_within(*factors, how.flip, how.offset, how.start[c], how.limits[0], how.limits[1]):
                proved += 1
                doubts[row, strip] &= ~bit


@njit
def settle(
    sums: NDArray[np.int32],
    rows: Units,
    how: Saturation,
    doubts: NDArray[np.uint16],
    key: Int,
    counts: Ints,
    room: StepRoom,
) -> Int:
    """Turn exact sums (columns / 32, rows, 32) into those of a saturating register; return how many were not proved.

    rows: the units of the sums' operands, in the order of accumulation. doubts (rows, strips): a bit for each sum that
    is not proved. key: of row 0 and step 0. counts: (COLUMNS, channels).
    """
    channels = counts.shape[1]
    doubtful, suspects, unproved = doubtful_places(doubts, channels)
    if unproved == 0:
        return unproved
    batches, mine = (doubtful.size + ROWS - 1) // ROWS, np.empty(ROWS, np.int64)
    listed = how.way == EACH or (how.way == WORDS and suspects.size >= MANY)
    for batch in range(batches):
        # behind the last row it stands once more, which changes nothing
        for place in range(ROWS):
            mine[place] = doubtful[min(batch * ROWS + place, doubtful.size - 1)]
        write_batch(rows, how, mine, batch, room)
        if listed:
            list_batch(how, batch, room)
    for first in range(0, suspects.size, WIDTH):
        members = suspects[first : first + WIDTH]
        if are_a_strip(members):
            weights = one_of(how.strips, members[0] // WIDTH)
        else:
            pack(how.strips, members, room.packed)
            weights = room.packed
        wanted = doubtful_batches(doubts, doubtful, members)
        begin(how, members, room)
        if how.way == WORDS:
            saturate_words(rows, how, members, weights, wanted, listed, counts, room)
        elif how.way == EACH:
            saturate_each(how, members, weights, wanted, counts, room)
        else:
            saturate_groups(how, members, weights, wanted, counts, room)
        finish(sums, rows, how, doubtful, members, wanted, key, counts, room)
    return unproved


@njit
def doubtful_places(doubts: NDArray[np.uint16], channels: Int) -> tuple[Ints, Ints, Int]:
    """Return the rows and the channels that have a doubtful sum, and how many those are."""
    rows, many, total = np.empty(doubts.shape[0], np.int64), 0, np.int64(0)
    columns = np.zeros(doubts.shape[1], np.uint16)
    real = np.zeros(doubts.shape[1], np.uint16)
    for strip in range(real.size):
        real[strip] = (1 << min(max(channels - strip * WIDTH, 0), WIDTH)) - 1
    for row in range(doubts.shape[0]):
        line, seen = doubts[row], np.uint16(0)
        for strip in range(real.size):
            seen |= line[strip] & real[strip]
        if seen == 0:
            continue
        rows[many] = row
        many += 1
        for strip in range(real.size):
            columns[strip] |= line[strip] & real[strip]
            total += ones_in(line[strip] & real[strip])
    suspects, found = np.empty(channels, np.int64), 0
    for c in range(channels):
        if columns[c // WIDTH] >> np.uint16(c % WIDTH) & np.uint16(1):
            suspects[found] = c
            found += 1
    return rows[:many], suspects[:found], total


@njit
def doubtful_batches(doubts: NDArray[np.uint16], doubtful: Ints, members: Ints) -> NDArray[np.bool_]:
    """Return which batches of the doubtful rows have a sum in doubt among these channels."""
    wanted = np.zeros((doubtful.size + ROWS - 1) // ROWS, np.bool_)
    first = members[0] // WIDTH
    masks = np.zeros(members[-1] // WIDTH - first + 1, np.uint16)
    for c in members:
        masks[c // WIDTH - first] |= np.uint16(1 << c % WIDTH)
    for strip in range(masks.size):
        mask = masks[strip]
        if mask != 0:
            for number in range(doubtful.size):
                if doubts[doubtful[number], first + strip] & mask:
                    wanted[number // ROWS] = True
    return wanted


@njit
def are_a_strip(members: Ints) -> bool:
    """Return whether channels, in their order, are those of one strip."""
    return bool(members.size == WIDTH and members[0] % WIDTH == 0 and members[-1] == members[0] + WIDTH - 1)


@njit
def one_of(strips: Strips, strip: Int) -> Strips:
    """Return the weights of one strip."""
    return Strips(
        strips.panel[strip], strips.heaviest[strip], strips.quads[strip], strips.lacking[strip], strips.norms[strip]
    )


@njit
def pack(strips: Strips, members: Ints, packed: Strips) -> None:
    """Write the weights of up to 16 channels side by side."""
    for slot in range(members.size):
        strip, lane = members[slot] // WIDTH, members[slot] % WIDTH
        for word in range(packed.panel.shape[0]):
            packed.panel[word, slot] = strips.panel[strip, word, lane]
        for word in range(packed.quads.shape[0]):
            packed.quads[word, slot] = strips.quads[strip, word, lane]
        for piece in range(packed.heaviest.shape[0]):
            packed.heaviest[piece, slot] = strips.heaviest[strip, piece, lane]
        for piece in range(packed.norms.shape[0]):
            packed.lacking[piece, slot] = strips.lacking[strip, piece, lane]
            packed.norms[piece, slot] = strips.norms[strip, piece, lane]


@njit
def begin(how: Saturation, members: Ints, room: StepRoom) -> None:
    """Let the sums of these channels start."""
    start = np.zeros(WIDTH, np.int32)
    for slot in range(members.size):
        first = how.start[members[slot]]
        start[slot] = ((first - how.raised) << how.field) | (1 << how.mark) if how.way == WORDS else first
    if how.way == WORDS:
        start[members.size :] = 1 << how.mark
    for batch in range(room.state.shape[0]):
        begin_sums(room.state.ctypes.data + batch * room.state.strides[0], start.ctypes.data)


@njit
def saturate_groups(
    how: Saturation, members: Ints, weights: Strips, wanted: NDArray[np.bool_], counts: Ints, room: StepRoom
) -> None:
    """Accumulate sums that are fitted after each group, and note the range of what was fitted.

    Batches are first tried without fits, as long as that goes well; those that need none are no longer ``wanted``.
    """
    low, high = how.limits[0], how.limits[1]
    seen, well = np.zeros((2, WIDTH), np.int32), True
    for batch in range(wanted.size):
        if not wanted[batch]:
            continue
        factors = (room.operands[batch].ctypes.data, weights.panel.ctypes.data, how.groups.ctypes.data, how.groups.size)
        state = (room.state[batch].ctypes.data, low, high)
        if well or batch % AGAIN == 0:
            well = stay_within(*factors, *state) != 0
            wanted[batch] = not well
        if wanted[batch]:
            fit_groups(*factors, *state, seen.ctypes.data)
    note_range(members, seen, low, high, counts)


@njit
def saturate_each(
    how: Saturation, members: Ints, weights: Strips, wanted: NDArray[np.bool_], counts: Ints, room: StepRoom
) -> None:
    """Accumulate sums that are fitted after each word, and note the range of what came from outside.

    Piece by piece, so that the weights of one stay near.
    """
    low, high = how.limits[0], how.limits[1]
    seen = np.empty((2, WIDTH), np.int32)
    seen[0], seen[1] = low, high
    for slot in range(members.size):
        seen[0, slot] = min(counts[MINIMUM, members[slot]], low)
        seen[1, slot] = max(counts[MAXIMUM, members[slot]], high)
    sure = np.zeros(wanted.size, np.int64)
    for piece in range(weights.heaviest.shape[0]):
        first = piece * PIECE
        panel = weights.panel[first:].ctypes.data
        for batch in range(wanted.size):
            if not wanted[batch]:
                continue
            words, numbers = room.listed[batch, first:], room.numbers[batch, first:]
            lists = (panel, words.ctypes.data, numbers.ctypes.data, room.many[batch, piece])
            state = (room.state[batch].ctypes.data, low, high)
            hit = fit_each(*lists, *state, sure[batch])
            sure[batch] = hit
            if hit == 0:
                continue
            below, above = reaches_further(room.largest[batch, piece], weights.heaviest[piece], low, high, seen)
            # what a sum starts from can lie outside by more than a product
            further = (hit & ALL_PARTS if below or piece == 0 else 0) | (hit >> PARTS if above or piece == 0 else 0)
            if further:
                range_each(*lists, *state, further, seen.ctypes.data)
    note_range(members, seen, low, high, counts)


@njit
def note_range(members: Ints, seen: Words, low: Int, high: Int, counts: Ints) -> None:
    """Note the ends of what was ``seen`` that lie outside of the limits."""
    for slot in range(members.size):
        c = members[slot]
        if seen[0, slot] < low:
            counts[MINIMUM, c] = min(counts[MINIMUM, c], np.int64(seen[0, slot]))
        if seen[1, slot] > high:
            counts[MAXIMUM, c] = max(counts[MAXIMUM, c], np.int64(seen[1, slot]))


@njit
def reaches_further(largest: Words, heaviest: Words, low: Int, high: Int, seen: Words) -> tuple[bool, bool]:
    """Return whether products of operands and weights of these magnitudes may leave what was ``seen``: down, up."""
    below = above = False
    operand = largest[0]
    for row in range(1, ROWS):
        operand = max(operand, largest[row])
    for c in range(heaviest.size):
        product = np.int64(operand) * np.int64(heaviest[c])
        below |= low - product < seen[0, c]
        above |= high + product > seen[1, c]
    return below, above


@njit
def saturate_words(
    rows: Units,
    how: Saturation,
    members: Ints,
    weights: Strips,
    wanted: NDArray[np.bool_],
    listed: Flag,
    counts: Ints,
    room: StepRoom,
) -> None:
    """Accumulate words that saturate at every step, and note the range of what came from outside.

    Piece by piece, so that the weights of one stay near; where the piece before was hit, hits are counted at once.
    ``listed``: steps that are left out are known.
    """
    how, weights, room = borrowed((how, weights, room))
    low, high = how.limits[0], how.limits[1]
    reach, far, turns = np.empty((2, WIDTH), np.int32), np.empty((ROWS, 2), np.uint16), np.empty(WIDTH, np.uint32)
    for slot in range(WIDTH):
        reach[0, slot] = reach[1, slot] = MOST
        turns[slot] = how.flip * 0x01010101
    for slot in range(members.size):
        reach[0, slot] = low - min(counts[MINIMUM, members[slot]], low)
        reach[1, slot] = max(counts[MAXIMUM, members[slot]], high) - high
    steps, hit = weights.panel.shape[0], np.zeros(wanted.size, np.bool_)
    in_fours = weights.quads.shape[0] if rows.itemsize == 1 else 0
    # twice the largest sum, less than float32 errs
    most = np.float32(((1 << (32 - how.field)) - 2) * (1 - 2.0**-20))
    known, masks, turned = reach.ctypes.data, far.ctypes.data, turns.ctypes.data
    for piece in range(weights.heaviest.shape[0]):
        first = piece * PIECE
        size, fours = min(PIECE, steps - first), min(PIECE // FOUR, in_fours - first // FOUR)
        panel, heaviest = weights.panel[first:].ctypes.data, weights.heaviest[piece].ctypes.data
        by_bytes = (weights.quads[first // FOUR :].ctypes.data, weights.lacking[piece:].ctypes.data)
        norms = weights.norms[piece:].ctypes.data
        for batch in range(wanted.size):
            if not wanted[batch]:
                continue
            operands, state = room.operands[batch, first:].ctypes.data, room.state[batch].ctypes.data
            if not hit[batch]:
                units = (room.rows[batch].ctypes.data, first, turned, fours)
                bounds = (room.norms[batch, piece].ctypes.data, norms, most)
                if advance(*units, *by_bytes, *bounds, operands, panel, size, state, how.field, how.mark) == 0:
                    continue
            words, numbers, many = operands, how.numbers[first:].ctypes.data, size
            if listed:
                words, numbers = room.listed[batch, first:].ctypes.data, room.numbers[batch, first:].ctypes.data
                many = room.many[batch, piece]
            sizes, times = room.largest[batch, piece].ctypes.data, (many + how.longest - 1) // how.longest
            hit[batch] = False
            for time in range(times):
                done, behind = many * time // times, many * (time + 1) // times
                some = (words + 4 * ROWS * done, numbers + ROWS * done, behind - done, panel)
                became = count(*some, state, how.field, how.mark, known, sizes, heaviest, masks)
                hit[batch] |= became != 0
                for row in range(ROWS):
                    if became >> (1 + row) & 1:
                        before = state + WORD_BYTES * (BEFORE * ROWS + row)
                        mine = (some[0] + 4 * row, some[1] + row, some[2], panel)
                        excesses(*mine, before, how.field, how.mark, masks + 4 * row, known)
    for slot in range(members.size):
        c = members[slot]
        if reach[0, slot] > 0:
            counts[MINIMUM, c] = min(counts[MINIMUM, c], low - reach[0, slot])
        if reach[1, slot] > 0:
            counts[MAXIMUM, c] = max(counts[MAXIMUM, c], high + reach[1, slot])


@njit
def finish(
    sums: NDArray[np.int32],
    rows: Units,
    how: Saturation,
    doubtful: Ints,
    members: Ints,
    wanted: NDArray[np.bool_],
    key: Int,
    counts: Ints,
    room: StepRoom,
) -> None:
    """Write the sums of these rows and channels, and count their hits."""
    low, high, steps = how.limits[0], how.limits[1], how.fits.size
    shift, raised = (how.field, how.raised) if how.way == WORDS else (0, 0)
    counted, places = np.zeros((COUNTED, WIDTH), np.int64), np.empty(ROWS, np.int64)
    side_by_side = are_a_strip(members)
    packed = np.zeros((ROWS, WIDTH), np.int32)
    latest = np.int64(0)
    for c in members:
        latest = max(latest, counts[FIRST, c])
    for batch in range(wanted.size):
        if not wanted[batch]:
            continue
        mine = doubtful[batch * ROWS : (batch + 1) * ROWS]
        for place in range(mine.size):
            if side_by_side:
                row_of_pair = sums.ctypes.data + members[0] // PAIR * sums.strides[0] + mine[place] * sums.strides[1]
                places[place] = row_of_pair + 4 * (members[0] % PAIR)
                continue
            places[place] = packed.ctypes.data + 64 * place
            for slot in range(members.size):
                packed[place, slot] = sums[members[slot] // PAIR, mine[place], members[slot] % PAIR]
        words = room.state.ctypes.data + batch * room.state.strides[0]
        finish_sums(words, mine.size, shift, raised, places.ctypes.data, low, high, counted.ctypes.data)
        for place in range(mine.size):
            row = mine[place]
            if not side_by_side:
                for slot in range(members.size):
                    sums[members[slot] // PAIR, row, members[slot] % PAIR] = packed[place, slot]
            if key + row * steps < latest:
                for slot in range(members.size):
                    c, hit = (
                        members[slot],
                        room.state[batch, BELOW, place, slot] + room.state[batch, ABOVE, place, slot],
                    )
                    if hit > 0 and key + row * steps < counts[FIRST, c]:
                        counts[FIRST, c] = key + row * steps + first_hit(rows[row], how, c)
    for slot in range(members.size):
        c = members[slot]
        counts[LOW, c] += counted[hits.LOW, slot]
        counts[HIGH, c] += counted[hits.HIGH, slot]
        counts[TRANSIENT, c] += counted[hits.TRANSIENT, slot]
        counts[PERSISTENT, c] += counted[hits.PERSISTENT, slot]
        counts[CLAMP_ENERGY, c] += counted[hits.ENERGY, slot]
        counts[CLAMP_ENERGY + 1, c] += counted[hits.ENERGY_MORE, slot]
