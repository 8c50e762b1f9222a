"""From real ratios to integers: what the compiler of Arm's Ethos-U and TensorFlow Lite compute."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernels.plain import examples, integers

import hwsim_kernels as kernels
from hwsim_kernels import Format, multiplier_of, requantize, requantize_double
from hwsim_kernels.multiplier import RULES, shared
from oracle.rescale import divided, fixed_double
from oracle.rescale import multiplier as oracle_multiplier


def scaled(mantissa: float, exponent: int) -> float:
    """Return a mantissa in [1/2, 1) times a power of two."""
    return mantissa * 2.0**exponent


def near_tie(code: int, offset: int, exponent: int) -> float:
    """Return a ratio with a mantissa of 31 bits and one half, or of the next float64 beside that."""
    return (code + 0.5 + offset * 2.0**-21) * 2.0**exponent


RATIOS = st.builds(
    scaled,
    st.floats(0.5, 1.0, exclude_max=True) | st.sampled_from([0.5, 0.75, 1 - 2.0**-31, 1 - 2.0**-32, 1 - 2.0**-53]),
    st.integers(-40, 31),
)
"""Ratios of every size that a multiplier takes, and some beyond."""

NEAR_TIES = st.builds(near_tie, st.integers(1 << 30, (1 << 31) - 1), st.integers(-1, 1), st.integers(-65, -20))

INT32 = integers(31).filter(lambda x: x < 1 << 31)


@examples(300)
@given(RATIOS | NEAR_TIES, st.integers(2, 32), st.sampled_from(sorted(RULES)))
def test_every_rule(ratio: float, bits: int, rule: str) -> None:
    bits = min(bits, 31) if rule == "reduced" else bits
    q, n, _ = oracle_multiplier(ratio, bits, rule)
    assert multiplier_of(ratio, bits, rule) == (q, n)
    assert multiplier_of(np.float64(ratio), bits, rule) == (q, n)


# --- Arm's compiler -----------------------------------------------------------------------------------


@examples(300)
@given(
    RATIOS | NEAR_TIES,
    st.integers(2, 32),
    st.integers(1, 5000) | st.integers(0, 32).map(lambda bit: 1 << bit) | st.integers(1, 2**40),
)
@example(2.0**-32, 32, 3)  # no room for a shift to the left
@example(0.75, 2, 3)  # 1 * 2 // 3
def test_a_multiplier_divided_by_a_count(ratio: float, bits: int, count: int) -> None:
    """As TensorFlow Lite's mean has it."""
    multiplier, exponent = shared(*RULES["nearest"](ratio, bits), count)
    q, n, e = divided(oracle_multiplier(ratio, bits), count)
    assert (multiplier, bits - 1 - exponent if multiplier else 0) == (q, n)
    assert not q or (exponent == e and n <= 62 and q < 2 ** (bits - 1))


@pytest.fixture(scope="module")
def scaling() -> Any:
    """Return how Vela derives multipliers."""
    return pytest.importorskip("ethosu.vela.scaling", reason="ethos-u-vela is not installed")


@pytest.fixture(scope="module")
def fp_math() -> Any:
    """Return the fixed point of gemmlowp as Vela has it."""
    return pytest.importorskip("ethosu.vela.fp_math", reason="ethos-u-vela is not installed")


def vela_holds(ratio: float, bits: int) -> bool:
    """Whether Vela and TensorFlow Lite have a shift for a ratio: 0 to 63 in Vela, up to 62 here."""
    exponent = int(np.frexp(ratio)[1])
    return 0 <= 31 - exponent <= 62 and bits in (16, 32)


@examples(300)
@given(ratio=RATIOS | NEAR_TIES)
def test_vela_scales(scaling: Any, ratio: float) -> None:
    multiplier, shift = scaling.quantise_scale(ratio)
    if multiplier == 1 << 31:  # Vela leaves what TensorFlow Lite normalises
        multiplier, shift = 1 << 30, shift - 1
    if vela_holds(ratio, 32):
        assert multiplier_of(ratio) == (multiplier, shift)


@examples(300)
@given(ratio=RATIOS | NEAR_TIES)
def test_vela_reduced_scales(scaling: Any, ratio: float) -> None:
    multiplier, shift = scaling.reduced_quantise_scale(ratio)
    whole = scaling.quantise_scale(ratio)[0]
    if vela_holds(ratio, 16) and whole < 1 << 31:
        assert multiplier_of(ratio, 16, "reduced") == (multiplier, shift)


@examples(400)
@given(value=INT32, ratio=RATIOS)
def test_vela_rounds_twice(fp_math: Any, value: int, ratio: float) -> None:
    multiplier, shift = multiplier_of(ratio)
    exponent = 31 - shift
    shifted = value << max(exponent, 0)
    if not -(1 << 31) <= shifted < 1 << 31:
        return  # Vela refuses, TensorFlow Lite wraps
    judged = fp_math.multiply_by_quantized_multiplier(value, multiplier, shift)
    assert requantize_double(value, multiplier, exponent) == int(judged)


@examples(200)
@given(value=INT32, multiplier=st.integers(0, (1 << 31) - 1), right=st.integers(0, 31))
def test_vela_one_rounding_after_the_other(fp_math: Any, value: int, multiplier: int, right: int) -> None:
    high = int(fp_math.saturating_rounding_mul32(value, multiplier))
    assert requantize(value, multiplier, 31, "half_up") == high
    assert kernels.round_shift(value, right, "half_away") == int(fp_math.rounding_divide_by_pot(value, right))


@examples(200)
@given(a=integers(15), b=st.integers(0, (1 << 15) - 1))
def test_vela_high_half_of_16_bits(fp_math: Any, a: int, b: int) -> None:
    assert requantize(a, b, 15, "half_up") == int(fp_math.saturating_rounding_mul16(np.int16(a), np.int16(b)))


# --- TensorFlow Lite ----------------------------------------------------------------------------------


def one_shot(x: int, m: int, s: int) -> int:
    """Compute both roundings of TensorFlow Lite in one shift."""
    left, right = max(s, 0), max(-s, 0)
    y = ((x << left) + (1 << 31)) % (1 << 32) - (1 << 31)
    second = 0 if right == 0 else 1 << 30 if y >= 0 else -(1 << 30)
    return (y * m + (1 << (30 + right)) + second) >> (31 + right)


@examples(400)
@given(st.lists(INT32, min_size=1, max_size=20), RATIOS)
def test_two_roundings_in_one_formula(values: Sequence[int], ratio: float) -> None:
    m, shift = multiplier_of(ratio)
    s = 31 - shift
    made = requantize_double(values, m, s).tolist()
    assert made == [one_shot(x, m, s) for x in values]
    assert made == [fixed_double(x, ratio).rounded.value for x in values]


def test_two_roundings_per_channel() -> None:
    values = np.random.default_rng(1).integers(-(1 << 31), 1 << 31, (50, 6))
    ms = [1 << 30, (1 << 31) - 1, 1234567890, 0, 1 << 30, 1500000000]
    ss = [-31, -8, 0, 31, 7, 1]
    made = requantize_double(values, ms, ss, zero_point=-3, output=Format(8, "saturate"))
    for c in range(6):
        wanted = [min(max(one_shot(int(x), ms[c], ss[c]) - 3, -128), 127) for x in values[:, c]]
        assert made[:, c].tolist() == wanted


QUARTERS = (-10, -6, -5, -3, -2, -1, 1, 2, 3, 5, 6, 10, 25)


def test_a_quarter_in_three_arithmetics() -> None:
    m, shift = multiplier_of(0.25)
    single = [-2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 3, 6]
    double = [-3, -2, -1, -1, -1, 0, 1, 1, 1, 2, 2, 3, 7]
    ruy = [-2, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 3, 7]
    assert requantize(QUARTERS, m, shift).tolist() == single
    assert requantize_double(QUARTERS, m, 31 - shift).tolist() == double
    assert requantize_double(QUARTERS, m, 31 - shift, last="half_up").tolist() == ruy


@examples(300)
@given(integers(46), st.floats(2.0**-30, 2.0**6))
def test_16_bit_activations(acc: int, ratio: float) -> None:
    """int16x8: a multiplier of 16 bits, one rounding, and a cast to 32 bits."""
    m, shift = multiplier_of(ratio)
    s = 31 - shift
    m16 = (m + (1 << 15)) >> 16 if m < 0x7FFF0000 else 0x7FFF
    wanted = (acc * m16 + (1 << (14 - s))) >> (15 - s)
    wanted = (wanted + (1 << 31)) % (1 << 32) - (1 << 31)
    made = requantize(acc, *multiplier_of(ratio, 16, "reduced"), "half_up", output=Format(32))
    assert made == wanted


def integer_frexp(ratio: float) -> tuple[int, int]:
    """Take a float64 apart without floating point: 30 bits of the fraction are kept, ties go down."""
    (word,) = struct.unpack("<Q", struct.pack("<d", ratio))
    exponent = (word >> 52 & 0x7FF) - 1023 + 1
    fraction = 0x40000000 + ((word & ((1 << 52) - 1)) >> 22)
    if word & 0x003FFFFF > 0x00200000:
        fraction += 1
    return fraction, exponent


@examples(400)
@given(RATIOS | NEAR_TIES)
def test_emulated_floats(ratio: float) -> None:
    q, s = integer_frexp(ratio)
    if q == 1 << 31:
        q, s = q // 2, s + 1
    if s < -31:
        assert multiplier_of(ratio, 32, "half_down") == (0, 0)
        return
    assert multiplier_of(ratio, 32, "half_down") == (q, 31 - s)


def test_a_tie_that_the_rules_tell_apart() -> None:
    tie = (2.0**30 + 0.5) * 2.0**-31
    assert multiplier_of(tie) == ((1 << 30) + 1, 31)
    assert multiplier_of(tie, 32, "half_down") == (1 << 30, 31)
    assert multiplier_of(tie * (1 + 2.0**-51), 32, "half_down") == ((1 << 30) + 1, 31)
