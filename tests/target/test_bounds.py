"""Worst cases by interval arithmetic against every combination of small formats."""

from __future__ import annotations

from itertools import product
from typing import Any

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


TINY: dict[str, Any] = {
    "weights": {"bits": 2},  # -2 to 1
    "activations": {"bits": 2, "signed": False, "symmetric": True},  # 0 to 3
}


def test_stored_codes_are_what_is_multiplied() -> None:
    """A free zero point widens operands, unless codes go into the multiplier as they are stored."""
    inputs = {"bits": 2, "signed": False, "symmetric": False}
    for point, low, high in (("removed", -6, 6), ("corrected", -6, 3)):
        mac = {"input_zero_point": point}
        exact = exact_product(Settings.model_validate({**TINY, "activations": inputs, "mac": mac}))
        assert (exact.low, exact.high) == (low, high)


@pytest.mark.parametrize(("bits", "shift", "holds"), [(3, 1, True), (3, 2, False), (4, 1, False), (4, 0, True)])
def test_a_bias_inside_is_part_of_the_first_stage(bits: int, shift: int, holds: bool) -> None:
    """Two products are -12 to 6; with a bias of 3 bits times 2 they are -20 to 12, and 5 bits hold -16 to 15."""
    first = {"name": "pair", "terms": 2, "bits": 6 if holds else 5, "overflow": "saturate"}
    data = {
        **TINY,
        "mac": {"stages": [first, {"name": "accumulator"}]},
        "bias": {"bits": bits, "shift": shift, "position": "inner"},
    }
    pair = levels(Settings.model_validate(data))[0]
    biases = [code << shift for code in range(-(1 << (bits - 1)), 1 << (bits - 1))]
    assert pair.arrives is not None
    assert (pair.arrives.low, pair.arrives.high) == (-12 + min(biases), 6 + max(biases))
    assert pair.holds is holds


def test_a_correction_inside_can_be_anything() -> None:
    stages = [{"name": "pair", "terms": 2, "bits": 40}, {"name": "accumulator", "bits": 48}]
    mac = {"stages": stages, "input_zero_point": "corrected"}
    inputs: dict[str, Any] = {"bits": 2, "signed": False}
    for symmetric in (True, False):
        data = {**TINY, "mac": mac, "bias": {"position": "inner"}, "activations": {**inputs, "symmetric": symmetric}}
        pair = levels(Settings.model_validate(data))[0]
        assert pair.holds is symmetric
        assert pair.safe_products == (None if symmetric else 0)


def largest_sum(count: int, terms: int, limit: int, most: int, every: int) -> int:
    """Return what ``count`` products of ``most`` make, in sums that end after ``terms`` and with a loop of some."""
    total = taken = inner = 0
    for number in range(count):
        inner, taken = min(inner + most, limit), taken + 1
        if taken == terms or (number + 1) % every == 0:
            total, taken, inner = total + inner, 0, 0
    return total + inner


@pytest.mark.parametrize("bits", [3, 4, 6])
def test_sums_that_end_early_are_counted_by_products(bits: int) -> None:
    """Sums of up to 4 products; what the last stage is sure to hold is held wherever they end."""
    first = {"name": "four", "terms": 4, "bits": bits, "overflow": "saturate", "within": "input_channel"}
    stages = [first, {"name": "accumulator", "bits": 8, "overflow": "saturate"}]
    settings = Settings.model_validate({**TINY, "mac": {"stages": stages}})
    safe = levels(settings)[-1].safe_products
    assert safe is not None
    low = 1 << (bits - 1)  # the first stage holds -low to low - 1; a product is -6 to 3
    worst = max(largest_sum(safe, 4, low, 6, every) for every in range(1, 9))
    assert worst <= 128
    if bits == 6:  # four products fit: nothing is lost, wherever a sum ends
        assert safe == 128 // 6
        assert 6 * (safe + 1) > 128


def test_a_level_that_does_not_hold_hands_up_its_own_range() -> None:
    data = {"mac": {"product": {"bits": 10}, "stages": [{"name": "accumulator", "bits": 12}]}}
    of_product, last = levels(Settings.model_validate(data))
    assert not of_product.holds and of_product.bits == 16
    assert last.safe_products == 4  # 4 * -512 = -2048
