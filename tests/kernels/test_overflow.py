"""Overflow in the kernels and in the oracle."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import example, given
from kernels.plain import (
    COMPILED,
    Json,
    array,
    code_of,
    examples,
    fit_field,
    fits,
    from_words,
    in_words,
    integers,
    pair,
    unpaired,
)

import hwsim_kernels as kernels
from hwsim.formats import Overflow
from hwsim_kernels.counting import new_counts
from hwsim_kernels.overflow import fit, fit_outside, fit_outside_wide, highest, highest_wide, is_outside, lowest
from hwsim_kernels.rounding import round_float
from hwsim_kernels.steps import fit_values
from oracle import overflow


def saturated_bits(mode: Overflow, bits: int) -> range:
    """Return every number of saturated bits that a mode can have."""
    return range(bits + 1) if mode in (Overflow.WRAP, Overflow.WRAP_SIGN_MAGNITUDE) else range(1)


def formats(mode: Overflow, most: int) -> Iterator[tuple[int, bool, int]]:
    """Return (bits, signed, saturated bits) of every format of up to ``most`` bits."""
    for bits in range(1, most + 1):
        for signed in (True, False):
            if signed or mode is not Overflow.WRAP_SIGN_MAGNITUDE:
                yield from ((bits, signed, number) for number in saturated_bits(mode, bits))


def fitted_wide(value: int, bits: int, signed: bool, mode: int, saturated_bits: int = 0) -> int:
    """Fit a value as kernels do it in two words."""
    if not is_outside(*pair(value), bits, int(signed), mode):
        return value
    return unpaired(*fit_outside_wide(*pair(value), bits, int(signed), mode, saturated_bits))


def as_int64(code: int) -> int:
    """Return the int64 of the same bits as a code of 64 bits."""
    return code - 2**64 if code >= 2**63 else code


@pytest.mark.parametrize("mode", Overflow)
def test_all_small_formats(mode: Overflow) -> None:
    # as Python each format is tried on every fifth value, another fifth for each number of saturated bits
    step = 1 if COMPILED else 5
    for bits, signed, number in formats(mode, 6):
        low, high = overflow.limits(bits, signed, mode.value)
        for value in range(-512 + (bits + number) % step, 512, step):
            wanted = overflow.fit(value, bits, signed, mode.value, number)
            case = (value, bits, signed, number)
            assert fit(value, bits, int(signed), mode.code, number) == wanted, case
            assert fitted_wide(value, bits, signed, mode.code, number) == wanted, case
            if not low <= value <= high:
                assert fit_outside(value, bits, int(signed), mode.code, number) == wanted, case


@pytest.mark.parametrize("mode", Overflow)
def test_what_has_been_fitted_fits(mode: Overflow) -> None:
    for bits, signed, number in formats(mode, 5):
        low, high = overflow.limits(bits, signed, mode.value)
        assert (lowest(bits, int(signed), mode.code), highest(bits, int(signed))) == (low, high)
        for value in range(-100, 101):
            fitted = fit(value, bits, int(signed), mode.code, number)
            assert low <= fitted <= high, (value, bits, signed, number)
            assert fit(fitted, bits, int(signed), mode.code, number) == fitted


@pytest.mark.parametrize("mode", Overflow)
@pytest.mark.parametrize("signed", [True, False])
def test_limits(mode: Overflow, signed: bool) -> None:
    for bits in range(1, 65):
        low, high = overflow.limits(bits, signed, mode.value)
        assert lowest(bits, int(signed), mode.code) == low
        assert highest(bits, int(signed)) == min(high, 2**63 - 1)
        assert unpaired(*highest_wide(bits, int(signed))) == high
        outside = [bool(is_outside(*pair(one), bits, int(signed), mode.code)) for one in (low - 1, low, high, high + 1)]
        assert outside == [True, False, False, True]


@examples(600)
@given(integers(63), fits())
def test_wide_formats(value: int, section: Json) -> None:
    bits, signed, mode, number = section["bits"], section["signed"], section["overflow"], section["saturated_bits"]
    if bits == 64 and not signed:
        value = abs(value)  # an int64 below 0 stands for a code above 2**63
    wanted = overflow.fit(value, bits, signed, mode, number)
    assert fit(value, bits, int(signed), code_of(mode), number) == wanted
    assert fit(wanted, bits, int(signed), code_of(mode), number) == wanted


@examples(800)
@given(integers(124), fits())
@example(2**64, {"bits": 64, "signed": False, "overflow": "wrap", "saturated_bits": 64})
@example(-(2**64) - 1, {"bits": 64, "signed": False, "overflow": "wrap", "saturated_bits": 0})
@example(2**63, {"bits": 64, "signed": True, "overflow": "wrap_sign_magnitude", "saturated_bits": 0})
@example(2**64, {"bits": 64, "signed": True, "overflow": "wrap_sign_magnitude", "saturated_bits": 0})
@example(2**62, {"bits": 62, "signed": True, "overflow": "wrap_sign_magnitude", "saturated_bits": 0})
@example(-(2**63), {"bits": 64, "signed": True, "overflow": "saturate_symmetric", "saturated_bits": 0})
def test_any_value_of_two_words(value: int, section: Json) -> None:
    bits, signed, mode, number = section["bits"], section["signed"], section["overflow"], section["saturated_bits"]
    wanted = overflow.fit(value, bits, signed, mode, number)
    assert fitted_wide(value, bits, signed, code_of(mode), number) == wanted
    assert fitted_wide(wanted, bits, signed, code_of(mode), number) == wanted


POWERS = (59, 60, 61, 62, 63, 64, 65, 92, 123)
EDGES = [sign * ((1 << power) + offset) for sign in (-1, 1) for power in POWERS for offset in (-2, -1, 0, 1, 2)]


@pytest.mark.parametrize("mode", Overflow)
@pytest.mark.parametrize("bits", [60, 61, 62, 63, 64])
def test_the_widest_formats(mode: Overflow, bits: int) -> None:
    for signed in (True, False) if mode is not Overflow.WRAP_SIGN_MAGNITUDE else (True,):
        low, high = overflow.limits(bits, signed, mode.value)
        for number in saturated_bits(mode, bits)[:: 1 if COMPILED else 7]:
            for value in (*EDGES, -2, -1, 0, 1, 2):
                wanted = overflow.fit(value, bits, signed, mode.value, number)
                assert fitted_wide(value, bits, signed, mode.code, number) == wanted, (value, signed, number)
                if -(2**63) <= value < 2**63 and (signed or bits < 64 or value >= 0):
                    assert fit(value, bits, int(signed), mode.code, number) == as_int64(wanted)
                    if not low <= value <= high:
                        assert fit_outside(value, bits, int(signed), mode.code, number) == as_int64(wanted)


@examples(300)
@given(integers(124), fits())
def test_a_wrap_leaves_the_low_bits_alone(value: int, section: Json) -> None:
    bits, signed = section["bits"], section["signed"]
    assert (fitted_wide(value, bits, signed, kernels.WRAP) - value) % (1 << bits) == 0
    if abs(value) < 2**63:
        assert (int(fit(value, bits, int(signed), kernels.WRAP)) - value) % (1 << bits) == 0


SOURCES = (-40, -20, -17, -9, -8, -7, 7, 8, 9, 15, 16, 20, 40)
FOUR_BITS = {
    ("wrap", 0): [-8, -4, -1, 7, -8, -7, 7, -8, -7, -1, 0, 4, -8],
    ("wrap", 1): [-8, -4, -1, -1, -8, -7, 7, 0, 1, 7, 0, 4, 0],
    ("wrap", 2): [-8, -8, -5, -5, -8, -7, 7, 4, 5, 7, 4, 4, 4],
    ("wrap", 3): [-8, -8, -7, -7, -8, -7, 7, 6, 7, 7, 6, 6, 6],
    ("wrap_sign_magnitude", 0): [-8, 3, 0, -8, -8, -7, 7, 7, 6, 0, -1, -5, 7],
    ("wrap_sign_magnitude", 1): [-8, -4, -1, -8, -8, -7, 7, 7, 6, 0, 0, 4, 7],
    ("wrap_sign_magnitude", 2): [-8, -5, -8, -8, -8, -7, 7, 7, 6, 7, 7, 4, 7],
    ("saturate", 0): [-8, -8, -8, -8, -8, -7, 7, 7, 7, 7, 7, 7, 7],
    ("saturate_symmetric", 0): [-7, -7, -7, -7, -7, -7, 7, 7, 7, 7, 7, 7, 7],
    ("saturate_zero", 0): [0, 0, 0, 0, -8, -7, 7, 0, 0, 0, 0, 0, 0],
}
"""SOURCES in 4 signed bits. The wraps are what the compiled ap_fixed headers give; the others are by hand."""


@pytest.mark.parametrize(("mode", "number"), FOUR_BITS)
def test_four_bits(mode: str, number: int) -> None:
    code, wanted = code_of(mode), FOUR_BITS[mode, number]
    assert [fit(one, 4, 1, code, number) for one in SOURCES] == wanted
    assert [fitted_wide(one, 4, True, code, number) for one in SOURCES] == wanted


@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize(("mode", "number"), FOUR_BITS)
def test_four_bits_as_a_step(mode: str, number: int, words: int) -> None:
    field = fit_field({"bits": 4, "signed": True, "overflow": mode, "saturated_bits": number})
    values, nothing = in_words([[one] for one in SOURCES], words), np.zeros(0, np.int64)
    fit_values(values, field, array([0, len(SOURCES)]), new_counts(1), nothing, 0)
    assert from_words(values) == [[one] for one in FOUR_BITS[mode, number]]


def test_four_bits_unsigned() -> None:
    values = (-17, -16, -4, -1, 0, 15, 16, 18, 33)
    assert [fit(one, 4, 0, kernels.WRAP) for one in values] == [15, 0, 12, 15, 0, 15, 0, 2, 1]
    assert [fit(one, 4, 0, kernels.WRAP, 1) for one in values] == [15, 8, 12, 15, 0, 15, 8, 10, 9]
    assert [fit(one, 4, 0, kernels.WRAP, 4) for one in values] == [15, 15, 15, 15, 0, 15, 15, 15, 15]
    assert [fit(one, 4, 0, kernels.SATURATE) for one in values] == [0, 0, 0, 0, 0, 15, 15, 15, 15]


def test_a_half_rounds_first_and_overflows_then() -> None:
    code = unpaired(*round_float(7.5, kernels.HALF_UP))
    assert code == 8
    assert fit(code, 4, 1, kernels.SATURATE) == 7
    assert fit(code, 4, 1, kernels.WRAP) == -8
    assert fit(code, 4, 1, kernels.SATURATE_ZERO) == 0


def test_the_widest_formats_hold_everything() -> None:
    for mode in Overflow:
        assert fit(2**63 - 1, 64, 1, mode.code) == 2**63 - 1
        assert fit(1 - 2**63, 64, 1, mode.code) == 1 - 2**63
    assert fit(-1, 63, 0, kernels.WRAP) == 2**63 - 1
    assert fit(-1, 63, 0, kernels.SATURATE) == 0


def test_unsigned_codes_of_64_bits() -> None:
    assert fitted_wide(-1, 64, False, kernels.WRAP) == 2**64 - 1
    assert fitted_wide(2**64 + 5, 64, False, kernels.WRAP) == 5
    assert fitted_wide(2**64 + 5, 64, False, kernels.SATURATE) == 2**64 - 1
    assert fitted_wide(2**64 - 1, 64, False, kernels.SATURATE) == 2**64 - 1
    assert fit(-1, 64, 0, kernels.WRAP) == -1  # the int64 of the same bits as 2**64 - 1
