"""Activations in the oracle, computed by hand."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from oracle_by_hand.sections import Json, after, network, requantize, source, tensor

from oracle.activation import limit, quotient
from oracle.ledger import OverflowStop
from oracle.network import Result


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
