"""Pooling and means in the oracle, computed by hand."""

from __future__ import annotations

from oracle_by_hand.sections import Json, after, fit_section, network, source, tensor

from oracle.network import Result


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
