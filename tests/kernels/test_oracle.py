"""The oracle itself, against verified tables and cases computed by hand."""

from __future__ import annotations

import copy
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from oracle.ledger import OverflowStop
from oracle.lfsr import Draws, states
from oracle.mac import Datapath, Where, dot, steps
from oracle.network import Result, run
from oracle.overflow import fit, limits
from oracle.quantize import quantize
from oracle.rescale import float32_product, multiplier, rescale
from oracle.rounding import UP, Rounded, round_divide, round_fraction, round_shift, rounded_shift

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


# --- rescaling ------------------------------------------------------------------------------------------

VALUES = (-10, -6, -5, -3, -2, -1, 1, 2, 3, 5, 6, 10, 25)
ARITHMETICS = {
    "single": [-2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 3, 6],
    "double": [-3, -2, -1, -1, -1, 0, 1, 1, 1, 2, 2, 3, 7],
    "f64": [-3, -2, -1, -1, -1, 0, 0, 1, 1, 1, 2, 3, 6],
    "fp32": [-2, -2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 2, 6],
}
"""VALUES / 4 in four arithmetics that all go by the name of TensorFlow Lite int8."""

KINDS = {
    "single": {"kind": "fixed", "multiplier_bits": 32, "rounding": "half_up"},
    "double": {"kind": "fixed_double", "multiplier_bits": 32, "rounding": "half_up"},
    "f64": {"kind": "float64", "multiplier_bits": 32, "rounding": "half_away"},
    "fp32": {"kind": "float32", "multiplier_bits": 32, "rounding": "half_even"},
}


@pytest.mark.parametrize("name", ARITHMETICS)
def test_four_of_the_five_arithmetics(name: str) -> None:
    assert [rescale(x, 0.25, KINDS[name]) for x in VALUES] == ARITHMETICS[name]


def test_the_fifth_of_the_five_arithmetics() -> None:
    q, _, e = multiplier(0.25, 32)
    ruy = [round_shift(round_shift(x * q, 31, "half_up"), -e, "half_up") for x in VALUES]
    assert ruy == [-2, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 3, 7]


def test_multiplier() -> None:
    assert multiplier(1.0, 8) == (64, 6, 1)
    assert multiplier(0.999, 8) == (64, 6, 1)  # 127.87 rounds to 128, which 8 signed bits do not hold
    assert multiplier(0.75, 4) == (6, 3, 0)
    assert multiplier(2.0**10, 8) == (64, -4, 11)
    assert multiplier(2.0**-32, 32)[:2] == (2**30, 62)
    assert multiplier(2.0**-33, 32)[:2] == (0, 0)


def test_rescale() -> None:
    fixed = {"kind": "fixed", "multiplier_bits": 8, "rounding": "floor"}
    assert rescale(-3, 2.0**10, fixed) == -3072
    assert rescale(5, 2.0**-60, fixed) == 0
    shift = {"kind": "power_of_two", "rounding": "half_even"}
    assert [rescale(x, 0.5, shift) for x in (-3, -1, 1, 3)] == [-2, 0, 0, 2]
    assert rescale(-3, 4.0, shift) == -12
    with pytest.raises(ValueError, match="power of two"):
        rescale(1, 0.3, shift)
    assert rescale(7, 0.3, {"kind": "none"}) == 7


def test_double_wraps_its_left_shift() -> None:
    double = KINDS["double"]
    assert rescale(3, 4.0, double) == 12
    assert rescale(2**28, 4.0, double) == -(2**30)  # 2^28 * 2^3 = 2^31 wraps to -2^31; half of it is left


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
    assert quantize(1e30, 1e-30, 1, "half_even").value == 2**62 + 1


# --- multiply-accumulate --------------------------------------------------------------------------------


def fit_section(bits: int = 32, overflow: str = "wrap", signed: bool = True, saturated_bits: int = 0) -> Json:
    return {"bits": bits, "signed": signed, "overflow": overflow, "saturated_bits": saturated_bits}


def stage(bits: int = 32, overflow: str = "wrap", name: str = "accumulator", **other: Any) -> Json:
    rest = {"terms": None, "check": "each", "shape": "chain", "shift": 0, "rounding": "floor"}
    return {"name": name, **fit_section(bits, overflow), **rest, **other}


def mac(*stages: Json, product: Json | None = None, order: str = "hwc", tile: int | None = None) -> Json:
    axes = {
        "h": "kernel_height",
        "w": "kernel_width",
        "c": "input_channel",
        "t": "input_channel_tile",
    }
    return {
        "order": [axes[one] for one in order],
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


def ran(pairs: list[tuple[int, int]], section: Json, bias: int = 0, position: str = "first") -> Datapath:
    """Return a datapath through which one output has gone."""
    datapath = Datapath(section, position)
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
    assert (seen["minimum"], seen["maximum"], seen["first"]) == (5000, 5000, (0, 0, 2))
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
    "requantize": {"kind": "fixed", "multiplier_bits": 32, "rounding": "half_up"},
    "activation": {"position": "after_requantize", "multiplier_bits": 16, "rounding": "half_up"},
    "output": {"overflow": "saturate"},
    "pooling": {"accumulator": fit_section(), "rounding": "half_away", "zero_point": "removed"},
    "addition": {"left_shift": 8, "accumulator": fit_section()},
    "softmax": {"run_on": "host"},
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
    assert result.values == {"y": {"accumulator": [-1, 10], "requantize": [0, 5]}}
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
    assert result.values["y"] == {"accumulator": [-1, -6], "requantize": [0, 0]}
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
    names = ["input_high_multiply", "input", "accumulator", "high_multiply", "requantize", "output"]
    assert list(result.ledger["y"]) == names
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


def test_softmax() -> None:
    result = network(
        source("x", 2),
        after("Softmax", "y", "x", axis=0),
        data=[[[0.0, 0.0], [0.0, 1.0]]],
        tensors={"x": tensor()},
    )
    assert result.codes["y"] == pytest.approx([0.5, 0.5, 0.2689414213699951, 0.7310585786300049])


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
