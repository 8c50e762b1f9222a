"""The sum and the product of several tensors against loops of the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernels.plain import (
    GENERATORS,
    ONE_WORD,
    ROUNDINGS,
    Ints,
    Json,
    array,
    carried,
    draws_of,
    examples,
    figures,
    figures_of,
    fit_field,
    fits,
    from_words,
    in_words,
    integers,
    stage_field,
)

import hwsim_kernels as kernels
from hwsim_kernels import counting, merging
from oracle.ledger import Place, Point
from oracle.mac import Product
from oracle.overflow import Format

# --- sums ---------------------------------------------------------------------------------------------


def added(
    terms: Any, field: Ints, words: int, out_words: int, position: tuple[int, int]
) -> tuple[list[list[int]], Ints, Ints]:
    """Return the sums of ``terms`` (tensors, rows, channels), counts and histogram."""
    tensors = np.stack([in_words(one, words) for one in terms])
    rows, channels = tensors.shape[2:]
    out, counts = np.zeros((out_words, rows, channels), np.int64), counting.new_counts(channels)
    histogram = np.zeros(counting.BINS, np.int64)
    merging.add(tensors, field, array(position), out, counts, histogram)
    return from_words(out), carried(counts), histogram


@examples(300)
@given(st.data(), fits(), st.sampled_from([0, 0, 7]), st.sampled_from([3, 8, 59, 62, 63, 121]))
def test_add(data: st.DataObject, section: Json, first_sample: int, bits: int) -> None:
    tensors, samples, rows, channels = (data.draw(st.integers(1, most)) for most in (4, 3, 4, 3))
    size = tensors * samples * rows * channels
    flat = data.draw(st.lists(integers(bits), min_size=size, max_size=size))
    terms = np.array(flat, object).reshape(tensors, samples * rows, channels)
    point, wanted = Point("accumulator", channels, last=True), []
    for row in range(samples * rows):
        for channel in range(channels):
            place = Place(first_sample + row // rows, row % rows, channel)
            wanted.append(point.add_up(terms[:, row, channel].tolist(), Format.of(section), place))
    field, position = fit_field(section), (first_sample, rows)
    sums, counts, histogram = added(terms, field, 2, 2, position)
    assert np.ravel(np.array(sums, object)).tolist() == wanted
    assert figures_of(counts, steps=tensors, positions=rows, stage=True) == figures(point)
    assert histogram.tolist() == point.histogram
    if max(map(abs, wanted)) < ONE_WORD:
        for words in (1, 2) if bits < 62 else (2,):
            again, same_counts, same_histogram = added(terms, field, words, 1, position)
            assert again == sums
            assert np.array_equal(same_counts, counts)
            assert np.array_equal(same_histogram, histogram)


@pytest.mark.parametrize("words", [1, 2])
def test_the_order_of_the_terms_matters_where_they_saturate(words: int) -> None:
    def total(*terms: int) -> int:
        field = array([8, 1, kernels.SATURATE, 0])
        return added([[[one]] for one in terms], field, words, words, (0, 1))[0][0][0]

    assert total(100, 100, -100) == 27  # 127 - 100
    assert total(100, -100, 100) == 100


def test_an_unsigned_sum_of_64_bits_wraps() -> None:
    field = array([64, 0, kernels.WRAP, 0])
    sums, counts, histogram = added([[[3]], [[-5]], [[1]]], field, 1, 2, (0, 1))
    # 3, then -2 becomes 2^64 - 2, then 2^64 - 1: no second wrap; the exact sum is -1
    assert sums == [[2**64 - 1]]
    assert figures_of(counts, steps=3, stage=True)["minimum"] == [-2]
    assert counting.long_sum(counts, counting.CLAMP_ENERGY) == [2**128]
    assert counts[[counting.LOW, counting.HIGH, counting.PERSISTENT], 0].tolist() == [1, 0, 1]
    assert histogram[1] == 1


# --- products -----------------------------------------------------------------------------------------

codes = st.sampled_from([0, 1, -1, 2**15 - 1, -(2**15), 2**16 - 1]) | integers(16)


def multiplied(
    pairs: list[tuple[int, int]],
    shape: tuple[int, int],
    zero_points: tuple[int, int],
    section: Json | None,
    words: int,
    random: Json = GENERATORS[0],
    position: tuple[int, int] = (0, 1),
) -> tuple[list[int], Ints]:
    """Return products (in row-major order) and counts."""
    first, second = (np.array([one[i] for one in pairs], np.int32).reshape(shape) for i in (0, 1))
    out, counts = np.zeros((words, *shape), np.int64), counting.new_counts(shape[1])
    field, draws = stage_field(section), draws_of(random)
    merging.multiply(first, second, array(zero_points), field, draws, array(position), out, counts)
    return np.ravel(np.array(from_words(out), object)).tolist(), carried(counts)


@st.composite
def products(draw: st.DrawFn) -> Json | None:
    """Return what a product is brought to, or nothing."""
    if draw(st.sampled_from([False, True, True, True])):
        shift = draw(st.sampled_from([0, 1, 5, 17, 33, 62]))
        return {**draw(fits(1, 40) | fits()), "shift": shift, "rounding": draw(st.sampled_from(ROUNDINGS))}
    return None


@examples(400)
@given(st.data(), products(), st.sampled_from(GENERATORS), st.sampled_from([0, 0, 7]))
def test_multiply(data: st.DataObject, section: Json | None, random: Json, first_sample: int) -> None:
    samples, rows, channels = (data.draw(st.integers(1, 3)) for _ in range(3))
    size, shape = samples * rows * channels, (samples * rows, channels)
    pairs = data.draw(st.lists(st.tuples(codes, codes), min_size=size, max_size=size))
    zero_points = (data.draw(st.sampled_from([0, 0, 3, -(2**15), 2**15])), data.draw(st.sampled_from([0, 0, -7])))
    product, wanted = Product(section, random, channels), []
    for number, (a, b) in enumerate(pairs):
        row, channel = divmod(number, channels)
        place = Place(first_sample + row // rows, row % rows, channel)
        in_sample = (row % rows) * channels + channel
        wanted.append(product.narrow((a - zero_points[0]) * (b - zero_points[1]), in_sample, place))
    made, counts = multiplied(pairs, shape, zero_points, section, 2, random, (first_sample, rows))
    assert made == wanted
    if section:
        assert figures_of(counts, positions=rows) == figures(product.point)
    else:
        assert np.array_equal(counts, carried(counting.new_counts(channels)))
    if max(map(abs, wanted)) < ONE_WORD:
        again, same_counts = multiplied(pairs, shape, zero_points, section, 1, random, (first_sample, rows))
        assert again == made
        assert np.array_equal(same_counts, counts)


@pytest.mark.parametrize("mode", ROUNDINGS)
@pytest.mark.parametrize("words", [1, 2])
def test_small_products_are_rounded(mode: str, words: int) -> None:
    pairs = [(one, other) for one in range(-6, 7) for other in (-3, -1, 0, 1, 2)]
    section: Json = {"bits": 4, "signed": True, "overflow": "saturate", "saturated_bits": 0, "shift": 2}
    product = Product({**section, "rounding": mode}, GENERATORS[0], 1)
    wanted = [product.narrow(a * b, number, Place(0, number, 0)) for number, (a, b) in enumerate(pairs)]
    shape, position = (len(pairs), 1), (0, len(pairs))
    made, counts = multiplied(pairs, shape, (0, 0), {**section, "rounding": mode}, words, GENERATORS[0], position)
    assert made == wanted
    assert figures_of(counts, positions=len(pairs)) == figures(product.point)


@examples(100)
@given(codes, codes, st.integers(-(2**15), 2**15))
@example(2**16 - 1, 2**16 - 1, -(2**15))
def test_an_exact_product(one: int, other: int, zero_point: int) -> None:
    for words in (1, 2):
        made, _ = multiplied([(one, other)], (1, 1), (zero_point, -zero_point), None, words)
        assert made == [(one - zero_point) * (other + zero_point)]


def test_an_unsigned_product_of_64_bits_wraps() -> None:
    section = {"bits": 64, "signed": False, "overflow": "wrap", "saturated_bits": 0, "shift": 1, "rounding": "floor"}
    made, counts = multiplied([(-3, 5), (3, 5)], (1, 2), (0, 0), section, 2)
    assert made == [2**64 - 8, 7]  # -7.5 down to -8, which wraps; 7.5 down to 7
    assert counting.long_sum(counts, counting.CLAMP_ENERGY) == [2**128, 0]
    assert counts[counting.VALUES].tolist() == [1, 1]
    assert counting.value_range(counts) == [(-8, None), (None, None)]
