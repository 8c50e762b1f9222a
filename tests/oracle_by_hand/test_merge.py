"""Operations at which branches meet in the oracle, computed by hand."""

from __future__ import annotations

from oracle_by_hand.sections import after, fit_section, listed, network, shift_right, source, tensor


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
