"""Planted behind the sums: rounding that is not to nearest, a ratio of few bits, a table of few entries."""

from __future__ import annotations

import pytest
from report.planted.naming import assert_named_first
from report.planted.plants import biased_rounding, coarse_curve, coarse_multiplier, unshifted_addition


@pytest.mark.parametrize(("layer", "mode"), [("first_add", "floor"), ("middle_depthwise", "floor")])
def test_biased_rounding(layer: str, mode: str) -> None:
    assert_named_first(biased_rounding(layer, mode))


@pytest.mark.parametrize(("layer", "bits"), [("stem", 3), ("last_project", 2)])
def test_multiplier_of_few_bits(layer: str, bits: int) -> None:
    assert_named_first(coarse_multiplier(layer, bits))


def test_table_of_few_entries() -> None:
    assert_named_first(coarse_curve(3))


def test_addition_without_bits_to_spare() -> None:
    assert_named_first(unshifted_addition("last_add"))
