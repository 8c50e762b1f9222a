"""Planted into sums: accumulators, products, biases and means of too few bits."""

from __future__ import annotations

import pytest
from report.planted.naming import assert_named_first
from report.planted.plants import narrow_accumulator, narrow_bias, narrow_pooling, narrow_product, truncated_products


@pytest.mark.parametrize(
    ("layer", "missing", "overflow"),
    [
        ("stem", 2, "saturate"),
        ("middle_depthwise", 2, "wrap"),
        pytest.param("last_project", 3, "saturate", marks=pytest.mark.slow),
        pytest.param("head", 2, "wrap", marks=pytest.mark.slow),
    ],
)
def test_accumulator(layer: str, missing: int, overflow: str) -> None:
    assert_named_first(narrow_accumulator(layer, missing, overflow))


@pytest.mark.parametrize(
    ("layer", "bits", "overflow"),
    [("first_expand", 12, "saturate"), pytest.param("last_depthwise", 12, "wrap", marks=pytest.mark.slow)],
)
def test_product(layer: str, bits: int, overflow: str) -> None:
    assert_named_first(narrow_product(layer, bits, overflow))


@pytest.mark.slow
def test_products_without_rounding() -> None:
    assert_named_first(truncated_products("last_project", 8))


@pytest.mark.parametrize(("layer", "missing"), [("last_expand", 3), pytest.param("stem", 2, marks=pytest.mark.slow)])
def test_bias(layer: str, missing: int) -> None:
    assert_named_first(narrow_bias(layer, missing))


@pytest.mark.parametrize(
    ("layer", "missing", "overflow"), [("mean", 2, "saturate"), pytest.param("pool", 2, "wrap", marks=pytest.mark.slow)]
)
def test_sum_of_a_mean(layer: str, missing: int, overflow: str) -> None:
    assert_named_first(narrow_pooling(layer, missing, overflow))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize(
    "layer", ["stem", "middle_depthwise", "middle_expand", "middle_project", "last_depthwise", "head"]
)
def test_accumulator_of_any_layer(layer: str, overflow: str, seed: int) -> None:
    assert_named_first(narrow_accumulator(layer, 3, overflow, seed), seed)
