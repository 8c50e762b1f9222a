"""Exact sums of a block on every tier against sums of Python integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.fast.datapaths import (
    FLOATS,
    HERE,
    KINDS,
    OFFERED,
    WAYS,
    Array,
    Case,
    compiled,
    dense,
    limits_of,
    pairs,
    prepared,
    sums_of,
)
from kernels.plain import Ints, array, examples

from hwsim_kernels.fast.blocks import write_sums
from hwsim_kernels.fast.features import TIERS
from hwsim_kernels.fast.packing import BYTES, MOST_STEPS
from hwsim_kernels.fast.pairs import ADDED
from hwsim_kernels.fast.windows import add_values, multiply_values, window_sums

pytestmark = compiled

DIGITS = {1: (-128, 127), 2: (-32896, 32639), 3: (-8421504, 8355711)}
"""Weights of so many signed bytes."""

EXACT = 1 << 53
"""The caller proves that every sum stays below."""


def extreme(generator: np.random.Generator, limits: tuple[int, int], shape: tuple[int, ...]) -> Array:
    """Return random integers between limits, many of them limits."""
    low, high = limits
    values = generator.integers(low, high, shape, endpoint=True)
    ends = generator.choice(np.array([low, high]), shape)
    return np.where(generator.random(shape) < generator.choice([0.0, 0.3, 1.0]), ends, values)


def weight_limits(draw: DrawFn) -> tuple[int, int]:
    """Draw limits of weights of one to four bytes."""
    digits = draw(st.sampled_from([1, 1, 2, 3]))
    low, high = DIGITS[digits]
    return draw(st.sampled_from([(low, high), (low - 1, high + 1), (-1, 1), (low, low), (high, high)]))


@composite
def cases(draw: DrawFn, *, depthwise: bool = False) -> Case:
    """Draw an image and a layer: kernels of any shape with holes, strides, groups and zeros between codes."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(KINDS))
    groups = draw(st.sampled_from([1, 1, 2, 3, 33] if depthwise else [1, 1, 2, 3]))
    depth = 1 if depthwise else draw(st.sampled_from([1, 2, 3, 5, 17, 64]))
    shape = tuple(draw(st.integers(1, 5)) for _ in range(3))
    codes = extreme(generator, limits_of(kind), (shape[0], shape[1], shape[2], groups * depth)).astype(kind)
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    dilation, before = (
        (draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        (draw(st.integers(0, 2)), draw(st.integers(0, 2))),
    )
    taps = taps_of(kernel, dilation, before, depth, generator if draw(st.booleans()) else None)
    outputs = draw(st.sampled_from([1, 2, 4] if depthwise else [1, 2, 16, 31, 32, 33, 70]))
    weights = extreme(generator, weight_limits(draw), (groups, len(taps), outputs))
    zero_point = draw(st.sampled_from([0, 0, limits_of(kind)[0], limits_of(kind)[1], 7]))
    fill = draw(st.sampled_from([zero_point, *limits_of(kind)]))
    spread = (1, 1) if depthwise else draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3), (2, 2)]))
    start = extreme(generator, draw(st.sampled_from([(0, 0), (-5000, 5000), (-(2**30), 2**30)])), (groups * outputs,))
    return Case(
        codes,
        weights,
        taps,
        start.tolist(),
        shape=(draw(st.integers(1, 6)), draw(st.integers(1, 6))),
        zero_point=zero_point,
        outside=fill - zero_point,
        strides=(draw(st.integers(1, 2)), draw(st.integers(1, 3))),
        spread=spread,
    )


def taps_of(
    kernel: tuple[int, int],
    dilation: tuple[int, int],
    before: tuple[int, int],
    depth: int,
    generator: np.random.Generator | None,
) -> Ints:
    """Return the steps (k, 3) of a kernel row by row, or in an order by chance."""
    taps = [
        (row * dilation[0] - before[0], column * dilation[1] - before[1], channel)
        for row in range(kernel[0])
        for column in range(kernel[1])
        for channel in range(depth)
    ]
    return array(taps if generator is None else generator.permutation(taps).tolist())


def check(case: Case) -> set[str]:
    """Compare every tier with Python's sums; return the names of the kernels that there were."""
    wanted = case.sums()
    assert all(abs(one) < EXACT for row in wanted for one in row)
    kernels: set[str] = set()
    for tier in WAYS:
        how = prepared(case, tier)
        if how is not None:
            kernels.add(how.kernel)
            assert sums_of(case, tier) == wanted, (tier, how.kernel)
    return kernels


# --- layers of every kind -----------------------------------------------------------------------------


@examples(120)
@given(cases())
def test_every_tier_forms_the_exact_sums_of_a_convolution(case: Case) -> None:
    assume(case.most < EXACT)
    check(case)


@pytest.mark.slow
@examples(3000)
@given(cases())
def test_every_tier_forms_the_exact_sums_of_a_convolution_at_length(case: Case) -> None:
    assume(case.most < EXACT)
    check(case)


@examples(80)
@given(cases(depthwise=True))
def test_depthwise_sums_are_exact(case: Case) -> None:
    assume(case.most < EXACT)
    assert (check(case) == {"depthwise"}) == (case.most < 1 << 31 or parts_fit(case))


def parts_fit(case: Case) -> bool:
    """Whether sums of codes as they are stored, by the lowest bytes of weights and by the rest, fit 32 bits."""
    low = (case.weights + 128) % 256 - 128
    largest = max(*map(abs, limits_of(case.codes.dtype.name)), abs(case.outside + case.zero_point))
    sums = (np.abs(part).sum(axis=1).max() for part in (low, (case.weights - low) // 256))
    return all(int(one) * largest < 1 << 31 for one in sums)


@examples(60)
@given(cases(depthwise=True), st.sampled_from(["int16", "uint16"]), st.data())
def test_depthwise_sums_of_64_bits_are_exact(case: Case, kind: str, data: st.DataObject) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    codes = extreme(generator, limits_of(kind), case.codes.shape).astype(kind)
    weights = extreme(generator, (-32768, 32767), case.weights.shape)
    case = replace(case, codes=codes, weights=weights, zero_point=0, outside=0)
    assert check(case) == {"depthwise"} or not parts_fit(case)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [16, 24])
def test_weights_of_whole_bytes_need_no_more_of_them(bits: int, kind: str) -> None:
    generator = np.random.default_rng(bits)
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    codes = extreme(generator, limits_of(kind), (1, 5, 9, 6)).astype(kind)
    weights = extreme(generator, (low, high), (2, 27, 5))
    weights[:, 0] = high
    case = Case(
        codes,
        weights,
        taps_of((3, 3), (1, 1), (1, 1), 3, generator),
        extreme(generator, (low, high), (10,)).tolist(),
        shape=(5, 9),
        zero_point=limits_of(kind)[0] // 3,
        outside=1,
    )
    check(case)
    for tier in HERE:
        how = prepared(case, tier)
        if how is not None and how.layout is not None and how.layout.kernel >= BYTES:
            assert how.layout.digits == bits // 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [127, 32767])
@pytest.mark.parametrize(
    ("channels", "width", "strides", "before"),
    [(16, 9, (1, 1), (1, 1)), (24, 11, (1, 2), (0, 0)), (40, 6, (2, 1), (1, 0)), (3, 12, (1, 1), (0, 1))],
)
def test_neighbouring_positions_of_depthwise_convolutions(
    kind: str, most: int, channels: int, width: int, strides: tuple[int, int], before: tuple[int, int]
) -> None:
    generator = np.random.default_rng(channels)
    low, high = limits_of(kind)
    codes = extreme(generator, (low, high), (2, 4, width, channels)).astype(kind)
    taps = taps_of((3, 3), (1, 1), before, 1, None)
    shape = tuple((one + 2 * edge - 3) // step + 1 for one, edge, step in zip((4, width), before, strides, strict=True))
    weights = extreme(generator, (-most - 1, most), (channels, 9, 1))
    start = extreme(generator, (-999, 999), (channels,)).tolist()
    case = Case(codes, weights, taps, start, shape=(shape[0], shape[1]), strides=strides, zero_point=low // 3)
    assert check(case) == {"depthwise"}


@pytest.mark.slow
@examples(2000)
@given(cases(depthwise=True))
def test_depthwise_sums_are_exact_at_length(case: Case) -> None:
    assume(case.most < EXACT)
    check(case)


@examples(60)
@given(cases())
def test_blocks_follow_one_another_over_the_ends_of_samples(case: Case) -> None:
    assume(case.most < EXACT)
    case = replace(case, codes=np.concatenate([case.codes] * 5))
    wanted = case.sums()
    for tier in HERE:
        if prepared(case, tier) is not None:
            assert sums_of(case, tier, rows=32) == wanted
            assert sums_of(case, tier, rows=96) == wanted


@pytest.mark.parametrize("channels", [64, 128, 192])
@pytest.mark.parametrize("tier", HERE)
def test_pixels_that_are_whole_rows_of_operands(tier: str, channels: int) -> None:
    generator = np.random.default_rng(channels)
    codes = extreme(generator, (0, 255), (2, 4, 20, channels)).astype(np.uint8)
    taps = taps_of((1, 1), (1, 1), (0, 0), channels, None)
    weights = extreme(generator, (-128, 127), (1, channels, 3))
    for zero_point, kind in ((0, "uint8"), (200, "uint8"), (-128, "int8"), (5, "int8")):
        case = Case(codes.view(kind), weights, taps, [1, 2, 3], shape=(4, 20), zero_point=zero_point)
        assert sums_of(case, tier, rows=32) == case.sums()
        assert sums_of(case, tier, rows=96) == case.sums()
        assert sums_of(case, tier) == case.sums()


@pytest.mark.parametrize("shape", [(3, 4), (5, 4), (4, 3), (4, 5), (2, 2), (5, 5)])
@pytest.mark.parametrize("tier", HERE)
def test_pixels_that_are_whole_rows_lie_otherwise_if_the_output_has_another_shape(
    tier: str, shape: tuple[int, int]
) -> None:
    generator = np.random.default_rng(8)
    codes = extreme(generator, (0, 255), (7, 4, 4, 64)).astype(np.uint8)
    weights = extreme(generator, (-128, 127), (1, 64, 2))
    case = Case(codes, weights, taps_of((1, 1), (1, 1), (0, 0), 64, None), [0, 0], shape=shape)
    assert sums_of(case, tier, rows=32) == case.sums()


@pytest.mark.parametrize("tier", HERE)
@pytest.mark.parametrize("kind", KINDS)
def test_sums_are_written_in_the_type_that_is_wanted(kind: str, tier: str) -> None:
    generator = np.random.default_rng(9)
    for rows, steps in ((32, 30), (96, 64), (320, 64), (33, 70)):
        codes = extreme(generator, limits_of(kind), (rows, steps)).astype(kind)
        case = dense(codes, extreme(generator, (-128, 127), (steps, 40)), list(range(40)), zero_point=3)
        how = prepared(case, tier, rows=64)
        assert how is not None
        for columns in (40, how.columns):
            for out in (np.full((rows, columns), 77, np.int32), np.full((rows, columns), 77, np.int64)):
                write_sums(how, case.codes, out)
                assert out[:, :40].tolist() == case.sums()


# --- sizes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 3, 4, 5, 31, 32, 33, 63, 64, 65, 127, 129])
@pytest.mark.parametrize("kind", ["int8", "uint16"])
def test_any_number_of_rows_steps_and_outputs(kind: str, steps: int) -> None:
    generator = np.random.default_rng(steps)
    for rows, outputs in ((1, 1), (7, 15), (8, 16), (9, 17), (31, 31), (32, 32), (33, 33), (65, 64)):
        codes = extreme(generator, limits_of(kind), (rows, steps)).astype(kind)
        weights = extreme(generator, (-128, 127), (steps, outputs))
        check(dense(codes, weights, list(range(outputs)), zero_point=-3 if kind == "int8" else 40000))


# --- extremes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("beyond", [0, 1])
@pytest.mark.parametrize(
    ("kind", "zero_point", "code"), [("int8", -128, 127), ("int8", 127, -128), ("uint8", 0, 255), ("uint8", 255, 0)]
)
def test_sums_reach_the_limit_of_32_bits(kind: str, zero_point: int, code: int, beyond: int, sign: int) -> None:
    weight, operand = sign * (127 if code > zero_point else -127), 255
    steps = 200
    start = sign * ((1 << 31) - 1 + beyond - steps * 127 * operand)
    codes, weights = np.full((33, steps), code, kind), np.full((steps, 5), weight)
    case = dense(codes, weights, [start] * 5, zero_point=zero_point)
    assert {one for row in case.sums() for one in row} == {sign * ((1 << 31) - 1 + beyond)}
    assert case.most == (1 << 31) - 1 + beyond
    check(case)


@pytest.mark.slow
@pytest.mark.parametrize("start", [1 << 31, -(1 << 31) - 1, 1 << 45])
@pytest.mark.skipif("portable" not in OFFERED, reason="no machine code")
def test_float32_sums_that_start_beyond_32_bits(start: int) -> None:
    generator = np.random.default_rng(1)
    codes, weights = extreme(generator, (0, 255), (33, 20)), extreme(generator, (-128, 127), (20, 33))
    case = dense(codes.astype(np.uint8), weights, [start] * 33)
    assert sums_of(case, "portable") == case.sums()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("digits", [1, 2, 3])
@pytest.mark.parametrize("side", [0, 1])
def test_the_longest_sums_of_bytes_stay_exact(kind: str, digits: int, side: int) -> None:
    low, high = limits_of(kind)
    for code, zero_point in ((low, high), (high, low), (high, 0), (low, 0)):
        steps = MOST_STEPS if digits < 3 or kind.endswith("8") else MOST_STEPS // 4
        codes, weights = np.full((1, steps), code, kind), np.full((steps, 1), DIGITS[digits][side])
        case = dense(codes, weights, [1], zero_point=zero_point)
        assert case.most < EXACT
        check(case)


@pytest.mark.parametrize("steps", [MOST_STEPS, MOST_STEPS + 1])
def test_sums_longer_than_bytes_can_hold_go_through_lanes(steps: int) -> None:
    case = dense(np.full((2, steps), 255, np.uint8), np.full((steps, 2), -128), [0, 5])
    check(case)
    for tier in HERE:
        how = prepared(case, tier)
        assert how is not None
        lanes = "int16" if ADDED else "float32"
        assert how.kernel == (tier if tier != "portable" and steps == MOST_STEPS else lanes)


@pytest.mark.skipif("portable" not in OFFERED, reason="no machine code")
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "most", "kernel"), [("int8", 127, "float32"), ("int16", 32767, "float64")])
def test_floats_form_sums_where_no_instruction_adds_pairs(kind: str, most: int, kernel: str) -> None:
    generator = np.random.default_rng(5)
    codes = extreme(generator, limits_of(kind), (2, 5, 6, 7)).astype(kind)
    weights = extreme(generator, (-most, most), (1, 63, 35))
    case = Case(codes, weights, taps_of((3, 3), (1, 1), (1, 1), 7, None), [3] * 35, shape=(5, 6), zero_point=-7)
    how = prepared(case, FLOATS)
    assert how is not None and how.kernel == kernel
    assert sums_of(case, FLOATS) == case.sums()


@pytest.mark.slow
@pairs
@pytest.mark.parametrize(
    ("kind", "zero_point", "heaviest", "kernel"),
    [
        ("uint8", 0, 32767, "int16"),
        ("uint8", 0, 32768, "float64"),
        ("int16", 0, 4095, "int16"),  # 16 steps of 2**27 stay below 2**31
        ("int16", 0, 4097, "float64"),
        ("int16", 1, 7, "float64"),  # an operand of -32769
        ("int16", -1, 7, "float64"),
        ("uint16", 32768, 7, "int16"),
        ("uint16", 0, 7, "float64"),
    ],
)
def test_lanes_of_16_bits_hold_what_they_are_given(kind: str, zero_point: int, heaviest: int, kernel: str) -> None:
    low, high = limits_of(kind)
    codes = np.array([[low, high] * 40, [low] * 80, [high] * 80], kind)
    weights = np.array([[heaviest, -heaviest, heaviest]] * 80)
    case = dense(codes, weights, [0, 1 << 31, -(1 << 40)], zero_point=zero_point)
    how = prepared(case, "portable")
    assert how is not None and how.kernel == kernel
    assert sums_of(case, "portable") == case.sums()


@pytest.mark.parametrize("weight", [65793, 65794, 2**22, 8355711, 8355712, 2**31 - 1, -(2**31)])
def test_products_at_the_limit_of_what_a_float_holds(weight: int) -> None:
    # 65793 * 255 = 2**24 - 1: a chunk of one step in float32
    codes = np.full((3, 9), 255, np.uint8)
    codes[1, ::2], codes[2] = 0, 1
    for steps in (2, 9):
        case = dense(codes[:, :steps], np.full((steps, 3), weight), [0, 1, -1])
        assert check(case) <= {"int16", "float32", "float64", "vnni", "amx"}


@pytest.mark.parametrize("product", [1 << 19, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_float32_sums_are_emptied_before_they_lose_anything(product: int) -> None:
    # sums of 16 products, or of as many as stay below 2**24
    codes = np.array([[1] * 100, [1, 0] * 50, [1, 1, 0, 0] * 25], np.uint16)
    weights = np.full((100, 3), product // 65535)
    weights[:, 1] += np.arange(100) % 2
    weights[:, 2] *= -1
    check(dense(codes * np.uint16(65535), weights, [3, -3, 1]))
    check(dense(codes, weights * 65535 // 2, [3, -3, 1]))


@pytest.mark.parametrize("tier", HERE)
def test_sums_up_to_the_limit_of_float64_are_exact(tier: str) -> None:
    weight, code = (1 << 31) - 1, 65535
    product = weight * code
    steps = (EXACT - 1) // product
    case = dense(np.full((2, steps), code, np.uint16), np.full((steps, 1), weight), [EXACT - 1 - steps * product])
    assert case.most == EXACT - 1
    assert sums_of(case, tier) == [[EXACT - 1]] * 2
    assert prepared(replace(case, start=[case.start[0] + 1]), tier) is None


@pytest.mark.parametrize("tier", HERE)
def test_what_no_kernel_takes_is_left_to_the_plain_way(tier: str) -> None:
    codes, weights = np.ones((1, 4), np.uint8), np.ones((4, 1), np.int64)
    assert prepared(dense(codes.astype(np.int32), weights), tier) is None
    assert prepared(dense(codes, weights, outside=256), tier) is None
    assert prepared(dense(codes, weights, outside=-1), tier) is None
    assert prepared(dense(codes, weights), "plain") is None
    assert prepared(dense(codes, weights, outside=255), tier) is not None
    assert TIERS[tier] > TIERS["plain"]


# --- windows and codes as they are --------------------------------------------------------------------


@examples(100)
@given(st.data())
def test_window_sums(data: st.DataObject) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    kind = data.draw(st.sampled_from([*KINDS, "int32"]))
    limits = limits_of(kind) if kind != "int32" else (-(2**24), 2**24)
    samples, height, width, channels = (data.draw(st.integers(1, most)) for most in (3, 6, 6, 40))
    codes = extreme(generator, limits, (samples, height, width, channels)).astype(kind)
    window, strides = ((data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))) for _ in range(2))
    before = (data.draw(st.integers(0, window[0] - 1)), data.draw(st.integers(0, window[1] - 1)))
    sizes = (height, width)
    shape = [data.draw(st.integers(1, 1 + (sizes[i] - 1 + before[i]) // strides[i])) for i in (0, 1)]
    zero_point = data.draw(st.sampled_from([0, *limits]))
    position = data.draw(st.integers(0, samples * shape[0] * shape[1] - 1))
    size = data.draw(st.integers(1, samples * shape[0] * shape[1] - position))
    columns = channels + data.draw(st.integers(0, 9))
    sums, inside = np.full((size, columns), 12345, np.int32), np.full(size, -1, np.int32)
    window_sums(codes, zero_point, array([*window, *strides, *before]), array(shape), position, sums, inside)
    for p in range(size):
        n, place = divmod(position + p, shape[0] * shape[1])
        top, left = place // shape[1] * strides[0] - before[0], place % shape[1] * strides[1] - before[1]
        ys = [y for y in range(top, top + window[0]) if 0 <= y < height]
        xs = [x for x in range(left, left + window[1]) if 0 <= x < width]
        wanted = [sum(int(codes[n, y, x, c]) - zero_point for y in ys for x in xs) for c in range(channels)]
        assert sums[p].tolist() == wanted + [12345] * (columns - channels)
        assert inside[p] == len(ys) * len(xs)


@pytest.mark.parametrize("kind", ["int8", "uint8"])
@pytest.mark.parametrize("window", [(8, 16), (1, 128), (3, 43), (12, 12)])
def test_window_sums_of_extreme_bytes(kind: str, window: tuple[int, int]) -> None:
    for code in limits_of(kind):
        codes = np.full((1, *window, 19), code, kind)
        sums, inside = np.zeros((1, 19), np.int32), np.zeros(1, np.int32)
        window_sums(codes, 5, array([*window, 1, 1, 0, 0]), array([1, 1]), 0, sums, inside)
        many = window[0] * window[1]
        assert sums.tolist() == [[many * (code - 5)] * 19]
        assert inside.tolist() == [many]


@pytest.mark.parametrize("zero_points", [(0, 0), (-128, 3), (127, 127)])
@pytest.mark.parametrize("limits", [(-128, 127), (0, 255), (-(2**15), 2**15 - 129)])
def test_values_are_multiplied_less_their_zero_points(limits: tuple[int, int], zero_points: tuple[int, int]) -> None:
    low, high = limits
    first = np.array([[low, high, 0, -7], [1, low + 1, high - 1, -7]], np.int32)
    second = np.array([[low, low, high, 5], [high, 0, 5, 5]], np.int32)
    values = first.copy()
    multiply_values(values, second, array(zero_points), 3)
    one, other = zero_points
    pairs = [list(zip(*rows, strict=True))[:3] for rows in zip(first.tolist(), second.tolist(), strict=True)]
    assert values.tolist() == [[*((a - one) * (b - other) for a, b in row), -7] for row in pairs]


def test_values_are_added() -> None:
    values, sums = np.array([[3, -4, 1 << 30], [-7, -(1 << 30), 0]], np.int32), np.zeros((2, 3), np.int32)
    add_values(values, sums)
    add_values(values // 2, sums)
    assert sums.tolist() == [[one + one // 2 for one in row] for row in values.tolist()]
