"""The float run: each record against plain loops in float64, and the run of a whole network."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hwsim.errors import DataError, ModelError
from hwsim.network import (
    Activation,
    Add,
    AveragePool,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Crop,
    Dense,
    Input,
    MaxPool,
    Multiply,
    Network,
    Operation,
    Pad,
    Relu,
    Reshape,
    ScaleShift,
    Softmax,
)
from hwsim.network.absorb import ByConstant
from hwsim.network.mac import Floats, Weighted
from hwsim.network.operation import Sides
from hwsim.network.pooling import Pool
from hwsim.reference import run_network, run_operation
from hwsim.reference.activation import apply
from hwsim.reference.operation import run_operation as table
from hwsim.reference.proof import ABSOLUTE_LIMIT, difference

RELU = Relu(max_value=2.0, negative_slope=0.25)
PADDED: Sides = ((1, 2), (0, 3))


def values(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def subclasses(kind: type[Operation]) -> Iterator[type[Operation]]:
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


def test_every_operation_has_a_float_function() -> None:
    base_or_gone_before_a_run = {Weighted, Pool, ByConstant}
    ours = {one for one in subclasses(Operation) if one.__module__.startswith("hwsim.")}
    records = ours - {Input} - base_or_gone_before_a_run
    assert len(records) >= 12
    assert [one.__name__ for one in records if table.dispatch(one) is table.dispatch(Operation)] == []


def test_a_record_without_function_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="x: there is no float reference for Input"):
        run_operation(Input(name="x", shape=(3,)), [])


def close(found: Floats, wanted: NDArray[Any]) -> None:
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * max(1, np.abs(wanted).max()))


def convolved(x: Floats, conv: Conv2D) -> NDArray[np.float64]:
    """Return the convolution by the definition, one output value after another."""
    padded = np.pad(x.astype(np.float64), [(0, 0), *conv.padding, (0, 0)])
    batch, (height, width, outputs) = len(x), conv.output_shape(x.shape[1:])
    result = np.zeros((batch, height, width, outputs))
    per_group, channels = outputs // conv.groups, conv.kernel.shape[2]
    for n, i, j, o in itertools.product(range(batch), range(height), range(width), range(outputs)):
        first = o // per_group * channels
        total = float(conv.bias[o])
        for a, b, c in np.ndindex(*conv.kernel.shape[:3]):
            row, column = (
                i * conv.strides[0] + a * conv.dilation[0],
                j * conv.strides[1] + b * conv.dilation[1],
            )
            total += padded[n, row, column, first + c] * conv.kernel[a, b, c, o]
        result[n, i, j, o] = total
    return result


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (2, 1)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 2), (1, 3)])
@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((0, 1), (0, 1)), ((1, 1), (1, 1)), PADDED])
@pytest.mark.parametrize(("groups", "outputs"), [(1, 3), (2, 2), (4, 4), (4, 8)])
def test_convolutions_of_every_kind(
    strides: tuple[int, int], dilation: tuple[int, int], padding: Sides, groups: int, outputs: int
) -> None:
    conv = Conv2D(
        name="conv", kernel=values(2, 2, 4 // groups, outputs), bias=values(outputs), strides=strides,
        dilation=dilation, padding=padding, groups=groups,
    )  # fmt: skip
    x = values(2, 6, 7, 4, seed=1)
    close(run_operation(conv, [x]), convolved(x, conv))


@pytest.mark.parametrize("strides", [(1, 2), (1, 3), (2, 3), (3, 1)])
@pytest.mark.parametrize("groups", [1, 2])
def test_one_column_of_one_channel(strides: tuple[int, int], groups: int) -> None:
    """TensorFlow's own convolution gives other values here, with some sizes uninitialised memory."""
    kernel, padding = values(1, 2, 1, groups), ((0, 0), (1, 0))
    conv = Conv2D(
        name="conv", kernel=kernel, bias=values(groups), strides=strides, dilation=(1, 1), padding=padding,
        groups=groups,
    )  # fmt: skip
    x = values(3, 4, 2, groups, seed=1)
    close(run_operation(conv, [x]), convolved(x, conv))


def transposed(x: Floats, conv: Conv2DTranspose) -> NDArray[np.float64]:
    """Return the transposed convolution by the definition, one output value after another."""
    outputs = conv.output_shape(x.shape[1:])
    result = np.zeros((len(x), *outputs)) + conv.bias
    for (i, j), (a, b), (y, z) in itertools.product(
        np.ndindex(*x.shape[1:3]), np.ndindex(*conv.kernel.shape[:2]), np.ndindex(*outputs[:2])
    ):
        row, column = (i * conv.strides[0] + a * conv.dilation[0], j * conv.strides[1] + b * conv.dilation[1])
        if (y + conv.cut[0], z + conv.cut[1]) == (row, column):
            result[:, y, z] += x[:, i, j].astype(np.float64) @ conv.kernel[a, b]
    return result


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 2), (1, 3)])
@pytest.mark.parametrize("cut", [(0, 0), (1, 2), (4, 0)])
@pytest.mark.parametrize("size", [(3, 4), (1, 1), (15, 16)])
def test_transposed_convolutions(
    strides: tuple[int, int], dilation: tuple[int, int], cut: tuple[int, int], size: tuple[int, int]
) -> None:
    conv = Conv2DTranspose(
        name="up", kernel=values(2, 3, 4, 3), bias=values(3), size=size, strides=strides, dilation=dilation,
        cut=cut, activation=RELU,
    )  # fmt: skip
    x = values(2, 3, 4, 4, seed=1)
    close(run_operation(conv, [x]), applied(RELU, transposed(x, conv)))


@pytest.mark.parametrize("activation", [None, Relu(), Relu(max_value=0.5), Relu(negative_slope=0.1), RELU])
def test_fused_activations(activation: Relu | None) -> None:
    kernel, bias, x = values(3, 3), values(3), values(4, 3, seed=2)
    image = values(2, 3, 3, 3)
    conv = Conv2D(name="conv", kernel=kernel[None, None], bias=bias)
    close(
        run_operation(Conv2D(name="conv", kernel=conv.kernel, bias=bias, activation=activation), [image]),
        applied(activation, convolved(image, conv)),
    )
    dense = Dense(name="dense", kernel=kernel, bias=bias, activation=activation)
    close(run_operation(dense, [x]), applied(activation, x @ kernel + bias))
    scale = ScaleShift(name="scale", scale=kernel[0], bias=bias, activation=activation)
    close(run_operation(scale, [x]), applied(activation, x * kernel[0] + bias))
    add = Add(name="add", activation=activation)
    close(run_operation(add, [x, x * 2, x]), applied(activation, x * 4))
    product = Multiply(name="product", activation=activation)
    close(run_operation(product, [x, x[:, :1]]), applied(activation, x * x[:, :1]))
    if activation is not None:
        close(run_operation(Activation(name="alone", function=activation), [x]), applied(activation, x))


def applied(function: Relu | None, x: NDArray[Any]) -> NDArray[Any]:
    if function is None:
        return x
    limit = np.inf if function.max_value is None else function.max_value
    return np.where(x < 0, x * function.negative_slope, np.minimum(x, limit))


def test_an_activation_leaves_its_input_alone() -> None:
    x = values(10)
    before = x.copy()
    apply(RELU, x)
    assert np.array_equal(x, before)
    assert apply(None, x) is x


def test_dense_multiplies_the_last_axis() -> None:
    dense = Dense(name="dense", kernel=values(3, 5), bias=values(5))
    x = values(2, 4, 6, 3)
    close(run_operation(dense, [x]), x.astype(np.float64) @ dense.kernel + dense.bias)


@pytest.mark.parametrize("window", [(2, 2), (4, 4), (2, 3)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((1, 1), (0, 1))])
@pytest.mark.parametrize("kind", [MaxPool, AveragePool])
def test_pools_leave_padded_positions_out(
    kind: type[Pool], window: tuple[int, int], strides: tuple[int, int], padding: Sides
) -> None:
    pool = kind(name="pool", window=window, strides=strides, padding=padding)
    x = values(2, 5, 6, 3) - 4  # all negative: a zero from the padding would be the largest
    padded = np.pad(x.astype(np.float64), [(0, 0), *padding, (0, 0)], constant_values=np.nan)
    wanted = np.zeros((2, *pool.output_shape(x.shape[1:])))
    for i, j in itertools.product(range(wanted.shape[1]), range(wanted.shape[2])):
        rows, columns = i * strides[0], j * strides[1]
        seen = padded[:, rows : rows + window[0], columns : columns + window[1]]
        reduced = np.nanmax if kind is MaxPool else np.nanmean
        wanted[:, i, j] = reduced(seen, axis=(1, 2))
    close(run_operation(pool, [x]), wanted)


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ((4, 5, 3), (4, 5, 3), (4, 5, 3)),
        ((4, 5, 3), (1, 1, 3), (4, 5, 3)),
        ((1, 5, 1), (4, 1, 3), (4, 5, 3)),
        ((1,), (7,), (7,)),
        ((), (), ()),
    ],
)
def test_products_stretch_axes_of_size_one(
    first: tuple[int, ...], second: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    product = Multiply(name="product", inputs=("a", "b"))
    assert product.output_shape(first, second) == wanted
    one, two = values(2, *first), values(2, *second, seed=1)
    found = run_operation(product, [one, two])
    assert found.shape == (2, *wanted)
    close(found, one.astype(np.float64) * two)


@pytest.mark.parametrize("shapes", [[(4, 5), (4, 2)], [(3,), (1, 3)], [(4, 5), (5, 4)], [(3,)], [(3,), (3,), (3,)], []])
def test_products_of_shapes_that_do_not_fit_are_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(
        ValueError, match="^product: multiply needs (two inputs|inputs alike but for axes of size 1), got "
    ):
        Multiply(name="product").output_shape(*shapes)


def test_operations_that_move_values() -> None:
    x = values(2, 4, 5, 3)
    assert np.array_equal(run_operation(Reshape(name="r", shape=(15, 4)), [x]), x.reshape(2, 15, 4))
    padded = run_operation(Pad(name="p", padding=PADDED), [x])
    assert padded.shape == (2, 7, 8, 3)
    assert np.array_equal(padded[:, 1:5, :5], x)
    assert padded.sum() == pytest.approx(x.sum(), abs=1e-4)
    assert np.array_equal(run_operation(Crop(name="c", cropping=PADDED), [x]), x[:, 1:2, :2])
    whole: Sides = ((0, 0), (0, 0))
    assert np.array_equal(run_operation(Crop(name="c", cropping=whole), [x]), x)
    joined = run_operation(Concatenate(name="j", axis=1), [x, x[:, :, :2]])
    assert np.array_equal(joined, np.concatenate([x, x[:, :, :2]], axis=2))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax_over_an_axis_of_the_sample(axis: int) -> None:
    x = values(2, 3, 4, 5) * 100
    powers = np.exp(x.astype(np.float64) - x.max())
    found = run_operation(Softmax(name="s", axis=axis), [x])
    close(found, powers / powers.sum(axis=axis + 1, keepdims=True))
    assert np.isfinite(found).all()


def chain() -> Network:
    dense = Dense(name="dense", inputs=("x",), kernel=values(3, 3), bias=values(3))
    relu = Activation(name="relu", inputs=("dense",), function=Relu())
    add = Add(name="add", inputs=("relu", "x"))
    aside = Activation(name="aside", inputs=("x",), function=Relu())
    operations = (Input(name="x", shape=(3,)), dense, relu, add, aside)
    return Network(name="chain", operations=operations, outputs=("add",))


def test_a_run_returns_all_tensors_or_those_asked_for() -> None:
    x = values(4, 3)
    tensors = run_network(chain(), [x])
    assert list(tensors) == ["x", "dense", "relu", "add", "aside"]
    assert np.array_equal(tensors["add"], np.maximum(tensors["dense"], 0) + x)
    some = run_network(chain(), [x], keep=["add", "dense"])
    assert list(some) == ["dense", "add"]
    assert np.array_equal(some["add"], tensors["add"])
    assert run_network(chain(), [x], keep=()) == {}
    assert list(run_network(chain(), [x], keep=["x"])) == ["x"]


def test_tensors_are_freed_after_their_last_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[set[str]] = []

    def watching(operation: Operation, inputs: Sequence[Floats]) -> Floats:
        alive.append({name for name, tensor in tensors.items() if tensor() is not None})
        result = run_operation(operation, inputs).copy()
        tensors[operation.name] = weakref.ref(result)
        return result

    import weakref

    tensors: dict[str, Any] = {}
    monkeypatch.setattr("hwsim.reference.graph.run_operation", watching)
    run_network(chain(), [values(4, 3)], keep=["add"])
    assert alive == [set(), {"dense"}, {"relu"}, {"add"}]


def test_other_types_of_data_run_in_float32() -> None:
    tensors = run_network(chain(), [values(4, 3).astype(np.float64)])
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float32)}


def test_data_of_another_number_or_shape_is_refused() -> None:
    with pytest.raises(DataError, match="chain: takes 1 inputs, got 2"):
        run_network(chain(), [values(1, 3), values(1, 3)])
    with pytest.raises(DataError, match=r"x: takes an array of shape \('batch', 3\), got \(1, 4\)"):
        run_network(chain(), [values(1, 4)])


def test_the_proof_wants_agreement_relative_to_the_output() -> None:
    wanted = values(2, 5)
    assert difference("out", wanted, wanted) == 0
    zeros = np.zeros((2, 5), np.float32)
    assert difference("out", zeros, zeros + np.float32(ABSOLUTE_LIMIT / 2)) > 0
    for wrong in (wanted * np.float32(1.01), wanted[:, :4], wanted * np.float32(np.nan)):
        with pytest.raises(ModelError, match="out: the import is wrong"):
            difference("out", wrong, wanted)
    with pytest.raises(ModelError, match="out: Keras itself predicts NaN or infinity"):
        difference("out", wanted, wanted * np.float32(np.inf))
    small = wanted * np.float32(1e-3)
    with pytest.raises(ModelError):
        difference("out", small * np.float32(1.01), small)
