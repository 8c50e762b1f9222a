"""Multipliers, steps and codes in the oracle, computed by hand and by NumPy."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from oracle_by_hand.sections import listed, requantize, shift_left, shift_right, times, to_fit

from oracle.overflow import fit
from oracle.quantize import quantize
from oracle.rescale import (
    Unit,
    accumulator_unit,
    fixed_double,
    float32_product,
    float64_product,
    multiplier,
    product_unit,
)
from oracle.rounding import Rounded, rounded_shift
from oracle.steps import rescale, resolve

VALUES = (-10, -6, -5, -3, -2, -1, 1, 2, 3, 5, 6, 10, 25)

ARITHMETICS = {
    "single": [-2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 3, 6],
    "double": [-3, -2, -1, -1, -1, 0, 1, 1, 1, 2, 2, 3, 7],
    "ruy": [-2, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 3, 7],
    "f64": [-3, -2, -1, -1, -1, 0, 0, 1, 1, 1, 2, 3, 6],
    "fp32": [-2, -2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 2, 6],
}
"""VALUES / 4 in five arithmetics that all go by the name of TensorFlow Lite int8."""

KINDS = {
    "single": requantize("fixed"),
    "double": requantize("fixed_double"),
    "ruy": listed(shift_left(), times(), shift_right(31, name="high"), shift_right()),
    "f64": requantize("float64", "half_away"),
    "fp32": requantize("float32", "half_even"),
}


@pytest.mark.parametrize("name", ARITHMETICS)
def test_the_five_arithmetics(name: str) -> None:
    assert [rescale(x, 0.25, KINDS[name]) for x in VALUES] == ARITHMETICS[name]


def test_multiplier() -> None:
    assert multiplier(1.0, 8) == (64, 6, 1)
    assert multiplier(0.999, 8) == (64, 6, 1)  # 127.87 rounds to 128, which 8 signed bits do not hold
    assert multiplier(0.75, 4) == (6, 3, 0)
    assert multiplier(2.0**10, 8) == (64, -4, 11)
    assert multiplier(2.0**-32, 32)[:2] == (2**30, 62)
    assert multiplier(2.0**-33, 32)[:2] == (0, 0)


def test_rescale() -> None:
    fixed = requantize("fixed", "floor", 8)
    assert rescale(-3, 2.0**10, fixed) == -3072
    assert rescale(5, 2.0**-60, fixed) == 0
    shift = requantize("power_of_two", "half_even")
    assert [rescale(x, 0.5, shift) for x in (-3, -1, 1, 3)] == [-2, 0, 0, 2]
    assert rescale(-3, 4.0, shift) == -12
    with pytest.raises(ValueError, match="power of two"):
        rescale(1, 0.3, shift)
    assert rescale(7, 0.3, {"kind": "none"}) == 7


def test_double_wraps_its_left_shift() -> None:
    double = KINDS["double"]
    assert rescale(3, 4.0, double) == 12
    assert rescale(2**28, 4.0, double) == -(2**30)  # 2^28 * 2^3 = 2^31 wraps to -2^31; half of it is left


def test_double_in_one_shift() -> None:
    generator = random.Random(1)
    for _ in range(2000):
        x = generator.randrange(-(2**31), 2**31) >> generator.randrange(31)
        ratio = generator.uniform(0.5, 1.0) * 2.0 ** generator.randrange(-31, 10)
        q, _, e = multiplier(ratio, 32)
        y, right = fit(x * 2 ** max(e, 0), 32, True, "wrap"), max(-e, 0)
        second = 0 if right == 0 else 2**30 if y >= 0 else -(2**30)
        assert rescale(x, ratio, KINDS["double"]) == (y * q + 2 ** (30 + right) + second) >> (31 + right)
        assert rescale(x, ratio, KINDS["double"]) == fixed_double(x, ratio).rounded.value


def test_reduced_multipliers() -> None:
    generator = random.Random(2)
    for _ in range(2000):
        x = generator.randrange(-(2**47), 2**47) >> generator.randrange(47)
        ratio = generator.uniform(0.5, 1.0) * 2.0 ** generator.randrange(-30, 8)
        m, _, s = multiplier(ratio, 32)
        m16 = (m + 2**15) >> 16 if m < 0x7FFF0000 else 0x7FFF
        wanted = fit((x * m16 + 2 ** (14 - s)) >> (15 - s), 32, True, "wrap")
        assert rescale(x, ratio, requantize("fixed_reduced", bits=16)) == wanted


def test_rules() -> None:
    tie = {"nearest": 65, "truncate": 64, "half_down": 64, "saturated": 65}  # 64.5 in 8 bits
    assert {rule: multiplier(0.5 + 2.0**-8, 8, rule).q for rule in tie} == tie
    assert multiplier(0.999, 8, "truncate") == (127, 7, 0)
    assert multiplier(0.999, 8, "reduced") == (127, 7, 0)
    assert multiplier(2.0**30, 32, "saturated") == (2**31 - 1, 1, 30)
    assert multiplier(2.0**29, 32, "saturated") == (2**30, 1, 30)
    assert multiplier(2.0**-32, 8, "reduced") == (64, 38, -31)
    assert multiplier(2.0**-33, 8, "reduced") == multiplier(2.0**-57, 8) == (0, 0, 0)


def test_what_goes_by_ratio() -> None:
    lists = [times(3), times(bits=8), shift_right(2), shift_left(), shift_right()]
    assert [one["by"] for one in resolve(lists, Unit(0.75), 1.0)] == [3, 64, 2, 0, 6]  # a quarter: 64 / 2^8
    assert [one["by"] for one in resolve(lists, Unit(96.0), 1.0)] == [3, 64, 2, 1, 0]  # 32: 64 / 2^1
    assert [one["by"] for one in resolve([*lists[:3], shift_right()], Unit(96.0), 1.0)] == [3, 64, 2, -1]
    assert [one["by"] for one in resolve(lists, Unit(2.0**-60), 1.0)] == [3, 0, 2, 0, 0]
    assert [one["by"] for one in resolve([shift_left(4), shift_right()], Unit(0.5), 1.0)] == [4, 5]
    floats = [shift_left(3), times(5), {"step": "multiply_float", "precision": 64, "rounding": "floor"}]
    assert [one["by"] for one in resolve(floats, Unit(10.0), 1.0)] == [3, 5, 0.25]
    with pytest.raises(ValueError, match="power of two"):
        resolve([times(3), shift_right()], Unit(0.5), 1.0)
    assert resolve([times(3), shift_right(2)], Unit(0.1), 1.0) == [times(3), shift_right(2)]


def test_float_product_against_numpy() -> None:
    generator = random.Random(3)
    for _ in range(200):
        a, w, out = (generator.uniform(0.001, 0.1) for _ in range(3))
        product = float(np.float32(a) * np.float32(w)) * 4.0 / float(np.float32(out))
        assert accumulator_unit(a, w, 2).ratio(out, "float_product") == product
        assert Unit(a).ratio(out, "float_product") == a / out
        ratio = float(np.float32(a) * np.float32(w) / np.float32(out)) * 4.0
        assert accumulator_unit(a, w, 2).ratio(out, "float_ratio") == ratio
        assert product_unit(a, w, 2).ratio(out, "float_ratio") == ratio
        assert product_unit(a, w, 2).ratio(out, "float_product") == a * w * 4.0 / out
        assert Unit(a).ratio(out, "float_ratio") == a / out


def test_guard_bits() -> None:
    assert rescale(-65535, 1.0, listed(shift_right(17, "half_away"))) == 0
    assert rescale(-65535, 1.0, listed(shift_right(17, "half_away", guard=16))) == -1
    generator = random.Random(4)
    for _ in range(2000):
        p, cut = generator.randrange(-(2**33), 2**33) >> generator.randrange(33), generator.randrange(1, 32)
        v = (p << 16) >> cut
        up = v >> 15 & 1 and (p >= 0 or v & 0x7FFF)
        assert rescale(p, 1.0, listed(shift_right(cut, "half_away", guard=16))) == (v >> 16) + bool(up)
    assert rounded_shift(7, 3, "ceil", guard_bits=0) == Rounded(0, True, -57344)
    assert rounded_shift(-1, 3, "magnitude", guard_bits=0) == Rounded(0, True, 8192)
    assert rounded_shift(15, 4, "stochastic_weighted", 2, 4, 3).value == 1  # 14 sixteenths are seen


def test_narrow_then_clip() -> None:
    clip = {"step": "clip", "low": 0, "high": 255}
    pulp = listed(times(3), to_fit(32, name="product"), shift_right(2, "floor"), to_fit(16), clip)
    assert [rescale(x, 1.0, pulp) for x in (100000, 87382, 100, -5)] == [255, 0, 75, 0]
    assert rescale(100000, 1.0, listed(*pulp["steps"][:-1])) == 9464
    assert rescale(-7, 1.0, listed({**clip, "low": None})) == -7
    assert rescale(300, 1.0, listed({**clip, "high": None})) == 300


def test_an_early_narrowing_wraps() -> None:
    half = [to_fit(32), {"step": "add", "value": 1}, shift_right(1, "floor")]
    cmsis = listed(times(bits=16, rule="reduced"), shift_right(rounding="floor"), *half)
    assert rescale(1610612736, 1.0, cmsis) == -536870912
    assert rescale(1610612736, 1.0, requantize("fixed_reduced", bits=16)) == 1610612736
    assert rescale(-5, 0.5, cmsis) == -2


def test_steps_that_lose_nothing() -> None:
    assert rescale(-7, 1.0, listed({"step": "add", "value": -3}, {"step": "absolute"})) == 10
    levels = {"step": "thresholds", "levels": [-2, 0, 0, 5], "first": -1}
    assert [rescale(x, 1.0, listed(levels)) for x in (-3, -2, -1, 0, 4, 5, 99)] == [-1, 0, 0, 2, 2, 3, 3]
    table = {"step": "lookup", "table": [7, -7, 70], "first": -2, "shift": 1, "interpolation": "none"}
    assert [rescale(x, 1.0, listed(table)) for x in range(-4, 5)] == [7, 7, 7, 7, -7, -7, 70, 70, 70]


def test_a_table_of_513_entries() -> None:
    generator = random.Random(5)
    table = [generator.randrange(-32768, 32768) for _ in range(513)]
    step = {"step": "lookup", "table": table, "first": -32768, "shift": 7}
    step |= {"interpolation": "linear", "rounding": "half_up", "name": None}
    for v in [-32768, -32767, -1, 0, 1, 127, 128, 32767, *(generator.randrange(-32768, 32768) for _ in range(500))]:
        index = 256 + (v >> 7)
        wanted = table[index] + (((table[index + 1] - table[index]) * (v & 127) + 64) >> 7)
        assert rescale(v, 1.0, listed(step)) == wanted
    assert rescale(32768, 1.0, listed(step)) == rescale(99999, 1.0, listed(step)) == table[512]
    jam = {**step, "table": [0, 3], "first": 0, "shift": 1, "rounding": "jam"}
    assert [rescale(x, 1.0, listed(jam)) for x in (0, 1, 2)] == [0, 1, 3]


def test_floats_have_a_limit() -> None:
    assert float32_product(-(2**100), 2.0**40) == float64_product(-(2**100), 2.0**40) == -(2**120)
    assert float32_product(2**127, 2.0**127) == 2**120


def test_float32_against_numpy() -> None:
    generator = random.Random(7)
    for _ in range(500):
        x = generator.randrange(-(2**62), 2**62) >> generator.randrange(62)
        ratio = generator.uniform(0.1, 1.0) * 2.0 ** generator.randrange(-60, 10)
        expected = np.int64(x).astype(np.float32) * np.float32(ratio)
        assert float32_product(x, ratio) == Fraction(float(expected))


def test_quantize() -> None:
    assert quantize(0.75, 0.5, -3, "half_even").value == -1
    assert quantize(-1.25, 0.5, 0, "half_even").value == -2
    assert quantize(1e30, 1e-30, 1, "half_even").value == 2**100 + 1
