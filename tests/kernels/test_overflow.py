"""Overflow in the kernels and in the oracle."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from kernels.plain import Json, code_of, fits, integers

import hwsim_kernels as kernels
from hwsim.formats import Overflow
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


@pytest.mark.parametrize("mode", Overflow)
def test_all_small_formats(mode: Overflow) -> None:
    for bits, signed, number in formats(mode, 6):
        for value in range(-200, 201):
            wanted = overflow.fit(value, bits, signed, mode.value, number)
            fitted = kernels.fit(value, bits, int(signed), mode.code, number)
            assert fitted == wanted, (value, bits, signed, number)


@pytest.mark.parametrize("mode", Overflow)
def test_what_has_been_fitted_fits(mode: Overflow) -> None:
    for bits, signed, number in formats(mode, 5):
        low, high = overflow.limits(bits, signed, mode.value)
        assert (kernels.lowest(bits, int(signed), mode.code), kernels.highest(bits, int(signed))) == (low, high)
        for value in range(-100, 101):
            fitted = kernels.fit(value, bits, int(signed), mode.code, number)
            assert low <= fitted <= high, (value, bits, signed, number)
            assert kernels.fit(fitted, bits, int(signed), mode.code, number) == fitted


@settings(max_examples=600, deadline=None)
@given(integers(63), fits())
def test_wide_formats(value: int, section: Json) -> None:
    bits, signed, mode, number = section["bits"], section["signed"], section["overflow"], section["saturated_bits"]
    wanted = overflow.fit(value, bits, signed, mode, number)
    assert kernels.fit(value, bits, int(signed), code_of(mode), number) == wanted
    assert kernels.fit(wanted, bits, int(signed), code_of(mode), number) == wanted


EDGES = [sign * ((1 << power) + offset) for sign in (-1, 1) for power in (60, 61, 62) for offset in (-2, -1, 0, 1, 2)]


@pytest.mark.parametrize("mode", Overflow)
@pytest.mark.parametrize("bits", [60, 61, 62, 63, 64])
def test_the_widest_formats(mode: Overflow, bits: int) -> None:
    ends = [1 - 2**63, -(2**63) + 2, -1, 0, 1, 2**63 - 2, 2**63 - 1]
    for signed in (True, False) if bits < 64 and mode is not Overflow.WRAP_SIGN_MAGNITUDE else (True,):
        for number in saturated_bits(mode, bits):
            for value in (*EDGES, *ends):
                wanted = overflow.fit(value, bits, signed, mode.value, number)
                assert kernels.fit(value, bits, int(signed), mode.code, number) == wanted, (value, signed, number)


@settings(max_examples=300, deadline=None)
@given(integers(63), fits())
def test_a_wrap_leaves_the_low_bits_alone(value: int, section: Json) -> None:
    bits, signed = section["bits"], int(section["signed"])
    fitted = int(kernels.fit(value, bits, signed, kernels.WRAP))
    assert (fitted - value) % (1 << bits) == 0


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
    assert [kernels.fit(one, 4, 1, code_of(mode), number) for one in SOURCES] == FOUR_BITS[mode, number]


def test_a_half_rounds_first_and_overflows_then() -> None:
    code = kernels.round_float(7.5, kernels.HALF_UP)
    assert code == 8
    assert kernels.fit(code, 4, 1, kernels.SATURATE) == 7
    assert kernels.fit(code, 4, 1, kernels.WRAP) == -8
    assert kernels.fit(code, 4, 1, kernels.SATURATE_ZERO) == 0


def test_the_widest_formats_hold_everything() -> None:
    for mode in Overflow:
        assert kernels.fit(2**63 - 1, 64, 1, mode.code) == 2**63 - 1
        assert kernels.fit(1 - 2**63, 64, 1, mode.code) == 1 - 2**63
    assert kernels.fit(-1, 63, 0, kernels.WRAP) == 2**63 - 1
    assert kernels.fit(-1, 63, 0, kernels.SATURATE) == 0
