"""Sums that no 64 bits hold: they take two words, and what not even those can hold is refused."""

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
# which is up to products * (2^61 - 1): from 4 products on that is more than 62 bits, from 5 on more than 63.
MANY = [4, 5, 8, 16]


def check_many(products: int, inner: Sequence[Json], product: Json | None = None) -> None:
    """Check a dot product of -1 and 1, each of whose products wraps to 2^61 - 1."""
    where = target(inner, product=product)
    program = program_of(dense([1.0] * products), (products,), where, (tensor(), weight(), tensor(16)))
    execution = execute(program, -np.ones((1, products), np.float32), trace=["layer"])
    seen, exact = row(execution, "accumulator"), products * (2**61 - 1)
    assert sums(execution) == [-products]  # products * (2^61 - 1) modulo 2^32
    assert codes(execution) == [-products]
    # 2^61 - 1 comes to the fit first, then 2^61 - 1 on top of -1, -2, ...: the last is the smallest
    assert seen.seen == (exact, exact)
    assert seen.clamp_energy == (-products - exact) ** 2
    assert (seen.transient, seen.persistent, seen.high) == (0, 1, products)
    assert np.flatnonzero(seen.histogram).tolist() == [min(exact.bit_length(), 64)]


@pytest.mark.parametrize("products", MANY)
def test_many_wide_values_in_a_narrow_accumulator(products: int) -> None:
    check_many(products, INNER)


@pytest.mark.parametrize("products", MANY)
def test_many_wide_products_in_a_narrow_accumulator(products: int) -> None:
    check_many(products, [stage(32, "wrap")], WIDE)


def test_an_exact_sum_of_64_bits_has_a_magnitude() -> None:
    # 4 * (2^61 - 1) + 4 = 2^63, of which 64 bits make -2^63, a number without a magnitude
    execution = execute(lowered(5), np.array([[-1, -1, -1, -1, 4]], np.float32), trace=["layer"])
    seen = row(execution, "accumulator")
    assert sums(execution) == [0]  # -4 + 4, as 2^63 modulo 2^32 is
    # 2^61 - 1 on top of 0, -1, -2 and -3, then 4 on top of -4, which is inside; and the exact sum
    assert seen.seen == (2**63, 2**63)
    assert seen.clamp_energy == 2**126
    assert np.flatnonzero(seen.histogram).tolist() == [64]


# An unsigned accumulator of b bits that drops 12 bits after each addition, and wraps with its top bit stuck at 1:
#   -1 / 2^12 down to -1, which wraps to 2^b - 1, the top bit 1 already
#   ((2^b - 1) * 2^12 + 64 * 127) / 2^12 = 2^b - 1 + 1.98, down to 2^b, which wraps to 0 with the top bit 1: 2^(b - 1)
# On the way it holds (2^b - 1) * 2^12, however small the products are: b + 12 bits, and a sign.
def shifting(bits: int, shift: int = 12) -> Json:
    """Return such an accumulator."""
    return stage(bits, "wrap", signed=False, saturated_bits=1, shift=shift, rounding="floor")


LAST: Json = {"bias": {"bits": 8, "position": "last"}}
PLANS = (tensor(), weight(), tensor(16, scale=4096.0))


@pytest.mark.parametrize("bits", [16, 32, 40, 48, 50, 52, 55, 60, 61, 62, 63, 64])
def test_a_wrap_to_a_large_value(bits: int) -> None:
    execution = ran(dense([1, 127]), [-1, 64], target([shifting(bits)], **LAST), PLANS)
    assert sums(execution) == [2 ** (bits - 1)]
    assert codes(execution) == [2**15 - 1]
    seen = row(execution, "accumulator")
    assert (seen.values, seen.low, seen.high) == (2, 1, 1)
    assert seen.seen == (-1, 2**bits)
    # what was injected: 2^b, and 2^(b - 1) less; so the exact sum is 0, inside
    assert seen.clamp_energy == 2 ** (2 * bits - 2)
    assert (seen.transient, seen.persistent) == (1, 0)


def test_a_wrap_to_a_value_that_is_too_large_with_its_shift() -> None:
    # 2^64 * 2^62 is 126 bits, and a sign: more than two words
    plans = (tensor(), weight(), tensor(16, scale=2.0**62))
    with pytest.raises(WidthError):
        program_of(dense([1, 127]), (2,), target([shifting(64, 62)], **LAST), plans)


# --- accumulators of 64 bits -----------------------------------------------------------------------------

SHIFTING: Json = {
    "weights": {"granularity": "layer", "step": "power_of_two", "bits": 16},
    "activations": {"symmetric": True, "step": "power_of_two", "bits": 16},
    "requantize": {"kind": "power_of_two", "rounding": "half_even"},
}


def shifted_sum(inputs: Sequence[float], signed: bool) -> tuple[list[int], list[int]]:
    """Return the accumulator of 64 bits of a dot product with 32767 and ones, and the code: a 2^50th of it."""
    where = target([stage(64, "wrap", signed=signed)], bias={"bits": 8, "position": "last"}, **SHIFTING)
    plans = (tensor(16), weight(16), tensor(16, scale=2.0**50))
    execution = ran(dense([32767, 1, 1]), inputs, where, plans)
    return sums(execution), codes(execution)


def test_an_unsigned_accumulator_of_64_bits() -> None:
    # 32767 * 32767 = 1073676289, a 2^50th of which is 0
    assert shifted_sum([32767, 0, 0], signed=False) == ([1073676289], [0])
    # -5 wraps to 2^64 - 5, a 2^50th of which is 2^14 less very little
    assert shifted_sum([0, -5, 0], signed=False) == ([2**64 - 5], [2**14])
    # 2^64 - 5 + 7 wraps to 2
    assert shifted_sum([0, -5, 7], signed=False) == ([2], [0])


def test_a_signed_accumulator_of_64_bits() -> None:
    assert shifted_sum([0, -5, 0], signed=True) == ([-5], [0])
    assert shifted_sum([-32767, -5, 7], signed=True) == ([-1073676289 + 2], [0])


def test_a_wide_product_of_a_narrow_accumulator() -> None:
    # 3/4 of a 2^31st: the multiplier is 3 * 2^29, the shift 62. A product with 2^46 - 5 has 77 bits, and its quotient
    # is 3 * 2^13 less very little.
    fixed: Json = {**SHIFTING, "requantize": {"kind": "fixed", "multiplier_bits": 32, "rounding": "half_up"}}
    where = target([stage(46, "wrap", signed=False)], bias={"bits": 8, "position": "last"}, **fixed)
    plans = (tensor(16), weight(16, scale=0.75), tensor(16, scale=2.0**31))
    execution = ran(dense([0.75, 0.75]), [-5, 0], where, plans)
    assert (sums(execution), codes(execution)) == ([2**46 - 5], [3 * 2**13])
    execution = ran(dense([0.75, 0.75]), [-5, 6], where, plans)
    assert (sums(execution), codes(execution)) == ([1], [0])


def test_a_64_bit_accumulator_in_float() -> None:
    # 2^64 - 5 in float64 is 2^64; three quarters of a 2^50th of it are 3 * 2^12, exactly
    float64: Json = {**SHIFTING, "requantize": {"kind": "float64", "rounding": "half_even"}}
    where = target([stage(64, "wrap", signed=False)], bias={"bits": 8, "position": "last"}, **float64)
    plans = (tensor(16), weight(16, scale=0.75), tensor(16, scale=2.0**50))
    execution = ran(dense([0.75, 0.75]), [-5, 0], where, plans)
    assert (sums(execution), codes(execution)) == ([2**64 - 5], [3 * 2**12])
    assert row(execution, "requantize").inexact == 0
