"""Sums that saturate, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from kernels.fast.datapaths import HERE, Array
from kernels.fast.scenarios.moved import Left, Scenario, Take
from kernels.fast.scenarios.strips import values_of

from hwsim_kernels._jit import njit
from hwsim_kernels.fast.each import PARTS, fit_each, range_each
from hwsim_kernels.fast.groups import fit_groups, stay_within
from hwsim_kernels.fast.hits import COUNTED, begin_sums, finish_sums
from hwsim_kernels.fast.instructions import AVX512_VNNI, emits
from hwsim_kernels.fast.looks import row_norms
from hwsim_kernels.fast.packing import UNIT
from hwsim_kernels.fast.pieces import advance, measure
from hwsim_kernels.fast.prefixes import stays_within
from hwsim_kernels.fast.words import BEFORE, STATE, SUM, count, excesses, fill


def operands_of(steps: int, most: int) -> Array:
    """Return seeded operands of 8 rows, in the upper half of what words hold."""
    generator = np.random.default_rng(steps)
    return generator.integers(0, most, (steps, 8)).astype(np.int32)


def word_steps(steps: int, take: Take) -> Left:
    """Saturate words of which some are hit, and look how far they came."""
    generator = np.random.default_rng(steps)
    a, b = take(operands_of(steps, 256) << 7), take(generator.integers(-128, 128, (steps, 16)).astype(np.int32) << 5)
    b &= 0xFFFF
    state, reach, far = take(np.zeros((STATE, 8, 16), np.int32)), take(np.zeros((2, 16), np.int32)), np.zeros((8, 2))
    shorts, largest = take(far.astype(np.uint16)), take(np.full(8, 255, np.int32))
    heaviest = take(np.full(16, 128, np.int32))
    state[SUM] = (np.arange(16) << 27) | 64
    places = [one.ctypes.data for one in (reach, largest, heaviest, shorts)]
    numbers = take(np.repeat(np.arange(steps, dtype=np.uint8)[:, None], 8, axis=1))
    lists = (a.ctypes.data, numbers.ctypes.data, steps, b.ctypes.data)
    became = call_count(*lists, state.ctypes.data, *places)
    for row in range(8):
        before = state.ctypes.data + 64 * (BEFORE * 8 + row)
        mine = (lists[0] + 4 * row, lists[1] + row, *lists[2:])
        call_excesses(*mine, before, shorts.ctypes.data + 4 * row, places[0])
    return [state.copy(), reach.copy(), shorts.copy(), np.array(became)]


@njit
def call_count(
    words: int,
    numbers: int,
    many: int,
    panel: int,
    state: int,
    reach: int,
    largest: int,
    heaviest: int,
    far: int,
) -> int:
    """Call the kernel."""
    became: int = count(words, numbers, many, panel, state, 12, 6, reach, largest, heaviest, far)
    return became


@njit
def call_excesses(words: int, numbers: int, many: int, panel: int, before: int, far: int, reach: int) -> None:
    """Call the kernel."""
    excesses(words, numbers, many, panel, before, 12, 6, far, reach)


def advanced(steps: int, start: int, most: float, take: Take) -> Left:
    """Take a piece to sums: by its bytes, by trying, and where it cannot stay inside."""
    generator, fours = np.random.default_rng(steps), -(-steps // 4)
    units, weights = np.zeros((8, 4 * fours), np.uint8), np.zeros((4 * fours, 16), np.int8)
    units[:, :steps] = generator.integers(0, 256, (8, steps))
    weights[:steps] = generator.integers(-128, 128, (steps, 16))
    rows, quads = take(units ^ 128), take(weights.reshape(fours, 4, 16).transpose(0, 2, 1).copy())
    a, b = take(units.T[:steps].astype(np.int32, order="C") << 7), take(weights[:steps].astype(np.int32) << 5 & 0xFFFF)
    addresses, turns = take(rows.ctypes.data + 4 * fours * np.arange(8)), take(np.full(16, 0x80808080, np.uint32))
    bounds = [take(np.zeros(16, np.int32)), take(np.ones(8, np.float32)), take(np.ones(16, np.float32))]
    state = take(np.zeros((STATE, 8, 16), np.int32))
    state[SUM] = (start << 12) | 64
    by_bytes = (addresses.ctypes.data, 0, turns.ctypes.data, fours, quads.ctypes.data)
    lacking, norms, weighed = (one.ctypes.data for one in bounds)
    became = call_advance(
        *by_bytes, lacking, norms, weighed, most, a.ctypes.data, b.ctypes.data, steps, state.ctypes.data
    )
    return [np.array(became), state.copy()]


@njit
def call_advance(
    rows: int,
    first: int,
    turns: int,
    fours: int,
    quads: int,
    lacking: int,
    norms: int,
    weighed: int,
    most: float,
    a: int,
    b: int,
    steps: int,
    state: int,
) -> int:
    """Call the kernel."""
    bounds = (lacking, norms, weighed, np.float32(most))
    became: int = advance(rows, first, turns, fours, quads, *bounds, a, b, steps, state, 12, 6)
    return became


def written_words(steps: int, take: Take) -> Left:
    """Write the operands of 8 rows as words, and find their largest."""
    lines = -(-steps // 64) * 64
    rows = take(np.random.default_rng(steps).integers(0, 256, (8, lines)).astype(np.uint8))
    addresses = take(rows.ctypes.data + lines * np.arange(8, dtype=np.int64))
    words, found = take(np.zeros((-(-steps // 16) * 16, 8), np.int32)), take(np.zeros(8, np.int32))
    norms = take(np.zeros(8, np.float32))
    call_fill(addresses.ctypes.data, steps, words.ctypes.data, found.ctypes.data, norms.ctypes.data)
    return [words[:steps].copy(), found.copy(), norms.copy()]


@njit
def call_fill(rows: int, steps: int, words: int, found: int, norms: int) -> None:
    """Call the kernels."""
    fill(rows, steps, 128, 100, 5, -1 << 16, words)
    measure(words, steps, 5, found, norms)


def followed(steps: int, take: Take) -> Left:
    """Follow a sum."""
    size, generator = -(-steps // UNIT) * UNIT, np.random.default_rng(steps)
    weights = np.zeros(size, np.int8)
    weights[:steps] = generator.integers(-128, 128, steps)
    row, line = take(generator.integers(0, 256, size).astype(np.uint8)), take(weights)
    return [np.array(call_within(row.ctypes.data, line.ctypes.data, size // UNIT, (128, 100, -5), (-40000, 40000)))]


@njit
def call_within(row: int, weights: int, many: int, operands: tuple[int, int, int], limits: tuple[int, int]) -> int:
    """Call the kernel; operands: flip, offset, and what the sum starts from."""
    within: int = stays_within(row, weights, many, *operands, *limits)
    return within


def grouped(groups: tuple[int, ...], take: Take) -> Left:
    """Fit sums after groups of products."""
    steps = sum(groups)
    operands, weights = operands_of(steps, 256), np.random.default_rng(0).integers(0, 128, (steps, 16)).astype(np.int32)
    a, b, lengths_ = take(operands), take(weights), take(np.array(groups, np.int64))
    state, seen = take(np.zeros((STATE, 8, 16), np.int32)), take(np.zeros((2, 16), np.int32))
    places = (a.ctypes.data, b.ctypes.data, lengths_.ctypes.data, len(groups), state.ctypes.data, seen.ctypes.data)
    return [np.array([call_groups(*places)]), state.copy(), seen.copy()]


@njit
def call_groups(a: int, b: int, groups: int, many: int, state: int, seen: int) -> int:
    """Call the kernels, and return what the one without fits says."""
    within: int = stay_within(a, b, groups, many, state, -20000, 20000)
    fit_groups(a, b, groups, many, state, -20000, 20000, seen)
    return within


def listed(steps: int, take: Take) -> Left:
    """Fit sums of 8 rows after each word of a list, where some leave their limits and where none does."""
    numbers = np.random.default_rng(steps).permuted(np.repeat(np.arange(steps, dtype=np.uint8)[:, None], 8, 1), axis=0)
    weights = np.random.default_rng(0).integers(-20, 128, (steps, 16)).astype(np.int32) & 0xFFFF
    a, along, b = take(operands_of(steps, 256)), take(numbers), take(weights)
    state, seen = take(np.zeros((STATE, 8, 16), np.int32)), take(np.zeros((2, 16), np.int32))
    places = (b.ctypes.data, a.ctypes.data, along.ctypes.data, steps, state.ctypes.data, seen.ctypes.data)
    return [np.array([call_each(*places, limit) for limit in (1 << 29, 20000)]), state.copy(), seen.copy()]


@njit
def call_each(b: int, words: int, numbers: int, many: int, state: int, seen: int, limit: int) -> int:
    """Call the kernels, and return what the first of them says."""
    hit: int = fit_each(b, words, numbers, many, state, -limit, limit, 0)
    fit_each(b, words, numbers, many, state, -limit, limit, (1 << PARTS) - 1)
    range_each(b, words, numbers, many, state, -limit, limit, hit | hit >> PARTS, seen)
    return hit


def finished(rows: int, take: Take) -> Left:
    """Let sums start, and count what became of them."""
    state, start = take(np.zeros((STATE, 8, 16), np.int32)), take(np.arange(16, dtype=np.int32))
    sums, found = take(values_of(rows, 16)), take(np.zeros((COUNTED, 16), np.int64))
    places = take(sums.ctypes.data + 64 * np.arange(rows, dtype=np.int64))
    call_finish(state.ctypes.data, start.ctypes.data, rows, places.ctypes.data, found.ctypes.data)
    return [state.copy(), sums.copy(), found.copy()]


@njit
def call_finish(state: int, start: int, rows: int, places: int, found: int) -> None:
    """Call the kernels."""
    begin_sums(state, start)
    finish_sums(state, rows, 2, -5, places, -1000, 1000, found)


def norms(kind: str, steps: int, take: Take) -> Left:
    """Take the norms of rows of units, with nothing behind them up to whole lines."""
    units = np.zeros((3, -(-steps // 64) * 64), kind)
    units[:, :steps] = np.random.default_rng(steps).integers(0, np.iinfo(kind).max + 1, (3, steps))
    rows, found = take(units), take(np.zeros((2, 3), np.float32))
    row_norms(rows, 3, steps, 128, 5, take(np.zeros(-(-steps // 64), np.int64)), found)
    return [found.copy()]


def all_accumulators() -> Iterator[tuple[str, Scenario]]:
    """Yield calls of what takes sums step by step."""
    for steps in (1, 31, 32, 37, 64):
        if "vnni" in HERE and emits(AVX512_VNNI):
            yield f"count {steps}", partial(word_steps, steps)
            for start, most in ((0, 1e6), (0, 0.0), (520000, 1e6), (-520000, 0.0)):
                yield f"advance {steps} from {start} below {most}", partial(advanced, steps, start, most)
            yield f"words {steps}", partial(written_words, steps)
        yield f"followed {steps}", partial(followed, steps)
        yield f"listed {steps}", partial(listed, steps)
        yield from ((f"norms {kind} {steps}", partial(norms, kind, steps)) for kind in ("uint8", "uint16"))
    yield from ((f"groups {groups}", partial(grouped, groups)) for groups in ((1,), (3, 1, 5), (16, 16, 2)))
    yield from ((f"finish {rows}", partial(finished, rows)) for rows in (1, 7, 8))
