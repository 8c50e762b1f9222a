"""Calls of every fast kernel on buffers of odd sizes, for tests that put fences around them.

A scenario takes what copies an array to a place of the test's choice, calls kernels on such arrays alone, and returns
what they left there.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from kernels.fast.datapaths import HERE, WAYS, Array, Case, dense, limits_of, new_tally, one_look, prepared
from kernels.plain import code_of

from hwsim_kernels import counting
from hwsim_kernels._jit import njit
from hwsim_kernels.fast import blocks, passage, strips, wide_strips
from hwsim_kernels.fast.bits import bit_lengths
from hwsim_kernels.fast.depthwise import depthwise_sums
from hwsim_kernels.fast.fitting import fit_block, scale_and_fit_block
from hwsim_kernels.fast.groups import fit_groups, stay_within
from hwsim_kernels.fast.hits import COUNTED, begin_sums, finish_sums
from hwsim_kernels.fast.layers import layer_of_integers, layer_of_wide_channels
from hwsim_kernels.fast.looks import row_norms
from hwsim_kernels.fast.memory import LINE
from hwsim_kernels.fast.pairs import STEPS
from hwsim_kernels.fast.prefixes import stays_within
from hwsim_kernels.fast.sums import store_codes
from hwsim_kernels.fast.windows import add_values, load_codes, multiply_codes, window_sums
from hwsim_kernels.fast.words import BEFORE, STATE, SUM, excesses, fill, find_largest, saturate
from hwsim_kernels.fields import field_of
from hwsim_kernels.overflow import SATURATE, WRAP

Take = Callable[[Array], Array]
"""Copies an array to another place: same type, shape and contents."""

Left = list[Array]
Scenario = Callable[[Take], Left]


# --- objects that hold arrays -------------------------------------------------------------------------


def memory_of(array: Array) -> Array:
    """Return the array that an array is a view of, without what ``unset`` has around it to line it up."""
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    if root is array or root.dtype != np.uint8 or root.ndim != 1:
        return root
    first = -root.ctypes.data % LINE
    return root[first : first + root.size - LINE]


class Moved:
    """Moves all arrays that a value holds, those that share memory together."""

    def __init__(self, take: Take) -> None:
        self.take = take
        self.roots: dict[int, tuple[Array, Array]] = {}

    def array(self, array: Array) -> Array:
        """Return the same view of moved memory."""
        root = memory_of(array)
        if array.size == 0:
            return array
        if root.ctypes.data not in self.roots:
            assert root.flags.c_contiguous
            self.roots[root.ctypes.data] = root, self.take(root)
        moved = self.roots[root.ctypes.data][1]
        offset = array.ctypes.data - root.ctypes.data
        return np.ndarray(array.shape, array.dtype, moved.reshape(-1).view(np.uint8).data, offset, array.strides)

    def of(self, value: Any) -> Any:
        """Return a value with all arrays in it moved."""
        if isinstance(value, np.ndarray):
            return self.array(value)
        if isinstance(value, tuple):
            made = [self.of(one) for one in value]
            return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
        return value

    @contextmanager
    def rooms(self) -> Generator[None]:
        """Let layers have their room in moved memory."""

        room, saturating_room = blocks.room, blocks.saturating_room

        def moved(*given: Any, **named: Any) -> Any:
            return self.of(room(*given, **named))

        def moved_once(how: blocks.Prepared) -> Any:
            with patch.object(blocks, "room", room):
                return self.of(saturating_room(how))

        with patch.object(blocks, "room", moved), patch.object(blocks, "saturating_room", moved_once):
            yield


# --- sums ---------------------------------------------------------------------------------------------


def sums(case: Case, tier: str, take: Take) -> Left:
    """Write the sums of a layer, also straight to where they are wanted."""
    how, moved = prepared(case, tier, rows=32), Moved(take)
    assert how is not None
    shape = (case.positions, how.columns if case.positions % 32 == 0 else case.path.channels)
    outs = take(np.zeros((case.positions, case.path.channels), np.int64)), take(np.zeros(shape, how.start.dtype))
    with moved.rooms():
        for out in outs:
            blocks.write_sums(moved.of(how), take(case.codes), out)
    return [out[:, : case.path.channels].copy() for out in outs]


def register(case: Case, tier: str, take: Take) -> Left:
    """Run a layer whose last stage saturates."""
    how, moved = prepared(case, tier, rows=32), Moved(take)
    assert how is not None
    channels, columns = case.path.channels, how.columns
    steps, tally = moved.of(one_look(how)), moved.of(new_tally(channels, columns, 7))
    out = take(np.zeros((case.positions, channels), np.int32))
    with moved.rooms():
        blocks.run_layer(moved.of(how), take(case.codes), steps, tally, out)
    return [out.copy(), tally.counts.copy(), tally.counters.copy(), tally.histograms.copy()]


def channels_alone(case: Case, take: Take) -> Left:
    """Form the sums of a depthwise convolution."""
    how = prepared(case, "portable")
    assert how is not None and how.layout is None
    how = Moved(take).of(how)
    found = take(np.zeros((case.positions, how.columns), np.int32))
    fill = case.outside + case.zero_point
    where, several = (how.path.taps, how.window, how.by_step), how.path.weights.shape[2]
    signed = case.codes.dtype.kind == "i"
    depthwise_sums(take(case.codes), signed, fill, *where, several, how.start, 0, case.positions, found)
    return [found.copy()]


def wide_channels_alone(case: Case, take: Take) -> Left:
    """Form the sums of a depthwise convolution that need 64 bits."""
    how = prepared(case, "portable")
    assert how is not None and how.layout is None and how.start.itemsize > 4
    how, shape, channels = Moved(take).of(how), (5, how.columns), case.path.channels
    where = (case.codes.dtype.kind == "i", case.outside + case.zero_point, how.path.taps, how.window)
    parts, sums, values = np.zeros((2, *shape), np.int32), np.zeros(shape, np.int64), np.zeros(shape, np.int32)
    room = (take(parts), take(sums), take(values))
    found = take(np.zeros((case.positions, channels), np.int64))
    weights, begin = (how.by_step, how.path.weights.shape[2], how.start), Moved(take)
    behind = begin.of(one_look(how)), begin.of(new_tally(channels, how.columns))
    layer_of_wide_channels(take(case.codes), *where, *weights, *room, *behind, found)
    return [found.copy()]


def convolution(kind: str, weight: int, channels: int, outputs: int, *, groups: int = 1, spread: int = 1) -> Case:
    """Return a convolution of 2 x 3 pixels whose windows reach beyond all sides of the image."""
    generator = np.random.default_rng(channels * outputs)
    low, high = limits_of(kind)
    codes = generator.integers(low, high + 1, (2, 3, 5, channels * groups)).astype(kind)
    taps = np.array([(y - 1, x - 1, c) for y in range(2) for x in range(3) for c in range(channels)], np.int64)
    weights = generator.integers(-weight, weight + 1, (groups, len(taps), outputs))
    return Case(
        codes, weights, taps, [1] * (groups * outputs), shape=(5, 7), zero_point=high - 3, spread=(spread, spread)
    )


def product(kind: str, rows: int, steps: int, outputs: int) -> Case:
    """Return a product of matrices, of whole rows of operands if ``steps`` is a multiple of 64."""
    generator = np.random.default_rng(rows + steps)
    low, high = limits_of(kind)
    codes = generator.integers(low, high + 1, (rows, steps)).astype(kind)
    return dense(codes, generator.integers(-128, 128, (steps, outputs)), [3] * outputs)


def saturating(kind: str, rows: int, steps: int, outputs: int) -> Case:
    """Return a product of matrices in a register of 15 bits."""
    stage = field_of(15, True, SATURATE, 0, shift=0, rounding=0, check_each=True)
    ends = np.zeros((1, steps), np.int64)
    ends[0, -1] = 1
    return replace(product(kind, rows, steps, outputs), stages=stage[None], ends=ends, exact=False)


def all_sums() -> Iterator[tuple[str, Scenario]]:
    """Yield what forms and settles sums, on all tiers."""
    layers = {
        "bytes": convolution("uint8", 127, 3, 17),
        "signed bytes": convolution("int8", 127, 5, 33),
        "a pixel's bytes": product("uint8", 33, 64, 5),
        "a pixel's signed bytes": product("int8", 32, 128, 32),
        "one of all": product("uint8", 1, 1, 2),
        "odd steps": product("int8", 31, 63, 31),
        "words": convolution("uint16", 30000, 3, 17),
        "signed words": convolution("int16", 8000000, 7, 3),
        "small words": convolution("int16", 7, 3, 3),
        "groups": convolution("int8", 127, 3, 5, groups=3),
        "zeros between": convolution("uint8", 127, 2, 20, spread=2),
        "floats": convolution("uint8", 1 << 25, 3, 17),
    }
    registers = {
        "register": saturating("uint8", 33, 70, 17),
        "short register": saturating("int8", 9, 5, 33),
        "register of a pixel": saturating("uint8", 40, 64, 16),
        "register of signed pixels": saturating("int8", 40, 128, 16),
    }
    depthwise = {
        "depthwise": convolution("int8", 127, 1, 1, groups=19),
        "depthwise, several": convolution("uint16", 1000, 1, 3, groups=5),
    }
    wide = {
        "wide depthwise": convolution("int16", 32767, 1, 1, groups=19),
        "wide depthwise, several": convolution("uint16", 32767, 1, 3, groups=5),
    }
    for tier in WAYS:
        for name, case in layers.items():
            yield f"{tier}: {name}", partial(sums, case, tier)
        for name, case in registers.items():
            yield f"{tier}: {name}", partial(register, case, tier)
    yield from ((name, partial(channels_alone, case)) for name, case in depthwise.items())
    yield from ((name, partial(wide_channels_alone, case)) for name, case in wide.items())


# --- single kernels -----------------------------------------------------------------------------------


def values_of(rows: int, columns: int, most: int = 1 << 20) -> Array:
    """Return seeded values."""
    generator = np.random.default_rng(rows * columns)
    return generator.integers(-most, most, (rows, columns), endpoint=True).astype(np.int32)


def scaling_of(columns: int) -> Array:
    """Return the parameters of a scaling."""
    parameters = strips.moves(columns)
    strips.scaling(parameters, np.full(columns, 12345), np.full(columns, 17), 3, code_of("half_up"))
    return parameters


def scale(values: Array, parameters: Array, counters: Array, ledger: bool) -> None:
    """Scale with all thresholds."""
    strips.scale(values, parameters, counters, False, ledger)


def scale_steadily(values: Array, parameters: Array, counters: Array, ledger: bool) -> None:
    """Scale with one threshold."""
    strips.scale(values, parameters, counters, True, ledger)


def scale_half_up(values: Array, parameters: Array, counters: Array, ledger: bool) -> None:
    """Scale half up."""
    assert strips.half_up(parameters, parameters.shape[1])
    strips.scale_half_up(values, parameters, counters, ledger)


def scale_shortly(values: Array, parameters: Array, counters: Array, ledger: bool) -> None:
    """Scale half up in half a lane."""
    assert strips.half_up(parameters, parameters.shape[1])
    strips.scale_shortly(values, parameters, counters, ledger)


SCALINGS = {one.__name__: one for one in (scale, scale_steadily, scale_half_up, scale_shortly)}
SCALED = {f"{name}{how}": (scale, not how) for name, scale in SCALINGS.items() for how in ("", ", uncounted")}


def strip(kernel: str, rows: int, columns: int, take: Take) -> Left:
    """Run a kernel of ``strips``."""
    values, counters = take(values_of(rows, columns)), take(strips.counters(columns))
    parameters = take(scaling_of(columns))
    if kernel in SCALED:
        way, ledger = SCALED[kernel]
        way(values, parameters, counters, ledger)
    elif kernel == "move":
        strips.move(values, parameters)
    elif kernel == "look":
        strips.look(values, parameters, counters)
    elif kernel == "scale_and_look":
        assert strips.half_up(parameters, parameters.shape[1])
        counters = take(strips.counters(2, columns))
        strips.scale_and_look(values, take(np.stack([parameters, strips.moves(columns)])), counters, True)
    elif kernel == "scale_negatives":
        strips.scale_negatives(values, parameters, counters)
    elif kernel == "divide":
        divisors = take(np.zeros((rows, 3), np.int32))
        strips.set_divisors(take(np.arange(1, rows + 1, dtype=np.int32)), divisors)
        strips.divide(values, divisors, parameters, counters)
    elif kernel == "quantize":
        values.view(np.float32)[:] = np.linspace(-90, 90, rows * columns).reshape(rows, columns)
        parameters[strips.SCALE] = np.full(columns, 0.7).view(np.int64)
        strips.quantize(values, parameters, counters)
    else:
        here = take(strips.counters(columns))
        parameters[strips.LOW], parameters[strips.HIGH] = -1000, 1000
        strips.clamp(values, parameters, counters, here)
        counters = np.concatenate([counters, here])
    return [values.copy(), counters.copy()]


STRIPS = ("move", "look", *SCALED, "scale_and_look", "scale_negatives", "divide", "quantize", "clamp")


WIDE_STRIPS = ("move", "look", "shorten", "scale half up", "scale half up in parts", "scale")


def wide_strip(kernel: str, rows: int, columns: int, take: Take) -> Left:
    """Run a kernel of ``wide_strips``."""
    values, counters = take(values_of(rows, columns).astype(np.int64) << 30), take(strips.counters(columns))
    parameters, short = strips.moves(columns, 64), take(np.zeros((rows, columns), np.int32))
    if kernel == "look":
        wide_strips.look(values, take(parameters), counters)
    elif kernel == "move":
        wide_strips.move(values, take(parameters))
    elif kernel == "shorten":
        values >>= 30
        wide_strips.shorten(values, short)
    else:
        ratio = np.full(columns, (1 << 31) - 1 if "parts" in kernel else 1234), np.full(columns, 52)
        mode = code_of("half_up" if "half" in kernel else "half_even")
        way = wide_strips.scaling(parameters, *ratio, 0, mode, 1 << 50)
        assert way is not None and way == ("scale", "scale half up", "scale half up in parts").index(kernel)
        wide_strips.scale(values, take(parameters), counters, way)
    return [values.copy(), counters.copy(), short.copy()]


def wide_layer(rows: int, channels: int, take: Take) -> Left:
    """Send integers through a look, a scaling and a fit of 64 bits, and through a fit of 32."""
    columns = -(-channels // 16) * 16
    kinds = [passage.LOOK, passage.WIDE_SCALE + wide_strips.HALF_UP, passage.FIT, passage.FIT]
    parameters = np.stack([strips.moves(columns, 64)] * 3 + [strips.moves(columns)])
    ratio = np.full(channels, 12345), np.full(channels, 44)
    assert wide_strips.scaling(parameters[1], *ratio, 0, code_of("half_up"), 1 << 45) == wide_strips.HALF_UP
    limits = parameters.copy()
    limits[3, strips.LOW], limits[3, strips.HIGH] = -128, 127
    steps = passage.Steps(
        kinds=take(np.array(kinds, np.int64)),
        parameters=take(parameters),
        limits=take(limits),
        fields=take(np.array([[0] * 4, [0] * 4, [12, 1, WRAP, 0], [8, 1, SATURATE, 0]], np.int64)),
        points=take(np.arange(4)),
        bins=take(np.array([47, 0, 20, 12], np.int64)),
        offsets=take(np.zeros(4, np.int64)),
        wide=3,
    )
    tally = passage.Tally(
        counters=take(strips.counters(4, columns)),
        here=take(strips.counters(columns)),
        counts=take(counting.new_counts(4, channels)),
        histograms=take(np.zeros((4, counting.BINS), np.int64)),
        counted=True,
        first_row=3,
    )
    integers, out = take(values_of(rows, channels).astype(np.int64) << 25), take(np.zeros((rows, channels), np.int8))
    room = take(np.zeros((2, columns), np.int64)), take(np.zeros((2, columns), np.int32))
    layer_of_integers(integers, *room, steps, tally, out)
    return [out.copy(), tally.counters.copy(), tally.counts.copy(), tally.histograms.copy()]


def fit(mode: int, rows: int, channels: int, take: Take) -> Left:
    """Fit a block of which much lies outside."""
    columns = -(-channels // 32) * 32
    limits = strips.moves(columns)
    limits[strips.LOW], limits[strips.HIGH] = -128, 127
    values, counters = take(values_of(rows, columns)), take(strips.counters(columns))
    counts, histogram = take(counting.new_counts(channels)), take(np.zeros(23, np.int64))
    field, here = take(np.array([8, 1, mode, 0], np.int64)), take(strips.counters(columns))
    where = (counters, here, counts, histogram)
    fit_block(values, take(strips.moves(columns)), take(limits), field, 5, 23, 1, True, *where)
    return [values.copy(), counters.copy(), counts.copy(), histogram.copy()]


def scaled_fit(counted: bool, rows: int, channels: int, take: Take) -> Left:
    """Scale and fit a block of which much lies outside."""
    columns = -(-channels // 32) * 32
    limits, parameters = strips.moves(columns), np.stack([scaling_of(columns), strips.moves(columns)])
    limits[strips.LOW], limits[strips.HIGH] = -128, 127
    assert strips.half_up(parameters[0], columns)
    values, counters = take(values_of(rows, columns, 1 << 15)), take(strips.counters(2, columns))
    counts, histogram = take(counting.new_counts(channels)), take(np.zeros(16 * counted, np.int64))
    field, here = take(np.array([8, 1, SATURATE, 0], np.int64)), take(strips.counters(columns))
    where = (counters, here, counts, histogram)
    scale_and_fit_block(values, take(parameters), take(limits), field, 5, 16 * counted, 1, counted, *where)
    return [values.copy(), counters.copy(), counts.copy(), histogram.copy()]


def lengths(size: int, take: Take) -> Left:
    """Count bits."""
    histogram = take(np.zeros(22, np.int64))
    bit_lengths(take(values_of(1, size)[0]), 5, 22, histogram)
    return [histogram.copy()]


def windows(kind: str, channels: int, take: Take) -> Left:
    """Sum windows that reach beyond all sides."""
    low, high = limits_of(kind)
    codes = np.random.default_rng(1).integers(low, high + 1, (2, 5, 4, channels)).astype(kind)
    sums, inside = take(np.zeros((7, channels), np.int32)), take(np.zeros(7, np.int32))
    window, outputs = take(np.array([3, 3, 2, 1, 1, 1], np.int64)), take(np.array([3, 4], np.int64))
    window_sums(take(codes), 3, window, outputs, 17, sums, inside)
    return [sums.copy(), inside.copy()]


def codes_and_values(kind: str, channels: int, take: Take) -> Left:
    """Load codes, add them up, store them; multiply them."""
    low, high = limits_of(kind)
    codes = np.random.default_rng(2).integers(low, high + 1, (5, channels)).astype(kind)
    values, total, out = (take(np.zeros((5, 32), np.int32)) for _ in range(3))
    load_codes(take(codes), values)
    add_values(values, total)
    stored = take(np.zeros((5, channels), kind))
    store_codes(total, stored)
    multiply_codes(take(codes), take(codes[::-1].copy()), take(np.array([1, -1], np.int64)), out)
    return [values.copy(), total.copy(), stored.copy(), out.copy()]


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
    addresses = (a.ctypes.data, b.ctypes.data, steps, numbers.ctypes.data, state.ctypes.data)
    became = call_saturate(*addresses, 4095, 6, *places)
    for row in range(8):
        before = state.ctypes.data + 64 * (BEFORE * 8 + row)
        call_excesses(a.ctypes.data + 4 * row, b.ctypes.data, steps, before, shorts.ctypes.data + 4 * row, places[0])
    return [state.copy(), reach.copy(), shorts.copy(), np.array(became)]


@njit
def call_saturate(
    a: int,
    b: int,
    steps: int,
    numbers: int,
    state: int,
    field: int,
    place: int,
    reach: int,
    largest: int,
    heaviest: int,
    far: int,
) -> int:
    """Call the kernel, once by trying first and once without."""
    lists = (a, numbers, steps)
    tried: int = saturate(a, b, steps, *lists, state, field, place, False, reach, largest, heaviest, far)
    sure: int = saturate(a, b, steps, *lists, state, field, place, True, reach, largest, heaviest, far)
    return tried + sure


@njit
def call_excesses(a: int, b: int, steps: int, before: int, far: int, reach: int) -> None:
    """Call the kernel."""
    excesses(a, b, steps, before, 4095, 6, 12, far, reach)


def written_words(steps: int, take: Take) -> Left:
    """Write the operands of 8 rows as words, and find their largest."""
    lines = -(-steps // 64) * 64
    rows = take(np.random.default_rng(steps).integers(0, 256, (8, lines)).astype(np.uint8))
    addresses = take(rows.ctypes.data + lines * np.arange(8, dtype=np.int64))
    words, found = take(np.zeros((-(-steps // 16) * 16, 8), np.int32)), take(np.zeros(8, np.int32))
    call_fill(addresses.ctypes.data, steps, words.ctypes.data, found.ctypes.data)
    return [words[:steps].copy(), found.copy()]


@njit
def call_fill(rows: int, steps: int, words: int, found: int) -> None:
    """Call the kernels."""
    fill(rows, steps, 128, 100, 5, -1 << 16, words)
    find_largest(words, steps, 5, found)


def followed(steps: int, take: Take) -> Left:
    """Follow a sum."""
    size, generator = -(-steps // STEPS) * STEPS, np.random.default_rng(steps)
    weights = np.zeros(size, np.int8)
    weights[:steps] = generator.integers(-128, 128, steps)
    row, line = take(generator.integers(0, 256, size).astype(np.uint8)), take(weights)
    return [np.array(call_within(row.ctypes.data, line.ctypes.data, size // STEPS, (128, 100, -5), (-40000, 40000)))]


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


def all_kernels() -> Iterator[tuple[str, Scenario]]:
    """Yield calls of kernels that belong to no tier."""
    for rows, columns in ((1, 16), (3, 48)):
        yield from ((f"strips.{one} {rows} x {columns}", partial(strip, one, rows, columns)) for one in STRIPS)
        yield from ((f"wide {one} {rows} x {columns}", partial(wide_strip, one, rows, columns)) for one in WIDE_STRIPS)
    for rows, channels in ((1, 1), (5, 33)):
        yield f"wide layer {rows} x {channels}", partial(wide_layer, rows, channels)
        yield f"fit_block saturating {rows} x {channels}", partial(fit, SATURATE, rows, channels)
        yield f"fit_block wrapping {rows} x {channels}", partial(fit, WRAP, rows, channels)
        for counted in (True, False):
            yield f"scale_and_fit_block {counted} {rows} x {channels}", partial(scaled_fit, counted, rows, channels)
    yield from ((f"bit_lengths {size}", partial(lengths, size)) for size in (32, 96, 128, 160, 352))
    for kind, channels in (("int8", 3), ("uint8", 19), ("int16", 1), ("uint16", 17)):
        yield f"window_sums {kind} {channels}", partial(windows, kind, channels)
        yield f"load, add, store {kind} {channels}", partial(codes_and_values, kind, channels)
    for steps in (1, 31, 32, 37, 64):
        if "vnni" in HERE:
            yield f"saturate {steps}", partial(word_steps, steps)
            yield f"words {steps}", partial(written_words, steps)
        yield f"followed {steps}", partial(followed, steps)
        yield from ((f"norms {kind} {steps}", partial(norms, kind, steps)) for kind in ("uint8", "uint16"))

    yield from ((f"groups {groups}", partial(grouped, groups)) for groups in ((1,), (3, 1, 5), (16, 16, 2)))
    yield from ((f"finish {rows}", partial(finished, rows)) for rows in (1, 7, 8))


SCENARIOS: dict[str, Scenario] = dict([*all_kernels(), *all_sums()]) if HERE else {}


# --- calls that must not pass -------------------------------------------------------------------------


def reads_beyond(take: Take) -> Left:
    """Read one number behind the last."""
    values, counters = take(values_of(3, 16)), take(strips.counters(16))
    strips.divide(values, take(np.ones((2, 3), np.int32)), take(scaling_of(16)), counters)
    return []


def writes_beyond(step: int, take: Take) -> Left:
    """Write the row that lies a step of int32 before the first, or behind the last."""
    values = take(values_of(3, 16))
    address = values.ctypes.data + 4 * step + (128 if step > 0 else 0)
    strips.move(np.ctypeslib.as_array((ctypes.c_int32 * 16).from_address(address)).reshape(1, 16), strips.moves(16) + 5)
    return []


FAULTY: dict[str, Scenario] = {
    "reads behind": reads_beyond,
    "writes behind": partial(writes_beyond, 1),
    "writes before": partial(writes_beyond, -1),
}
