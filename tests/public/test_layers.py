"""Layers against the oracle: every output from its operands, one step after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernels.plain import ROUNDINGS, Json, draw_of, examples, fits
from public.cases import (
    as_arguments,
    biases,
    check,
    datapaths,
    draws_for,
    form,
    forms,
    generators,
    modes_of,
    operands,
    stage,
)

import hwsim_kernels as kernels
from hwsim_kernels import Format, Stage, layers
from oracle.mac import Datapath, Where, steps
from oracle.overflow import Format as OracleFormat
from oracle.rounding import rounded_divide

AXES = ("kernel_height", "kernel_width", "input_channel")
ORDERS = [list(one) for one in permutations(AXES)]
TILED_ORDERS = [
    list(one)
    for one in permutations(("input_channel_tile", *AXES))
    if one.index("input_channel_tile") < one.index("input_channel")
]

Image = Sequence[Sequence[Sequence[int]]]
Sides = tuple[tuple[int, int], tuple[int, int]]


def same(size: int, extent: int, stride: int) -> tuple[int, int]:
    """Return what `same` puts before and behind: as many windows as strides, what is odd goes behind."""
    windows = -(-size // stride)
    total = max((windows - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def sides_of(padding: Any, sizes: tuple[int, int], extents: tuple[int, int], strides: tuple[int, int]) -> Sides:
    """Return ((top, bottom), (left, right)) of any padding."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        return same(sizes[0], extents[0], strides[0]), same(sizes[1], extents[1], strides[1])
    if isinstance(padding, int):
        return (padding, padding), (padding, padding)
    return tuple(map(tuple, padding))  # type: ignore[return-value]


@dataclass(frozen=True)
class Case:
    """A convolution, with everything that can be said about it."""

    codes: np.ndarray
    weights: np.ndarray
    bias: list[int] | None
    zero_point: int
    geometry: Json
    mac: Json
    random: Json

    @property
    def outputs(self) -> int:
        """How many output channels there are."""
        return int(self.weights.shape[3])

    def run(self, function: Callable[..., Any], codes: Any = None, weights: Any = None) -> Any:
        """Call a layer of the package."""
        order = {"order": self.mac["order"], "tile": self.mac["tile"] and self.mac["tile"]["input_channel"]}
        order = {key: value for key, value in order.items() if value is not None}
        return function(
            self.codes if codes is None else codes,
            self.weights if weights is None else weights,
            self.bias,
            zero_point=self.zero_point,
            **self.geometry,
            **order,
            **as_arguments(self.mac, self.random),
        )

    def wanted(self, shape: tuple[int, int], operand: Callable[..., int], groups: int) -> list[int]:
        """Return all outputs by the oracle; ``operand(n, row, column, r, s, channel)`` gives a code less zero point."""
        height, width, depth, _ = self.weights.shape
        places = steps(height, width, depth, self.mac)
        datapath = Datapath(self.mac, "first", self.random, self.outputs)
        sums: list[int] = []
        for n in range(len(self.codes)):
            for position in range(shape[0] * shape[1]):
                row, column = divmod(position, shape[1])
                for c in range(self.outputs):
                    group = c // (self.outputs // groups)
                    pairs = [
                        (operand(n, row, column, r, s, group * depth + k), int(self.weights[r, s, k, c]))
                        for r, s, k in places
                    ]
                    where = Where(n, position, c, position * self.outputs + c, len(places))
                    sums.append(datapath.run(pairs, self.bias[c] if self.bias else 0, where))
        return sums

    def code(self, n: int, y: int, x: int, channel: int) -> int:
        """Return a code less the zero point, 0 outside."""
        _, height, width, _ = self.codes.shape
        if 0 <= y < height and 0 <= x < width:
            return int(self.codes[n, y, x, channel]) - self.zero_point
        return 0


@composite
def cases(draw: DrawFn, bits: Sequence[int] = (2, 8, 16, 32), high: int = 64, transposed: bool = False) -> Case:
    """Return a small convolution; ``high`` limits registers."""
    height, width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    groups = 1 if transposed else draw(st.sampled_from([1, 1, 2, 3]))
    depth, outputs = draw(st.integers(1, 3)), groups * draw(st.integers(1, 2))
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 4)), draw(st.integers(1, 4)), depth * groups)
    wide, narrow = draw(st.sampled_from(bits)), draw(st.sampled_from(bits))
    codes = draw(st.lists(operands(wide), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    kernel_shape = (height, width, depth, outputs)
    size = int(np.prod(kernel_shape))
    weights = draw(st.lists(operands(narrow), min_size=size, max_size=size))
    mac = draw(datapaths(high, (0, 0, 1, 3, 8) if high < 64 else (0, 0, 1, 3, 8, 33, 59)))
    tile = draw(st.none() | st.integers(1, 4))
    mac["order"] = draw(st.sampled_from(ORDERS if tile is None else TILED_ORDERS))
    mac["tile"] = tile and {"input_channel": tile}
    two = st.tuples(st.integers(1, 3), st.integers(1, 3))
    one_or_two = st.integers(1, 3) | two
    geometry: Json = {"strides": draw(one_or_two), "dilation": draw(st.integers(1, 2) | two)}
    if transposed:
        geometry |= {"size": draw(st.integers(1, 5) | two), "cut": draw(st.integers(0, 2) | st.just((0, 1)))}
    else:
        pair = st.tuples(st.integers(0, 3), st.integers(0, 3))
        geometry |= {
            "padding": draw(st.sampled_from(["same", "valid"]) | st.integers(0, 2) | st.tuples(pair, pair)),
            "groups": groups,
        }
    return Case(
        np.array(codes).reshape(shape),
        np.array(weights).reshape(kernel_shape),
        draw(biases(mac, outputs)),
        draw(operands(wide) | st.just(0)),
        geometry,
        mac,
        draw(generators),
    )


def pair(value: Any) -> tuple[int, int]:
    """Return one number or two as two."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def convolution(case: Case) -> tuple[list[int], tuple[int, int]] | None:
    """Return the outputs of a case and their rows and columns, or None where the kernel does not fit."""
    height, width = case.weights.shape[:2]
    strides, dilation = pair(case.geometry["strides"]), pair(case.geometry["dilation"])
    extents = (dilation[0] * (height - 1) + 1, dilation[1] * (width - 1) + 1)
    sizes = (case.codes.shape[1], case.codes.shape[2])
    sides = sides_of(case.geometry["padding"], sizes, extents, strides)
    shape = tuple((sizes[i] + sum(sides[i]) - extents[i]) // strides[i] + 1 for i in (0, 1))
    if min(shape) < 1:
        return None

    def operand(n: int, row: int, column: int, r: int, s: int, channel: int) -> int:
        y = row * strides[0] + r * dilation[0] - sides[0][0]
        x = column * strides[1] + s * dilation[1] - sides[1][0]
        return case.code(n, y, x, channel)

    return case.wanted((shape[0], shape[1]), operand, case.geometry["groups"]), (shape[0], shape[1])


@examples(150)
@given(cases())
def test_conv2d(case: Case) -> None:
    wanted = convolution(case)
    if wanted is None:
        with pytest.raises(ValueError, match="does not fit"):
            case.run(kernels.conv2d)
        return
    check(case.run(kernels.conv2d), wanted[0], (len(case.codes), *wanted[1], case.outputs))


@examples(60)
@given(st.data(), cases(bits=(8,), high=20))
def test_operands_in_any_form(data: st.DataObject, case: Case) -> None:
    wanted = convolution(case)
    if wanted is not None:
        codes = data.draw(forms(case.codes.reshape(-1).tolist(), case.codes.shape))
        weights = data.draw(forms(case.weights.reshape(-1).tolist(), case.weights.shape))
        made = case.run(kernels.conv2d, codes, weights)
        check(made, wanted[0], (len(case.codes), *wanted[1], case.outputs))


@examples(150)
@given(cases(bits=(2, 8, 12), high=34))
def test_all_ways_agree(case: Case) -> None:
    if convolution(case) is None:
        return
    fast = case.run(kernels.conv2d)
    with patch.object(layers, "fast_sums", return_value=None):
        with patch.object(layers, "one_word_holds", wraps=layers.one_word_holds) as asked:
            made = case.run(kernels.conv2d)
            (most,) = asked.call_args.args
            assert layers.one_word_holds(most) or most >= 1 << 62
        with patch.object(layers, "one_word_holds", return_value=False):
            plain = case.run(kernels.conv2d)
    assert fast.dtype == made.dtype == plain.dtype == np.int64
    assert fast.tolist() == made.tolist() == plain.tolist()


@pytest.mark.parametrize("bits", [8, 20, 32, 61, 62, 63, 64])
@pytest.mark.parametrize("signed", [True, False])
def test_which_way_a_register_goes(bits: int, signed: bool) -> None:
    codes, weights = np.full((1, 1, 1, 3), -128), np.full((1, 1, 3, 1), 127)
    asking = patch.object(layers, "one_word_holds", wraps=layers.one_word_holds)
    with patch.object(layers, "fast_sums", return_value=None), asking as asked:
        kernels.conv2d(codes, weights, stages=[Stage(bits, signed=signed)])
    # a signed register that no sum can leave needs no more than the sum; an unsigned one may wrap to its top
    in_lanes = signed or bits < 62
    assert layers.one_word_holds(*asked.call_args.args) == in_lanes


@examples(100)
@given(cases(transposed=True))
def test_conv2d_transpose(case: Case) -> None:
    strides, dilation = pair(case.geometry["strides"]), pair(case.geometry["dilation"])
    cut, size = pair(case.geometry["cut"]), pair(case.geometry["size"])

    def operand(n: int, row: int, column: int, r: int, s: int, channel: int) -> int:
        y, between_rows = divmod(row + cut[0] - r * dilation[0], strides[0])
        x, between_columns = divmod(column + cut[1] - s * dilation[1], strides[1])
        return 0 if between_rows or between_columns else case.code(n, y, x, channel)

    check(case.run(kernels.conv2d_transpose), case.wanted(size, operand, 1), (len(case.codes), *size, case.outputs))


@examples(60)
@given(st.data(), cases(bits=(8,), transposed=True))
def test_conv2d_transpose_is_scattering(data: st.DataObject, case: Case) -> None:
    strides, dilation = pair(case.geometry["strides"]), pair(case.geometry["dilation"])
    cut, size = pair(case.geometry["cut"]), pair(case.geometry["size"])
    samples, height, width, _ = case.codes.shape
    wanted = np.zeros((samples, *size, case.outputs), object)
    for n, y, x in np.ndindex(samples, height, width):
        for r, s in np.ndindex(*case.weights.shape[:2]):
            row, column = y * strides[0] + r * dilation[0] - cut[0], x * strides[1] + s * dilation[1] - cut[1]
            if 0 <= row < size[0] and 0 <= column < size[1]:
                codes = case.codes[n, y, x].astype(object) - case.zero_point
                wanted[n, row, column] += codes @ case.weights[r, s].astype(object)
    bits = data.draw(st.sampled_from([24, 40, 64]))
    made = kernels.conv2d_transpose(
        case.codes, case.weights, zero_point=case.zero_point, stages=[Stage(bits)], **case.geometry
    )
    assert made.tolist() == wanted.tolist()


@examples(60)
@given(st.data(), cases(bits=(2, 8)))
def test_depthwise_conv2d(data: st.DataObject, case: Case) -> None:
    height, width, _, _ = case.weights.shape
    channels, multiplier = case.codes.shape[3], data.draw(st.integers(1, 3))
    size = height * width * channels * multiplier
    weights = np.array(data.draw(st.lists(operands(8), min_size=size, max_size=size)))
    weights = weights.reshape(height, width, channels, multiplier)
    mac: Json = {**case.mac, "order": data.draw(st.sampled_from(ORDERS)), "tile": None}
    arguments = as_arguments(mac, case.random)
    geometry = {key: value for key, value in case.geometry.items() if key != "groups"}
    grouped = Case(
        case.codes,
        weights.reshape(height, width, 1, -1),
        data.draw(biases(mac, channels * multiplier)),
        case.zero_point,
        {**geometry, "groups": channels},
        mac,
        case.random,
    )
    wanted = convolution(grouped)
    if wanted is not None:
        made = kernels.depthwise_conv2d(
            case.codes,
            weights,
            grouped.bias,
            zero_point=case.zero_point,
            order=mac["order"],
            **geometry,
            **arguments,
        )
        check(made, wanted[0], (len(case.codes), *wanted[1], channels * multiplier))


@examples(100)
@given(st.data(), datapaths(), generators, st.sampled_from([2, 8, 32]))
def test_matmul(data: st.DataObject, mac: Json, random: Json, bits: int) -> None:
    rows, terms, columns = data.draw(st.integers(0, 3)), data.draw(st.integers(1, 12)), data.draw(st.integers(1, 3))
    a = data.draw(st.lists(operands(bits), min_size=rows * terms, max_size=rows * terms))
    b = data.draw(st.lists(operands(bits), min_size=terms * columns, max_size=terms * columns))
    bias, zero_point = data.draw(biases(mac, columns)), data.draw(operands(bits))
    datapath = Datapath(mac, "first", random, columns)
    wanted = [
        datapath.run(
            [(a[row * terms + k] - zero_point, b[k * columns + column]) for k in range(terms)],
            bias[column] if bias else 0,
            Where(row, 0, column, column, terms),
        )
        for row in range(rows)
        for column in range(columns)
    ]
    made = kernels.matmul(
        data.draw(forms(a, (rows, terms))),
        data.draw(forms(b, (terms, columns))),
        bias,
        zero_point=zero_point,
        **as_arguments(mac, random),
    )
    check(made, wanted, (rows, columns))
    assert set(modes_of(mac)) <= set(ROUNDINGS)


def test_registers_of_64_bits() -> None:
    most, least = (1 << 31) - 1, -(1 << 31)
    a = [[least, least, least]]
    b = [[least], [least], [most]]
    exact = 2 * (1 << 62) + least * most
    assert kernels.matmul(a, b, stages=[Stage(64)]).tolist() == [[exact]]
    assert kernels.matmul(a, b, stages=[Stage(64, "saturate")]).tolist() == [[(1 << 63) - 1 + least * most]]
    assert kernels.matmul(a[:1], [b[0], b[1], [0]], stages=[Stage(64)]).tolist() == [[-(1 << 63)]]
    unsigned = kernels.matmul([[-1]], [[1]], stages=[Stage(64, signed=False)])
    assert unsigned.dtype == np.uint64
    assert unsigned.tolist() == [[(1 << 64) - 1]]
    top = (1 << 63) - 1
    started = kernels.matmul([[1]], [[1]], [top], stages=[Stage(64, signed=False)])
    assert started.tolist() == [[1 << 63]]
    furthest = kernels.matmul([[least]], [[least]], zero_point=most, stages=[Stage(64, "saturate")])
    assert furthest.tolist() == [[(least - most) * least]]


def test_a_chain_of_more_terms_than_steps_reserves_no_more() -> None:
    stages = [Stage(8, terms=4, shape="tree"), Stage(9, terms=(1 << 31) - 1), Stage(10)]
    assert kernels.matmul([[100, 100, 100]], [[1], [1], [1]], stages=stages).tolist() == [[44]]


# --- padding and pooling --------------------------------------------------------------------------------


@examples(100)
@given(st.data())
def test_same_is_tensorflows(data: st.DataObject) -> None:
    tf = pytest.importorskip("tensorflow", reason="TensorFlow judges `same`")
    size = st.integers(1, 9)
    height, width = data.draw(size), data.draw(size)
    rows, columns = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    strides = (data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4)))
    # TensorFlow allows strides or dilation, not both
    dilation = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))) if strides == (1, 1) else (1, 1)
    padding = data.draw(st.sampled_from(["same", "same", "valid"]))
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    codes = generator.integers(-128, 128, (1, height, width, 2))
    weights = generator.integers(-128, 128, (rows, columns, 2, 3))
    if padding == "valid" and (dilation[0] * (rows - 1) >= height or dilation[1] * (columns - 1) >= width):
        return
    judged = tf.nn.conv2d(
        codes.astype(np.float64), weights.astype(np.float64), strides, padding.upper(), dilations=dilation
    ).numpy()
    made = kernels.conv2d(codes, weights, strides=strides, padding=padding, dilation=dilation)
    assert made.tolist() == judged.astype(np.int64).tolist()
    pooled = tf.nn.max_pool2d(codes.astype(np.float64), (rows, columns), strides, padding.upper()).numpy()
    if 0 not in pooled.shape:
        assert kernels.max_pool(codes, (rows, columns), strides=strides, padding=padding).tolist() == pooled.tolist()
        means = tf.nn.avg_pool2d(codes.astype(np.float64), (rows, columns), strides, padding.upper()).numpy()
        near = kernels.average_pool(codes, (rows, columns), strides=strides, padding=padding)
        assert np.abs(near - means).max() <= 0.5


@composite
def poolings(draw: DrawFn) -> tuple[np.ndarray, Json, Sides]:
    """Return codes, the arguments of a pooling that lies inside, and its padding on every side."""
    shape = (draw(st.integers(0, 2)), draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 2)))
    bits = draw(st.sampled_from([4, 8, 32]))
    size = int(np.prod(shape))
    codes = np.array(draw(st.lists(operands(bits), min_size=size, max_size=size)), np.int64).reshape(shape)
    window = draw(st.integers(1, 4) | st.tuples(st.integers(1, 4), st.integers(1, 4)))
    strides = draw(st.none() | st.integers(1, 3) | st.tuples(st.integers(1, 3), st.integers(1, 3)))
    extents = pair(window)
    moved = extents if strides is None else pair(strides)
    padding: Any = draw(st.sampled_from(["same", "valid"]) | st.integers(0, 3) | st.just(((0, 1), (1, 0))))
    sides = sides_of(padding, (shape[1], shape[2]), extents, moved)
    return codes, {"window": window, "strides": strides, "padding": padding}, sides


def pooled_windows(codes: np.ndarray, arguments: Json, sides: Sides) -> tuple[list[list[int]], tuple[int, ...]] | None:
    """Return the codes of every output's window, row by row, and the output's shape; None for one that lies outside."""
    window = pair(arguments["window"])
    strides = window if arguments["strides"] is None else pair(arguments["strides"])
    samples, height, width, channels = codes.shape
    rows = (height + sum(sides[0]) - window[0]) // strides[0] + 1
    columns = (width + sum(sides[1]) - window[1]) // strides[1] + 1
    if min(rows, columns) < 1 or max(sides[0]) >= window[0] or max(sides[1]) >= window[1]:
        return None
    shape = (samples, rows, columns, channels)
    found: list[list[int]] = []
    for n, row, column, c in np.ndindex(*shape):
        top, left = row * strides[0] - sides[0][0], column * strides[1] - sides[1][0]
        ys = [y for y in range(top, top + window[0]) if 0 <= y < height]
        xs = [x for x in range(left, left + window[1]) if 0 <= x < width]
        found.append([int(codes[n, y, x, c]) for y in ys for x in xs])
    return found, shape


@examples(150)
@given(poolings())
def test_max_pool(pooling: tuple[np.ndarray, Json, Sides]) -> None:
    codes, arguments, sides = pooling
    wanted = pooled_windows(codes, arguments, sides)
    if wanted is None:
        with pytest.raises(ValueError, match="window"):
            kernels.max_pool(codes, **arguments)
        return
    check(kernels.max_pool(codes, **arguments), [max(one) for one in wanted[0]], wanted[1])


@examples(150)
@given(poolings(), st.data(), fits(), st.sampled_from(ROUNDINGS), generators)
def test_average_pool(
    pooling: tuple[np.ndarray, Json, Sides], data: st.DataObject, section: Json, mode: str, random: Json
) -> None:
    codes, geometry, sides = pooling
    wanted = pooled_windows(codes, geometry, sides)
    arguments: Json = {
        **geometry,
        "zero_point": data.draw(operands(8) | operands(32)),
        "accumulator": form(section),
        "rounding": mode,
        "draws": draws_for(random, mode),
    }
    if wanted is None:
        with pytest.raises(ValueError, match="window"):
            kernels.average_pool(codes, **arguments)
        return
    found, shape = wanted
    means: list[int] = []
    for i, window in enumerate(found):
        total = 0
        for code in window:
            total = OracleFormat.of(section).fit(total + code - arguments["zero_point"])
        number = i % (shape[1] * shape[2] * shape[3])  # every image starts anew
        means.append(rounded_divide(total, len(window), mode, *draw_of(random, number, mode)).value)
    check(kernels.average_pool(codes, **arguments), means, shape)


def test_a_stage_of_one_value_is_what_a_product_is() -> None:
    """A stage of one term does to a product what `product` does."""
    section: Json = {"bits": 6, "signed": True, "overflow": "saturate", "saturated_bits": 0, "shift": 2}
    section |= {"rounding": "half_even"}
    a, b = [[15, -15, 7, 3]], [[9], [9], [-11], [2]]
    as_product = kernels.matmul(a, b, product=stage(section), stages=[Stage(16)])
    as_stage = kernels.matmul(a, b, stages=[stage({**section, "terms": 1}), Stage(16)])
    assert as_product.tolist() == as_stage.tolist()


def test_a_bias_may_be_anything_that_the_register_holds() -> None:
    for overflow in ("wrap", "saturate", "saturate_symmetric"):
        register = Format(8, overflow)
        for limit in register.limits:
            assert kernels.matmul([[0]], [[1]], [limit], stages=[Stage(8, overflow)]).tolist() == [[limit]]
