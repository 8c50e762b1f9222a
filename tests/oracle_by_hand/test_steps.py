"""Lists of steps in the oracle's networks, computed by hand."""

from __future__ import annotations

import pytest
from oracle_by_hand.sections import Json, after, listed, network, shift_left, shift_right, source, tensor, times, to_fit

from oracle.network import Result


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
