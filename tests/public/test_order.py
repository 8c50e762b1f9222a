"""The order of products, where their sums end, and the random numbers, against the oracle and plain loops."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.plain import GENERATORS, aligned, examples
from public.test_layers import ORDERS, TILED_ORDERS

from hwsim_kernels import Stage, conv2d, conv2d_transpose, lfsr, matmul, steps_in_order
from hwsim_kernels.order import AXES, TILES
from oracle.lfsr import states
from oracle.mac import steps

SIZE = st.integers(1, 5)

STRIDED_ORDERS = [list(one) for one in permutations((TILES, *AXES)) if one.index(TILES) > one.index("input_channel")]

Place = tuple[int, int, int]
Visit = tuple[dict[str, int], Place]


@examples(100)
@given(SIZE, SIZE, SIZE, st.sampled_from(ORDERS))
def test_order(height: int, width: int, channels: int, order: list[str]) -> None:
    wanted = steps(height, width, channels, {"order": order, "tile": None})
    made = steps_in_order(height, width, channels, order)
    assert [tuple(one) for one in made.tolist()] == wanted


@examples(100)
@given(SIZE, SIZE, SIZE, st.integers(1, 7), st.sampled_from(TILED_ORDERS))
def test_order_of_tiles(height: int, width: int, channels: int, tile: int, order: list[str]) -> None:
    wanted = steps(height, width, channels, {"order": order, "tile": {"input_channel": tile}})
    made = steps_in_order(height, width, channels, order, tile)
    assert [tuple(one) for one in made.tolist()] == wanted
    assert len(set(wanted)) == height * width * channels


# --- strides, and sums that end with a loop: plain loops ------------------------------------------------


def visits(size: Place, order: Sequence[str], tile: int | None, at: dict[str, int] | None = None) -> list[Visit]:
    """Return each step's indices of the loops, and its row, column and channel."""
    at = at or {}
    height, width, channels = size
    if len(at) == len(order):
        channel = at.get(TILES, 0) * (tile or 0) + at["input_channel"]
        place = at["kernel_height"], at["kernel_width"], channel
        return [(at, place)] if channel < channels else []
    loop = order[len(at)]
    counts = {"kernel_height": height, "kernel_width": width, TILES: channels, "input_channel": tile or channels}
    return [one for index in range(counts[loop]) for one in visits(size, order, tile, {**at, loop: index})]


def test_strides_by_hand() -> None:
    order = ["kernel_height", "kernel_width", "input_channel", TILES]
    found = steps_in_order(1, 2, 5, order, 2)
    assert found[:, 2].tolist() == [0, 2, 4, 1, 3] * 2
    assert found[:, 1].tolist() == [0] * 5 + [1] * 5
    outermost = steps_in_order(1, 2, 4, ["input_channel", "kernel_height", "kernel_width", TILES], 2)
    assert outermost[:, 1:].tolist() == [[0, 0], [0, 2], [1, 0], [1, 2], [0, 1], [0, 3], [1, 1], [1, 3]]


@examples(150)
@given(SIZE, SIZE, SIZE, st.integers(1, 7), st.sampled_from(STRIDED_ORDERS))
def test_order_of_strides(height: int, width: int, channels: int, tile: int, order: list[str]) -> None:
    made = [tuple(one) for one in steps_in_order(height, width, channels, order, tile).tolist()]
    assert made == [place for _, place in visits((height, width, channels), order, tile)]
    assert len(set(made)) == len(made) == height * width * channels


def fitted(value: int, stage: Stage) -> int:
    """Return a value in a signed register that wraps or saturates."""
    half = 1 << (stage.bits - 1)
    if stage.overflow == "wrap":
        return (value + half) % (2 * half) - half
    return min(max(value, -half), half - 1)


def total(values: list[int], start: int, stage: Stage) -> int:
    """Return what a stage makes of the values of one sum; bits are dropped downwards."""
    if stage.shape == "tree":
        assert stage.terms is not None
        level = values + [0] * (stage.terms - len(values))
        level = [fitted(level[0], stage)] if stage.terms == 1 else level
        while len(level) > 1:
            odd = level[-1:] if len(level) % 2 else []
            level = [fitted(one + two, stage) for one, two in zip(level[0::2], level[1::2], strict=False)] + odd
        return level[0]
    if stage.check == "last":
        return fitted(((start << stage.shift) + sum(values)) >> stage.shift, stage)
    for value in values:
        start = fitted(((start << stage.shift) + value) >> stage.shift, stage)
    return start


def last_of_loop(taken: list[Visit], order: Sequence[str], loop: str) -> set[int]:
    """Return the steps behind which an index of a loop outside ``loop`` changes."""
    outside = order[: order.index(loop)]
    pairs = zip(taken[:-1], taken[1:], strict=True)
    return {number for number, (one, two) in enumerate(pairs) if any(one[0][axis] != two[0][axis] for axis in outside)}


def summed(products: list[int], taken: list[Visit], order: Sequence[str], stages: Sequence[Stage], bias: int) -> int:
    """Return the sum of products in their order: docs/arithmetic.md, section 4, word for word."""
    cuts = [last_of_loop(taken, order, stage.within) if stage.within else set[int]() for stage in stages]
    values = list(enumerate(products))
    for level, stage in enumerate(stages):
        last = level == len(stages) - 1
        ends = set[int]().union(*cuts[level:]) | {len(products) - 1}
        handed: list[tuple[int, int]] = []
        group: list[int] = []
        for number, value in values:
            group.append(value)
            if (number in ends or len(group) == stage.terms) and not last:
                handed.append((number, total(group, 0, stage)))
                group = []
        if last:
            return total(group, bias, stage)
        values = handed
    raise AssertionError("no stages")


@st.composite
def stages_of(draw: st.DrawFn, order: list[str]) -> list[Stage]:
    """Return one to three stages of few bits, of which the inner ones may end with a loop."""
    levels, found = draw(st.integers(1, 3)), list[Stage]()
    for level in range(levels):
        inner = level < levels - 1
        tree = inner and draw(st.booleans())
        found.append(
            Stage(
                draw(st.integers(5, 12)),
                draw(st.sampled_from(["wrap", "saturate"])),
                terms=draw(st.integers(1, 6)) if inner else None,
                within=draw(st.none() | st.sampled_from(order)) if inner else None,
                shape="tree" if tree else "chain",
                check=draw(st.sampled_from(["each", "last"])),
                shift=0 if tree else draw(st.sampled_from([0, 0, 1, 3])),
            )
        )
    return found


@examples(200)
@given(st.data(), st.sampled_from([*ORDERS, *TILED_ORDERS, *STRIDED_ORDERS]))
def test_sums_end_with_loops(data: st.DataObject, order: list[str]) -> None:
    """One output that sees the whole input; the transposed layer's cut turns the kernel round."""
    size = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)), data.draw(st.integers(1, 7)))
    tile = data.draw(st.integers(1, 5)) if TILES in order else None
    stages = data.draw(stages_of(order))
    code = st.integers(-8, 7) | st.sampled_from([-8, 7])
    count = size[0] * size[1] * size[2]
    codes = np.array(data.draw(st.lists(code, min_size=count, max_size=count))).reshape(size)
    kernel = np.array(data.draw(st.lists(code, min_size=2 * count, max_size=2 * count))).reshape((*size, 2))
    biases = data.draw(st.lists(st.integers(-16, 15), min_size=2, max_size=2))
    taken = visits(size, order, tile)
    how: dict[str, Any] = {"order": order, "tile": tile, "stages": stages}
    found = [
        conv2d(codes[None], kernel, biases, **how),
        conv2d_transpose(codes[None, ::-1, ::-1], kernel, biases, size=1, cut=(size[0] - 1, size[1] - 1), **how),
    ]
    for output in (0, 1):
        products = [int(codes[place]) * int(kernel[*place, output]) for _, place in taken]
        wanted = summed(products, taken, order, stages, biases[output])
        assert [int(one[0, 0, 0, output]) for one in found] == [wanted, wanted]


@pytest.mark.parametrize(
    ("within", "wanted"),
    [
        (None, 14 + 15),  # 7 + 7 + 7 stays at 15, less 1; then 7 + 9 stays at 15
        ("kernel_height", 14 + 15),
        ("kernel_width", 14 + 15),  # there is one row
        ("input_channel", 15 + 15),  # each pixel's three alone: 7 + 7 + 7 stays at 15, and -1 + 7 + 9 is 15
    ],
)
def test_sums_end_with_loops_by_hand(within: str | None, wanted: int) -> None:
    stages = [Stage(5, "saturate", terms=4, within=within), Stage(32)]
    values = np.array([[[[7, 7, 7], [-1, 7, 9]]]])
    assert conv2d(values, np.ones((1, 2, 3, 1), int), stages=stages).ravel().tolist() == [wanted]


def test_a_matrix_product_is_one_pixel() -> None:
    rows = [[7, 7, 7, -1, 7, 8]]
    for within in (None, "input_channel", "kernel_width"):
        stages = [Stage(5, "saturate", terms=4, within=within), Stage(32)]
        assert matmul(rows, [[1]] * 6, stages=stages).tolist() == [[29]]


def test_generators() -> None:
    for one in GENERATORS:
        bits, taps, seed = one["bits"], one["taps"], one["seed"]
        wanted = [aligned(state, bits) for state in states(bits, taps, seed)]
        assert lfsr(bits, taps, seed).tolist() == wanted
        assert lfsr(np.int64(bits), np.array(taps), np.uint8(seed)).tolist() == wanted  # type: ignore[arg-type]


@examples(60)
@given(st.data(), st.integers(2, 8))
def test_any_register_comes_back(data: st.DataObject, bits: int) -> None:
    taps = [bits, *data.draw(st.sets(st.integers(1, bits - 1), max_size=3))]
    seed = data.draw(st.integers(1, (1 << bits) - 1))
    assert lfsr(bits, taps, seed).tolist() == [aligned(state, bits) for state in states(bits, tuple(taps), seed)]
