"""Sums on all tiers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import numpy as np
from kernels.fast.datapaths import HERE, WAYS, Case, dense, limits_of, new_tally, one_look, prepared
from kernels.fast.scenarios.moved import Left, Moved, Scenario, Take

from hwsim_kernels.fast import blocks, tiling
from hwsim_kernels.fast.depthwise import depthwise_sums
from hwsim_kernels.fast.layers import layer_of_wide_channels
from hwsim_kernels.fast.pairs import ADDED
from hwsim_kernels.fast.stored import stored
from hwsim_kernels.fields import field_of
from hwsim_kernels.overflow import SATURATE


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


def filtered(size: tuple[int, int], channels: int, outputs: int, take: Take) -> Left:
    """Write the sums of a convolution that is filtered, in blocks of few bands."""
    case = convolution("int8", 9, channels, outputs, size=size, image=(9, 13))
    with patch.object(tiling, "WORTH", math.inf), patch.object(tiling, "BLOCK_BYTES", 1 << 15):
        how = prepared(case, "portable")
    assert how is not None and how.tiling is not None
    moved, out = Moved(take), take(np.zeros((case.positions, outputs), np.int64))
    with moved.rooms():
        blocks.write_sums(moved.of(how), take(case.codes), out)
    return [out.copy()]


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
    layer_of_wide_channels(take(case.codes), *where, *weights, *room, *behind, stored(found))
    return [found.copy()]


def convolution(
    kind: str,
    weight: int,
    channels: int,
    outputs: int,
    *,
    groups: int = 1,
    spread: int = 1,
    size: tuple[int, int] = (2, 3),
    image: tuple[int, int] = (5, 7),
) -> Case:
    """Return a convolution whose windows, of ``size`` pixels, reach beyond all sides of the image."""
    generator = np.random.default_rng(channels * outputs)
    low, high = limits_of(kind)
    codes = generator.integers(low, high + 1, (2, image[0] - 2, image[1] - 2, channels * groups)).astype(kind)
    whole = [(y - 1, x - 1, c) for y in range(size[0]) for x in range(size[1]) for c in range(channels)]
    taps = np.array(whole, np.int64)
    weights = generator.integers(-weight, weight + 1, (groups, len(taps), outputs))
    start = [1] * (groups * outputs)
    return Case(codes, weights, taps, start, shape=image, zero_point=high - 3, spread=(spread, spread))


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
    kernels = [((3, 3), 17, 33), ((3, 1), 16, 70), ((1, 5), 5, 16), ((5, 5), 32, 17), ((7, 1), 3, 5), ((1, 7), 40, 32)]
    for tier in WAYS:
        for name, case in layers.items():
            yield f"{tier}: {name}", partial(sums, case, tier)
        for name, case in registers.items():
            yield f"{tier}: {name}", partial(register, case, tier)
    if ADDED and "portable" in HERE:
        yield from ((f"filtered {one[0]}", partial(filtered, *one)) for one in kernels)
    yield from ((name, partial(channels_alone, case)) for name, case in depthwise.items())
    yield from ((name, partial(wide_channels_alone, case)) for name, case in wide.items())
