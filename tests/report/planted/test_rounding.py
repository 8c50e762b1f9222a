"""Planted behind the sums: rounding that is not to nearest, a ratio of few bits, a table of few entries."""

from __future__ import annotations

import pytest
from report.planted.naming import WORSE_DB, assert_named_first, costs_of, sound_first, sound_sqnr, sqnr_of
from report.planted.plants import (
    biased_mean,
    biased_rounding,
    biased_table,
    coarse_curve,
    coarse_multiplier,
    unshifted_addition,
)


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "mode", "seed"), [("first_add", "floor", 4), ("middle_depthwise", "floor", 1)])
def test_biased_rounding(layer: str, mode: str, seed: int) -> None:
    """Half an LSB of one sign: what is averaged later keeps it, while other rounding errors cancel out."""
    assert_named_first(biased_rounding(layer, mode, seed), seed)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["floor", "ceil"])
@pytest.mark.parametrize("layer", ["first_project", "first_add", "middle_add"])
def test_biased_rounding_of_other_layers(layer: str, mode: str) -> None:
    assert_named_first(biased_rounding(layer, mode, seed=4), seed=4)


@pytest.mark.parametrize(("layer", "bits"), [("stem", 3), pytest.param("last_project", 2, marks=pytest.mark.slow)])
def test_multiplier_of_few_bits(layer: str, bits: int) -> None:
    assert_named_first(coarse_multiplier(layer, bits))


def test_table_of_few_entries() -> None:
    assert_named_first(coarse_curve(3))


@pytest.mark.slow
def test_addition_without_bits_to_spare() -> None:
    """Halved codes are ties, which are rounded up: finer codes of the inputs, which are none, undo nearly as much."""
    assert_named_first(unshifted_addition("middle_add", seed=4), seed=4, clear=1.0)


def test_mean_without_rounding() -> None:
    """A pooling keeps the codes of what it reads, so finer ones there undo as much as rounding to nearest does here."""
    planted = biased_mean("pool", "floor", seed=4)
    result = planted.case.run()
    assert sqnr_of(result) < sound_sqnr(4) - WORSE_DB
    first, second, third = costs_of(planted.case, result)[:3]
    assert {(one.layer, one.point) for one in (first, second)} == {("pool", "division"), ("first_add", "output")}
    assert (third.cost or 0.0) < (second.cost or 0.0) / 2
    assert sound_first(4) != ("pool", "division")


@pytest.mark.slow
def test_table_without_rounding() -> None:
    assert_named_first(biased_table("floor", seed=3), seed=3)
