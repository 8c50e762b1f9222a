"""Sums that no 64 bits hold: such a program is refused, for its codes or its ledger could not be right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from golden.case import Json, codes, dense, program_of, ran, row, stage, sums, target, tensor, weight

from hwsim.engine import execute
from hwsim.errors import WidthError
from hwsim.program import Program

WIDE: Json = {"bits": 61, "overflow": "wrap", "signed": False}
INNER = [{"name": "wide", "terms": 1, "check": "each", **WIDE}, stage(32, "wrap")]
"""A product of -1 wraps to 2^61 - 1 before it comes to an accumulator of 32 bits, which wraps, too."""


def lowered(products: int, stages: Sequence[Json] = INNER) -> Program:
    """Return the program of a dot product with ones."""
    plans = (tensor(), weight(), tensor(16))
    return program_of(dense([1.0] * products), (products,), target(stages), plans)


def test_one_wide_value_in_a_narrow_accumulator() -> None:
    execution = execute(lowered(1), -np.ones((1, 1), np.float32), trace=["layer"])
    seen, exact = row(execution, "accumulator"), 2**61 - 1
    assert sums(execution) == [-1]  # 2^61 - 1 modulo 2^32
    assert seen.seen == (exact, exact)
    assert seen.clamp_energy == (-1 - exact) ** 2
    assert (seen.transient, seen.persistent) == (0, 1)
    assert np.flatnonzero(seen.histogram).tolist() == [61]


# The accumulator itself never holds more than 32 bits and a value of 61. But the ledger follows its exact sum, too,
# which is up to products * (2^61 - 1): from 4 products on that is more than 62 bits, from 5 on more than 63. With the
# products -1 -1 -1 -1 4 it is 4 * (2^61 - 1) + 4 = 2^63, of which 64 bits make -2^63, a number without a magnitude.
@pytest.mark.parametrize("products", [4, 5, 8, 16])
def test_many_wide_values_in_a_narrow_accumulator(products: int) -> None:
    with pytest.raises(WidthError):
        lowered(products)


@pytest.mark.parametrize("products", [4, 5, 8, 16])
def test_many_wide_products_in_a_narrow_accumulator(products: int) -> None:
    where = target([stage(32, "wrap")], product=WIDE)
    with pytest.raises(WidthError):
        program_of(dense([1.0] * products), (products,), where, (tensor(), weight(), tensor(16)))


# An unsigned accumulator of b bits that drops 12 bits after each addition, and wraps with its top bit stuck at 1:
#   -1 / 2^12 down to -1, which wraps to 2^b - 1, the top bit 1 already
#   ((2^b - 1) * 2^12 + 64 * 127) / 2^12 = 2^b - 1 + 1.98, down to 2^b, which wraps to 0 with the top bit 1: 2^(b - 1)
# On the way it holds (2^b - 1) * 2^12, however small the products are: b + 12 bits, and a sign.
def shifting(bits: int) -> Json:
    """Return such an accumulator."""
    return stage(bits, "wrap", signed=False, saturated_bits=1, shift=12, rounding="floor")


LAST: Json = {"bias": {"bits": 8, "position": "last"}}
PLANS = (tensor(), weight(), tensor(16, scale=4096.0))


@pytest.mark.parametrize("bits", [16, 32, 40, 48])
def test_a_wrap_to_a_large_value(bits: int) -> None:
    execution = ran(dense([1, 127]), [-1, 64], target([shifting(bits)], **LAST), PLANS)
    assert sums(execution) == [2 ** (bits - 1)]
    assert codes(execution) == [2**15 - 1]
    seen = row(execution, "accumulator")
    assert (seen.values, seen.low, seen.high) == (2, 1, 1)


@pytest.mark.parametrize("bits", [52, 55, 60])
def test_a_wrap_to_a_value_that_is_too_large_with_its_shift(bits: int) -> None:
    with pytest.raises(WidthError):
        program_of(dense([1, 127]), (2,), target([shifting(bits)], **LAST), PLANS)
