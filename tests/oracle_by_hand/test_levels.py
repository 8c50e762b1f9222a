"""Levels and shifts in the oracle, against cases computed by hand (docs/arithmetic.md, section 3)."""

from __future__ import annotations

import copy
from fractions import Fraction
from math import exp
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle_by_hand.sections import Json, after, source

from oracle.levels import nearest
from oracle.network import Result, run

WIDE: Json = {"bits": 32, "signed": True, "overflow": "wrap", "saturated_bits": 0}
STAGE: Json = {**WIDE, "name": "accumulator", "terms": None, "check": "each", "shape": "chain", "shift": 0}
SETTINGS: Json = {
    "weights": {"rounding": "half_even"},
    "activations": {"rounding": "half_even"},
    "mac": {
        "order": ["kernel_height", "kernel_width", "input_channel"],
        "product": None,
        "stages": [{**STAGE, "rounding": "floor"}],
    },
    "bias": {"bits": 32, "position": "first", "rounding": "half_even", "overflow": "saturate"},
    "requantize": {"kind": "power_of_two", "rounding": "half_even"},
    "multiplication": {"product": None},
    "activation": {"position": "after_requantize", "multiplier_bits": 16, "rounding": "half_up"},
    "output": {"overflow": "saturate"},
    "pooling": {"accumulator": WIDE, "rounding": "half_away", "zero_point": "removed"},
    "addition": {"left_shift": 0, "accumulator": WIDE},
    "softmax": {"run_on": "host"},
    "random": {"bits": 16, "taps": [16, 15, 13, 4], "seed": 1},
}
LSB = 2**16
"""How many units of a rounding's error make one LSB."""


def tensor(scale: float = 1.0, zero_point: int = 0, bits: int = 8, **more: Any) -> Json:
    return {"bits": bits, "signed": True, "narrow": False, "scale": scale, "zero_point": zero_point, **more}


CODEBOOK = [-6, -2, 0, 4]
"""Levels of the codes -2 to 1; integers half way between two of them are -4, -1 and 2."""


def coded(scale: float = 1.0, **more: Any) -> Json:
    """Return an entry with the codebook; its level format has 4 bits, -8 to 7."""
    return tensor(scale, bits=2, levels=CODEBOOK) | more


def weights(*scale: float, zero_point: int = 0, bits: int = 8, **more: Any) -> Json:
    return {**tensor(bits=bits), "scale": list(scale), "zero_point": [zero_point], **more}


def dense(kernel: list[list[float]], bias: list[float] | None = None) -> Json:
    return after("Dense", "y", "x", kernel=kernel, bias=bias or [0.0] * len(kernel[0]), activation=None)


def network(
    *operations: Json, data: list[Any], tensors: Json, weights: Json | None = None, change: Json | None = None
) -> Result:
    settings = {**copy.deepcopy(SETTINGS), **(change or {})}
    plan = {"tensors": tensors, "weights": weights or {}}
    each = {operation["name"]: settings for operation in operations}
    return run({"operations": list(operations), "outputs": [operations[-1]["name"]]}, plan, each, data)


def has(figures: Json, **wanted: Any) -> None:
    assert {name: figures[name] for name in wanted} == wanted


# --- levels ----------------------------------------------------------------------------------------------


@given(st.fractions(-40, 40, max_denominator=8), st.sets(st.integers(-30, 30), min_size=1))
def test_nearest(x: Fraction, levels: set[int]) -> None:
    """The nearest level is that of the smallest distance, and the largest of them."""
    ascending = sorted(levels)
    assert ascending[nearest(x, ascending)] == min(levels, key=lambda level: (abs(level - x), -level))


def test_nearest_at_ties() -> None:
    assert [CODEBOOK[nearest(x, CODEBOOK)] for x in (-5, -4, -3, -1, 1, 2, 3)] == [-6, -2, -2, 0, 0, 4, 4]
    assert nearest(5, [0]) == 0


def an_encoded_dense() -> Result:
    return network(
        source("x", 3),
        dense([[1.0], [2.0], [-1.0]], [1.0]),
        # in units of 1 / 2: -4 2 -1.5 and -18 0.5 6
        data=[[[-2.0, 1.0, -0.75], [-9.0, 0.25, 3.0]]],
        tensors={"x": coded(0.5), "y": coded()},
        weights={"y": weights(1.0)},
    )


def test_an_input_is_encoded() -> None:
    result = an_encoded_dense()
    assert result.codes["x"] == [-1, 1, -1, -2, 0, 1]
    assert list(result.ledger["x"]) == ["input", "encode"]
    has(result.ledger["x"]["input"], minimum=[-18, 0, -2], maximum=[-4, 2, 6], low=[1, 0, 0], high=[0, 0, 0])
    has(result.ledger["x"]["input"], clamp_energy=[100, 0, 0], round_bias=[0, -LSB // 2, -LSB // 2])
    encode = result.ledger["x"]["encode"]
    has(encode, values=[2, 2, 2], inexact=[2, 1, 1], minimum=[-6, 0, -2], maximum=[-2, 4, 4])
    has(encode, round_bias=[4 * LSB, 2 * LSB, -2 * LSB], round_energy=[8 * LSB**2, 4 * LSB**2, 4 * LSB**2])
    has(encode, low=[0, 0, 0], high=[0, 0, 0], persistent=[0, 0, 0], first=[None] * 3, histogram=None)


def test_a_dense_multiplies_levels_and_is_encoded() -> None:
    result = an_encoded_dense()
    assert result.values["y"] == {"accumulator": [-2 + 8 + 2 + 2, -6 + 0 - 4 + 2], "requantize": [5, -4]}
    assert result.codes["y"] == [1, -1]
    assert list(result.ledger["y"]) == ["weight", "bias", "accumulator", "requantize", "output", "encode"]
    has(result.ledger["y"]["output"], minimum=[-4], maximum=[5], high=[0])
    has(result.ledger["y"]["encode"], values=[2], inexact=[2], round_bias=[LSB], round_energy=[5 * LSB**2])
    has(result.ledger["y"]["encode"], minimum=[-2], maximum=[4])


@pytest.mark.parametrize(("overflow", "code"), [("wrap", -2), ("saturate", 1), ("saturate_zero", 0)])
def test_what_is_made_overflows_the_level_format(overflow: str, code: int) -> None:
    """9 is -7 in 4 bits, next to the level -6; or 7, next to 4."""
    result = network(
        source("x", 1),
        after("Activation", "y", "x", function=None),
        data=[[[9.0]]],
        tensors={"x": tensor(), "y": coded()},
        change={"output": {"overflow": overflow}},
    )
    assert result.codes["y"] == [code]
    has(result.ledger["y"]["output"], maximum=[9], high=[1], first=[(0, 0, 0)])


UNSIGNED = coded(signed=False, zero_point=2)
"""The same levels for the codes 0 to 3: zero is code 2."""


def test_the_level_format_has_no_zero_point() -> None:
    result = network(source("x", 4), data=[[[-6.0, -2.0, 0.0, 4.0]]], tensors={"x": UNSIGNED})
    assert result.codes["x"] == [0, 1, 2, 3]
    has(result.ledger["x"]["input"], minimum=[-6, -2, 0, 4], low=[0] * 4, high=[0] * 4)


def test_narrow_formats_have_one_level_less() -> None:
    entry = coded(narrow=True, levels=[-3, 0, 3])
    result = network(source("x", 3), data=[[[-3.0, 0.0, 2.0]]], tensors={"x": entry})
    assert result.codes["x"] == [-1, 0, 1]


def test_codes_that_move_stay() -> None:
    """Code 2 is put around -6 and 4; a window of the upper two rows has the larger code."""
    window = {"window": [2, 2], "strides": [2, 2], "padding": [[0, 0], [0, 0]]}
    result = network(
        source("x", 1, 2, 1),
        after("Pad", "padded", "x", padding=[[1, 0], [0, 0]]),
        after("MaxPool", "pooled", "padded", **window),
        after("Reshape", "flat", "pooled", shape=[1]),
        data=[[[[[-6.0], [4.0]]]]],
        tensors=dict.fromkeys(("x", "padded", "pooled", "flat"), UNSIGNED),
    )
    assert result.codes["padded"] == [2, 2, 0, 3]
    assert result.codes["pooled"] == result.codes["flat"] == [3]
    assert not any(result.ledger[name] for name in ("padded", "pooled", "flat"))


def test_the_mean_of_levels() -> None:
    result = network(
        source("x", 1, 2, 1),
        after("AveragePool", "y", "x", window=[1, 2], strides=[1, 2], padding=[[0, 0], [0, 0]]),
        data=[[[[[-6.0], [4.0]]]]],
        tensors={"x": UNSIGNED, "y": UNSIGNED},
    )
    assert result.codes["y"] == [2]  # the mean -1, between -2 and 0
    assert list(result.ledger["y"]) == ["accumulator", "division", "output", "encode"]
    has(result.ledger["y"]["encode"], round_bias=[LSB], minimum=[0])


def test_levels_meet() -> None:
    levels_and_codes = {"x": coded(), "z": tensor()}
    data = [[[4.0]], [[3.0]]]
    inputs = (source("x", 1), source("z", 1))
    change = {"requantize": {"kind": "none"}}
    added = after("Add", "y", "x", "z", activation=None)
    assert network(*inputs, added, data=data, tensors={**levels_and_codes, "y": tensor()}, change=change).codes[
        "y"
    ] == [7]
    product = after("Multiply", "y", "x", "z", activation=None)
    assert network(*inputs, product, data=data, tensors={**levels_and_codes, "y": tensor()}).codes["y"] == [12]


def test_concatenation_of_levels() -> None:
    joined = (source("x", 1), source("z", 1), after("Concatenate", "y", "x", "z", axis=-1))
    data = [[[4.0]], [[3.0]]]
    same = network(*joined, data=data, tensors=dict.fromkeys("xzy", coded()))
    assert (same.codes["y"], same.ledger["y"]) == ([1, 1], {})
    other = network(*joined, data=data, tensors={"x": coded(), "z": tensor(0.5), "y": coded()})
    assert other.codes["y"] == [1, 1]
    assert list(other.ledger["y"]) == ["input", "output", "encode"]
    has(other.ledger["y"]["output"], values=[0, 1], maximum=[None, 3])
    has(other.ledger["y"]["encode"], values=[1, 1], round_bias=[0, LSB])


def test_softmax_of_levels() -> None:
    result = network(source("x", 2), after("Softmax", "y", "x", axis=-1), data=[[[0.0, 4.0]]], tensors={"x": coded()})
    assert result.codes["y"] == pytest.approx([1 / (1 + exp(4)), exp(4) / (1 + exp(4))])


# --- weights ---------------------------------------------------------------------------------------------


def test_weights_with_shifts() -> None:
    """Two groups of two input channels; codes have 3 bits, -4 to 3."""
    result = network(
        source("x", 4),
        dense([[0.75, 5.0], [-3.0, -7.0], [5.0, 1.25], [9.0, -0.5]]),
        data=[[[1.0, 2.0, 3.0, -1.0]]],
        tensors={"x": tensor(), "y": tensor()},
        weights={"y": weights(0.5, 1.0, bits=3, shift=[[0, 1], [2, 0]], group=2)},
        change={"requantize": {"kind": "float64", "rounding": "floor"}},
    )
    # channel 0: 1.5 -6 2.5 4.5 to 2 -4 2 3, times 1 1 4 4; channel 1: 2.5 -3.5 1.25 -0.5 to 2 -4 1 0, times 2 2 1 1
    assert result.values["y"]["accumulator"] == [2 - 8 + 24 - 12, 4 - 16 + 3 - 0]
    weight = result.ledger["y"]["weight"]
    has(weight, values=[4, 4], minimum=[-6, -4], maximum=[4, 2], inexact=[3, 4])
    has(weight, low=[1, 0], high=[1, 0], persistent=[2, 0], first=[(0, 1, 0), None])
    has(weight, clamp_energy=[2**2 + (1 * 4) ** 2, 0])
    half, quarter = LSB // 2, LSB // 4
    has(weight, round_bias=[half - 4 * half - 4 * half, -2 * half - 2 * half - quarter + half])
    has(weight, round_energy=[33 * half**2, (4 + 4 + 1) * half**2 + quarter**2])


def test_weights_with_shifts_and_a_zero_point() -> None:
    result = network(
        source("x", 1),
        dense([[12.0]]),
        data=[[[1.0]]],
        tensors={"x": tensor(), "y": tensor()},
        weights={"y": weights(1.0, zero_point=1, shift=[[3]])},
    )
    assert result.codes["y"] == [16]
    has(result.ledger["y"]["weight"], maximum=[3], round_bias=[4 * LSB])


def test_input_channels_count_within_their_group() -> None:
    conv = after("Conv2D", "y", "x", kernel=[[[[2.0, 8.0]]]], bias=[0.0, 0.0], groups=2, activation=None)
    result = network(
        source("x", 1, 1, 2),
        conv,
        data=[[[[[3.0, 5.0]]]]],
        tensors={"x": tensor(), "y": tensor()},
        weights={"y": weights(1.0, bits=2, shift=[[1, 3]])},
    )
    assert result.codes["y"] == [6, 40]


def test_shifts_follow_the_kernel_over_all_positions() -> None:
    """A kernel of 1 by 2 and two input channels: the shift goes by input channel alone."""
    kernel = [[[[1.0], [4.0]], [[1.0], [4.0]]]]
    conv = after("Conv2D", "y", "x", kernel=kernel, bias=[0.0], activation=None)
    result = network(
        source("x", 1, 2, 2),
        conv,
        data=[[[[[1.0, 2.0], [4.0, 8.0]]]]],
        tensors={"x": tensor(), "y": tensor()},
        weights={"y": weights(1.0, bits=2, shift=[[0], [2]])},
    )
    assert result.codes["y"] == [1 + 8 + 4 + 32]


def test_weights_with_levels() -> None:
    """v is -2, 2 and -0.5, each half way between two levels, 5 and 4.5 above all, -4.5 below all."""
    result = network(
        source("x", 6),
        dense([[-1.0], [1.0], [-0.25], [2.5], [2.25], [-2.25]]),
        data=[[[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]]],
        tensors={"x": tensor(), "y": tensor(0.5)},
        weights={"y": weights(0.5, bits=2, levels=[-3, -1, 0, 4])},
    )
    assert result.codes["y"] == [-1 * 1 + 4 * 2 + 0 * 4 + 4 * 8 + 4 * 16 - 3 * 32]
    weight = result.ledger["y"]["weight"]
    has(weight, values=[6], low=[1], high=[2], persistent=[3], first=[(0, 3, 0)], minimum=[-4], maximum=[5])
    has(weight, clamp_energy=[(4 - 5) ** 2 + (4 - 4) ** 2 + (-3 + 4) ** 2], inexact=[5])
    half = LSB // 2
    has(weight, round_bias=[LSB + 2 * LSB + half + 0 - half + half])
    has(weight, round_energy=[LSB**2 + 4 * LSB**2 + 3 * half**2])


def test_weights_with_levels_and_shifts() -> None:
    """8 in steps of 4 is 2, half way between 0 and 4; 24 is 6, above all by 2 steps, of 4 each."""
    result = network(
        source("x", 2),
        dense([[8.0], [24.0]]),
        data=[[[1.0, 1.0]]],
        tensors={"x": tensor(), "y": tensor()},
        weights={"y": weights(1.0, bits=2, levels=[-3, -1, 0, 4], shift=[[2], [2]])},
    )
    assert result.codes["y"] == [16 + 16]
    has(result.ledger["y"]["weight"], minimum=[2], maximum=[6], round_bias=[2 * LSB * 4], clamp_energy=[(2 * 4) ** 2])


# --- tensors with shifts ---------------------------------------------------------------------------------


def test_tensors_with_shifts() -> None:
    """9 in steps of 2 is 4, decoded 16; a sum of 19 in steps of 0.5 is 9.5 in steps of 1."""
    result = network(
        source("x", 2),
        dense([[1.0, 1.0], [1.0, 1.0]]),
        data=[[[1.5, 9.0]]],
        tensors={"x": tensor(0.5, 1, shift=[0, 2]), "y": tensor(0.5, 3, shift=[0, 1])},
        weights={"y": weights(1.0)},
    )
    assert result.codes["x"] == [4, 5]
    has(result.ledger["x"]["input"], minimum=[4, 5], round_bias=[0, -LSB // 2])
    assert result.values["y"]["accumulator"] == [19, 19]
    assert result.codes["y"] == [22, 13]
    assert list(result.ledger["y"]) == ["weight", "bias", "accumulator", "requantize", "output"]


def test_limits_go_by_the_scale_of_their_channel() -> None:
    result = network(
        source("x", 2),
        after("Activation", "y", "x", function={"max_value": 6.0}),
        data=[[[20.0, 20.0]]],
        tensors={"x": tensor(0.5), "y": tensor(0.5, shift=[0, 1])},
    )
    assert result.codes["y"] == [12, 6]


def test_the_mean_of_codes_with_shifts() -> None:
    entry = tensor(0.5, 1, shift=[0, 2])
    result = network(
        source("x", 1, 2, 2),
        after("AveragePool", "y", "x", window=[1, 2], strides=[1, 2], padding=[[0, 0], [0, 0]]),
        data=[[[[[1.5, 8.0], [2.5, 14.0]]]]],
        tensors={"x": entry, "y": entry},
    )
    assert result.codes["x"] == [4, 5, 6, 8]
    assert result.codes["y"] == [5, 7]
    has(result.ledger["y"]["accumulator"], maximum=[8, 11])


JOINED = (source("x", 1), source("z", 1), after("Concatenate", "y", "x", "z", axis=-1))


def test_concatenation_of_shifts() -> None:
    tensors = {"x": tensor(), "z": tensor(shift=[2])}
    data = [[[3.0]], [[12.0]]]
    copied = network(*JOINED, data=data, tensors={**tensors, "y": tensor(shift=[0, 2])})
    assert (copied.codes["y"], copied.ledger["y"]) == ([3, 3], {})
    rescaled = network(*JOINED, data=data, tensors={**tensors, "y": tensor(shift=[2, 0])})
    assert rescaled.codes["y"] == [1, 12]
    has(rescaled.ledger["y"]["input"], values=[1, 1], inexact=[1, 0], round_bias=[LSB // 4, 0])
