"""Operations with weights in the oracle, computed by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest
from oracle_by_hand.sections import (
    Json,
    after,
    fit_section,
    listed,
    mac,
    network,
    one_scale,
    shift_left,
    shift_right,
    source,
    stage,
    tensor,
    times,
)

from oracle.ledger import OverflowStop
from oracle.network import Result


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
