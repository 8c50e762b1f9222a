"""Worst cases by interval arithmetic against every combination of small formats."""

from __future__ import annotations

from itertools import product

import pytest

from hwsim.target import Settings
from hwsim.target.bounds import exact_product, levels, operand
from hwsim.target.settings import Weights

FORMATS = [
    {"bits": bits, "signed": signed, "symmetric": symmetric, "narrow": narrow}
    for bits, signed, symmetric, narrow in product((1, 2, 3), (True, False), (True, False), (True, False))
    if not narrow or (signed and bits > 1)
]


def operands(tensor: Weights) -> set[int]:
    """Return every code less every zero point."""
    codes = tensor.integer_format()
    every = range(codes.minimum, codes.maximum + 1)
    return {code - zero for code in every for zero in (every if not tensor.symmetric else (0,))}


@pytest.mark.parametrize("data", FORMATS, ids=str)
def test_operand(data: dict[str, object]) -> None:
    tensor = Weights.model_validate(data)
    found = operand(tensor)
    assert (found.low, found.high) == (min(operands(tensor)), max(operands(tensor)))


@pytest.mark.parametrize(("one", "two"), list(product(FORMATS[::2], FORMATS[::3])), ids=str)
def test_product_and_safe_count(one: dict[str, object], two: dict[str, object]) -> None:
    """The last stage is sure to hold n worst products, and one more may leave it."""
    stage = {"name": "accumulator", "bits": 7, "overflow": "saturate"}
    settings = Settings.model_validate({"weights": one, "activations": two, "mac": {"stages": [stage]}})
    weights, inputs = (Weights.model_validate(data) for data in (one, two))
    products = {w * a for w in operands(weights) for a in operands(inputs)}
    exact = exact_product(settings)
    assert (exact.low, exact.high) == (min(products), max(products))
    safe = levels(settings)[-1].safe_products
    if safe is None:
        assert products == {0}
    else:
        assert safe * min(products) >= -64 and safe * max(products) <= 63
        assert (safe + 1) * min(products) < -64 or (safe + 1) * max(products) > 63


def test_levels_before_the_last() -> None:
    data = {
        "weights": {"bits": 8, "narrow": True},
        "activations": {"bits": 8, "symmetric": True},
        "mac": {
            "product": {"bits": 15, "overflow": "saturate", "shift": 1},
            "stages": [{"name": "tree", "terms": 3, "bits": 16}, {"name": "accumulator", "bits": 20}],
        },
    }
    of_product, tree, last = levels(Settings.model_validate(data))
    assert of_product.arrives is not None and of_product.holds
    assert (of_product.arrives.low, of_product.arrives.high) == (
        -8128,
        8129,
    )  # 127 * 128 / 2, rounded either way
    assert tree.holds and tree.bits == 16
    assert last.safe_products == 3 * (524287 // (3 * 8129))


def test_a_level_that_does_not_hold_hands_up_its_own_range() -> None:
    data = {"mac": {"product": {"bits": 10}, "stages": [{"name": "accumulator", "bits": 12}]}}
    of_product, last = levels(Settings.model_validate(data))
    assert not of_product.holds and of_product.bits == 16
    assert last.safe_products == 4  # 4 * -512 = -2048
