"""Convolutions by minimal filtering against sums of Python integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.fast.datapaths import HERE, Case, compiled, limits_of, pairs, prepared, sums_of
from kernels.fast.test_sums import extreme, taps_of
from kernels.plain import examples

from hwsim_kernels._jit import njit
from hwsim_kernels.fast import combinations, tiling
from hwsim_kernels.fast.filtering import FILTERINGS, Filtering, directly, interpolated, nested
from hwsim_kernels.fast.pairs import LANES, STEPS
from hwsim_kernels.fast.tiling import Tiling

SIZES = sorted({(y.taps, x.taps) for y, x in product(FILTERINGS, FILTERINGS)} - {(1, 1), (7, 7)})
"""Rows and columns of kernels that can be filtered; what 7 x 7 would combine operands to has more than 16 bits."""

FILTERING = ["portable", *[tier for tier in HERE if tier == "vnni"]]
"""Tiers that filter."""

WORTH = tiling.WORTH
"""What is worth it outside these tests."""


@pytest.fixture(autouse=True)
def any_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filter whatever can be filtered, worth it or not."""
    monkeypatch.setattr(tiling, "WORTH", float("inf"))


# --- the matrices -------------------------------------------------------------------------------------


def filterings() -> Iterator[Filtering]:
    """Yield those that there is machine code for, and more of each kind."""
    yield from FILTERINGS
    yield from (directly(*size) for size in ((2, 1), (3, 2)))
    yield from (interpolated(outputs, taps) for outputs in range(2, 5) for taps in range(2, 6))
    yield nested(interpolated(2, 2), interpolated(3, 3), 6)
    yield nested(interpolated(3, 2), interpolated(2, 2), 3)


@pytest.mark.parametrize("one", list(filterings()), ids=lambda one: f"{one.outputs} of {one.taps} by {one.points}")
def test_a_filtering_is_its_definition_times_the_scale(one: Filtering) -> None:
    assert one.reach == one.outputs + one.taps - 1
    for k, tap, place in product(range(one.outputs), range(one.taps), range(one.reach)):
        made = sum(one.sums[k][i] * one.weights[i][tap] * one.operands[i][place] for i in range(one.points))
        assert made == (one.scale if place == k + tap else 0)


def test_filterings_take_fewer_products() -> None:
    taken = {(one.outputs, one.taps): one.points for one in FILTERINGS}
    assert taken == {(1, 1): 1, (1, 5): 5, (2, 3): 4, (4, 3): 6, (4, 5): 8, (6, 7): 18}


# --- machine code -------------------------------------------------------------------------------------


@njit
def operands_combined(which: int, source: Any, step: int, target: Any, apart: int, many: int) -> None:
    """Call the intrinsic for operands."""
    combinations.combine_operands(which, source.ctypes.data, step, target.ctypes.data, apart, many)


@njit
def products_combined(which: int, source: Any, step: int, target: Any, apart: int, many: int) -> None:
    """Call the intrinsic for products."""
    combinations.combine_products(which, source.ctypes.data, step, target.ctypes.data, apart, many)


@compiled
@pytest.mark.parametrize("kind", ["int16", "int32"])
@pytest.mark.parametrize("which", range(len(FILTERINGS)))
def test_combinations_are_products_with_a_matrix_that_wrap(kind: str, which: int) -> None:
    of_operands = kind == "int16"
    matrix = FILTERINGS[which].operands if of_operands else FILTERINGS[which].sums
    lanes, call = (STEPS, operands_combined) if of_operands else (LANES, products_combined)
    generator, width = np.random.default_rng(which), 3 * lanes
    source = extreme(generator, limits_of(kind), (len(matrix[0]), width)).astype(kind)
    target = np.zeros((len(matrix), width), kind)
    call(which, source, source.strides[0], target, target.strides[0], 3)
    bits = 8 * source.itemsize
    for row, weights in enumerate(matrix):
        for column, values in enumerate(source.T.tolist()):
            total = sum(weight * value for weight, value in zip(weights, values, strict=True))
            assert int(target[row, column]) % (1 << bits) == total % (1 << bits)


@pytest.mark.parametrize("matrix", [one.sums for one in FILTERINGS] + [one.operands for one in FILTERINGS])
def test_what_rows_share_adds_up_to_the_rows(matrix: tuple[tuple[int, ...], ...]) -> None:
    shared, rows = combinations.shared(matrix)
    count = len(matrix[0])
    variables = [[int(i == j) for j in range(count)] for i in range(count)]
    for i, j, one, other in shared:
        variables.append([one * a + other * b for a, b in zip(variables[i], variables[j], strict=True)])
    for row, wanted in zip(rows, matrix, strict=True):
        assert [sum(c * variables[number][j] for number, c in row.items()) for j in range(count)] == list(wanted)


@given(st.integers(1, 1 << 40))
def test_digits_add_up(factor: int) -> None:
    digits = combinations.digits(factor)
    assert sum(sign << place for place, sign in digits) == factor
    assert all(later - place > 1 for (place, _), (later, _) in zip(digits, digits[1:], strict=False))


# --- layers -------------------------------------------------------------------------------------------


def filtered(case: Case) -> Tiling:
    """Return how the tier portable filters a case, which it is known to do."""
    how = prepared(case, "portable")
    assert how is not None
    assert how.kernel == "filtered" and how.tiling is not None
    return how.tiling


@composite
def cases(draw: DrawFn) -> Case:
    """Draw an image and a kernel that reaches beyond it on any side, codes and weights at their limits or not."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["int8", "uint8"]))
    depth = draw(st.sampled_from([1, 2, 3, 15, 16, 17, 40, 64]))
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 13))
    size = draw(st.sampled_from(SIZES))
    before = draw(st.integers(-1, size[0])), draw(st.integers(-1, size[1]))
    taps = taps_of(size, (1, 1), before, depth, generator if draw(st.booleans()) else None)
    limits = draw(st.sampled_from([(-128, 127), (-3, 3), (127, 127), (-128, -128), (-1, 700)]))
    weights = extreme(generator, limits, (1, len(taps), draw(st.sampled_from([1, 16, 17, 32, 33, 48, 70]))))
    zero_point = draw(st.sampled_from([0, 0, *limits_of(kind), 7]))
    return Case(
        extreme(generator, limits_of(kind), (*shape, depth)).astype(kind),
        weights,
        taps,
        extreme(generator, (-5000, 5000), (weights.shape[2],)).tolist(),
        shape=(draw(st.integers(1, 11)), draw(st.integers(1, 15))),
        zero_point=zero_point,
        outside=draw(st.sampled_from([zero_point, *limits_of(kind)])) - zero_point,
    )


def check(case: Case) -> None:
    """Compare filtered sums with Python's."""
    wanted = case.sums()
    for tier in FILTERING:
        how = prepared(case, tier)
        assume(how is not None and how.kernel == "filtered")
        assert sums_of(case, tier) == wanted


@pairs
@examples(150)
@given(cases())
def test_filtered_sums_are_exact(case: Case) -> None:
    check(case)


@pairs
@pytest.mark.slow
@examples(3000)
@given(cases())
def test_filtered_sums_are_exact_at_length(case: Case) -> None:
    check(case)


def convolution(size: tuple[int, int], image: tuple[int, int], channels: int, weights: Any, **other: Any) -> Case:
    """Return a convolution whose output is as large as its image; weights are numbers or limits of random ones."""
    generator, steps = np.random.default_rng(sum(size)), size[0] * size[1] * channels
    before = (size[0] - 1) // 2, (size[1] - 1) // 2
    if isinstance(weights, tuple):
        weights = extreme(generator, weights, (1, steps, 35))
    codes = extreme(generator, (0, 255), (2, *image, channels)).astype(np.uint8)
    taps = taps_of(size, (1, 1), before, channels, None)
    return Case(codes, weights, taps, [5] * weights.shape[2], shape=image, **other)


@pairs
@pytest.mark.parametrize("size", SIZES)
def test_every_kernel_that_can_be_filtered_is_exact(size: tuple[int, int]) -> None:
    case = convolution(size, (9, 14), 18, (-2, 2))
    assert sorted(size) == sorted(FILTERINGS[kind].taps for kind in filtered(case).kinds)
    assert sums_of(case, "portable") == case.sums()


@pairs
@pytest.mark.parametrize("bytes_of_block", [1, 1 << 12, 1 << 16])
def test_blocks_of_any_size_give_the_same_sums(bytes_of_block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "BLOCK_BYTES", bytes_of_block)
    case = convolution((3, 3), (13, 11), 17, (-128, 127))
    filtered(case)
    assert sums_of(case, "portable") == case.sums()


@pairs
def test_sums_are_filtered_as_far_as_they_are_known_modulo_32_bits() -> None:
    # two tiles of 4 x 4 have a scale of 576, six bits; of 2 x 4, of 48, four bits; of 2 x 2, two
    for most, kinds in ((1 << 25, (3, 3)), (1 << 27, (2, 3)), (1 << 29, (2, 2))):
        channels = 480
        heaviest = (most - 1) // (255 * 9 * channels)
        rest = (most - 1) // 255 - 9 * channels * heaviest
        weights = np.full((1, 9 * channels, 2), heaviest)
        weights[0, :rest] += 1
        weights[0, :, 1] *= -1
        case = convolution((3, 3), (4, 4), channels, weights)
        case = replace(case, codes=np.full_like(case.codes, 255))
        assert filtered(case).kinds == kinds
        assert sums_of(case, "portable") == case.sums()
        weights[0, rest] = heaviest + 1
        weights[0, rest, 1] *= -1
        how = prepared(case, "portable")
        assert how is not None and (how.tiling is None or how.tiling.kinds != kinds)


@pairs
def test_weights_are_filtered_as_far_as_their_combinations_keep_16_bits() -> None:
    # the heaviest combination of two tiles of 4 is 49 of the weights, of 4 and 2 it is 21, of two tiles of 2 it is 9
    for heaviest, kinds in ((668, (3, 3)), (669, (2, 3)), (1560, (2, 3)), (1561, (2, 2)), (3640, (2, 2)), (3641, None)):
        case = convolution((3, 3), (8, 8), 4, np.full((1, 36, 3), heaviest))
        how = prepared(case, "portable")
        assert how is not None
        assert (how.tiling and how.tiling.kinds) == kinds
        assert sums_of(case, "portable") == case.sums()


@pytest.mark.parametrize(
    ("outputs", "operands", "keeps"),
    [
        (2, (0, 8191), True),
        (2, (0, 8192), False),
        (2, (-8192, 0), True),
        (2, (-8193, 0), False),
        (2, (-8192, 8191), True),
        (4, (-434, 101), True),
        (4, (-434, 102), False),
    ],
)
def test_operands_are_filtered_as_far_as_their_combinations_keep_16_bits(
    outputs: int, operands: tuple[int, int], keeps: bool
) -> None:
    # two tiles of 2 add up four operands at most, or take two from two; two tiles of 4 take 32 from 68
    one = interpolated(outputs, 3)
    assert tiling.small(one, one, operands, np.zeros((one.points**2, 1, 1), np.int32)) == keeps


@pairs
@pytest.mark.parametrize("zero_point", [0, 7, 128, 255])
def test_operands_at_their_limits(zero_point: int) -> None:
    # codes that take each combination of operands to its largest and to its least
    case = convolution((3, 3), (8, 12), 3, (-128, 127), zero_point=zero_point)
    one = FILTERINGS[3]
    for signs in one.operands:
        row = np.array([255 if sign > 0 else 0 for sign in signs], np.uint8)
        both = np.where(np.outer(signs, signs) > 0, 255, 0).astype(np.uint8)
        codes = np.zeros_like(case.codes)
        codes[0], codes[1] = np.resize(row, 12)[None, :, None], np.resize(both, (8, 12))[:, :, None]
        for picture in (codes, 255 - codes):
            again = replace(case, codes=picture)
            filtered(again)
            assert sums_of(again, "portable") == again.sums()


@pairs
@pytest.mark.slow
def test_what_cannot_be_filtered_is_not() -> None:
    case = convolution((3, 3), (6, 6), 4, (-9, 9))
    filtered(case)
    holes = replace(case, taps=case.taps[1:], weights=case.weights[:, 1:])
    apart = replace(case, taps=taps_of((3, 3), (2, 1), (1, 1), 4, None))
    others = [replace(case, strides=(2, 1)), replace(case, spread=(1, 2)), holes, apart]
    others.append(convolution((2, 3), (6, 6), 4, (-9, 9)))
    others.append(replace(case, codes=case.codes.astype(np.uint16)))
    codes, weights = np.concatenate([case.codes] * 2, axis=3), np.concatenate([case.weights] * 2)
    others.append(replace(case, codes=codes, weights=weights, start=[5] * 70))
    for other in others:
        how = prepared(other, "portable")
        assert how is not None and how.tiling is None
        assert sums_of(other, "portable") == other.sums()


@pairs
@pytest.mark.parametrize("tier", HERE)
@pytest.mark.parametrize(
    ("size", "image", "channels", "tiers"),
    [
        ((3, 3), (8, 8), 16, {"portable"}),
        ((3, 3), (8, 8), 160, {"portable", "vnni"}),
        ((1, 7), (17, 17), 32, {"portable"}),
        ((3, 3), (8, 8), 1, set[str]()),
        ((3, 3), (1, 1), 64, set[str]()),
        ((1, 1), (9, 9), 64, set[str]()),
        ((7, 7), (9, 9), 32, set[str]()),
    ],
)
def test_layers_are_filtered_where_it_takes_less(
    tier: str, size: Any, image: Any, channels: int, tiers: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiling, "WORTH", WORTH)
    case = convolution(size, image, channels, (-128, 127))
    how = prepared(case, tier)
    assert how is not None
    assert (how.kernel == "filtered") == (tier in tiers)
    assert sums_of(case, tier) == case.sums()
