"""Planted into the plan and the ranges: what is clipped, what is too coarse, branches that do not fit each other."""

from __future__ import annotations

import pytest
from report.planted.naming import assert_named_first
from report.planted.plants import clipped, coarse, without_zero_point


@pytest.mark.parametrize("factor", [16, pytest.param(4, marks=pytest.mark.slow)])
def test_clipped_input(factor: float) -> None:
    assert_named_first(clipped("image", factor))


@pytest.mark.slow
def test_coarse_input() -> None:
    assert_named_first(coarse("image", 32))


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "factor"), [("first_expand", 8), ("head", 4)])
def test_clipped_feature_map(layer: str, factor: float) -> None:
    assert_named_first(clipped(layer, factor))


@pytest.mark.parametrize(
    ("layer", "factor"), [("middle_depthwise", 8), pytest.param("last_expand", 32, marks=pytest.mark.slow)]
)
def test_range_set_by_an_outlier(layer: str, factor: float) -> None:
    assert_named_first(coarse(layer, factor))


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["middle_add", "first_project", "last_project"])
def test_branch_of_too_small_a_scale(layer: str) -> None:
    assert_named_first(clipped(layer, 8))


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["last_add", "middle_project"])
def test_branch_of_too_large_a_scale(layer: str) -> None:
    assert_named_first(coarse(layer, 24))


def test_missing_zero_point() -> None:
    assert_named_first(without_zero_point("middle_depthwise", 5))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("layer", ["stem", "first_depthwise", "first_project", "middle_add", "last_expand", "head"])
def test_any_tensor(layer: str, seed: int) -> None:
    assert_named_first(clipped(layer, 16, seed), seed)
    assert_named_first(coarse(layer, 40, seed), seed)
