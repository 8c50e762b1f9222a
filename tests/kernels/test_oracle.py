"""The oracle itself, against verified tables and cases computed by hand."""

from __future__ import annotations

import copy
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from oracle.activation import limit, quotient
from oracle.ledger import OverflowStop
from oracle.lfsr import Draws, states
from oracle.mac import Datapath, Where, dot, loop_ends, steps
from oracle.network import Result, run
from oracle.overflow import fit, limits
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
from oracle.rounding import UP, Rounded, round_divide, round_fraction, round_shift, rounded_shift
from oracle.steps import rescale, resolve

Json = dict[str, Any]


# --- rounding -------------------------------------------------------------------------------------------

QUARTERS = {
    "half_up": [-1, -1, -1, 0, 0, 0, 1, 1, 1, 2],
    "half_away": [-2, -1, -1, -1, 0, 0, 1, 1, 1, 2],
    "half_even": [-2, -1, -1, 0, 0, 0, 0, 1, 1, 2],
    "half_toward_zero": [-1, -1, -1, 0, 0, 0, 0, 1, 1, 1],
    "half_down": [-2, -1, -1, -1, 0, 0, 0, 1, 1, 1],
    "toward_zero": [-1, -1, 0, 0, 0, 0, 0, 0, 1, 1],
    "floor": [-2, -2, -1, -1, -1, 0, 0, 0, 1, 1],
}
"""x / 4 for the ten x of the test below, in each mode."""


@pytest.mark.parametrize("mode", QUARTERS)
def test_quarters(mode: str) -> None:
    assert [round_shift(x, 2, mode) for x in (-6, -5, -3, -2, -1, 1, 2, 3, 5, 6)] == QUARTERS[mode]


def bit_formula(x: int, n: int, mode: str) -> int:
    """Round x / 2^n with the formulas of hardware: guard bit g, sticky t, sign s, last bit l."""
    q, g, t = x >> n, x >> (n - 1) & 1, int(x & ((1 << (n - 1)) - 1) != 0)
    s, last = int(x < 0), x >> n & 1
    ups = {
        "floor": 0,
        "ceil": g | t,
        "toward_zero": s & (g | t),
        "away_from_zero": (1 - s) & (g | t),
        "half_up": g,
        "half_down": g & t,
        "half_toward_zero": g & (s | t),
        "half_away": g & ((1 - s) | t),
        "half_even": g & (last | t),
        "half_odd": g & ((1 - last) | t),
        "magnitude": s,
        "jam": 1 - last,
        "jam_unbiased": (g | t) & (1 - last),
    }
    return q + ups[mode]


@pytest.mark.parametrize("mode", [mode for mode in UP if not mode.startswith("stochastic")])
def test_bit_formulas(mode: str) -> None:
    for n in range(1, 6):
        for x in range(-140, 140):
            assert round_shift(x, n, mode) == bit_formula(x, n, mode), (x, n)


@pytest.mark.parametrize("mode", UP)
def test_a_shift_by_nothing_drops_nothing(mode: str) -> None:
    assert [rounded_shift(x, 0, mode, draw=1) for x in (-4, 0, 3)] == [Rounded(x, False, 0) for x in (-4, 0, 3)]
    assert round_shift(3, -2, mode, draw=1) == 12


def test_division_by_one_still_rounds() -> None:
    assert [round_divide(x, 1, "jam") for x in (-2, -1, 0)] == [-1, -1, 1]
    assert round_divide(-2, 1, "magnitude") == -1
    assert [round_divide(x, 3, "half_away") for x in (-5, -4, 4, 5)] == [-2, -1, 1, 2]
    assert [round_divide(x, 2, "half_even") for x in (-3, -1, 1, 3)] == [-2, 0, 0, 2]


def test_stochastic() -> None:
    drawn = [round_shift(5, 2, "stochastic_weighted", draw, 4) for draw in range(16)]
    assert drawn == [1] * 12 + [2] * 4
    assert [round_shift(4, 2, "stochastic_weighted", draw, 4) for draw in range(16)] == [1] * 16
    assert [round_shift(4, 2, "stochastic_equal", draw, 4) for draw in (0, 7, 8, 15)] == [1, 1, 2, 2]


def test_errors() -> None:
    assert rounded_shift(-5, 2, "half_up") == Rounded(-1, True, 16384)
    assert rounded_shift(-5, 2, "floor") == Rounded(-2, True, -49152)
    assert rounded_shift(4, 2, "jam") == Rounded(1, False, 0)
    assert rounded_shift(8, 2, "jam") == Rounded(3, False, 65536)
    assert rounded_shift(1, 20, "floor") == Rounded(0, True, 0)
    assert rounded_shift(1, 20, "ceil") == Rounded(1, True, 65536)


# --- overflow -------------------------------------------------------------------------------------------

SOURCES = [-40, -20, -17, -9, -8, -7, 7, 8, 9, 15, 16, 20, 40]
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


@pytest.mark.parametrize(("overflow", "saturated"), FOUR_BITS)
def test_four_bits(overflow: str, saturated: int) -> None:
    assert [fit(x, 4, True, overflow, saturated) for x in SOURCES] == FOUR_BITS[overflow, saturated]


def test_unsigned() -> None:
    assert [fit(x, 4, False, "wrap") for x in (-1, 15, 16, 17)] == [15, 15, 0, 1]
    assert [fit(x, 4, False, "wrap", 2) for x in (-1, -4, 15, 16, 18)] == [15, 12, 15, 12, 14]
    assert [fit(x, 4, False, "saturate_symmetric") for x in (-1, 0, 16)] == [0, 0, 15]
    with pytest.raises(ValueError, match="unsigned"):
        fit(16, 4, False, "wrap_sign_magnitude")


def test_limits() -> None:
    assert limits(1, True) == (-1, 0)
    assert limits(64, True) == (-(2**63), 2**63 - 1)
    assert limits(64, False, "saturate_symmetric") == (0, 2**64 - 1)


def test_round_then_fit() -> None:
    code = round_fraction(Fraction(15, 2), "half_up")
    assert [fit(code, 4, True, one) for one in ("saturate", "wrap", "saturate_zero")] == [7, -8, 0]


# --- random numbers -------------------------------------------------------------------------------------


def test_lfsr_of_four_bits() -> None:
    cycle = states(4, (4, 3), 1)
    assert cycle == (1, 2, 4, 9, 3, 6, 13, 10, 5, 11, 7, 15, 14, 12, 8)
    assert len(states(16, (16, 15, 13, 4), 1)) == 65535


def test_draws_start_over_after_a_period() -> None:
    draws = Draws({"bits": 4, "taps": [4, 3], "seed": 1})
    assert [draws.draw(i, "stochastic_equal") for i in (0, 1, 14, 15, 16)] == [1, 2, 8, 1, 2]
    assert draws.draw(3, "half_even") == 0


def fit_section(bits: int = 32, overflow: str = "wrap", signed: bool = True, saturated_bits: int = 0) -> Json:
    return {"bits": bits, "signed": signed, "overflow": overflow, "saturated_bits": saturated_bits}


# --- rescaling ------------------------------------------------------------------------------------------

VALUES = (-10, -6, -5, -3, -2, -1, 1, 2, 3, 5, 6, 10, 25)
ARITHMETICS = {
    "single": [-2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 3, 6],
    "double": [-3, -2, -1, -1, -1, 0, 1, 1, 1, 2, 2, 3, 7],
    "ruy": [-2, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 3, 7],
    "f64": [-3, -2, -1, -1, -1, 0, 0, 1, 1, 1, 2, 3, 6],
    "fp32": [-2, -2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 2, 6],
}
"""VALUES / 4 in five arithmetics that all go by the name of TensorFlow Lite int8."""


def requantize(kind: str, rounding: str = "half_up", bits: int = 32, rule: str = "nearest") -> Json:
    return {"kind": kind, "multiplier_bits": bits, "rounding": rounding, "rule": rule, "steps": None}


def listed(*steps: Json) -> Json:
    return {**requantize("steps"), "steps": list(steps)}


def shift_right(by: int | str = "ratio", rounding: str = "half_up", name: str | None = None, guard: Any = None) -> Json:
    return {"step": "shift_right", "by": by, "rounding": rounding, "guard_bits": guard, "name": name}


def times(by: int | str = "ratio", bits: int = 32, rule: str = "nearest") -> Json:
    return {"step": "multiply", "by": by, "bits": bits, "rule": rule}


def to_fit(bits: int, overflow: str = "wrap", name: str | None = None) -> Json:
    return {"step": "fit", **fit_section(bits, overflow), "name": name}


def shift_left(by: int | str = "ratio") -> Json:
    return {"step": "shift_left", "by": by}


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


# --- quantising -----------------------------------------------------------------------------------------


def test_quantize() -> None:
    assert quantize(0.75, 0.5, -3, "half_even").value == -1
    assert quantize(-1.25, 0.5, 0, "half_even").value == -2
    assert quantize(1e30, 1e-30, 1, "half_even").value == 2**100 + 1


# --- multiply-accumulate --------------------------------------------------------------------------------


def stage(bits: int = 32, overflow: str = "wrap", name: str = "accumulator", **other: Any) -> Json:
    rest = {"terms": None, "check": "each", "shape": "chain", "shift": 0, "rounding": "floor"}
    return {"name": name, **fit_section(bits, overflow), **rest, **other}


AXES = {"h": "kernel_height", "w": "kernel_width", "c": "input_channel", "t": "input_channel_tile"}


def mac(*stages: Json, product: Json | None = None, order: str = "hwc", tile: int | None = None) -> Json:
    return {
        "order": [AXES[one] for one in order],
        "tile": {"input_channel": tile} if tile else None,
        "product": product,
        "stages": list(stages) or [stage()],
    }


def by_one(*products: int) -> list[tuple[int, int]]:
    """Return (input, weight) pairs with these products."""
    return [(product, 1) for product in products]


def figures(datapath: Datapath, name: str) -> Json:
    """Return the figures of the single channel, histogram aside."""
    point = next(point for point in datapath.points if point.name == name)
    return {key: one[0] for key, one in point.figures().items() if key != "histogram"}


def ran(
    pairs: list[tuple[int, int]],
    section: Json,
    bias: int = 0,
    position: str = "first",
    ends: list[frozenset[int]] | None = None,
) -> Datapath:
    """Return a datapath through which one output has gone."""
    datapath = Datapath(section, position, ends=ends)
    datapath.run(pairs, bias, Where(0, 0, 0, 0, len(pairs)))
    return datapath


def test_saturation_depends_on_the_order() -> None:
    section = mac(stage(8, "saturate"))
    assert dot(by_one(100, 100, -100), section) == 27
    assert dot(by_one(100, -100, 100), section) == 100
    seen = figures(ran(by_one(100, 100, -100), section), "accumulator")
    assert (seen["values"], seen["low"], seen["high"], seen["clamp_energy"]) == (3, 0, 1, 73**2)
    assert (seen["transient"], seen["persistent"], seen["first"]) == (1, 0, (0, 0, 1))
    assert (seen["minimum"], seen["maximum"]) == (100, 200)


def test_a_wrap_may_be_transient() -> None:
    section = mac(stage(8, "wrap"))
    assert dot(by_one(100, 100, -100), section) == 100
    seen = figures(ran(by_one(100, 100, -100), section), "accumulator")
    assert (seen["low"], seen["high"], seen["clamp_energy"]) == (1, 1, 0)
    assert (seen["transient"], seen["persistent"]) == (1, 0)
    assert (seen["minimum"], seen["maximum"]) == (-156, 200)


def test_a_wrap_may_be_persistent() -> None:
    seen = figures(ran(by_one(100, 100), mac(stage(8, "wrap"))), "accumulator")
    assert (seen["transient"], seen["persistent"], seen["clamp_energy"]) == (0, 1, 256**2)
    assert (seen["minimum"], seen["maximum"]) == (200, 200)


def test_check_last() -> None:
    assert dot(by_one(100, 100, -100), mac(stage(8, "saturate", check="last"))) == 100
    section = mac(stage(8, "saturate", check="last", shift=2, rounding="half_up"))
    assert dot(by_one(1, 1, 4), section, bias=3) == 5
    seen = figures(ran(by_one(400, 400), section), "accumulator")
    assert (seen["values"], seen["high"], seen["persistent"], seen["first"]) == (1, 1, 1, (0, 0, 1))


def test_product_is_cut() -> None:
    product = {**fit_section(8, "saturate"), "shift": 1, "rounding": "floor"}
    section = mac(product=product)
    assert dot([(3, 1), (3, -1)], section) == -1
    assert dot([(100, 100)], section) == 127
    seen = figures(ran([(3, 1), (3, -1), (100, 100)], section), "product")
    assert (seen["values"], seen["inexact"], seen["round_bias"]) == (3, 2, -65536)
    assert (seen["minimum"], seen["maximum"], seen["first"]) == (None, 5000, (0, 0, 2))
    assert (seen["transient"], seen["persistent"], seen["clamp_energy"]) == (0, 1, 4873**2)


def test_rounding_at_every_step() -> None:
    section = mac(stage(16, "saturate", shift=8, rounding="half_even"))
    assert dot(by_one(20000 * 256, 20000 * 256, -20000 * 256), section) == 12767
    assert dot(by_one(128, 128, 128, 128), section) == 0
    seen = figures(ran(by_one(128, 128, 128, 128), section), "accumulator")
    assert (seen["inexact"], seen["round_bias"], seen["round_energy"]) == (4, -4 * 32768, 4 * 32768**2)


def adders(terms: int, bits: int) -> Json:
    return mac(stage(bits, "saturate", "tree", terms=terms, shape="tree"), stage())


def test_tree() -> None:
    assert dot(by_one(7, 7, -7, -7), adders(4, 4)) == -1
    assert dot(by_one(7, 7, -7, -7), mac(stage(4, "saturate"))) == -7
    seen = figures(ran(by_one(7, 7, -7, -7), adders(4, 4)), "tree")
    assert (seen["values"], seen["low"], seen["high"], seen["first"]) == (3, 1, 1, (0, 0, 3))
    assert (seen["clamp_energy"], seen["transient"]) == (1, 1)


def test_tree_of_odd_size_and_padded() -> None:
    assert dot(by_one(1, 2, 3, 4, 5), adders(3, 8)) == 15
    assert figures(ran(by_one(1, 2, 3, 4, 5), adders(3, 8)), "tree")["values"] == 4
    assert figures(ran(by_one(1, 2, 3, 4, 5), adders(8, 8)), "tree")["values"] == 7
    assert dot(by_one(100, -100), adders(1, 4)) == -1
    assert figures(ran(by_one(100, -100), adders(1, 4)), "tree")["values"] == 2


def test_stages() -> None:
    section = mac(stage(8, "saturate", "inner", terms=2), stage(9, "saturate", "outer"))
    assert dot(by_one(100, 100, 100, 100, 3, 0), section) == 255
    datapath = ran(by_one(100, 100, 100, 100, 3, 0), section)
    inner, outer = figures(datapath, "inner"), figures(datapath, "outer")
    assert (inner["values"], inner["high"], inner["persistent"], inner["first"]) == (6, 2, 2, (0, 0, 1))
    assert (outer["values"], outer["high"], outer["first"], outer["maximum"]) == (3, 1, (0, 0, 5), 257)


def test_only_the_last_stage_watches_exact_sums() -> None:
    section = mac(stage(8, "wrap", "inner", terms=2), stage(16, "wrap", "outer"))
    datapath = ran(by_one(1, 2, 3, -4), section)
    assert (figures(datapath, "inner")["minimum"], figures(datapath, "inner")["maximum"]) == (None, None)
    assert (figures(datapath, "outer")["minimum"], figures(datapath, "outer")["maximum"]) == (2, 2)
    outer = datapath.points[-1].histogram
    assert outer is not None
    assert outer[2] == 1
    assert sum(outer) == 1
    assert datapath.points[0].histogram is None


def test_bias_first_and_last() -> None:
    section = mac(stage(8, "saturate"))
    assert dot(by_one(100, 100), section, -100, "first") == 100
    assert dot(by_one(100, 100), section, -100, "last") == 27
    seen = figures(ran(by_one(-100), section, -100, "last"), "bias_sum")
    assert (seen["values"], seen["low"], seen["minimum"], seen["first"]) == (1, 1, -200, (0, 0, 0))


def test_bias_is_in_units_after_the_shift() -> None:
    assert dot(by_one(4, 4), mac(stage(16, "wrap", shift=2)), 10) == 12
    inner = stage(16, "wrap", "inner", terms=1, shift=2)
    assert dot(by_one(4, 4), mac(inner, stage(name="outer")), 10) == 12


def test_order_and_tiles() -> None:
    assert steps(1, 2, 2, mac()) == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
    assert steps(1, 2, 2, mac(order="chw")) == [(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)]
    assert steps(1, 2, 3, mac(order="thwc", tile=2)) == [
        (0, 0, 0),
        (0, 0, 1),
        (0, 1, 0),
        (0, 1, 1),
        (0, 0, 2),
        (0, 1, 2),
    ]


def test_channels_inside_out() -> None:
    assert [channel for _, _, channel in steps(1, 1, 5, mac(order="hwct", tile=2))] == [0, 2, 4, 1, 3]
    assert [channel for _, _, channel in steps(1, 1, 5, mac(order="hwct", tile=7))] == [0, 1, 2, 3, 4]
    assert [channel for _, _, channel in steps(1, 1, 3, mac(order="hwct", tile=1))] == [0, 1, 2]
    assert steps(1, 2, 3, mac(order="hcwt", tile=2)) == [
        (0, 0, 0),
        (0, 0, 2),
        (0, 1, 0),
        (0, 1, 2),
        (0, 0, 1),
        (0, 1, 1),
    ]


def ended(*within: str | None, order: str = "hwc", tile: int | None = None) -> list[list[int]]:
    """Return the ends of stages in a kernel of 2 by 2 with 3 channels."""
    stages = [stage(name=str(i), within=one and AXES[one]) for i, one in enumerate(within)]
    return [sorted(one) for one in loop_ends(2, 2, 3, mac(*stages, order=order, tile=tile))]


def test_where_loops_end() -> None:
    assert ended("c", "w", "h", None) == [[2, 5, 8], [5], [], []]
    assert ended("h", "w", "c", order="chw") == [[3, 7], [1, 3, 5, 7, 9], []]
    assert ended("c", "t", order="hwtc", tile=2) == [[1, 2, 4, 5, 7, 8, 10], [2, 5, 8]]
    assert ended("t", "c", order="hwct", tile=2) == [[1, 2, 4, 5, 7, 8, 10], [2, 5, 8]]


def test_blocks_within_a_position() -> None:
    """NVDLA adds blocks of 8 channels: with 4 channels, half of each block is empty."""
    block = stage(8, "saturate", "block", terms=8, check="last", within="input_channel")
    section = mac(block, stage())
    ends = loop_ends(1, 2, 4, section)
    products = by_one(50, 50, 0, 50, -50, 0, 0, 0)
    assert dot(products, section, ends=ends) == 127 - 50
    assert dot(products, mac({**block, "within": None}, stage())) == 100
    seen = figures(ran(products, section, ends=ends), "block")
    assert (seen["values"], seen["sums"], seen["high"], seen["first"]) == (2, 2, 1, (0, 0, 3))
    tree = mac({**block, "shape": "tree"}, stage())
    assert dot(products, tree, ends=ends) == 100 + 0 + 27 - 50
    seen = figures(ran(products, tree, ends=ends), "block")
    assert (seen["values"], seen["sums"], seen["high"], seen["first"]) == (14, 2, 1, (0, 0, 3))
    threes = mac({**block, "terms": 3}, stage())
    assert dot(products, threes, ends=ends) == 100 + 50 - 50 + 0
    assert figures(ran(products, threes, ends=ends), "block")["sums"] == 4


def test_a_sum_that_ends_ends_those_below() -> None:
    pair = stage(8, "saturate", "pair", terms=2, check="last")
    position = stage(9, "saturate", "position", within="input_channel")
    section = mac(pair, position, stage())
    ends = loop_ends(1, 2, 3, section)
    datapath = ran(by_one(100, 0, 100, 100, 0, 0), section, ends=ends)
    sums = [figures(datapath, name)["sums"] for name in ("pair", "position", "accumulator")]
    assert sums == [4, 2, 1]  # not a pair of the third and the fourth, which would be 127
    assert figures(datapath, "pair")["high"] == 0
    assert figures(datapath, "accumulator")["maximum"] == 300


def test_terms_above_reach_over_the_end_of_a_loop() -> None:
    pair = stage(name="pair", terms=2, within="input_channel")
    section = mac(pair, stage(8, "saturate", "triple", terms=3, check="last"), stage())
    products = by_one(*[50] * 9)  # 100 50 100 / 50 100 50
    ends = loop_ends(1, 3, 3, section)
    assert dot(products, section, ends=ends) == 127 + 127
    datapath = ran(products, section, ends=ends)
    assert [figures(datapath, name)["sums"] for name in ("pair", "triple")] == [6, 2]
    assert figures(datapath, "triple")["first"] == (0, 0, 4)


def test_what_a_datapath_refuses() -> None:
    with pytest.raises(ValueError, match="no ends are given"):
        dot(by_one(1), mac(stage(name="inner", within="input_channel"), stage()))
    with pytest.raises(ValueError, match="all that is left"):
        dot(by_one(1), mac(stage(within="input_channel")), ends=[frozenset()])
    with pytest.raises(ValueError, match="a tree starts from nothing"):
        dot(by_one(1), adders(4, 8), 1, "inner")


def test_bias_in_the_first_inner_sum() -> None:
    """Tensil's array adds the bias before the first block of products."""
    section = mac(stage(8, "saturate", "inner", terms=2), stage(name="outer"))
    products = by_one(100, 0, 1)
    assert dot(products, section, 100, "inner") == 127 + 1
    assert dot(products, section, 100, "first") == 201
    seen = figures(ran(products, section, 100, "inner"), "inner")
    assert (seen["high"], seen["first"], seen["clamp_energy"]) == (1, (0, 0, 0), 73**2)
    assert [point.name for point in ran(products, section, 100, "inner").points] == ["inner", "outer"]
    assert dot(by_one(100, -100), mac(stage(8, "saturate")), 100, "inner") == 27
    assert dot(by_one(4), mac(stage(name="inner", shift=1), stage()), 3, "inner") == 5


def test_draws_go_by_step() -> None:
    draws = {"bits": 4, "taps": (4, 3), "seed": 1}  # 1 2 4 9 3 6 13 10
    section = mac(product={**fit_section(), "shift": 1, "rounding": "stochastic_equal"})
    datapath = Datapath(section, "first", draws)
    assert datapath.run(by_one(0, 0, 0), 0, Where(0, 0, 0, 0, 3)) == 0  # draws 1 2 4: none is 8 or more
    assert datapath.run(by_one(0, 0, 0), 0, Where(0, 0, 0, 1, 3)) == 1  # draws 9 3 6
    inner = stage(terms=2, name="inner", check="last", shift=1, rounding="stochastic_equal")
    grouped = Datapath(mac(inner, stage()), "first", draws)
    assert grouped.run(by_one(0, 0, 0, 0), 0, Where(0, 0, 0, 0, 4)) == 1  # steps 1 and 3: draws 2 and 9


# --- networks -------------------------------------------------------------------------------------------

SETTINGS: Json = {
    "weights": {"rounding": "half_even"},
    "activations": {"rounding": "half_even"},
    "mac": mac(),
    "bias": {"bits": 32, "position": "first", "rounding": "half_even", "overflow": "saturate"},
    "requantize": requantize("fixed"),
    "multiplication": {"product": None},
    "activation": {"position": "after_requantize", "multiplier_bits": 16, "rounding": "half_up", "slope": "after"},
    "output": {"overflow": "saturate"},
    "pooling": {"accumulator": fit_section(), "rounding": "half_away", "zero_point": "removed"},
    "addition": {"left_shift": 8, "accumulator": fit_section()},
    "softmax": {"run_on": "host"},
    "normalization": {},
    "random": {"bits": 16, "taps": [16, 15, 13, 4], "seed": 1},
}


def tensor(scale: float = 1.0, zero_point: int = 0, bits: int = 8) -> Json:
    return {"bits": bits, "signed": True, "narrow": False, "scale": scale, "zero_point": zero_point}


def network(
    *operations: Json,
    data: list[Any],
    tensors: Json,
    weights: Json | None = None,
    change: dict[str, Json] | None = None,
) -> Result:
    """Run operations, each with the settings above but for what ``change`` says by section."""
    settings = copy.deepcopy(SETTINGS)
    for section, changes in (change or {}).items():
        settings[section].update(changes)
    plan = {"tensors": tensors, "weights": weights or {}}
    each = {operation["name"]: settings for operation in operations}
    return run({"operations": list(operations), "outputs": [operations[-1]["name"]]}, plan, each, data)


def source(name: str, *shape: int) -> Json:
    return {"op": "Input", "name": name, "inputs": [], "shape": list(shape)}


def after(op: str, name: str, *inputs: str, **fields: Any) -> Json:
    return {"op": op, "name": name, "inputs": list(inputs), **fields}


def one_scale(scale: float = 1.0, zero_point: int = 0) -> Json:
    return {**tensor(), "scale": [scale], "zero_point": [zero_point]}


def a_dense(section: Json) -> Result:
    dense = after("Dense", "y", "x", kernel=[[1.0, 2.0], [3.0, -4.0]], bias=[0.25, 0.75], activation={})
    return network(
        source("x", 2),
        dense,
        data=[[[1.0, -0.625]]],
        tensors={"x": tensor(0.5), "y": tensor(1.0, 3)},
        weights={"y": one_scale()},
        change={"mac": section},
    )


def test_dense() -> None:
    result = a_dense(mac())
    assert result.codes == {"x": [2, -1], "y": [3, 8]}
    assert result.values == {"y": {"accumulator": [-1, 10], "requantize": [0, 5], "activation": [0, 5]}}
    assert list(result.ledger["y"]) == ["weight", "bias", "accumulator", "requantize", "output"]
    assert result.ledger["x"]["input"]["round_bias"] == [0, 16384]
    assert result.ledger["x"]["input"]["inexact"] == [0, 1]
    bias = result.ledger["y"]["bias"]
    assert (bias["minimum"], bias["round_bias"]) == ([0, 2], [-32768, 32768])
    requantize = result.ledger["y"]["requantize"]
    assert (requantize["values"], requantize["inexact"]) == ([1, 1], [1, 0])
    assert (requantize["minimum"], requantize["round_bias"]) == ([0, 5], [32768, 0])
    output = result.ledger["y"]["output"]
    assert (output["minimum"], output["maximum"]) == ([3, 8], [3, 8])
    assert output["histogram"][:4] == [1, 0, 0, 1]


def test_dense_in_four_bits() -> None:
    result = a_dense(mac(stage(4, "wrap")))
    assert result.values["y"] == {"accumulator": [-1, -6], "requantize": [0, -3], "activation": [0, 0]}
    seen = result.ledger["y"]["accumulator"]
    assert (seen["values"], seen["low"], seen["high"]) == ([2, 2], [0, 0], [0, 1])
    assert (seen["minimum"], seen["maximum"]) == ([-1, 10], [-1, 10])
    assert (seen["clamp_energy"], seen["persistent"]) == ([0, 256], [0, 1])
    assert seen["first"] == [None, (0, 0, 1)]
    assert seen["histogram"][:5] == [0, 1, 0, 0, 1]


def test_shifts_make_the_unit_coarser() -> None:
    product = {**fit_section(), "shift": 1, "rounding": "half_even"}
    inner = stage(name="inner", terms=1, shift=1, rounding="half_even")
    result = a_dense(mac(inner, stage(shift=1, rounding="half_even"), product=product))
    # units of 4: biases 0.0625 and 0.1875 to 0; products 2 -3 and 4 4 to 1 -2 and 2 2, to 0 -1 and 1 1,
    # summed as 0, then -0.5 to 0, and 0.5 to 0 twice
    assert result.values["y"]["accumulator"] == [0, 0]
    result = network(
        source("x", 1),
        after("Dense", "y", "x", kernel=[[8.0]], bias=[4.0], activation=None),
        data=[[[1.0]]],
        tensors={"x": tensor(0.5), "y": tensor()},
        weights={"y": one_scale()},
        change={"mac": mac(inner, stage(shift=1), product=product)},
    )
    assert result.values["y"]["accumulator"] == [1 + 2]
    assert result.codes["y"] == [12]


def test_error_stops_the_run() -> None:
    with pytest.raises(OverflowStop, match="accumulator") as caught:
        a_dense(mac(stage(4, "error")))
    assert (caught.value.place, caught.value.value) == ((0, 0, 1, 1), 10)


def one_dense(code: float, bias: float, change: dict[str, Json], output: Json) -> Result:
    """Multiply a value in units of 1 / 2 by one."""
    return network(
        source("x", 1),
        after("Dense", "y", "x", kernel=[[1.0]], bias=[bias], activation=None),
        data=[[[code]]],
        tensors={"x": tensor(0.5), "y": output},
        weights={"y": one_scale()},
        change=change,
    )


def test_bias_is_shifted() -> None:
    """MAX78000 has biases of 8 bits in units of 128 products."""
    for position, points in (("first", []), ("last", ["bias_sum"])):
        change: dict[str, Json] = {"bias": {"bits": 8, "shift": 7, "position": position}}
        result = one_dense(5.0, 212.0, change, tensor(0.5, 0, 16))  # 424 / 128 is 3.3125
        assert result.codes["y"] == [10 + 384]
        seen = result.ledger["y"]["bias"]
        assert (seen["minimum"], seen["round_bias"]) == ([3], [-0.3125 * 65536])
        assert list(result.ledger["y"]) == ["weight", "bias", "accumulator", *points, "requantize", "output"]
        far = one_dense(5.0, 1e6, change, tensor(0.5, 0, 16))
        assert far.codes["y"] == [10 + 127 * 128]


def biased(*steps: Json, shift: int = 0, bias: float = 6.0, scale: float = 4.0) -> Result:
    """Send 18 in units of 1 / 2 through steps to an output of a scale."""
    change = {"requantize": listed(*steps), "bias": {"position": "steps", "shift": shift}}
    return one_dense(9.0, bias, change, tensor(scale))


def test_bias_among_the_steps() -> None:
    steps = [shift_right(2, "floor", "first"), {"step": "bias"}, shift_right(1, "floor", "second")]
    result = biased(*steps)
    # 18 to 4, where an LSB is worth 4 / 2: 4 + 3, halved
    assert result.codes["y"] == [3]
    assert result.values["y"] == {"accumulator": [18], "first": [4], "second": [3]}
    assert list(result.ledger["y"]) == ["weight", "bias", "accumulator", "first", "second", "output"]
    assert result.ledger["y"]["bias"]["values"] == [1]
    assert biased(*steps, shift=1).codes["y"] == [4]  # 6 / 4 to 2, which is 4
    assert biased({"step": "bias"}, times(bits=8), shift_right()).codes["y"] == [4]  # (18 + 12) / 8
    assert biased(times(bits=8), shift_right(), {"step": "bias"}).codes["y"] == [4]  # 18 / 8 and 1.5 are 2 and 2
    nothing = biased(shift_left(1), {"step": "bias"}, times(bits=8), shift_right(), bias=1e9, scale=2.0**80)
    assert nothing.codes["y"] == [0]
    assert nothing.ledger["y"]["bias"]["maximum"] == [0]


def test_bias_enters_in_one_place() -> None:
    for change in ({"bias": {"position": "steps"}}, {"requantize": listed({"step": "bias"})}):
        with pytest.raises(ValueError, match="a step bias goes with the position"):
            one_dense(1.0, 1.0, change, tensor(0.5))


def test_each_channel_has_its_bias_among_the_steps() -> None:
    result = network(
        source("x", 1),
        after("Dense", "y", "x", kernel=[[1.0, 1.0, 2.0]], bias=[1.0, -2.0, 4.0], activation=None),
        data=[[[3.0]]],
        tensors={"x": tensor(), "y": tensor()},
        weights={"y": {**tensor(), "scale": [1.0, 1.0, 2.0], "zero_point": [0, 0, 0]}},
        change={
            "requantize": listed({"step": "bias"}, times(bits=8), shift_right()),
            "bias": {"position": "steps"},
        },
    )
    assert result.codes["y"] == [3 + 1, 3 - 2, 2 * (3 + 2)]


def test_operations_without_weights_have_no_bias() -> None:
    assert through([{"step": "bias"}, shift_right(1)], 4).codes["y"] == [2]
    result = network(
        source("a", 1),
        after("Add", "y", "a", "a", activation=None),
        data=[[[3.0]]],
        tensors={"a": tensor(), "y": tensor()},
        change={"requantize": listed({"step": "bias"}, times(bits=8), shift_right()), "bias": {"position": "steps"}},
    )
    assert result.codes["y"] == [6]


UNSIGNED: Json = {**tensor(1.0, 128), "signed": False}


def a_pair(zero_point: str, bias: float = 0.0, position: str = "first") -> Result:
    """Multiply pairs as vpmaddubsw does, with sums of 16 bits."""
    pair = stage(16, "saturate", "pair", terms=2, check="last")
    return network(
        source("x", 2),
        after("Dense", "y", "x", kernel=[[127.0], [127.0]], bias=[bias], activation=None),
        data=[[[127.0, 127.0]]],
        tensors={"x": UNSIGNED, "y": tensor(1.0, 0, 32)},
        weights={"y": one_scale()},
        change={
            "mac": {**mac(pair, stage()), "input_zero_point": zero_point},
            "bias": {"bits": 4, "position": position},
        },
    )


def test_codes_are_multiplied_as_they_are_stored() -> None:
    removed, stored = a_pair("removed"), a_pair("corrected")
    assert removed.codes["x"] == [255, 255]
    assert removed.codes["y"] == [2 * 127 * 127]
    assert stored.codes["y"] == [32767 - 128 * 254] == [255]
    seen = stored.ledger["y"]["pair"]
    assert (seen["high"], seen["maximum"]) == ([1], [64770])
    for position in ("first", "last"):
        limited = a_pair("corrected", 100.0, position)
        assert limited.codes["y"] == [255 + 7]
        bias = limited.ledger["y"]["bias"]
        assert (bias["values"], bias["maximum"], bias["high"]) == ([1], [100], [1])  # without the correction
    # bias and correction are -32505: all that the pair's sum starts from
    assert a_pair("corrected", 100.0, "inner").codes["y"] == [64770 - 32505]


@pytest.mark.parametrize("zero_point", ["removed", "corrected"])
def test_padding_and_the_zero_point(zero_point: str) -> None:
    fields = {"strides": [1, 1], "dilation": [1, 1], "padding": [[0, 0], [1, 1]], "groups": 2}
    result = network(
        source("x", 1, 1, 2),
        after("Conv2D", "y", "x", kernel=[[[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]]]], bias=[1.0, 0.0], **fields),
        data=[[[[[10.0, -1.0]]]]],
        tensors={"x": tensor(1.0, 5), "y": tensor()},
        weights={"y": {**tensor(), "scale": [1.0, 1.0], "zero_point": [-7, 3]}},
        change={"mac": {**mac(stage(8, "saturate"), order="whc"), "input_zero_point": zero_point}},
    )
    # 3 * 10 + 1 and 4 * -1; codes as stored: from 1 - 5 * 9 and -5 * 12, 5 15 5 times 1 3 5, and 5 4 5 times 2 4 6
    assert result.codes["y"] == [31, -4]
    seen = result.ledger["y"]["accumulator"]
    assert (seen["values"], seen["low"], seen["high"]) == ([3, 3], [0, 0], [0, 0])
    narrow = network(
        source("x", 1, 1, 1),
        after("Conv2D", "y", "x", kernel=[[[[3.0]], [[3.0]], [[-5.0]]]], bias=[0.0], **{**fields, "groups": 1}),
        data=[[[[[-3.0]]]]],
        tensors={"x": tensor(1.0, 5), "y": tensor()},
        weights={"y": one_scale()},
        change={"mac": {**mac(stage(5, "saturate")), "input_zero_point": zero_point}},
    )
    # 0 - 9 + 0; from -5 * 1: 15 + 6 - 25, of which 10 and 16 to 15, then -10
    assert narrow.codes["y"] == [-9 if zero_point == "removed" else -10]


def test_a_network_ends_sums_where_loops_end() -> None:
    block = stage(8, "saturate", "block", terms=8, check="last", within="input_channel")
    image = [[[50.0, 50.0, 0.0, 50.0], [-50.0, 0.0, 0.0, 0.0]]]
    kernel = [[[[1.0]] * 4] * 2]
    result = network(
        source("x", 1, 2, 4),
        after("Conv2D", "y", "x", kernel=kernel, bias=[1.0], activation=None),
        data=[[image]],
        tensors={"x": tensor(), "y": tensor()},
        weights={"y": one_scale()},
        change={"mac": mac(block, stage())},
    )
    assert result.codes["y"] == [127 - 50 + 1]
    assert result.ledger["y"]["block"]["sums"] == [2]


def test_dense_over_leading_axes() -> None:
    result = network(
        source("x", 2, 2),
        after("Dense", "y", "x", kernel=[[1.0], [10.0]], bias=[0.0], activation=None),
        data=[[[[1.0, 2.0], [3.0, 4.0]]]],
        tensors={"x": tensor(), "y": tensor()},
        weights={"y": one_scale()},
    )
    assert result.codes["y"] == [21, 43]


def test_convolution_pads_and_dilates() -> None:
    fields = {"strides": [1, 1], "dilation": [1, 2], "padding": [[0, 0], [1, 0]], "groups": 1}
    result = network(
        source("x", 1, 4, 1),
        after("Conv2D", "y", "x", kernel=[[[[1.0]], [[10.0]]]], bias=[0.0], activation=None, **fields),
        data=[[[[[1.0], [2.0], [3.0], [4.0]]]]],
        tensors={"x": tensor(1.0, 5), "y": tensor()},
        weights={"y": one_scale(1.0, -7)},
    )
    assert result.codes["x"] == [6, 7, 8, 9]
    assert result.codes["y"] == [20, 31, 42]
    assert result.ledger["y"]["accumulator"]["values"] == [6]
    assert result.ledger["y"]["weight"]["minimum"] == [-6]


def test_convolution_strides_over_rows_and_channels() -> None:
    image = [[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [[7.0, 8.0], [9.0, 10.0], [11.0, 12.0]]]
    kernel = [[[[1.0], [0.0]]], [[[0.0], [10.0]]]]
    fields = {"strides": [1, 2], "dilation": [1, 1], "padding": [[0, 1], [0, 0]], "groups": 1}
    result = network(
        source("x", 2, 3, 2),
        after("Conv2D", "y", "x", kernel=kernel, bias=[0.0], activation=None, **fields),
        data=[[image]],
        tensors={"x": tensor(), "y": tensor()},
        weights={"y": one_scale()},
    )
    assert result.codes["y"] == [1 + 80, 5 + 120, 7, 11]


def test_depthwise_with_two_outputs_per_channel() -> None:
    result = network(
        source("x", 1, 1, 2),
        after("Conv2D", "y", "x", kernel=[[[[1.0, 2.0, 3.0, 4.0]]]], bias=[0.0] * 4, groups=2),
        data=[[[[[1.0, 10.0]]]]],
        tensors={"x": tensor(), "y": tensor()},
        weights={"y": {**tensor(), "scale": [1.0, 2.0, 1.0, 0.5], "zero_point": [0, 0, 0, 0]}},
    )
    assert result.codes["y"] == [1, 2, 30, 40]
    assert result.values["y"]["accumulator"] == [1, 1, 30, 80]


def test_scale_shift() -> None:
    result = network(
        source("x", 1, 2, 2),
        after("ScaleShift", "y", "x", scale=[2.0, -3.0], bias=[1.0, 0.0]),
        data=[[[[[1.0, 2.0], [3.0, 4.0]]]]],
        tensors={"x": tensor(), "y": tensor()},
        weights={"y": one_scale()},
    )
    assert result.codes["y"] == [3, -6, 7, -12]
    assert result.ledger["y"]["accumulator"]["values"] == [2, 2]


def a_leaky_relu(position: str) -> Result:
    relu = {"max_value": 1.0, "negative_slope": 0.25}
    return network(
        source("x", 1, 4, 1),
        after("Activation", "y", "x", function=relu),
        data=[[[[[-2.5], [-0.75], [0.75], [5.0]]]]],
        tensors={"x": tensor(0.25, 4), "y": tensor(0.5, -1)},
        change={"activation": {"position": position}},
    )


def test_leaky_relu() -> None:
    result = a_leaky_relu("after_requantize")
    # -10 -3 3 20 in quarters; -5 -1 2 10 in halves; slope: -1.25, -0.25; at most 2
    assert result.codes["y"] == [-1 - 1, 0 - 1, 2 - 1, 2 - 1]
    assert list(result.ledger["y"]) == ["requantize", "activation", "output"]
    seen = result.ledger["y"]["activation"]
    assert (seen["values"], seen["minimum"], seen["maximum"], seen["inexact"]) == ([2], [-1], [0], [2])


def test_leaky_relu_before_requantizing() -> None:
    result = a_leaky_relu("before_requantize")
    # slope: -2.5 to -2, -0.75 to -1; at most 4; then halved: -1, -0.5 to 0, 1.5 to 2, 2
    assert result.codes["y"] == [-2, -1, 1, 1]
    assert list(result.ledger["y"]) == ["activation", "requantize", "output"]
    assert result.ledger["y"]["activation"]["minimum"] == [-2]


def test_rounding_of_the_limit() -> None:
    modes = {"half_even": 2, "half_up": 3, "floor": 2, "ceil": 3, "jam": 3}
    assert {mode: limit(2.5, 1.0, {"limit_rounding": mode}) for mode in modes} == modes
    down: Json = {"limit_rounding": "floor"}
    assert 0.7 / 0.1 < 7
    assert limit(0.7, 0.1, {**down, "limit_precision": 64}) == limit(0.7, 0.1, down) == 6
    assert limit(0.7, 0.1, {**down, "limit_precision": 32}) == 7
    relu = {"max_value": 0.7, "negative_slope": 0.0}
    for precision, wanted in ((32, 7), (64, 6)):
        result = network(
            source("x", 2),
            after("Activation", "y", "x", function=relu),
            data=[[[0.5, 0.9]]],
            tensors={"x": tensor(0.1), "y": tensor(0.1)},
            change={"activation": {**down, "limit_precision": precision}},
        )
        assert result.codes["y"] == [5, wanted]


def test_division_of_the_limit_against_numpy() -> None:
    generator = random.Random(8)
    for _ in range(500):
        a, b = generator.uniform(0.5, 10.0), generator.uniform(0.001, 1.0)
        assert quotient(a, b, 32) == Fraction(float(np.float32(a) / np.float32(b)))
        assert quotient(a, b, 64) == Fraction(a / b)


def test_relu_has_no_point() -> None:
    result = network(
        source("x", 2),
        after("Activation", "y", "x", function={"max_value": None, "negative_slope": 0.0}),
        data=[[[-3.0, 3.0]]],
        tensors={"x": tensor(), "y": tensor()},
        change={"requantize": {"kind": "none"}},
    )
    assert result.codes["y"] == [0, 3]
    assert list(result.ledger["y"]) == ["output"]


def an_average(zero_point: str) -> Result:
    return network(
        source("x", 2, 2, 1),
        after("AveragePool", "y", "x", window=[2, 2], strides=[1, 1], padding=[[1, 0], [1, 0]]),
        data=[[[[[1.0], [2.0]], [[3.0], [4.0]]]]],
        tensors={"x": tensor(1.0, -10), "y": tensor(1.0, -10)},
        change={"pooling": {"rounding": "toward_zero", "zero_point": zero_point}},
    )


def test_average_pool_leaves_padding_out() -> None:
    removed = an_average("removed")
    assert removed.codes["y"] == [-9, -9, -8, -8]
    assert removed.ledger["y"]["accumulator"]["values"] == [9]
    assert removed.ledger["y"]["accumulator"]["maximum"] == [10]
    assert removed.ledger["y"]["division"]["inexact"] == [2]
    kept = an_average("kept")
    assert kept.codes["y"] == [-9, -8, -8, -7]
    assert kept.ledger["y"]["accumulator"]["minimum"] == [-30]


def test_a_mean_by_two_reciprocals() -> None:
    # zeros outside: 3 / 2 goes to 2, half of which is 1; 10 / 2 is 5, half of which goes to 3
    result = network(
        source("x", 2, 2, 1),
        after("AveragePool", "y", "x", window=[2, 2], strides=[2, 1], padding=[[0, 0], [1, 0]]),
        data=[[[[[3.0], [4.0]], [[0.0], [3.0]]]]],
        tensors={name: tensor(1.0, -5) for name in "xy"},
        change={"pooling": {"rounding": "half_away", "division": "reciprocals"}},
    )
    assert result.codes["y"] == [-5 + 1, -5 + 3]
    assert list(result.ledger["y"]) == ["weight", "bias", "accumulator", "division_width", "division", "output"]
    assert result.ledger["y"]["division_width"]["inexact"] == [1]
    assert result.ledger["y"]["division"]["inexact"] == [1]


def test_maxima_that_read_zeros() -> None:
    result = network(
        source("x", 2, 2, 1),
        after("MaxPool", "m", "x", window=[2, 2], strides=[2, 2], padding=[[1, 1], [1, 1]]),
        data=[[[[[-5.0], [2.0]], [[3.0], [-4.0]]]]],
        tensors={name: tensor(1.0, 1) for name in "xm"},
        change={"pooling": {"max_padding": "zero"}},
    )
    assert result.codes["m"] == [1, 3, 4, 1]


def test_max_pool_pad_and_crop() -> None:
    result = network(
        source("x", 2, 2, 1),
        after("MaxPool", "m", "x", window=[2, 2], strides=[2, 2], padding=[[1, 1], [1, 1]]),
        after("Pad", "p", "x", padding=[[1, 0], [0, 1]]),
        after("Crop", "c", "p", cropping=[[1, 0], [1, 0]]),
        after("Reshape", "r", "c", shape=[4]),
        data=[[[[[-5.0], [2.0]], [[3.0], [4.0]]]]],
        tensors={name: tensor(1.0, 1) for name in "xmpcr"},
    )
    assert result.codes["m"] == [-4, 3, 4, 5]
    assert result.codes["p"] == [1, 1, 1, -4, 3, 1, 4, 5, 1]
    assert result.codes["c"] == result.codes["r"] == [3, 1, 5, 1]
    assert result.ledger["m"] == result.ledger["p"] == result.ledger["r"] == {}


def test_add_with_two_scales() -> None:
    result = network(
        source("a", 1),
        source("b", 1),
        after("Add", "y", "a", "b", activation=None),
        data=[[[5.0]], [[1.0]]],
        tensors={"a": tensor(0.5), "b": tensor(0.25, 3), "y": tensor(0.5, -1)},
    )
    assert (result.codes["a"], result.codes["b"], result.codes["y"]) == ([10], [7], [11])
    assert list(result.ledger["y"]) == ["input", "accumulator", "requantize", "output"]
    assert result.ledger["y"]["input"]["values"] == [2]
    assert result.ledger["y"]["input"]["maximum"] == [1280]
    assert result.ledger["y"]["accumulator"]["maximum"] == [1536]


def test_add_in_double_rounding() -> None:
    result = network(
        source("a", 1),
        after("Add", "y", "a", "a", activation=None),
        data=[[[5.0]]],
        tensors={"a": tensor(1.0), "y": tensor(2.0)},
        change={"requantize": {"kind": "fixed_double"}},
    )
    assert result.codes["y"] == [5]
    shared = ["left_shift", "high_multiply"]
    names = ["input_left_shift", "input_high_multiply", "input", "accumulator", *shared, "requantize", "output"]
    assert list(result.ledger["y"]) == names
    assert result.ledger["y"]["input_left_shift"]["values"] == [2]
    assert result.ledger["y"]["input_high_multiply"]["values"] == [2]


def test_concatenate() -> None:
    result = network(
        source("a", 1, 1, 1),
        source("b", 1, 1, 2),
        after("Concatenate", "y", "a", "b", axis=2),
        after("Concatenate", "z", "b", "b", axis=0),
        data=[[[[[7.0]]]], [[[[3.0, -5.0]]]]],
        tensors={"a": tensor(1.0), "b": tensor(0.5, 1), "y": tensor(1.0), "z": tensor(0.5, 1)},
    )
    assert result.codes["b"] == [7, -9]
    assert result.codes["y"] == [7, 3, -5]
    assert result.codes["z"] == [7, -9, 7, -9]
    assert result.ledger["y"]["output"]["values"] == [0, 1, 1]
    assert result.ledger["z"] == {}


def normalized(*codes: float, change: Json | None = None, **fields: Any) -> Result:
    """Normalise one line of codes less the zero point 3; the result has 2 bits of fraction, and so do its codes."""
    section = {"fraction_bits": 1, "reciprocal_bits": 8, "result_bits": 2, "rounding": "half_up", **(change or {})}
    return network(
        source("x", 1, len(codes)),
        after("Normalize", "y", "x", **{"epsilon": 0.0, "groups": 1, "whole": False, "centered": True, **fields}),
        data=[[[list(codes)]]],
        tensors={"x": tensor(1.0, 3), "y": tensor(0.25, 1)},
        change={"normalization": section},
    )


def test_normalize() -> None:
    result = normalized(1.0, 2.0, 6.0)
    # 2 4 12 have the mean 6, distances -4 -2 6, the variance 56 / 3 = 18.67, the root 4 and the reciprocal 64;
    # -256 -128 384 by 2^6
    assert result.codes["y"] == [-4 + 1, -2 + 1, 6 + 1]
    mean, variance, root, reciprocal, last = (
        result.ledger["y"][name] for name in ("mean", "variance", "root", "reciprocal", "normalized")
    )
    assert list(result.ledger["y"])[:5] == ["mean", "variance", "root", "reciprocal", "normalized"]
    assert (mean["values"], mean["maximum"], mean["inexact"]) == ([1, 0, 0], [6, None, None], [0, 0, 0])
    # 56 / 3 = 18 + 2 / 3: up by 1, less floor(65536 * 2 / 3)
    assert (variance["maximum"], variance["round_bias"]) == ([19, None, None], [65536 - 43690, 0, 0])
    # sqrt(19) = 4.358898..., and floor(0.358898943540674 * 65536) = 23520
    assert (root["minimum"], root["inexact"], root["round_bias"]) == ([4, None, None], [1, 0, 0], [-23520, 0, 0])
    assert (reciprocal["maximum"], reciprocal["inexact"]) == ([64, None, None], [0, 0, 0])
    assert (last["values"], last["minimum"], last["inexact"]) == ([1, 1, 1], [-4, -2, 6], [0, 0, 0])


def test_normalize_without_a_mean_by_groups() -> None:
    result = normalized(3.0, 4.0, 0.0, 0.0, groups=2, centered=False, epsilon=2.5)
    # epsilon 2.5 * 2^2 = 10; 6 8 with the variance 50 + 10, the root 7, 256 / 7 = 37 (36.57); 222 296 by 2^6
    # zeros: the variance 0 + 10, the root 3, 256 / 3 = 85
    assert result.codes["y"] == [3 + 1, 5 + 1, 1, 1]
    assert "mean" not in result.ledger["y"]
    assert result.ledger["y"]["variance"]["maximum"] == [50, None, 0, None]
    assert result.ledger["y"]["reciprocal"]["maximum"] == [37, None, 85, None]
    assert result.ledger["y"]["normalized"]["round_bias"] == [-30720, 24 * 1024, 0, 0]  # 222 / 64 = 3 + 30 / 64


def test_normalize_equal_values() -> None:
    # No distance: the variance is 0, and the reciprocal that of 1.
    result = normalized(5.0, 5.0)
    assert result.codes["y"] == [1, 1]
    assert result.ledger["y"]["reciprocal"]["maximum"] == [256, None]


def test_prelu() -> None:
    result = network(
        source("x", 2, 3),
        after("Prelu", "y", "x", slopes=[0.5, -0.3, 99.0]),
        data=[[[[-6.0, -6.0, -2.0], [7.0, -200.0, 5.0]]]],
        tensors={"x": tensor(1.0, 1), "y": tensor(1.0, 2)},
        weights={"y": {**tensor(), "scale": [0.25, 0.125, 0.25], "zero_point": [1, 0, 0]}},
        change={"requantize": requantize("fixed")},
    )
    # slopes 2 (code 3), -2 (-2.4), 127 (396 saturated) of steps 1/4, 1/8, 1/4
    # -6 * 2 / 4 = -3; -6 * -2 / 8 = 1.5, rounded to 2; -2 * 127 / 4 = -63.5, to -63;
    # -200 is stored as -128, which is -129: -129 * -2 / 8 = 32.25
    assert result.codes["y"] == [-3 + 2, 2 + 2, -63 + 2, 7 + 2, 32 + 2, 5 + 2]
    weight, accumulator = result.ledger["y"]["weight"], result.ledger["y"]["accumulator"]
    assert list(result.ledger["y"]) == ["weight", "input", "accumulator", "output"]
    assert (weight["high"], weight["maximum"], weight["clamp_energy"]) == ([0, 0, 1], [3, -2, 396], [0, 0, 269**2])
    assert (accumulator["values"], accumulator["sums"]) == ([4, 4, 4], [2, 2, 2])
    assert (accumulator["minimum"], accumulator["maximum"]) == ([-3, 2, -63], [7, 32, 5])


def test_softmax() -> None:
    result = network(
        source("x", 2),
        after("Softmax", "y", "x", axis=0),
        data=[[[0.0, 0.0], [0.0, 1.0]]],
        tensors={"x": tensor()},
    )
    assert result.codes["y"] == pytest.approx([0.5, 0.5, 0.2689414213699951, 0.7310585786300049])


def a_mean(codes: list[int], how: str, bits: int = 16, narrow: Json | None = None) -> Result:
    """Return the mean of a column of codes of scale 1 in steps of 1 / 2."""
    return network(
        source("x", len(codes), 1, 1),
        after("Mean", "y", "x"),
        data=[[[[[float(code)]] for code in codes]]],
        tensors={"x": tensor(), "y": tensor(0.5, 3)},
        change={
            "pooling": {"mean": how, "accumulator": {**fit_section(), **(narrow or {})}},
            "requantize": {"multiplier_bits": bits},
        },
    )


def test_mean() -> None:
    result = a_mean([1, 2, 4], "ratio")
    assert result.values["y"]["accumulator"] == [7]
    assert result.codes["y"] == [5 + 3]  # 14 / 3 in steps of 1 / 2
    assert list(result.ledger["y"]) == ["accumulator", "requantize", "output"]
    assert (result.ledger["y"]["accumulator"]["values"], result.ledger["y"]["accumulator"]["sums"]) == ([3], [1])
    # in 4 bits 2 / 3 is 5 / 8, but 2 is 4 / 2, 8 / 4, and a third of that 2 / 4
    assert a_mean([1, 2, 6], "ratio", 4).values["y"]["requantize"] == [6]  # 45 / 8
    assert a_mean([1, 2, 6], "divided", 4).values["y"]["requantize"] == [5]  # 18 / 4


def test_a_narrow_sum_of_a_mean() -> None:
    result = a_mean([1, 2, 4, -3], "ratio", narrow={"bits": 3, "overflow": "saturate"})
    assert result.values["y"]["accumulator"] == [0]
    seen = result.ledger["y"]["accumulator"]
    assert (seen["high"], seen["first"], seen["transient"], seen["clamp_energy"]) == ([1], [(0, 0, 2)], [0], [16])


def shares(*codes: int, scale: float) -> Result:
    """Return a softmax of codes in fixed point."""
    return network(
        source("x", len(codes)),
        after("Softmax", "y", "x", axis=0),
        data=[[[code * scale for code in codes]]],
        tensors={"x": tensor(scale), "y": tensor(2.0**-8, -128)},
        change={"softmax": {"run_on": "fixed"}},
    )


def test_softmax_in_fixed_point() -> None:
    assert shares(9, scale=1.0).codes["y"] == [127]
    assert shares(9, 9, 9, 9, scale=1.0).codes["y"] == [64 - 128] * 4
    result = shares(0, 3, -16, scale=1.0)
    # 256 / (1 + e^3) = 12.1, and a difference of 19 is beyond 15, which floor(31 * 2^26 / 2^27) allows
    assert result.codes["y"] == [12 - 128, 244 - 128, -128]
    ledger = result.ledger["y"]
    assert list(ledger) == ["difference", "sum", "product", "output"]
    assert [ledger[point]["values"] for point in ledger] == [[1, 1, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1]]
    assert ledger["difference"]["minimum"] == [-3 << 26, 0, None]
    assert ledger["difference"]["inexact"] == [0, 0, 0]  # a scale of 1 is exact
    assert ledger["sum"]["maximum"][0] == round(2**19 * 2.718281828459045**-3)
    assert ledger["sum"]["maximum"][1] == ledger["sum"]["maximum"][0] + 2**19
    assert ledger["output"]["histogram"][:9] == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert shares(0, 1, scale=0.3).ledger["y"]["difference"]["inexact"] == [1, 0]
    with pytest.raises(ValueError, match="input scale"):
        shares(0, 1, scale=2.0**-26)


def test_samples_draw_the_same_numbers() -> None:
    result = network(
        source("x", 2),
        after("ScaleShift", "y", "x", scale=[1.0, 1.0], bias=[0.0, 0.0]),
        data=[[[1.0, 1.0], [1.0, 1.0]]],
        tensors={"x": tensor(), "y": tensor(2.0)},
        weights={"y": one_scale()},
        change={
            "requantize": {"rounding": "stochastic_equal"},
            "random": {"bits": 4, "taps": [4, 3], "seed": 9},
        },
    )
    assert result.codes["y"] == [1, 0, 1, 0]  # states 9 and 3: at least 8, and less


# --- the post-pipeline in a network ----------------------------------------------------------------------


def through(steps: list[Json], *codes: int, output: Json | None = None, function: Json | None = None) -> Result:
    """Send codes of scale 1 through a list of steps, by a standalone activation."""
    return network(
        source("x", len(codes), 1),
        after("Activation", "y", "x", function=function),
        data=[[[[float(code)] for code in codes]]],
        tensors={"x": tensor(1.0, 0, 32), "y": output or tensor()},
        change={"requantize": listed(*steps)},
    )


def test_points_of_steps() -> None:
    steps = [times(3), shift_right(1, "floor", "half"), {"step": "clip", "low": -99, "high": 99}]
    steps += [to_fit(4, "saturate"), {"step": "zero_point"}, shift_right(1, "half_up")]
    result = through(steps, 1, -2, 9, output=tensor(1.0, 4))
    # 3 -6 27 to 1 -3 13, fitted to 1 -3 7; 5 1 11 to 3 1 6
    assert result.codes["y"] == [3, 1, 6]
    assert list(result.ledger["y"]) == ["half", "fit", "shift_right", "output"]
    half, fitted, last, output = result.ledger["y"].values()
    assert (half["values"], half["minimum"], half["maximum"], half["inexact"]) == ([3], [-3], [13], [2])
    assert (fitted["values"], fitted["high"], fitted["maximum"], fitted["clamp_energy"]) == ([3], [1], [13], [36])
    assert (fitted["first"], fitted["persistent"], fitted["histogram"]) == ([(0, 2, 0)], [1], None)
    assert (last["minimum"], last["maximum"], last["inexact"], last["round_bias"]) == ([1], [6], [3], [3 * 32768])
    assert output["histogram"][:4] == [0, 1, 2, 0]  # less the zero point: -1 -3 2


def test_a_table_is_a_point() -> None:
    step = {"step": "lookup", "table": [0, 10, -5], "first": 0, "shift": 2, "interpolation": "linear"}
    result = through([{**step, "rounding": "half_up", "name": None}], 1, 2, 4, 7)
    assert result.codes["y"] == [3, 5, 10, -1]
    assert list(result.ledger["y"]) == ["lookup", "output"]
    seen = result.ledger["y"]["lookup"]
    assert (seen["values"], seen["minimum"], seen["maximum"], seen["inexact"]) == ([4], [-1], [10], [2])
    assert list(through([{**step, "interpolation": "none"}], 1).ledger["y"]) == ["output"]


def test_two_points_need_two_names() -> None:
    with pytest.raises(ValueError, match="two points of one name"):
        through([shift_right(1), shift_right(2)], 1)


def test_an_activation_among_the_steps() -> None:
    relu = {"max_value": 6.0, "negative_slope": 0.25}
    steps = [shift_left(2), {"step": "activation"}, times(3), shift_right(1)]
    result = through(steps, -3, 1, 5, output=tensor(0.5), function=relu)
    # -12 4 20, an LSB worth 0.5 * 3 / 2: at most 8, so -3 4 8; -9 12 24 and a half of it
    assert result.codes["y"] == [-4, 6, 12]
    assert list(result.ledger["y"]) == ["activation", "shift_right", "output"]
    first = through([{"step": "activation"}, *steps[2:]], 5, 9, output=tensor(0.5), function=relu)
    assert first.codes["y"] == [8, 9]  # before the first scaling step an LSB is worth the input scale, 1
    behind = through(steps[2:], 5, 9, output=tensor(0.5), function=relu)
    assert behind.codes["y"] == [8, 12]


def test_inputs_skip_activation_and_zero_point() -> None:
    steps = [{"step": "activation"}, times(bits=8), {"step": "zero_point"}, shift_right(name="requantize"), to_fit(16)]
    result = network(
        source("a", 1),
        after("Add", "y", "a", "a", activation={"max_value": None, "negative_slope": 0.0}),
        after("Concatenate", "z", "a", axis=0),
        data=[[[3.0], [-3.0]]],
        tensors={"a": tensor(), "y": tensor(1.0, 64), "z": tensor(0.5, 1)},
        change={"requantize": listed(*steps)},
    )
    # 3 * 256 / 2 twice is 768, in units of 1 / 128; the zero point enters as 64 among values times 64
    assert result.codes["y"] == [6, 0]
    inputs = ["input", "input_fit"]
    assert list(result.ledger["y"]) == [*inputs, "accumulator", "requantize", "fit", "output"]
    assert result.codes["z"] == [7, -5]
    assert list(result.ledger["z"]) == [*inputs, "output"]


def test_add_where_nothing_goes_by_ratio() -> None:
    result = network(
        source("a", 1),
        after("Add", "y", "a", "a", activation=None),
        data=[[[5.0]]],
        tensors={"a": tensor(), "y": tensor(2.0)},
        change={"requantize": listed(shift_right(1, "half_even"))},
    )
    assert result.codes["y"] == [5]
    assert list(result.ledger["y"]) == ["accumulator", "shift_right", "output"]


# --- operations of two tensors, and transposed convolutions ----------------------------------------------


def test_multiply_repeats_axes_of_size_one() -> None:
    result = network(
        source("a", 2, 1, 2),
        source("b", 1, 3, 1),
        after("Multiply", "y", "a", "b", activation=None),
        data=[[[[[1.0, 2.0]], [[3.0, -4.0]]]], [[[[0.5], [1.0], [10.0]]]]],
        tensors={"a": tensor(1.0, 3), "b": tensor(0.5, -1), "y": tensor(1.0, 10)},
        change={"multiplication": {"product": {**fit_section(7, "saturate"), "shift": 1, "rounding": "floor"}}},
    )
    # units of 1 / 2 * 2; products 1 2 20, 2 4 40 / 3 6 60, -4 -8 -80; halved
    assert result.codes["y"] == [10, 11, 11, 12, 20, 30, 11, 8, 13, 6, 40, -30]
    assert list(result.ledger["y"]) == ["product", "requantize", "output"]
    seen = result.ledger["y"]["product"]
    assert (seen["values"], seen["inexact"]) == ([6, 6], [2, 0])
    assert (seen["minimum"], seen["first"]) == ([None, None], [None, None])


def test_multiply_counts_by_the_output() -> None:
    result = network(
        source("a", 2, 1),
        source("b", 1, 2),
        after("Multiply", "y", "a", "b", activation=None),
        data=[[[[1.0], [1.0]], [[1.0], [1.0]]], [[[1.0, 1.0]], [[1.0, 9.0]]]],
        tensors={"a": tensor(), "b": tensor(), "y": tensor(2.0)},
        change={
            "multiplication": {"product": {**fit_section(3), "shift": 1, "rounding": "stochastic_equal"}},
            "random": {"bits": 4, "taps": [4, 3], "seed": 9},
        },
    )
    # draws 9 3 6 13; 9 / 2 is 4 or 5, outside 3 bits
    assert result.codes["y"] == [1, 0, 0, 1, 1, -4, 0, -3]
    seen = result.ledger["y"]["product"]
    assert (seen["first"], seen["high"], seen["maximum"]) == ([None, (1, 0, 0)], [0, 2], [None, 5])


@pytest.mark.parametrize("zero_point", ["removed", "corrected"])
def test_transposed_convolution(zero_point: str) -> None:
    generator = random.Random(6)
    size, kernel_size, cut, strides, dilation, output = (3, 2, 2), (2, 3), (1, 2), (2, 3), (1, 2), (5, 4)
    image = [[[float(generator.randrange(-5, 6)) for _ in range(2)] for _ in range(2)] for _ in range(3)]
    kernel = [
        [[[float(generator.randrange(-5, 6)) for _ in range(3)] for _ in range(2)] for _ in range(3)] for _ in range(2)
    ]
    wanted = [[[0.0] * 3 for _ in range(output[1])] for _ in range(output[0])]
    for i, j, r, s, c, o in np.ndindex(*size[:2], *kernel_size, 2, 3):  # every input value spreads over the output
        y, x = i * strides[0] + r * dilation[0] - cut[0], j * strides[1] + s * dilation[1] - cut[1]
        if 0 <= y < output[0] and 0 <= x < output[1]:
            wanted[y][x][o] += image[i][j][c] * kernel[r][s][c][o]
    fields = {"strides": list(strides), "dilation": list(dilation), "cut": list(cut), "size": list(output)}
    result = network(
        source("x", *size),
        after("Conv2DTranspose", "y", "x", kernel=kernel, bias=[0.0] * 3, activation=None, **fields),
        data=[[image]],
        tensors={"x": tensor(1.0, 7), "y": tensor(bits=16)},
        weights={"y": one_scale(1.0, 2)},
        change={"mac": {"input_zero_point": zero_point}},
    )
    assert result.codes["y"] == [value for row in wanted for pixel in row for value in pixel]
    assert result.ledger["y"]["accumulator"]["values"] == [20 * 12] * 3


def test_narrow_formats_may_stop_the_run() -> None:
    narrow = {**tensor(), "narrow": True}
    fields: Json = {"function": None}
    with pytest.raises(OverflowStop, match="output"):
        network(
            source("x", 1),
            after("Activation", "y", "x", **fields),
            data=[[[-128.0]]],
            tensors={"x": tensor(), "y": narrow},
            change={"output": {"overflow": "error"}},
        )


def test_sixty_four_bits_and_more() -> None:
    wide = {**tensor(1.0, 0, 64), "signed": False}
    result = network(
        source("x", 1),
        after("Multiply", "y", "x", "x", activation=None),
        data=[[[2.0**40]]],
        tensors={"x": wide, "y": wide},
        change={"requantize": listed()},
    )
    assert result.codes["y"] == [2**64 - 1]
    assert result.ledger["y"]["output"]["histogram"][64] == 1
    assert result.ledger["y"]["output"]["maximum"] == [2**80]
